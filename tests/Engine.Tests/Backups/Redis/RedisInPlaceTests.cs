using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Drivers;
using Hexabase.DrConsole.Engine.Backups.Redis;
using Hexabase.DrConsole.Engine.RedisProtocol;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Lab.Redis;
using static Hexabase.DrConsole.Engine.Tests.Backups.Redis.RedisRig;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Redis;

/// <summary>Restores into the directory of a stopped server, and what plans over what exists say.</summary>
[Collection("Redis servers")]
public sealed class RedisInPlaceTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Restore_in_place_starts_with_the_snapshot_and_keeps_the_old_data_aside(bool appendOnly)
    {
        await using var rig = await CreateAsync();
        var server = await rig.StartAsync("cache", new LabRedisOptions { AppendOnly = appendOnly }, sessions: 50);
        var wanted = await DigestAsync(server);
        var backup = await rig.CaptureAsync(server.Backup);
        await server.RunAsync(Ct, "FLUSHALL");
        await server.RunAsync(Ct, "SET", "after", "the accident");
        var target = new RedisDirectoryTarget(server.DataFolder);
        Assert.Equal("server-running", (await Assert.ThrowsAsync<EngineException>(() => rig.RestoreAsync(backup.BackupId, target))).Code);
        await server.StopAsync(Ct);

        await rig.RestoreAsync(backup.BackupId, target);

        await server.StartAsync(Ct);
        Assert.Equal(wanted, await DigestAsync(server));
        Assert.Equal("pong", (await server.RunAsync(Ct, "FCALL", "shop_ping", "0")).Text);
        if (appendOnly)
        {
            // It goes on to write, and finds both after another start.
            await server.RunAsync(Ct, "SET", "written", "later");
            await server.KillAsync(Ct);
            await server.StartAsync(Ct);
            Assert.Equal("later", (await server.RunAsync(Ct, "GET", "written")).Text);
            Assert.Equal("災害復旧", (await server.RunAsync(Ct, "GET", "japanese:日本語")).Text);
        }

        var aside = Assert.Single(Directory.GetDirectories(server.DataFolder, "drconsole-aside-*"));
        Assert.Contains(Directory.GetFileSystemEntries(aside), entry => Path.GetFileName(entry) == (appendOnly ? "appendonlydir" : "dump.rdb"));
        Assert.Empty(Directory.GetDirectories(server.DataFolder, ".drconsole-*"));
    }

    [Fact]
    public async Task Restore_in_place_that_fails_or_is_abandoned_puts_the_old_data_back()
    {
        await using var rig = await CreateAsync();
        var server = await rig.StartAsync(sessions: 50);
        var backup = await rig.CaptureAsync(server.Backup);
        await server.RunAsync(Ct, "SET", "newer", "than the backup");
        var wanted = await DigestAsync(server);
        await server.StopAsync(Ct);
        var manifest = await rig.Repository.ReadManifestAsync(backup.BackupId, Ct);
        var driver = new RedisDirectoryRestoreDriver(new RedisDirectoryRestore(TimeProvider.System));
        var plan = await driver.PlanAsync(rig.Repository, manifest, new RedisDirectoryTarget(server.DataFolder), Ct);
        var work = new RestoreWork(rig.Repository, manifest, plan, plan.Hash, "R-7");

        // As a crash leaves it between the two renames of a name: the old one is aside, the new one is not yet there.
        await driver.ExecuteAsync(work, Ct);
        Assert.NotNull(await driver.FindFinishedAsync(work, Ct));
        var aside = Assert.Single(Directory.GetDirectories(server.DataFolder, "drconsole-aside-*"));
        var staging = Directory.CreateDirectory(Path.Combine(server.DataFolder, ".drconsole-" + aside[(aside.LastIndexOf('-') + 1)..])).FullName;
        Directory.Move(Path.Combine(server.DataFolder, "dump.rdb"), Path.Combine(staging, "dump.rdb"));
        await File.WriteAllTextAsync(Path.Combine(staging, "complete"), "x", Ct);
        Assert.Null(await driver.FindFinishedAsync(work, Ct));

        Assert.Contains("put", await driver.AbandonAsync(plan, "R-7", Ct), StringComparison.Ordinal);

        Assert.Empty(Directory.GetDirectories(server.DataFolder, "*drconsole-*"));
        Assert.False(Directory.Exists(Path.Combine(server.DataFolder, "appendonlydir")));
        await server.StartAsync(Ct);
        Assert.Equal(wanted, await DigestAsync(server));
    }

    [Fact]
    public async Task Restore_in_place_that_died_after_its_last_move_is_finished_and_keeps_the_old_data()
    {
        await using var rig = await CreateAsync();
        var (server, driver, work) = await StoppedAsync(rig);
        await driver.ExecuteAsync(work, Ct);
        var aside = Assert.Single(Directory.GetDirectories(server.DataFolder, "drconsole-aside-*"));
        var old = await File.ReadAllBytesAsync(Path.Combine(aside, "dump.rdb"), Ct);

        // The mark is removed first; of the rest of its hidden folder something is still there.
        Leave();
        await driver.ExecuteAsync(work, Ct);
        Leave();
        Assert.Contains("finished", await driver.AbandonAsync(work.Plan, work.Operation, Ct), StringComparison.Ordinal);
        Leave();
        Assert.NotNull(await driver.FindFinishedAsync(work, Ct));

        Assert.Equal(old, await File.ReadAllBytesAsync(Path.Combine(aside, "dump.rdb"), Ct));
        Assert.Empty(Directory.GetDirectories(server.DataFolder, ".drconsole-*"));

        void Leave() => Directory.CreateDirectory(Path.Combine(server.DataFolder, ".drconsole-" + aside[(aside.LastIndexOf('-') + 1)..], "appendonlydir"));
    }

    [Fact]
    public async Task Restore_in_place_that_is_taken_back_keeps_the_old_data_wherever_a_crash_ends_it()
    {
        await using var rig = await CreateAsync();
        var server = await rig.StartAsync(sessions: 5);
        var backup = await rig.CaptureAsync(server.Backup);
        await server.RunAsync(Ct, "SET", "newer", "than the backup");
        var wanted = await DigestAsync(server);
        await server.StopAsync(Ct);
        var manifest = await rig.Repository.ReadManifestAsync(backup.BackupId, Ct);
        var driver = new RedisInPlaceDriver(new RedisDirectoryRestore(TimeProvider.System));
        var plan = await driver.PlanAsync(rig.Repository, manifest, new RedisDirectoryTarget(server.DataFolder) { Exchange = true }, Ct);
        await driver.ExecuteAsync(new RestoreWork(rig.Repository, manifest, plan, plan.Hash, "R-7"), Ct);
        var aside = Assert.Single(Directory.GetDirectories(server.DataFolder, "drconsole-aside-*"));
        var hidden = Path.Combine(server.DataFolder, ".drconsole-" + aside[(aside.LastIndexOf('-') + 1)..]);

        // Whatever is removed bears the hidden name, and what is left of it says nothing.
        await driver.TakeBackAsync(plan, "R-7", Ct);
        Assert.False(Directory.Exists(aside));
        foreach (var left in new[] { "README", "recovered" })
        {
            Directory.CreateDirectory(hidden);
            await File.WriteAllTextAsync(Path.Combine(hidden, left), "half removed", Ct);
            await driver.TakeBackAsync(plan, "R-7", Ct);
            Assert.Empty(Directory.GetDirectories(server.DataFolder, "*drconsole-*"));
        }

        await server.StartAsync(Ct);
        Assert.Equal(wanted, await DigestAsync(server));
    }

    [Fact]
    public async Task Restore_in_place_that_was_put_back_is_made_anew_by_whoever_finds_half_of_its_files()
    {
        await using var rig = await CreateAsync();
        var (server, driver, work) = await StoppedAsync(rig);
        var old = await File.ReadAllBytesAsync(Path.Combine(server.DataFolder, "dump.rdb"), Ct);
        await driver.ExecuteAsync(work, Ct);
        var aside = Assert.Single(Directory.GetDirectories(server.DataFolder, "drconsole-aside-*"));
        var staging = Directory.CreateDirectory(Path.Combine(server.DataFolder, ".drconsole-" + aside[(aside.LastIndexOf('-') + 1)..])).FullName;
        await File.WriteAllTextAsync(Path.Combine(staging, "complete"), "x", Ct);
        Assert.Contains("put", await driver.AbandonAsync(work.Plan, work.Operation, Ct), StringComparison.Ordinal);
        Assert.Equal(old, await File.ReadAllBytesAsync(Path.Combine(server.DataFolder, "dump.rdb"), Ct));

        // The mark goes first: of the rest something is still there.
        Directory.CreateDirectory(Path.Combine(staging, "appendonlydir"));
        await driver.ExecuteAsync(work, Ct);

        Assert.Equal(old, await File.ReadAllBytesAsync(Path.Combine(Assert.Single(Directory.GetDirectories(server.DataFolder, "drconsole-aside-*")), "dump.rdb"), Ct));
        Assert.NotEqual(old, await File.ReadAllBytesAsync(Path.Combine(server.DataFolder, "dump.rdb"), Ct));
    }

    [Fact]
    public async Task Old_data_whose_name_is_taken_by_now_stays_aside()
    {
        await using var rig = await CreateAsync();
        var (server, driver, work) = await StoppedAsync(rig);
        await driver.ExecuteAsync(work, Ct);
        var aside = Assert.Single(Directory.GetDirectories(server.DataFolder, "drconsole-aside-*"));
        var old = await File.ReadAllBytesAsync(Path.Combine(aside, "dump.rdb"), Ct);
        // As a crash before the last move leaves it, and a server that was started on it and stopped again.
        var staging = Directory.CreateDirectory(Path.Combine(server.DataFolder, ".drconsole-" + aside[(aside.LastIndexOf('-') + 1)..])).FullName;
        File.Copy(Path.Combine(server.DataFolder, "dump.rdb"), Path.Combine(staging, "dump.rdb"));
        await File.WriteAllTextAsync(Path.Combine(staging, "complete"), "x", Ct);

        Assert.Contains("stays in", await driver.AbandonAsync(work.Plan, work.Operation, Ct), StringComparison.Ordinal);

        Assert.Equal(old, await File.ReadAllBytesAsync(Path.Combine(Assert.Single(Directory.GetDirectories(server.DataFolder, "drconsole-aside-*")), "dump.rdb"), Ct));
        Assert.Null(await driver.FindFinishedAsync(work, Ct));
    }

    [Fact]
    public async Task Link_in_the_place_of_the_hidden_folder_leads_nothing_elsewhere()
    {
        await using var rig = await CreateAsync();
        var (server, driver, work) = await StoppedAsync(rig);
        var victim = Directory.CreateDirectory(rig.Folder.Combine("etc")).FullName;
        var old = await File.ReadAllBytesAsync(Path.Combine(server.DataFolder, "dump.rdb"), Ct);
        var exchanging = new Exchanging(server.DataFolder, victim);

        // Whoever owns the data directory may do this at any moment.
        await driver.ExecuteAsync(work with { Progress = exchanging }, Ct);

        Assert.True(exchanging.IsDone);
        Assert.Empty(Directory.GetFileSystemEntries(victim));
        Assert.NotEqual(old, await File.ReadAllBytesAsync(Path.Combine(server.DataFolder, "dump.rdb"), Ct));
        Assert.Equal(old, await File.ReadAllBytesAsync(Path.Combine(Assert.Single(Directory.GetDirectories(server.DataFolder, "drconsole-aside-*")), "dump.rdb"), Ct));
    }

    [Fact]
    public async Task Link_in_the_place_of_what_a_server_wrote_leads_nothing_elsewhere_when_a_restore_is_taken_back()
    {
        await using var rig = await CreateAsync();
        var server = await rig.StartAsync(sessions: 5);
        var backup = await rig.CaptureAsync(server.Backup);
        await server.StopAsync(Ct);
        var manifest = await rig.Repository.ReadManifestAsync(backup.BackupId, Ct);
        var driver = new RedisInPlaceDriver(new RedisDirectoryRestore(TimeProvider.System));
        var old = await File.ReadAllBytesAsync(Path.Combine(server.DataFolder, "dump.rdb"), Ct);
        var plan = await driver.PlanAsync(rig.Repository, manifest, new RedisDirectoryTarget(server.DataFolder) { Exchange = true }, Ct);
        await driver.ExecuteAsync(new RestoreWork(rig.Repository, manifest, plan, plan.Hash, "R-7"), Ct);
        var aside = Assert.Single(Directory.GetDirectories(server.DataFolder, "drconsole-aside-*"));
        var victim = Directory.CreateDirectory(rig.Folder.Combine("etc")).FullName;
        var link = aside.Replace("aside", "recovered", StringComparison.Ordinal);
        Directory.CreateSymbolicLink(link, victim);
        var before = Directory.GetFileSystemEntries(server.DataFolder).Order(StringComparer.Ordinal).ToList();

        var fault = await Assert.ThrowsAsync<EngineException>(() => driver.TakeBackAsync(plan, "R-7", Ct));

        Assert.Equal("directory-taken", fault.Code);
        Assert.Empty(Directory.GetFileSystemEntries(victim));
        Assert.Equal(before, Directory.GetFileSystemEntries(server.DataFolder).Order(StringComparer.Ordinal));
        File.Delete(link);
        await driver.TakeBackAsync(plan, "R-7", Ct);
        Assert.Equal(old, await File.ReadAllBytesAsync(Path.Combine(server.DataFolder, "dump.rdb"), Ct));
    }

    /// <summary>Moves the hidden folder away and puts a link in its place.</summary>
    private sealed class Exchanging(string data, string victim) : IProgress<TransferProgress>
    {
        public bool IsDone { get; private set; }

        public void Report(TransferProgress value)
        {
            if (!IsDone && Directory.GetDirectories(data, ".drconsole-*") is [var hidden])
            {
                IsDone = true;
                Directory.Move(hidden, Path.Combine(data, "moved"));
                Directory.CreateSymbolicLink(hidden, victim);
            }
        }
    }

    [Fact]
    public async Task Server_that_runs_in_the_directory_by_another_name_is_seen()
    {
        await using var rig = await CreateAsync();
        var server = await rig.StartAsync(sessions: 3);
        var backup = await rig.CaptureAsync(server.Backup);
        var outer = rig.Folder.Combine("outer");
        // A link in the middle of the path; the server's own knowledge of its directory is another text.
        Directory.CreateSymbolicLink(outer, Path.GetDirectoryName(server.DataFolder)!);

        var fault = await Assert.ThrowsAsync<EngineException>(() => rig.RestoreAsync(backup.BackupId, new RedisDirectoryTarget(Path.Combine(outer, Path.GetFileName(server.DataFolder)))));

        Assert.Equal("server-running", fault.Code);
    }

    /// <summary>A server that was backed up, went on and is stopped, and the restore of its directory.</summary>
    private static async Task<(LabRedis Server, RedisDirectoryRestoreDriver Driver, RestoreWork Work)> StoppedAsync(RedisRig rig)
    {
        var server = await rig.StartAsync(sessions: 5);
        var backup = await rig.CaptureAsync(server.Backup);
        await server.RunAsync(Ct, "SET", "newer", "than the backup");
        await server.StopAsync(Ct);
        var manifest = await rig.Repository.ReadManifestAsync(backup.BackupId, Ct);
        var driver = new RedisDirectoryRestoreDriver(new RedisDirectoryRestore(TimeProvider.System));
        var plan = await driver.PlanAsync(rig.Repository, manifest, new RedisDirectoryTarget(server.DataFolder), Ct);
        return (server, driver, new RestoreWork(rig.Repository, manifest, plan, plan.Hash, "R-7"));
    }

    [Fact]
    public async Task Restore_in_place_moves_nobody_elses_files()
    {
        await using var rig = await CreateAsync();
        var server = await rig.StartAsync(sessions: 3);
        var backup = await rig.CaptureAsync(server.Backup);
        var folder = Directory.CreateDirectory(rig.Folder.Combine("etc")).FullName;
        await File.WriteAllTextAsync(Path.Combine(folder, "passwd"), "root:x:0:0\n", Ct);

        var fault = await Assert.ThrowsAsync<EngineException>(() => rig.RestoreAsync(backup.BackupId, new RedisDirectoryTarget(folder, DumpName: "passwd")));

        Assert.Equal("not-a-redis-directory", fault.Code);
        Assert.Equal(["passwd"], Directory.GetFileSystemEntries(folder).Select(Path.GetFileName));
    }

    [Fact]
    public async Task Plan_that_writes_over_keys_or_files_says_so_and_one_that_does_not_does_not()
    {
        await using var rig = await CreateAsync();
        var server = await rig.StartAsync(sessions: 10);
        var backup = await rig.CaptureAsync(server.Backup);
        var manifest = await rig.Repository.ReadManifestAsync(backup.BackupId, Ct);
        await server.RunAsync(Ct, "SET", "session:3", "spoilt");
        await server.RunAsync(Ct, "DEL", "session:1");

        Assert.False((await PlanKeysAsync("session:1")).WritesOver);
        var over = await PlanKeysAsync("session:*");
        Assert.True(over.WritesOver);
        Assert.Contains("~ db0:session:3", over.Notes);
        Assert.Single(over.Notes, note => note.StartsWith('~'));

        await server.StopAsync(Ct);
        Assert.True((await PlanFolderAsync(server.DataFolder)).WritesOver);
        Assert.False((await PlanFolderAsync(Directory.CreateDirectory(rig.Folder.Combine("fresh")).FullName)).WritesOver);

        Task<RestorePlan> PlanKeysAsync(string keys) => new RedisRestore(TimeProvider.System).PlanAsync(rig.Repository, manifest, Target(server, keys, replace: true), Ct);

        Task<RestorePlan> PlanFolderAsync(string folder) => RedisDirectoryRestore.PlanAsync(rig.Repository, manifest, new RedisDirectoryTarget(folder), Ct);
    }

    [Fact]
    public async Task Restore_in_place_moves_nothing_that_the_plan_did_not_see()
    {
        await using var rig = await CreateAsync();
        var (server, driver, work) = await StoppedAsync(rig);
        await server.StartAsync(Ct);
        await server.RunAsync(Ct, "SET", "written", "after the plan");
        var wanted = await DigestAsync(server);
        await server.StopAsync(Ct);

        Assert.Equal("target-changed", (await Assert.ThrowsAsync<EngineException>(() => driver.ExecuteAsync(work, Ct))).Code);

        Assert.Empty(Directory.GetDirectories(server.DataFolder, "*drconsole-*"));
        await server.StartAsync(Ct);
        Assert.Equal(wanted, await DigestAsync(server));
    }
}
