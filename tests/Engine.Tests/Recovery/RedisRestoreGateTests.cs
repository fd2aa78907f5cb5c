using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Recovery.Approvals;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Tests.Backups.Redis;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Lab.Redis;

namespace Hexabase.DrConsole.Engine.Tests.Recovery;

/// <summary>Keys of a Redis in use are overwritten only as others approved it.</summary>
[Collection("Redis servers")]
public sealed class RedisRestoreGateTests(CatalogServer catalog)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Keys_of_a_living_server_are_overwritten_once_approved_and_not_where_others_differ_by_then(bool drifts)
    {
        await using var servers = await RedisRig.CreateAsync();
        var server = await servers.StartAsync(sessions: 0);
        await server.RunAsync(Ct, "SET", "price:1", "as it was");
        await server.RunAsync(Ct, "SET", "price:2", "as it was");
        await using var rig = new InPlaceRig(catalog, (name, _) => RedisRig.SourceOf(server.Backup) with { Name = name });
        await rig.PersonAsync("paul", "Approver");
        await rig.BackUpAsync();
        await server.RunAsync(Ct, "SET", "price:1", "newer");
        var point = Assert.Single(await rig.Points.ListAsync(rig.Source.Name, 5, Ct));
        var plan = await rig.Requests.PlanRestoreAsync(point.Id, RedisRig.Target(server, "price:*", replace: true).ToText(), "/", Ct);
        var run = (await rig.Requests.RestoreAsync(plan, plan.Hash, new RestoreAsker("olga", true), Ct)).Id;
        Assert.Equal(RunState.Waiting, (await rig.AdvanceAsync(run)).State);
        Assert.Equal("newer", (await server.RunAsync(Ct, "GET", "price:1")).Text);
        if (drifts)
        {
            await server.RunAsync(Ct, "SET", "price:2", "newer too");
        }

        await rig.ApproveAsync(run, "paul");
        var ended = await rig.AdvanceAsync(run);

        Assert.True(ended.State == (drifts ? RunState.Failed : RunState.Completed), await rig.LogAsync(run));
        Assert.Equal(drifts ? "newer" : "as it was", (await server.RunAsync(Ct, "GET", "price:1")).Text);
        Assert.Equal(drifts ? "newer too" : "as it was", (await server.RunAsync(Ct, "GET", "price:2")).Text);
        Assert.Equal(GateState.Used, Assert.Single(await rig.Gates.OfRunAsync(run, Ct)).State);
    }

    [Fact]
    public async Task Only_the_servers_themselves_tell_whether_two_addresses_are_one_place()
    {
        await using var servers = await RedisRig.CreateAsync();
        var own = await servers.StartAsync(sessions: 0);
        var other = await servers.StartAsync("other", sessions: 0);
        var source = RedisRig.SourceOf(own.Backup);
        var target = RedisRig.Target(own, "price:*", replace: true);

        Assert.True(await RestorePlaces.IsElsewhereAsync(source, RedisRig.Target(other, "price:*", replace: true), Ct));
        Assert.False(await RestorePlaces.IsElsewhereAsync(source, target, Ct));
        Assert.False(await RestorePlaces.IsElsewhereAsync(source, target with { Host = "localhost" }, Ct));
        Assert.False(await RestorePlaces.IsElsewhereAsync(null, target, Ct));
        await other.StopAsync(Ct);
        Assert.False(await RestorePlaces.IsElsewhereAsync(source, RedisRig.Target(other, "price:*", replace: true), Ct));
    }
}
