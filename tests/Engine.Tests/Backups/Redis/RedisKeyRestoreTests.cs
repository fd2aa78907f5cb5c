using System.Text;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Drivers;
using Hexabase.DrConsole.Engine.Backups.Redis;
using Hexabase.DrConsole.Engine.RedisProtocol;
using Hexabase.DrConsole.Lab.Redis;
using static Hexabase.DrConsole.Engine.Tests.Backups.Redis.RedisRig;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Redis;

/// <summary>Restores through a server: of single keys into a living one, and of all into one that is empty.</summary>
[Collection("Redis servers")]
public sealed class RedisKeyRestoreTests
{
    [Fact]
    public async Task Restore_of_a_pattern_shows_what_differs_and_overwrites_only_what_was_chosen()
    {
        await using var rig = await CreateAsync();
        var server = await rig.StartAsync(sessions: 30);
        var backup = await rig.CaptureAsync(server.Backup);
        var wanted = await DigestAsync(server);
        await server.RunAsync(Ct, "DEL", "session:1", "session:2");
        await server.RunAsync(Ct, "SET", "session:3", "spoilt");
        await server.RunAsync(Ct, "SET", "text", "newer, and not asked for");

        var refused = await Assert.ThrowsAsync<EngineException>(() => rig.RestoreAsync(backup.BackupId, Target(server, "session:*")));
        Assert.Equal("redis-keys-exist", refused.Code);
        Assert.Contains("db0:session:3", refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("session:4", refused.Message, StringComparison.Ordinal);
        Assert.Equal(0, (await server.RunAsync(Ct, "EXISTS", "session:1")).Integer);

        await rig.RestoreAsync(backup.BackupId, Target(server, "session:1"));
        Assert.Equal((1, 0), ((await server.RunAsync(Ct, "EXISTS", "session:1")).Integer, (await server.RunAsync(Ct, "EXISTS", "session:2")).Integer));
        Assert.InRange((await server.RunAsync(Ct, "TTL", "session:1")).Integer, 1, 86400);

        await rig.RestoreAsync(backup.BackupId, Target(server, "session:*", replace: true));
        Assert.NotEqual("spoilt", (await server.RunAsync(Ct, "GET", "session:3")).Text);
        Assert.Equal("newer, and not asked for", (await server.RunAsync(Ct, "GET", "text")).Text);
        Assert.NotEqual(wanted, await DigestAsync(server));
        await rig.RestoreAsync(backup.BackupId, Target(server, "[t]ext", replace: true));
        Assert.Equal(wanted, await DigestAsync(server));

        var none = await Assert.ThrowsAsync<EngineException>(() => rig.RestoreAsync(backup.BackupId, Target(server, "nobody:*")));
        Assert.Equal("redis-keys-missing", none.Code);
    }

    [Fact]
    public async Task Restore_with_replace_is_refused_where_other_keys_differ_than_the_plan_showed()
    {
        await using var rig = await CreateAsync();
        var server = await rig.StartAsync(sessions: 10);
        var backup = await rig.CaptureAsync(server.Backup);
        await server.RunAsync(Ct, "SET", "session:3", "spoilt");
        var manifest = await rig.Repository.ReadManifestAsync(backup.BackupId, Ct);
        var driver = new RedisRestoreDriver(new RedisRestore(TimeProvider.System));
        var plan = await driver.PlanAsync(rig.Repository, manifest, Target(server, "session:*", replace: true), Ct);
        await server.RunAsync(Ct, "SET", "session:4", "changed after the plan");

        var fault = await Assert.ThrowsAsync<EngineException>(() => driver.ExecuteAsync(new RestoreWork(rig.Repository, manifest, plan, plan.Hash, "R-1"), Ct));

        Assert.Equal("plan-changed", fault.Code);
        Assert.Equal("spoilt", (await server.RunAsync(Ct, "GET", "session:3")).Text);
    }

    [Fact]
    public async Task Restore_with_replace_overwrites_no_key_that_was_missing_when_it_looked()
    {
        await using var rig = await CreateAsync();
        var server = await rig.StartAsync(sessions: 0);
        await server.RunAsync(Ct, "MSET", "one:a", "stored", "one:b", "stored");
        var backup = await rig.CaptureAsync(server.Backup);
        await server.RunAsync(Ct, "SET", "one:a", "spoilt");
        await server.RunAsync(Ct, "DEL", "one:b");
        var snapshot = StoredSnapshot.Of(rig.Repository, await rig.Repository.ReadManifestAsync(backup.BackupId, Ct));
        await using var connection = await RedisConnection.OpenAsync(server.Admin, Ct);
        var conflicts = new KeyConflicts(snapshot, Target(server, "one:*", replace: true), TimeProvider.System);
        await conflicts.ReadAsync(connection, Ct);
        await server.RunAsync(Ct, "SET", "one:b", "written meanwhile");

        var restorer = new KeyRestorer(connection, TimeProvider.System, conflicts.Overwrites);
        var fault = await Assert.ThrowsAsync<EngineException>(async () =>
        {
            await foreach (var batch in snapshot.ReadAsync(conflicts.IsWanted, null, Ct))
            {
                await restorer.RestoreAsync(batch, Ct);
            }
        });

        Assert.Equal("redis-keys-exist", fault.Code);
        Assert.Contains("one:b", fault.Message, StringComparison.Ordinal);
        Assert.Equal(("stored", "written meanwhile"), ((await server.RunAsync(Ct, "GET", "one:a")).Text, (await server.RunAsync(Ct, "GET", "one:b")).Text));
    }

    [Fact]
    public async Task Plan_counts_keys_whose_time_is_over_and_the_restore_says_so_too()
    {
        await using var rig = await CreateAsync();
        var server = await rig.StartAsync(sessions: 0);
        await server.RunAsync(Ct, "SET", "one:stays", "stored");
        await server.RunAsync(Ct, "SET", "one:short", "lived", "PX", "1000");
        var backup = await rig.CaptureAsync(server.Backup);
        await server.RunAsync(Ct, "SET", "one:short", "another, which nobody overwrites");
        await Task.Delay(TimeSpan.FromMilliseconds(1200), Ct);
        var manifest = await rig.Repository.ReadManifestAsync(backup.BackupId, Ct);
        var target = Target(server, "one:*", replace: true);

        var plan = await new RedisRestore(TimeProvider.System).PlanAsync(rig.Repository, manifest, target, Ct);

        Assert.False(plan.WritesOver);
        Assert.Contains(plan.Notes, note => note.StartsWith("2 keys match one:*; 0 are missing on the server, 1 are there with the same content", StringComparison.Ordinal));
        Assert.Contains("1 keys are left out, since their time is over", plan.Notes);
        Assert.Contains("1 keys were left out, since their time was over", (await rig.RestoreAsync(backup.BackupId, target)).Notes);
        Assert.Equal("another, which nobody overwrites", (await server.RunAsync(Ct, "GET", "one:short")).Text);
    }

    [Fact]
    public async Task Key_with_another_expiry_is_a_difference_and_one_whose_time_only_passed_is_none()
    {
        await using var rig = await CreateAsync();
        var server = await rig.StartAsync(sessions: 0);
        await server.RunAsync(Ct, "SET", "one:stays", "stored");
        foreach (var key in new[] { "one:ends", "one:sooner", "one:same" })
        {
            await server.RunAsync(Ct, "SET", key, "stored", "EX", "86400");
        }

        var backup = await rig.CaptureAsync(server.Backup);
        await server.RunAsync(Ct, "EXPIRE", "one:stays", "600");
        await server.RunAsync(Ct, "PERSIST", "one:ends");
        await server.RunAsync(Ct, "EXPIRE", "one:sooner", "600");

        var refused = await Assert.ThrowsAsync<EngineException>(() => rig.RestoreAsync(backup.BackupId, Target(server, "one:*")));
        Assert.Equal("redis-keys-exist", refused.Code);
        Assert.Contains("3 keys are there with other content or another expiry: db0:one:ends, db0:one:sooner, db0:one:stays;", refused.Message, StringComparison.Ordinal);
        await rig.RestoreAsync(backup.BackupId, Target(server, "one:*", replace: true));

        Assert.Equal(-1, (await server.RunAsync(Ct, "TTL", "one:stays")).Integer);
        Assert.InRange((await server.RunAsync(Ct, "TTL", "one:ends")).Integer, 80000, 86400);
        Assert.InRange((await server.RunAsync(Ct, "TTL", "one:sooner")).Integer, 80000, 86400);
    }

    [Fact]
    public async Task Approval_to_overwrite_a_key_is_none_for_another_that_reads_the_same()
    {
        await using var rig = await CreateAsync();
        var server = await rig.StartAsync(sessions: 0);
        var prefix = "one:" + new string('k', 100);
        await server.RunAsync(Ct, "MSET", prefix + "1", "stored", prefix + "2", "stored");
        var backup = await rig.CaptureAsync(server.Backup);
        await server.RunAsync(Ct, "SET", prefix + "1", "spoilt");
        var manifest = await rig.Repository.ReadManifestAsync(backup.BackupId, Ct);
        var driver = new RedisRestoreDriver(new RedisRestore(TimeProvider.System));
        var plan = await driver.PlanAsync(rig.Repository, manifest, Target(server, "one:*", replace: true), Ct);
        Assert.Single(plan.Notes, note => note.StartsWith("~ db0 SHA-256 ", StringComparison.Ordinal));
        await server.RunAsync(Ct, "SET", prefix + "1", "stored");
        await server.RunAsync(Ct, "SET", prefix + "2", "written after the plan");

        var fault = await Assert.ThrowsAsync<EngineException>(() => driver.ExecuteAsync(new RestoreWork(rig.Repository, manifest, plan, plan.Hash, "R-1"), Ct));

        Assert.Equal("plan-changed", fault.Code);
        Assert.Equal("written after the plan", (await server.RunAsync(Ct, "GET", prefix + "2")).Text);
    }

    [Fact]
    public async Task Value_that_no_server_takes_hinders_only_who_wants_it()
    {
        await using var rig = await CreateAsync();
        var server = await rig.StartAsync(sessions: 0);
        await server.RunAsync(Ct, "MSET", "large", new string('x', 50_000), "small", "stored");
        var backup = await rig.CaptureAsync(server.Backup);
        using var snapshot = new MemoryStream();
        await rig.Repository.ReadStreamAsync(await rig.Repository.ReadManifestAsync(backup.BackupId, Ct), RedisBackup.SnapshotArtifact, snapshot, null, Ct);
        var digest = Read(null)["large"].Digest;

        Assert.Equal((digest, false, false), Read("small")["large"]);
        Assert.Equal((false, true), (Read("small")["small"].IsTooLarge, Read("small")["small"].HasPayload));
        Assert.Equal((digest, true, false), Read("large")["large"]);

        var wanted = new StoredKey(0, "large"u8.ToArray(), null, digest, []) { IsTooLarge = true };
        await using var connection = await RedisConnection.OpenAsync(server.Admin, Ct);
        var fault = await Assert.ThrowsAsync<EngineException>(() => new KeyRestorer(connection, TimeProvider.System).RestoreAsync([wanted], Ct));
        Assert.Equal("redis-value-too-large", fault.Code);
        Assert.Contains("large", fault.Message, StringComparison.Ordinal);

        Dictionary<string, (UInt128 Digest, bool IsTooLarge, bool HasPayload)> Read(string? wants)
        {
            snapshot.Position = 0;
            // As a value of 512 MiB to a server, to this one of a hundred bytes.
            using var reader = new RdbReader(snapshot, (_, key) => Encoding.UTF8.GetString(key) == wants, longest: 100);
            var found = new Dictionary<string, (UInt128, bool, bool)>();
            while (reader.Read() is { } entry)
            {
                found[Encoding.UTF8.GetString(entry.Key)] = (entry.ValueDigest, entry.IsTooLarge, entry.Payload.Length > 0);
            }

            return found;
        }
    }

    [Fact]
    public async Task Restore_that_met_another_writer_is_not_finished_however_many_keys_are_there()
    {
        await using var rig = await CreateAsync();
        var source = await rig.StartAsync(sessions: 0);
        await source.RunAsync(Ct, "MSET", "one", "stored", "two", "stored");
        await source.RunAsync(Ct, "SET", "three", "stored", "EX", "86400");
        // A key of the snapshot that is there by then, as of a client that writes meanwhile: the mark's own name.
        await source.RunAsync(Ct, "SET", "drconsole:restoring:" + Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData("R-9"u8))[..16], "taken");
        var backup = await rig.CaptureAsync(source.Backup);
        var target = await rig.StartAsync("target", sessions: 0);
        var manifest = await rig.Repository.ReadManifestAsync(backup.BackupId, Ct);
        var driver = new RedisRestoreDriver(new RedisRestore(TimeProvider.System));
        var plan = await driver.PlanAsync(rig.Repository, manifest, Target(target), Ct);
        var work = new RestoreWork(rig.Repository, manifest, plan, plan.Hash, "R-9");
        Assert.Equal("redis-keys-exist", (await Assert.ThrowsAsync<EngineException>(() => driver.ExecuteAsync(work, Ct))).Code);
        // What it had put there stays, and is as many as the restore point has but for those that may have expired.
        Assert.Equal("stored", (await target.RunAsync(Ct, "GET", "one")).Text);

        // The console died before it could say so.
        Assert.Null(await driver.FindFinishedAsync(work, Ct));
        Assert.Null(await driver.AbandonAsync(plan, "R-9", Ct));
        Assert.Equal("stored", (await target.RunAsync(Ct, "GET", "one")).Text);
    }

    [Fact]
    public async Task Restore_into_a_server_that_drops_keys_to_make_room_fails_and_leaves_it_empty()
    {
        await using var rig = await CreateAsync();
        var source = await rig.StartAsync(sessions: 1);
        await source.RunAsync(Ct, "EVAL", "for i = 1, 200 do redis.call('SET', 'large:' .. i, string.rep(tostring(i), 10000)) end", "0");
        var backup = await rig.CaptureAsync(source.Backup);
        var small = await rig.StartAsync("small", sessions: 0);
        await small.RunAsync(Ct, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru");
        await small.RunAsync(Ct, "CONFIG", "SET", "maxmemory", "4mb");
        var manifest = await rig.Repository.ReadManifestAsync(backup.BackupId, Ct);

        var plan = await new RedisRestore(TimeProvider.System).PlanAsync(rig.Repository, manifest, Target(small), Ct);
        Assert.Contains(plan.Notes, note => note.Contains("maxmemory-policy allkeys-lru", StringComparison.Ordinal));
        var fault = await Assert.ThrowsAsync<EngineException>(() => rig.RestoreAsync(backup.BackupId, Target(small)));

        Assert.Equal(("redis-out-of-memory", ErrorKind.OutOfSpace), (fault.Code, fault.Kind));
        Assert.Contains("noeviction", fault.Hint, StringComparison.Ordinal);
        Assert.Equal(0, await KeysAsync(small));
        Assert.Equal("redis-out-of-memory", (await Assert.ThrowsAsync<EngineException>(() => rig.RestoreAsync(backup.BackupId, Target(small, "large:*")))).Code);
        await small.RunAsync(Ct, "FLUSHALL");
        await small.RunAsync(Ct, "CONFIG", "SET", "maxmemory", "0");
        await rig.RestoreAsync(backup.BackupId, Target(small), "R-2");
        Assert.Equal(await DigestAsync(source), await DigestAsync(small));
    }

    [Fact]
    public async Task Restore_over_more_keys_than_a_person_looks_through_is_refused()
    {
        await using var rig = await CreateAsync();
        const int Keys = KeyConflicts.MostOverwritten + 1;
        var server = await rig.StartAsync(sessions: 1);
        await SetAllAsync("before");
        var backup = await rig.CaptureAsync(server.Backup);
        await SetAllAsync("after");

        var fault = await Assert.ThrowsAsync<EngineException>(() => rig.RestoreAsync(backup.BackupId, Target(server, "many:*", replace: true)));
        Assert.Equal("redis-keys-many", fault.Code);
        Assert.Contains($"{Keys} keys", fault.Message, StringComparison.Ordinal);

        await server.RunAsync(Ct, "SET", "many:1", "before");
        await rig.RestoreAsync(backup.BackupId, Target(server, "many:*", replace: true));
        Assert.Equal("before", (await server.RunAsync(Ct, "GET", $"many:{Keys}")).Text);

        Task SetAllAsync(string value) => server.RunAsync(Ct, "EVAL", $"for i = 1, {Keys} do redis.call('SET', 'many:' .. i, '{value}') end", "0");
    }

    [Fact]
    public async Task Server_that_holds_functions_only_is_not_empty()
    {
        await using var rig = await CreateAsync();
        var source = await rig.StartAsync(sessions: 3);
        var backup = await rig.CaptureAsync(source.Backup);
        var target = await rig.StartAsync("target", sessions: 0);
        await target.RunAsync(Ct, "FUNCTION", "LOAD", "#!lua name=own\nredis.register_function('own_ping', function() return 'own' end)");

        var fault = await Assert.ThrowsAsync<EngineException>(() => rig.RestoreAsync(backup.BackupId, Target(target)));

        Assert.Equal("redis-not-empty", fault.Code);
        Assert.Equal("own", (await target.RunAsync(Ct, "FCALL", "own_ping", "0")).Text);
    }

    [Fact]
    public async Task Restore_into_a_server_without_room_names_it_and_leaves_it_empty()
    {
        await using var rig = await CreateAsync();
        var source = await rig.StartAsync(sessions: 6000);
        var backup = await rig.CaptureAsync(source.Backup);
        var small = await rig.StartAsync("small", new LabRedisOptions { Settings = ["maxmemory 2mb", "maxmemory-policy noeviction"] }, sessions: 0);

        var fault = await Assert.ThrowsAsync<EngineException>(() => rig.RestoreAsync(backup.BackupId, Target(small)));

        Assert.Equal(("redis-out-of-memory", ErrorKind.OutOfSpace), (fault.Code, fault.Kind));
        Assert.Equal(0, await KeysAsync(small));
    }

    [Fact]
    public async Task Restore_done_again_after_a_crash_begins_anew_and_abandoned_leaves_an_empty_server()
    {
        await using var rig = await CreateAsync();
        var source = await rig.StartAsync(sessions: 50);
        var backup = await rig.CaptureAsync(source.Backup);
        var target = await rig.StartAsync("target", sessions: 0);
        var manifest = await rig.Repository.ReadManifestAsync(backup.BackupId, Ct);
        var driver = new RedisRestoreDriver(new RedisRestore(TimeProvider.System));
        var plan = await driver.PlanAsync(rig.Repository, manifest, Target(target), Ct);
        var work = new RestoreWork(rig.Repository, manifest, plan, plan.Hash, "R-9");
        await driver.ExecuteAsync(work, Ct);
        // It died before it could say so, and clients write meanwhile.
        await target.RunAsync(Ct, "SET", "written", "by a client");
        Assert.NotNull(await driver.FindFinishedAsync(work, Ct));
        await target.RunAsync(Ct, "DEL", "written");
        await driver.SettleAsync(plan, "R-9", Ct);
        Assert.Equal(await DigestAsync(source), await DigestAsync(target));
        var mark = MarkOf("R-9"u8);

        // As a crash in the middle leaves it: a part of the keys, and the mark where the server has not dropped that to make room.
        await target.RunAsync(Ct, "DEL", "session:1", "session:2");
        Assert.Null(await driver.FindFinishedAsync(work, Ct));
        await target.RunAsync(Ct, "SET", mark, "half");
        Assert.Null(await driver.FindFinishedAsync(work, Ct));
        await driver.ExecuteAsync(work, Ct);
        await driver.SettleAsync(plan, "R-9", Ct);
        Assert.Equal(await DigestAsync(source), await DigestAsync(target));
        Assert.NotNull(await driver.FindFinishedAsync(work, Ct));
        Assert.Null(await driver.AbandonAsync(plan, "R-9", Ct));
        Assert.Equal(await DigestAsync(source), await DigestAsync(target));

        await target.RunAsync(Ct, "SET", mark, "half");
        Assert.NotNull(await driver.AbandonAsync(plan, "R-9", Ct));
        Assert.Equal(0, await KeysAsync(target));
    }

    [Fact]
    public async Task Restore_that_meets_a_clients_key_takes_its_own_mark_away_and_empties_nothing()
    {
        await using var rig = await CreateAsync();
        var source = await rig.StartAsync("cache", new LabRedisOptions { Settings = ["rdbcompression no"] }, sessions: 0);
        await source.RunAsync(Ct, "EVAL", "for i = 1, 120 do redis.call('SET', 'large:' .. i, string.rep(tostring(i), 50000)) end", "0");
        await InSecondDatabaseAsync(source, "SET", "late", "stored");
        var backup = await rig.CaptureAsync(source.Backup);
        var target = await rig.StartAsync("target", sessions: 0);
        var manifest = await rig.Repository.ReadManifestAsync(backup.BackupId, Ct);
        // Longer than the longest chunk: the client is there before the last key has been read.
        Assert.True(manifest.Bytes > 9_000_000);
        var driver = new RedisRestoreDriver(new RedisRestore(TimeProvider.System));
        var plan = await driver.PlanAsync(rig.Repository, manifest, Target(target), Ct);
        using var halted = new HaltedOnce();

        var restoring = Assert.ThrowsAsync<EngineException>(() => Task.Run(() => driver.ExecuteAsync(new RestoreWork(rig.Repository, manifest, plan, plan.Hash, "R-9", halted), Ct)));
        await Task.WhenAny(halted.Begun, restoring);
        await InSecondDatabaseAsync(target, "SET", "late", "by a client");
        halted.GoOn();
        var fault = await restoring;

        Assert.Equal("redis-keys-exist", fault.Code);
        Assert.Contains("what was restored until then stays", fault.Message, StringComparison.Ordinal);
        Assert.Equal("by a client", await InSecondDatabaseAsync(target, "GET", "late"));
        Assert.Equal(0, (await target.RunAsync(Ct, "EXISTS", MarkOf("R-9"u8))).Integer);
        // With the note that it was refused, which goes by itself.
        Assert.Equal(122, await KeysAsync(target));
        // Nor is it emptied by who gives the restore up.
        Assert.Null(await driver.AbandonAsync(plan, "R-9", Ct));
        Assert.Equal(122, await KeysAsync(target));
    }

    private static string MarkOf(ReadOnlySpan<byte> operation) =>
        "drconsole:restoring:" + Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(operation))[..16];

    /// <summary>Its keys are the last of a snapshot.</summary>
    private static async Task<string> InSecondDatabaseAsync(LabRedis server, params string[] command)
    {
        await using var connection = await RedisConnection.OpenAsync(server.Admin, Ct);
        await connection.RequireAsync(["SELECT", "1"], Ct);
        return (await connection.RequireAsync(command, Ct)).Text;
    }

    /// <summary>Holds a restore when the first of the snapshot is on its way, until it may go on.</summary>
    private sealed class HaltedOnce : IProgress<TransferProgress>, IDisposable
    {
        private readonly TaskCompletionSource _begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly ManualResetEventSlim _mayGoOn = new();

        public Task Begun => _begun.Task;

        public void GoOn() => _mayGoOn.Set();

        public void Report(TransferProgress value)
        {
            _begun.TrySetResult();
            _mayGoOn.Wait(Ct);
        }

        public void Dispose() => _mayGoOn.Dispose();
    }
}
