using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Health.Probes;
using Hexabase.DrConsole.Engine.RedisProtocol;
using Hexabase.DrConsole.Engine.Strategies;
using Hexabase.DrConsole.Lab.Redis;
using static Hexabase.DrConsole.Engine.Tests.Backups.Redis.RedisRig;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Redis;

/// <summary>What the health monitor hears of a Redis, asked with the rights of a backup.</summary>
[Collection("Redis servers")]
public sealed class RedisProbeTests
{
    [Fact]
    public async Task Probes_tell_a_server_that_is_well_from_one_that_is_full_wrong_or_gone()
    {
        await using var rig = await CreateAsync();
        var server = await rig.StartAsync(sessions: 10);
        Assert.Equal(
            [("tcp", ProbeAnswer.Answered), ("handshake", ProbeAnswer.Answered), ("info", ProbeAnswer.Answered), ("replication", ProbeAnswer.NotDetectable), ("memory", ProbeAnswer.NotDetectable)],
            await AskAsync(server.Backup));

        // Its limit is drawn below what it holds already: nothing more is taken.
        await server.RunAsync(Ct, "CONFIG", "SET", "maxmemory-policy", "noeviction");
        await server.RunAsync(Ct, "CONFIG", "SET", "maxmemory", "500kb");
        Assert.Contains(("memory", ProbeAnswer.Exceeded), await AskAsync(server.Backup));
        await server.RunAsync(Ct, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru");
        Assert.Contains(("memory", ProbeAnswer.Answered), await AskAsync(server.Backup));

        Assert.Contains(("handshake", ProbeAnswer.Denied), await AskAsync(server.Backup with { Username = "nobody" }));
        using var closed = ClosedPort(out var port);
        Assert.All((await AskAsync(server.Backup with { Port = port }))[..3], answer => Assert.Equal(ProbeAnswer.Refused, answer.Answer));
    }

    private static async Task<List<(string Probe, ProbeAnswer Answer)>> AskAsync(RedisEndpoint endpoint)
    {
        var probes = new RedisProbes(new ProtectedEstate("test", "/nowhere", ProtectionClass.Defaults, [], [SourceOf(endpoint)], [])).Probes;
        var answers = new List<(string, ProbeAnswer)>();
        foreach (var probe in probes)
        {
            answers.Add((probe.Name, (await probe.AskAsync(Ct)).Answer));
        }

        return answers;
    }
}
