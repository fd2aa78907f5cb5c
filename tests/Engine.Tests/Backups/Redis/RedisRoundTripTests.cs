using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Redis;
using Hexabase.DrConsole.Engine.RedisProtocol;
using Hexabase.DrConsole.Engine.Validation;
using Hexabase.DrConsole.Lab.Redis;
using static Hexabase.DrConsole.Engine.Tests.Backups.Redis.RedisRig;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Redis;

/// <summary>From a real Redis into the repository, proven, and back into other servers, which must hold what the first held.</summary>
[Collection("Redis servers")]
public sealed class RedisRoundTripTests
{
    [Fact]
    public async Task Backup_key_by_key_bears_the_console_s_own_time_whatever_the_server_s_clock_says()
    {
        await using var rig = await CreateAsync();
        var source = await rig.StartAsync(sessions: 3);
        await source.RunAsync(Ct, "ACL", "SETUSER", LabRedis.BackupUser, "reset", "on", "#" + Sha(source.BackupPasswordFile), "~*", "-@all", "+info", "+scan", "+dump", "+pttl", "+select");
        var time = new AheadTime();
        var began = time.GetUtcNow();

        var backup = await rig.CaptureAsync(source.Backup, time);

        Assert.Equal(RedisBackup.Scan, backup.Type);
        Assert.InRange((await rig.FactsAsync(backup.BackupId)).TakenAt, began, time.GetUtcNow());
    }

    /// <summary>A console whose clock is an hour ahead of the server's.</summary>
    private sealed class AheadTime : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => System.GetUtcNow().AddHours(1);
    }

    [Fact]
    public async Task Capture_with_the_least_rights_is_proven_and_restores_into_an_empty_server()
    {
        await using var rig = await CreateAsync();
        var source = await rig.StartAsync();

        var backup = await rig.CaptureAsync(source.Backup);

        Assert.Empty(backup.Warnings);
        Assert.Equal(RedisBackup.Snapshot, backup.Type);
        var facts = await rig.FactsAsync(backup.BackupId);
        Assert.Equal(await KeysAsync(source), facts.Keys);
        Assert.Equal([0, 3], facts.Databases.Select(database => database.Database));
        Assert.Equal((Sessions * 2 / 3) + 1, facts.Databases[0].Expiring);
        Assert.Equal(["hash", "list", "set", "stream", "string", "zset"], facts.Databases[0].Types.Keys.Order(StringComparer.Ordinal));
        Assert.StartsWith("#!lua name=shop", Assert.Single(facts.Functions), StringComparison.Ordinal);
        Assert.Equal([LabRedis.BackupUser, "default"], facts.Users!.Order(StringComparer.Ordinal));
        Assert.True(facts.IsPointInTime);
        Assert.NotNull(facts.Cost!.ForkMicroseconds);

        var proof = await rig.ValidateAsync(backup.BackupId);
        Assert.True(proof.OverallPassed, Describe(proof));
        Assert.True(proof.MeasuredRestoreSeconds > 0);
        Assert.True(proof.Comparison!.AllEqual);
        Assert.Contains(proof.Comparison.Results, result => result.Name == "db3");
        Assert.DoesNotContain(rig.Folder.Registry.List(), record => record.Name.StartsWith("scratch", StringComparison.Ordinal));

        var other = await rig.StartAsync("other", sessions: 0);
        await rig.RestoreAsync(backup.BackupId, Target(other));
        Assert.Equal(await DigestAsync(source), await DigestAsync(other));
        Assert.Equal("pong", (await other.RunAsync(Ct, "FCALL", "shop_ping", "0")).Text);

        var again = await Assert.ThrowsAsync<EngineException>(() => rig.RestoreAsync(backup.BackupId, Target(other), "R-2"));
        Assert.Equal("redis-not-empty", again.Code);
        Assert.Equal(await DigestAsync(source), await DigestAsync(other));
    }

    [Fact]
    public async Task Validation_keeps_keys_whose_time_is_over_and_finds_a_single_changed_value()
    {
        await using var rig = await CreateAsync();
        var source = await rig.StartAsync(sessions: 3);
        await source.RunAsync(Ct, "SET", "short", "lived", "PX", "1500");
        var backup = await rig.CaptureAsync(source.Backup);
        while ((await source.RunAsync(Ct, "EXISTS", "short")).Integer == 1)
        {
            await Task.Delay(100, Ct);
        }

        var proof = await rig.ValidateAsync(backup.BackupId);
        Assert.True(proof.OverallPassed, Describe(proof));

        var before = (await rig.FactsAsync(backup.BackupId)).Databases[0];
        await source.RunAsync(Ct, "ZADD", "ranking:large", "0.30000000000000005", "element-3");
        var after = (await rig.FactsAsync((await rig.CaptureAsync(source.Backup)).BackupId)).Databases[0];
        Assert.Equal(before.Keys - 1, after.Keys);
        await source.RunAsync(Ct, "SET", "short", "lived");
        var third = (await rig.FactsAsync((await rig.CaptureAsync(source.Backup)).BackupId)).Databases[0];
        Assert.Equal(before.Keys, third.Keys);
        Assert.NotEqual(before.Digest, third.Digest);
    }

    [Fact]
    public async Task Capture_without_the_right_to_synchronise_reads_key_by_key_and_says_so()
    {
        await using var rig = await CreateAsync();
        var source = await rig.StartAsync();
        var snapshot = await rig.CaptureAsync(source.Backup);
        await source.RunAsync(Ct, "ACL", "SETUSER", LabRedis.BackupUser, "reset", "on", "#" + Sha(source.BackupPasswordFile), "~*", "-@all", "+info", "+scan", "+dump", "+pttl", "+select", "+function|dump");

        var backup = await rig.CaptureAsync(source.Backup);

        Assert.Equal(RedisBackup.Scan, backup.Type);
        Assert.Contains(backup.Warnings, warning => warning.Contains("one after the other", StringComparison.Ordinal));
        Assert.Contains(backup.Warnings, warning => warning.Contains("+acl|list", StringComparison.Ordinal));
        var (one, other) = (await rig.FactsAsync(snapshot.BackupId), await rig.FactsAsync(backup.BackupId));
        Assert.False(other.IsPointInTime);
        Assert.NotNull(one.Cost!.ForkMicroseconds);
        Assert.Null(other.Cost!.ForkMicroseconds);
        Assert.Null(other.Cost.CopiedBytes);
        Assert.Equal(one.Keys, other.Keys);
        Assert.Equal(one.Databases.Select(database => database.Expiring), other.Databases.Select(database => database.Expiring));
        Assert.Equal(one.Functions, other.Functions);
        var proof = await rig.ValidateAsync(backup.BackupId);
        Assert.True(proof.OverallPassed, Describe(proof));
        var target = await rig.StartAsync("target", sessions: 0);
        await rig.RestoreAsync(backup.BackupId, Target(target));
        Assert.Equal(await DigestAsync(source), await DigestAsync(target));
    }

    [Fact]
    public async Task Capture_takes_a_replica_as_its_source_and_refuses_one_that_lost_its_master()
    {
        await using var rig = await CreateAsync();
        var master = await rig.StartAsync();
        var replica = await rig.StartAsync("replica", new LabRedisOptions { Master = master }, sessions: 0);
        while (!(await replica.RunAsync(Ct, "INFO", "replication")).Text.Contains("master_link_status:up", StringComparison.Ordinal))
        {
            await Task.Delay(50, Ct);
        }

        var facts = await rig.FactsAsync((await rig.CaptureAsync(replica.Backup)).BackupId);
        Assert.Equal("slave", facts.Role);
        Assert.Equal(await KeysAsync(master), facts.Keys);

        await master.KillAsync(Ct);
        while (!(await replica.RunAsync(Ct, "INFO", "replication")).Text.Contains("master_link_status:down", StringComparison.Ordinal))
        {
            await Task.Delay(50, Ct);
        }

        var fault = await Assert.ThrowsAsync<EngineException>(() => rig.CaptureAsync(replica.Backup));
        Assert.Equal("redis-replica-detached", fault.Code);

        // Key by key it would answer, with what it held when its master went away.
        await replica.RunAsync(Ct, "ACL", "SETUSER", LabRedis.BackupUser, "reset", "on", "#" + Sha(replica.BackupPasswordFile), "~*", "-@all", "+info", "+scan", "+dump", "+pttl", "+select", "+function|dump");
        Assert.Equal("redis-replica-detached", (await Assert.ThrowsAsync<EngineException>(() => rig.CaptureAsync(replica.Backup))).Code);
    }

    [Fact]
    public async Task Capture_by_TLS_trusts_the_named_authority_alone_and_names_a_mismatch()
    {
        await using var rig = await CreateAsync();
        var source = await rig.StartAsync("secure", new LabRedisOptions { Tls = true }, sessions: 10);
        var stranger = await rig.StartAsync("stranger", new LabRedisOptions { Tls = true }, sessions: 0);
        var plain = await rig.StartAsync("plain", sessions: 0);

        Assert.Equal("redis-tls-untrusted", (await rig.FailToCaptureAsync(source.Backup with { CaFile = stranger.CaFile })).Code);
        Assert.Equal("redis-tls-untrusted", (await rig.FailToCaptureAsync(source.Backup with { CaFile = null })).Code);
        Assert.Equal("redis-tls-mismatch", (await rig.FailToCaptureAsync(source.Backup with { Tls = false, CaFile = null })).Code);
        var silent = await Assert.ThrowsAsync<EngineException>(() => RedisConnection.OpenAsync(plain.Backup with { Tls = true, CaFile = source.CaFile, Patience = TimeSpan.FromSeconds(1) }, Ct));
        Assert.Equal("redis-tls-mismatch", silent.Code);
        var backup = await rig.CaptureAsync(source.Backup);
        Assert.Equal(await KeysAsync(source), (await rig.FactsAsync(backup.BackupId)).Keys);
    }

    internal static string Sha(string file) =>
        Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(file)));

    internal static string Describe(ValidationResult result) => string.Join("; ", result.Steps.Select(step => $"{step.Name} {step.Status}: {step.Reason}"));
}
