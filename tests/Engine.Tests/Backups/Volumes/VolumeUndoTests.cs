using Hexabase.DrConsole.Engine.Backups.Drivers;
using Hexabase.DrConsole.Engine.Backups.Volumes;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Trees;
using Hexabase.DrConsole.Engine.Tests.Support;
using static Hexabase.DrConsole.Engine.Tests.Backups.Volumes.VolumeRig;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Volumes;

/// <summary>The way back from a restore in place obeys nobody but the console, and takes away nothing that was written since.</summary>
public sealed class VolumeUndoTests(CatalogServer catalog)
{
    [Fact]
    public async Task What_was_written_after_the_restore_stays_and_is_named()
    {
        await using var rig = await FilledAsync();
        rig.Write("changed", "spoilt");
        File.Delete(In(rig, "lost"));
        rig.Write("mode", "of another mode");
        await rig.RestoreAsync($"dir:{rig.Volume}?inPlace=true&delete=true");
        await File.WriteAllTextAsync(In(rig, "changed"), "newer", Ct);
        await File.WriteAllTextAsync(In(rig, "lost"), "newer too", Ct);

        await using var repository = await rig.OpenAsync();
        var plan = await rig.PlanAsync(repository, $"dir:{rig.Volume}?undo=true");
        var outcome = await rig.Restores.ExecuteAsync(rig.Work(repository, plan, "R-2"), Ct);

        Assert.Equal(["changed=newer", "kept=kept", "lost=newer too", "mode=of another mode"], Show(rig.Volume));
        Assert.Equal(2, outcome.Warnings.Count);
        Assert.Contains(outcome.Warnings, line => line.StartsWith("changed: written after the restore; the old one stays in", StringComparison.Ordinal));
        var folder = Assert.Single(Directory.GetDirectories(rig.Volume, ".drconsole-before-*"));
        Assert.Equal("spoilt", await File.ReadAllTextAsync(Path.Combine(folder, "old/changed"), Ct));
    }

    [Fact]
    public async Task Folder_that_became_a_file_is_a_folder_again()
    {
        await using var rig = await FilledAsync();
        File.Delete(In(rig, "kept"));
        rig.Write("kept/inside", "of a folder");
        var damaged = Show(rig.Volume);
        await rig.RestoreAsync($"dir:{rig.Volume}?inPlace=true&delete=true");
        Assert.Equal(Original, Show(rig.Volume));
        await rig.RestoreAsync($"dir:{rig.Volume}?undo=true");
        Assert.Equal(damaged, Show(rig.Volume));
    }

    [Fact]
    public async Task Way_back_that_died_half_way_keeps_the_old_state_when_the_restore_is_done_again()
    {
        await using var rig = await FilledAsync();
        var (work, folder) = await RestoredAndTakenBackInPartAsync(rig);
        File.Delete(In(rig, "lost"));

        await rig.Restores.ExecuteAsync(work, Ct);

        Assert.Equal(Original, Show(rig.Volume));
        Assert.Equal("spoilt", await File.ReadAllTextAsync(Path.Combine(folder, "old/changed"), Ct));
        await rig.RestoreAsync($"dir:{rig.Volume}?undo=true");
        Assert.Equal(["changed=spoilt", "kept=kept", "mode=mode"], Show(rig.Volume));
    }

    [Theory]
    [InlineData("lost")]
    [InlineData("kept")]
    public async Task Restore_done_again_writes_over_nothing_that_was_written_meanwhile(string name)
    {
        await using var rig = await FilledAsync();
        var (work, _) = await RestoredAndTakenBackInPartAsync(rig);
        await File.WriteAllTextAsync(In(rig, name), "newer still", Ct);

        Assert.Equal("target-changed", (await Assert.ThrowsAsync<EngineException>(() => rig.Restores.ExecuteAsync(work, Ct))).Code);
        Assert.Equal("newer still", await File.ReadAllTextAsync(In(rig, name), Ct));
    }

    [Fact]
    public async Task Undo_that_was_finished_before_a_crash_is_not_taken_for_an_older_one()
    {
        await using var rig = await FilledAsync();
        await using var repository = await rig.OpenAsync();
        for (var turn = 1; turn <= 2; turn++)
        {
            rig.Write("changed", $"spoilt {turn}");
            var restore = await rig.PlanAsync(repository, $"dir:{rig.Volume}?inPlace=true");
            await rig.Restores.ExecuteAsync(rig.Work(repository, restore, $"R-{turn}"), Ct);
        }

        var plan = await rig.PlanAsync(repository, $"dir:{rig.Volume}?undo=true");
        var work = rig.Work(repository, plan, "R-3");
        Assert.Null(await rig.Restores.FindFinishedAsync(work, Ct));
        await rig.Restores.ExecuteAsync(work, Ct);

        Assert.Equal("spoilt 2", await File.ReadAllTextAsync(In(rig, "changed"), Ct));
        Assert.NotNull(await rig.Restores.FindFinishedAsync(work, Ct));
        Assert.Single(Directory.GetDirectories(rig.Volume, ".drconsole-before-*"));
    }

    [Theory]
    [InlineData("mode")]
    [InlineData("journal mode")]
    [InlineData("root")]
    [InlineData("link")]
    [InlineData("journal link")]
    public async Task Journal_that_another_may_have_written_is_not_obeyed(string how)
    {
        await using var rig = await FilledAsync();
        var victim = Directory.CreateDirectory(rig.Combine("etc")).FullName;
        await File.WriteAllTextAsync(Path.Combine(victim, "passwd"), "root", Ct);
        Forge(rig, how, victim);

        Assert.Equal("undo-untrusted", (await Assert.ThrowsAsync<EngineException>(() => rig.PlanAsync($"dir:{rig.Volume}?undo=true"))).Code);
        Assert.True(File.Exists(Path.Combine(victim, "passwd")));

        // It does not hinder the console's own.
        rig.Write("changed", "spoilt");
        await rig.RestoreAsync($"dir:{rig.Volume}?inPlace=true");
        await rig.RestoreAsync($"dir:{rig.Volume}?undo=true");
        Assert.Equal("spoilt", await File.ReadAllTextAsync(In(rig, "changed"), Ct));
    }

    [Fact]
    public async Task Folder_that_another_put_where_the_way_back_goes_stops_the_restore_before_it_changes_anything()
    {
        await using var rig = await FilledAsync();
        rig.Write("changed", "spoilt");
        await using var repository = await rig.OpenAsync();
        var plan = await rig.PlanAsync(repository, $"dir:{rig.Volume}?inPlace=true");
        var work = rig.Work(repository, plan, "R-8");
        var elsewhere = Directory.CreateDirectory(rig.Combine("elsewhere")).FullName;
        var mode = File.GetUnixFileMode(elsewhere);
        File.CreateSymbolicLink(VolumeUndo.FolderOf(rig.Volume, work.Operation), elsewhere);

        Assert.Equal("undo-untrusted", (await Assert.ThrowsAsync<EngineException>(() => rig.Restores.ExecuteAsync(work, Ct))).Code);
        Assert.Equal("spoilt", await File.ReadAllTextAsync(In(rig, "changed"), Ct));
        Assert.Equal(mode, File.GetUnixFileMode(elsewhere));
        Assert.Empty(Directory.GetFileSystemEntries(elsewhere));
    }

    [Theory]
    [InlineData("")]
    [InlineData("null\n")]
    [InlineData("{\"restorePoint\":\"x\"")]
    public async Task Journal_that_is_damaged_is_named(string content)
    {
        await using var rig = await FilledAsync();
        rig.Write("changed", "spoilt");
        await rig.RestoreAsync($"dir:{rig.Volume}?inPlace=true");
        var folder = Assert.Single(Directory.GetDirectories(rig.Volume, ".drconsole-before-*"));
        await File.WriteAllTextAsync(Path.Combine(folder, "journal"), content, Ct);

        var fault = await Assert.ThrowsAsync<EngineException>(() => rig.PlanAsync($"dir:{rig.Volume}?undo=true"));
        Assert.Equal(("undo-damaged", ErrorKind.Damaged), (fault.Code, fault.Kind));
        Assert.Contains(folder, fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Way_back_goes_on_where_somebody_took_a_folder_away_since()
    {
        await using var rig = await FilledAsync();
        rig.Write("far/below/one", "one");
        await rig.BackupAsync();
        rig.Write("far/below/one", "spoilt");
        rig.Write("changed", "spoilt");
        await rig.RestoreAsync($"dir:{rig.Volume}?inPlace=true");
        Directory.Delete(In(rig, "far"), recursive: true);

        await using var repository = await rig.OpenAsync();
        var plan = await rig.PlanAsync(repository, $"dir:{rig.Volume}?undo=true");
        var outcome = await rig.Restores.ExecuteAsync(rig.Work(repository, plan, "R-2"), Ct);

        Assert.StartsWith("far/below/one: ", Assert.Single(outcome.Warnings), StringComparison.Ordinal);
        Assert.Equal("spoilt", await File.ReadAllTextAsync(In(rig, "changed"), Ct));
    }

    [Fact]
    public async Task Folder_that_was_taken_back_and_not_yet_removed_says_nothing_to_the_next_attempt()
    {
        await using var rig = await FilledAsync();
        rig.Write("changed", "spoilt");
        await using var repository = await rig.OpenAsync();
        var plan = await rig.PlanAsync(repository, $"dir:{rig.Volume}?inPlace=true");
        var work = rig.Work(repository, plan, "R-7");
        await rig.Restores.ExecuteAsync(work, Ct);
        // As a kill leaves it: its journal goes first, and marks and names are still there.
        rig.Write("changed", "spoilt");
        File.Delete(Path.Combine(VolumeUndo.FolderOf(rig.Volume, work.Operation), "journal"));
        Assert.Null(await rig.Restores.FindFinishedAsync(work, Ct));
        Assert.Null(await rig.Restores.AbandonAsync(plan, work.Operation, Ct));
        rig.Write("changed", "spoilt");
        plan = await rig.PlanAsync(repository, $"dir:{rig.Volume}?inPlace=true");

        await rig.Restores.ExecuteAsync(rig.Work(repository, plan, "R-7"), Ct);

        Assert.Equal(Original, Show(rig.Volume));
        await rig.RestoreAsync($"dir:{rig.Volume}?undo=true");
        Assert.Equal("spoilt", await File.ReadAllTextAsync(In(rig, "changed"), Ct));
        Assert.Empty(Directory.GetDirectories(rig.Volume, ".drconsole-before-*"));
    }

    [Fact]
    public async Task File_with_several_names_is_brought_back_under_all_of_them()
    {
        await using var rig = await FilledAsync();
        Posix.MakeHardLink(Posix.ToPath(In(rig, "changed")), Posix.ToPath(In(rig, "other-name")));
        await rig.BackupAsync();
        await File.WriteAllTextAsync(In(rig, "changed"), "spoilt under both", Ct);
        File.SetLastWriteTimeUtc(In(rig, "changed"), new DateTime(2026, 1, 3, 0, 0, 0, DateTimeKind.Utc));
        var spoilt = Show(rig.Volume);

        var plan = await rig.RestoreAsync($"dir:{rig.Volume}?inPlace=true");

        Assert.Contains("~ other-name", plan.Notes);
        Assert.Equal([.. Original, "other-name=as it was"], Show(rig.Volume));
        Assert.Equal(InodeOf("changed"), InodeOf("other-name"));
        await rig.RestoreAsync($"dir:{rig.Volume}?undo=true");
        Assert.Equal(spoilt, Show(rig.Volume));
        Assert.Equal(InodeOf("changed"), InodeOf("other-name"));

        ulong InodeOf(string name) => Posix.Stat(Posix.ToPath(In(rig, name))).Inode;
    }

    private static readonly string[] Original = ["changed=as it was", "kept=kept", "lost=lost", "mode=mode"];

    private static string In(VolumeRig rig, string name) => Path.Combine(rig.Volume, name);

    /// <summary>As a death in the middle of taking it back leaves it; what was written after the restore keeps the folder.</summary>
    private static async Task<(RestoreWork Work, string Folder)> RestoredAndTakenBackInPartAsync(VolumeRig rig)
    {
        rig.Write("changed", "spoilt");
        File.Delete(In(rig, "lost"));
        var repository = await rig.OpenAsync();
        var plan = await rig.PlanAsync(repository, $"dir:{rig.Volume}?inPlace=true");
        var work = rig.Work(repository, plan, "R-7 of a test");
        await rig.Restores.ExecuteAsync(work, Ct);
        var folder = VolumeUndo.FolderOf(rig.Volume, work.Operation);
        File.Delete(Path.Combine(folder, "finished"));
        await File.WriteAllTextAsync(In(rig, "lost"), "newer", Ct);
        Assert.Contains("could not be brought back in all", await rig.Restores.AbandonAsync(plan, work.Operation, Ct), StringComparison.Ordinal);
        Assert.Equal("spoilt", await File.ReadAllTextAsync(In(rig, "changed"), Ct));
        return (work, folder);
    }

    /// <summary>A folder as a way back looks, except for one thing; it asks to take a file of another directory away.</summary>
    private static void Forge(VolumeRig rig, string how, string victim)
    {
        const UnixFileMode Mine = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
        var folder = In(rig, ".drconsole-before-0123456789abcdef");
        var real = how == "link" ? rig.Combine("real") : folder;
        Directory.CreateDirectory(Path.Combine(real, "old"), Mine);
        File.SetUnixFileMode(real, how == "mode" ? Mine | UnixFileMode.GroupWrite | UnixFileMode.GroupExecute : Mine);
        File.SetUnixFileMode(Path.Combine(real, "old"), Mine);
        var root = how == "root" ? victim : rig.Volume;
        var journal = Path.Combine(how == "journal link" ? rig.Folder.Path : real, "journal");
        File.WriteAllText(journal, $"{{\"restorePoint\":\"0123456789\",\"operation\":\"R-1\",\"root\":\"{root}\",\"beganAt\":\"2026-01-01T00:00:00Z\"}}\n{{\"path\":\"passwd\",\"change\":\"Create\",\"was\":\"nothing\"}}\n");
        File.SetUnixFileMode(journal, how == "journal mode" ? UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherWrite : UnixFileMode.UserRead | UnixFileMode.UserWrite);
        if (how == "journal link")
        {
            File.CreateSymbolicLink(Path.Combine(real, "journal"), journal);
        }

        if (how == "link")
        {
            File.CreateSymbolicLink(folder, real);
        }
    }

    private async Task<VolumeRig> FilledAsync()
    {
        var rig = new VolumeRig(catalog);
        rig.Write("changed", "as it was");
        rig.Write("kept", "kept");
        rig.Write("lost", "lost");
        rig.Write("mode", "mode");
        await rig.BackupAsync();
        return rig;
    }
}
