using Hexabase.DrConsole.Engine.Backups.Redis;
using Hexabase.DrConsole.Engine.RedisProtocol;
using Hexabase.DrConsole.Lab.Redis;
using static Hexabase.DrConsole.Engine.Tests.Backups.Redis.RedisRig;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Redis;

/// <summary>What goes wrong on the way is named, and never becomes a restore point.</summary>
[Collection("Redis servers")]
public sealed class RedisFaultTests
{
    [Fact]
    public async Task Capture_with_a_wrong_or_missing_password_or_right_says_which()
    {
        await using var rig = await CreateAsync();
        var source = await rig.StartAsync(sessions: 3);
        var wrong = rig.Folder.Combine("wrong.pw");
        await File.WriteAllTextAsync(wrong, "not it\n", Ct);

        Assert.Equal("wrong-password", (await rig.FailToCaptureAsync(source.Backup with { PasswordFile = wrong })).Code);
        Assert.Equal("password-missing", (await rig.FailToCaptureAsync(source.Backup with { PasswordFile = null, Username = null })).Code);
        await source.RunAsync(Ct, "ACL", "SETUSER", LabRedis.BackupUser, "-psync");
        var denied = await rig.FailToCaptureAsync(source.Backup);
        Assert.Equal("redis-privilege-missing", denied.Code);
        Assert.Contains("+psync", denied.Hint, StringComparison.Ordinal);
        using var closed = ClosedPort(out var port);
        Assert.Equal("server-unreachable", (await rig.FailToCaptureAsync(source.Backup with { Port = port })).Code);
    }

    [Fact]
    public async Task Capture_that_the_server_cuts_off_names_it_and_stores_nothing()
    {
        await using var rig = await CreateAsync();
        var source = await rig.StartAsync(sessions: 4000);
        await source.RunAsync(Ct, "CONFIG", "SET", "rdb-key-save-delay", "1000");
        var receiving = Receiving(rig);

        var capture = rig.FailToCaptureAsync(source.Backup);
        await receiving;
        await source.RunAsync(Ct, "CLIENT", "KILL", "TYPE", "replica");

        var fault = await capture;
        Assert.Equal("redis-sync-cut", fault.Code);
        Assert.Contains("runs on", fault.Message, StringComparison.Ordinal);
        Assert.Contains("client-output-buffer-limit", fault.Hint, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Capture_during_which_the_server_restarts_or_dies_names_it_and_stores_nothing()
    {
        await using var rig = await CreateAsync();
        var source = await rig.StartAsync(sessions: 4000);
        await source.RunAsync(Ct, "SAVE");
        await source.RunAsync(Ct, "CONFIG", "SET", "rdb-key-save-delay", "1000");
        var receiving = Receiving(rig);

        var capture = rig.FailToCaptureAsync(source.Backup);
        await receiving;
        await source.KillAsync(Ct);

        // Whether the server is back by the time it is asked again is a matter of instants: both are named.
        Assert.Contains((await capture).Code, new[] { "server-unreachable", "redis-restarted" });
    }

    [Fact]
    public async Task Capture_waits_for_a_server_that_loads_its_data()
    {
        await using var rig = await CreateAsync();
        var source = await rig.StartAsync("cache", new LabRedisOptions { Settings = ["key-load-delay 1000", "loading-process-events-interval-bytes 1024"] }, sessions: 1500);
        await source.StopAsync(Ct);
        await source.LaunchAsync(waitForData: false, Ct);

        var backup = await rig.CaptureAsync(source.Backup);

        Assert.Contains(rig.Log, line => line.Contains("is loading its data", StringComparison.Ordinal));
        Assert.Equal(await KeysAsync(source), (await rig.FactsAsync(backup.BackupId)).Keys);
    }

    [Fact]
    public async Task Capture_of_a_cluster_node_is_refused_by_name()
    {
        await using var rig = await CreateAsync();
        var node = await rig.StartAsync("node", new LabRedisOptions { Settings = ["cluster-enabled yes"] }, sessions: 0);
        Assert.Equal("redis-cluster", (await rig.FailToCaptureAsync(node.Backup)).Code);
    }

    [Fact]
    public async Task Reader_finds_every_flipped_byte_and_every_cut()
    {
        await using var rig = await CreateAsync();
        var source = await rig.StartAsync(sessions: 5);
        await source.RunAsync(Ct, "SAVE");
        var bytes = await File.ReadAllBytesAsync(Path.Combine(source.DataFolder, "dump.rdb"), Ct);
        Assert.True(RdbContent.Read(new MemoryStream(bytes)).HasChecksum);

        for (var at = 0; at < bytes.Length; at += 97)
        {
            var damaged = (byte[])bytes.Clone();
            damaged[at] ^= 0x40;
            var fault = Assert.ThrowsAny<EngineException>(() => RdbContent.Read(new MemoryStream(damaged)));
            Assert.Contains(fault.Code, new[] { "redis-rdb-damaged", "redis-type-unknown" });
            Assert.Equal("redis-rdb-damaged", Assert.Throws<EngineException>(() => RdbContent.Read(new MemoryStream(bytes, 0, at))).Code);
        }

        Assert.Equal("redis-rdb-damaged", Assert.Throws<EngineException>(() => RdbContent.Read(new MemoryStream([.. bytes, 0]))).Code);
    }

    [Theory]
    [InlineData("*", "anything", true)]
    [InlineData("session:*", "session:1", true)]
    [InlineData("session:*", "sessions:1", false)]
    [InlineData("a*b*c", "aXbXbc", true)]
    [InlineData("a?c", "abc", true)]
    [InlineData("a[^b]c", "abc", false)]
    [InlineData("a[a-c]c", "abc", true)]
    [InlineData(@"a\*c", "abc", false)]
    [InlineData(@"a\*c", "a*c", true)]
    [InlineData("", "", true)]
    public void Pattern_matches_as_the_server_would(string pattern, string key, bool matches) =>
        Assert.Equal(matches, new RedisKeyPattern(pattern).Matches(System.Text.Encoding.UTF8.GetBytes(key)));

    private static Task Receiving(RedisRig rig)
    {
        var began = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        rig.OnLog = line =>
        {
            if (line.StartsWith("snapshot: receiving", StringComparison.Ordinal))
            {
                began.TrySetResult();
            }
        };
        return began.Task;
    }
}
