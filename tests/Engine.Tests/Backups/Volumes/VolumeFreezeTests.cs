using Hexabase.DrConsole.Engine.Backups.Volumes;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Tests.Executable;
using Hexabase.DrConsole.Engine.Tests.Support;
using static Hexabase.DrConsole.Engine.Tests.Backups.Volumes.VolumeRig;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Volumes;

/// <summary>What is frozen is thawed, whatever happens in between, and both are in the audit.</summary>
public sealed class VolumeFreezeTests(CatalogServer catalog)
{
    [Fact]
    public async Task Freeze_that_was_written_down_since_stays_on_record()
    {
        await using var rig = new VolumeRig(catalog);
        var thawed = new FreezeRecord(rig.Name, rig.Volume, "command", ["true"], 5, ServerFolder.DeadConsole, DateTimeOffset.UnixEpoch);
        rig.Ledger.Write(thawed with { RecordedAt = DateTimeOffset.UnixEpoch.AddSeconds(1) });

        rig.Ledger.Remove(thawed);
        Assert.NotNull(rig.Ledger.Find(rig.Name));

        rig.Ledger.Remove(rig.Ledger.Find(rig.Name)!);
        Assert.Null(rig.Ledger.Find(rig.Name));
    }

    [Fact]
    public async Task Freeze_and_thaw_surround_the_reading_and_are_audited()
    {
        await using var rig = Rig("touch $mark", "rm $mark; echo thawed >> $mark.log");
        var facts = await rig.FactsAsync(await rig.BackupAsync());
        Assert.Equal(("command", true), (facts.HeldStill, facts.HeldSeconds >= 0));
        Assert.False(IsFrozen(rig));
        Assert.Equal(["volume.frozen", "volume.thawed"], await rig.AuditAsync());
        Assert.Null(rig.Ledger.Find(rig.Name));
    }

    [Theory]
    [InlineData("touch $mark; echo cannot >&2; exit 3", "cannot")]
    [InlineData("touch $mark; sleep 600", "did not end within")]
    [InlineData("", "no such program")]
    public async Task Freeze_that_fails_is_undone_and_backs_up_nothing(string freeze, string said)
    {
        await using var rig = Rig(freeze, "rm -f $mark", TimeSpan.FromSeconds(2));
        if (freeze.Length == 0)
        {
            rig.Settings = rig.Settings with { Hooks = rig.Settings.Hooks! with { FreezeCommand = ["/no/such/program"] } };
        }

        var fault = await Assert.ThrowsAsync<EngineException>(rig.BackupAsync);
        Assert.Equal("freeze-failed", fault.Code);
        Assert.Contains(said, fault.Message, StringComparison.Ordinal);
        Assert.False(IsFrozen(rig));
        Assert.Equal(["volume.thawed", "volume.freeze-failed"], await rig.AuditAsync());
        await using var repository = await rig.OpenAsync();
        Assert.Empty((await repository.ListAsync(Ct)).Points);
    }

    [Fact]
    public async Task Reading_that_fails_leaves_nothing_frozen()
    {
        await using var rig = Rig("touch $mark; rm -r $DRCONSOLE_PATH", "rm $mark");
        await Assert.ThrowsAsync<EngineException>(rig.BackupAsync);
        Assert.False(IsFrozen(rig));
        Assert.Equal(["volume.frozen", "volume.thawed"], await rig.AuditAsync());
    }

    [Fact]
    public async Task Writers_are_held_up_no_longer_than_allowed()
    {
        await using var rig = Rig("touch $mark", "rm $mark");
        rig.Settings = rig.Settings with { Hooks = rig.Settings.Hooks! with { FrozenLimit = TimeSpan.FromMilliseconds(1) } };
        var place = VolumePlace.Look(rig.Volume);
        await using (var frozen = (await rig.Freeze().HoldAsync(rig.Source, place, null, Ct))!)
        {
            await WaitAsync(frozen.Expired);
            Assert.False(IsFrozen(rig));
        }

        Assert.Equal(["volume.frozen", "volume.thawed"], await rig.AuditAsync());
    }

    [Fact]
    public async Task Thaw_that_fails_says_what_to_do_and_is_tried_again_by_the_next_backup()
    {
        await using var rig = Rig("touch $mark", "test -e $mark.allowed && rm $mark");
        var fault = await Assert.ThrowsAsync<EngineException>(rig.BackupAsync);
        Assert.Equal("thaw-failed", fault.Code);
        Assert.Contains("Thaw it now", fault.Hint, StringComparison.Ordinal);
        Assert.NotNull(rig.Ledger.Find(rig.Name));
        await File.WriteAllTextAsync(rig.Combine("frozen.allowed"), "", Ct);
        await rig.BackupAsync();
        Assert.Equal(["volume.frozen", "volume.thaw-failed", "volume.thawed", "volume.frozen", "volume.thawed"], await rig.AuditAsync());
        Assert.Null(rig.Ledger.Find(rig.Name));
    }

    [Fact]
    public async Task Volume_that_a_dead_process_left_frozen_is_thawed_by_the_next_start_and_audited()
    {
        await using var rig = Rig("touch $mark", "rm -f $mark");
        await File.WriteAllTextAsync(rig.Combine("frozen"), "", Ct);
        rig.Ledger.Write(new FreezeRecord(rig.Name, rig.Volume, "command", rig.Settings.Hooks!.ThawCommand!, 5, ServerFolder.DeadConsole, DateTimeOffset.UnixEpoch));

        var left = await rig.Ledger.ThawLeftAsync();
        Assert.Null(Assert.Single(left).Fault);
        Assert.False(IsFrozen(rig));
        // Until it is told, it is not forgotten.
        Assert.NotNull(rig.Ledger.Find(rig.Name));
        await VolumeFreeze.TellAsync(left, rig.Ledger, catalog.Pool, Ct);
        Assert.Equal(["volume.thawed"], await rig.AuditAsync());
        Assert.Null(rig.Ledger.Find(rig.Name));
    }

    [Fact]
    public async Task File_system_itself_is_frozen_and_thawed()
    {
        await using var rig = new VolumeRig(catalog);
        await using var disk = await LoopDisk.AttachAsync(rig.Combine("disk.img"));
        await disk.MountAsync(rig.Combine("mounted"));
        await File.WriteAllTextAsync(rig.Combine("mounted/file"), "content", Ct);
        rig.Settings = new VolumeSettings(rig.Combine("mounted")) { Hooks = new VolumeHooks(null, null, true, TimeSpan.FromSeconds(20), TimeSpan.FromMinutes(1)) };

        var place = VolumePlace.Look(rig.Settings.Path!);
        await using (await rig.Freeze().HoldAsync(rig.Source, place, null, Ct))
        {
            await Shell.RunAsync("bash", "-c", $"! timeout 1 touch {rig.Combine("mounted/second")}");
        }

        await File.WriteAllTextAsync(rig.Combine("mounted/third"), "written", Ct);
        Assert.Equal("fsfreeze", (await rig.FactsAsync(await rig.BackupAsync())).HeldStill);
        await File.WriteAllTextAsync(rig.Combine("mounted/fourth"), "written", Ct);
    }

    [Fact]
    public async Task File_system_that_another_froze_is_left_frozen_and_backs_up_nothing()
    {
        await using var rig = new VolumeRig(catalog);
        await using var disk = await FrozenByHookAsync(rig);
        await Shell.RunAsync("fsfreeze", "-f", rig.Settings.Path!);

        Assert.Equal("frozen-by-another", (await Assert.ThrowsAsync<EngineException>(rig.BackupAsync)).Code);

        // Only what is frozen can be thawed.
        await Shell.RunAsync("fsfreeze", "-u", rig.Settings.Path!);
        Assert.Null(rig.Ledger.Find(rig.Name));
        Assert.Equal(["volume.freeze-failed"], await rig.AuditAsync());
    }

    [Fact]
    public async Task File_system_that_another_thawed_while_it_was_read_gives_no_restore_point()
    {
        await using var rig = new VolumeRig(catalog);
        await using var disk = await FrozenByHookAsync(rig);
        await using (var frozen = (await rig.Freeze().HoldAsync(rig.Source, VolumePlace.Look(rig.Settings.Path!), null, Ct))!)
        {
            await Shell.RunAsync("fsfreeze", "-u", rig.Settings.Path!);
            Assert.False(await frozen.ThawAsync());
        }

        Assert.Equal(["volume.frozen", "volume.thawed"], await rig.AuditAsync());
        var driver = rig.Driver();
        await using var repository = await rig.OpenAsync();
        var fault = await Assert.ThrowsAsync<EngineException>(() => driver.CaptureAsync(rig.Request(), repository, new Thawing(rig.Settings.Path!), null, Ct));
        Assert.Equal("frozen-no-more", fault.Code);
        Assert.Empty((await repository.ListAsync(Ct)).Points);
    }

    [Fact]
    public async Task Writers_are_held_up_no_longer_than_allowed_where_the_catalog_does_not_answer()
    {
        await using var rig = Rig("touch $mark", "rm $mark; touch $mark.thawed");
        rig.Settings = rig.Settings with { Hooks = rig.Settings.Hooks! with { FrozenLimit = TimeSpan.FromMilliseconds(200) } };
        await using var connection = await catalog.Pool.OpenConnectionAsync(Ct);
        await using var transaction = await SilencedAsync(connection);

        var hold = rig.Freeze().HoldAsync(rig.Source, VolumePlace.Look(rig.Volume), null, Ct);
        while (!File.Exists(rig.Combine("frozen.thawed")))
        {
            Assert.False(hold.IsCompleted, "it waits for the audit");
            await Task.Delay(20, Ct);
        }

        await transaction.RollbackAsync(Ct);
        await using var frozen = await hold;
        Assert.True(frozen!.HasExpired);
    }

    [Fact]
    public async Task Freeze_that_fails_is_undone_before_the_catalog_answers()
    {
        await using var rig = Rig("touch $mark; exit 3", "rm $mark; touch $mark.thawed");
        await using var connection = await catalog.Pool.OpenConnectionAsync(Ct);
        await using var transaction = await SilencedAsync(connection);

        var hold = rig.Freeze().HoldAsync(rig.Source, VolumePlace.Look(rig.Volume), null, Ct);
        for (var wait = 0; wait < 500 && !File.Exists(rig.Combine("frozen.thawed")); wait++)
        {
            await Task.Delay(20, Ct);
        }

        var wasThawed = File.Exists(rig.Combine("frozen.thawed"));
        Assert.False(hold.IsCompleted, "it waits for the audit");
        await transaction.RollbackAsync(Ct);
        Assert.Equal("freeze-failed", (await Assert.ThrowsAsync<EngineException>(() => hold)).Code);
        Assert.True(wasThawed, "it was thawed while the catalog did not answer");
        Assert.Equal(["volume.thawed", "volume.freeze-failed"], await rig.AuditAsync());
    }

    [Fact]
    public async Task File_system_of_the_console_itself_is_never_frozen()
    {
        await using var rig = new VolumeRig(catalog);
        rig.Write("one");
        rig.Settings = rig.Settings with { Hooks = new VolumeHooks(null, null, true, TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(2)) };
        Assert.Equal("freeze-refused", (await Assert.ThrowsAsync<EngineException>(rig.BackupAsync)).Code);
        Assert.Null(rig.Ledger.Find(rig.Name));
    }

    /// <summary>A catalog that takes no audit event until the transaction ends.</summary>
    private static async Task<Npgsql.NpgsqlTransaction> SilencedAsync(Npgsql.NpgsqlConnection connection)
    {
        var transaction = await connection.BeginTransactionAsync(Ct);
        await using var command = new Npgsql.NpgsqlCommand("SELECT pg_advisory_xact_lock(hashtextextended('drconsole.audit', 0))", connection, transaction);
        await command.ExecuteNonQueryAsync(Ct);
        return transaction;
    }

    private static async Task<LoopDisk> FrozenByHookAsync(VolumeRig rig)
    {
        var disk = await LoopDisk.AttachAsync(rig.Combine("disk.img"));
        await disk.MountAsync(rig.Combine("mounted"));
        await File.WriteAllTextAsync(rig.Combine("mounted/file"), "content", Ct);
        rig.Settings = new VolumeSettings(rig.Combine("mounted")) { Hooks = new VolumeHooks(null, null, true, TimeSpan.FromSeconds(20), TimeSpan.FromMinutes(1)) };
        return disk;
    }

    /// <summary>Somebody who thaws at the first sign of life.</summary>
    private sealed class Thawing(string mount) : IProgress<TransferProgress>
    {
        private int _told;

        public void Report(TransferProgress value)
        {
            if (Interlocked.Exchange(ref _told, 1) == 0)
            {
                using var thaw = System.Diagnostics.Process.Start("fsfreeze", ["-u", mount]);
                thaw.WaitForExit();
            }
        }
    }

    private static bool IsFrozen(VolumeRig rig) => File.Exists(rig.Combine("frozen"));

    private VolumeRig Rig(string freeze, string thaw, TimeSpan? timeout = null)
    {
        var rig = new VolumeRig(catalog);
        rig.Write("one");
        IReadOnlyList<string> Script(string text) => ["/bin/sh", "-c", $"mark={rig.Combine("frozen")}; {text}"];
        rig.Settings = rig.Settings with { Hooks = new VolumeHooks(Script(freeze), Script(thaw), false, timeout ?? TimeSpan.FromSeconds(20), TimeSpan.FromMinutes(1)) };
        return rig;
    }

    private static async Task WaitAsync(CancellationToken token)
    {
        var set = new TaskCompletionSource();
        await using var registration = token.Register(() => set.SetResult());
        await set.Task.WaitAsync(Ct);
    }
}
