using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Tests.Executable;
using Hexabase.DrConsole.Engine.Tests.Support;
using static Hexabase.DrConsole.Engine.Tests.Backups.Volumes.VolumeRig;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Volumes;

/// <summary>Restores into new directories, and in place by a difference that is shown before and can be taken back after.</summary>
public sealed class VolumeRestoreTests(CatalogServer catalog)
{
    [Fact]
    public async Task All_a_folder_and_one_file_go_into_new_directories()
    {
        await using var rig = await FilledAsync(catalog);
        await rig.RestoreAsync($"dir:{rig.Combine("all")}");
        await rig.RestoreAsync($"dir:{rig.Combine("folder")}?part=photos/2024");
        await rig.RestoreAsync($"dir:{rig.Combine("file")}?part=photos/2024/a.jpg");

        Assert.Equal(Show(rig.Volume), Show(rig.Combine("all")));
        Assert.Equal(["a.jpg=picture a", "b.jpg=picture b"], Show(rig.Combine("folder")));
        Assert.Equal(["a.jpg=picture a"], Show(rig.Combine("file")));
        Assert.Equal("directory-not-empty", (await Assert.ThrowsAsync<EngineException>(() => rig.PlanAsync($"dir:{rig.Combine("all")}"))).Code);
        Assert.Equal("tree-path-missing", (await Assert.ThrowsAsync<EngineException>(() => rig.PlanAsync($"dir:{rig.Combine("none")}?part=photos/1999"))).Code);
    }

    [Fact]
    public async Task Restore_in_place_shows_its_difference_writes_only_that_and_can_be_taken_back()
    {
        await using var rig = await FilledAsync(catalog);
        var untouched = Path.Combine(rig.Volume, "photos/2024/b.jpg");
        var inode = File.GetLastWriteTimeUtc(untouched);
        Damage(rig);
        var damaged = Show(rig.Volume);
        var times = Directory.GetLastWriteTimeUtc(Path.Combine(rig.Volume, "photos"));

        var plan = await rig.RestoreAsync($"dir:{rig.Volume}?inPlace=true&delete=true");

        Assert.True(plan.WritesOver);
        Assert.Contains("+ documents/lost.txt", plan.Notes);
        Assert.Contains("~ photos/2024/a.jpg", plan.Notes);
        Assert.Contains("- intruder", plan.Notes);
        Assert.Contains("m documents", plan.Notes.Select(note => note.StartsWith("m documents", StringComparison.Ordinal) ? "m documents" : note));
        Assert.Equal(Original, Show(rig.Volume));
        Assert.Equal(inode, File.GetLastWriteTimeUtc(untouched));

        var undo = await rig.RestoreAsync($"dir:{rig.Volume}?undo=true");
        Assert.Contains("takes back the restore", undo.Notes[0], StringComparison.Ordinal);
        Assert.True(undo.WritesOver);
        Assert.Equal(damaged, Show(rig.Volume));
        Assert.Equal(times, Directory.GetLastWriteTimeUtc(Path.Combine(rig.Volume, "photos")));
        Assert.Equal("nothing-to-undo", (await Assert.ThrowsAsync<EngineException>(() => rig.PlanAsync($"dir:{rig.Volume}?undo=true"))).Code);
    }

    [Fact]
    public async Task Restore_in_place_without_deletion_leaves_alone_what_is_not_in_the_restore_point()
    {
        await using var rig = await FilledAsync(catalog);
        Damage(rig);
        await rig.RestoreAsync($"dir:{rig.Volume}?inPlace=true");
        Assert.Equal([.. Original.Concat(["intruder/", "intruder/x=evil"]).Order(StringComparer.Ordinal)], Show(rig.Volume));
        // What it keeps aside is no content of the volume.
        Assert.Equal(5, (await rig.FactsAsync(await rig.BackupAsync())).Files);
    }

    [Fact]
    public async Task One_file_in_place_changes_nothing_beside_it()
    {
        await using var rig = await FilledAsync(catalog);
        Damage(rig);
        await rig.RestoreAsync($"dir:{rig.Volume}/photos/2024?inPlace=true&part=photos/2024/a.jpg");
        Assert.Equal("picture a", await File.ReadAllTextAsync(Path.Combine(rig.Volume, "photos/2024/a.jpg"), Ct));
        Assert.True(Directory.Exists(Path.Combine(rig.Volume, "intruder")));
        await rig.RestoreAsync($"dir:{rig.Volume}/photos/2024?undo=true");
        Assert.Equal("encrypted", await File.ReadAllTextAsync(Path.Combine(rig.Volume, "photos/2024/a.jpg"), Ct));
    }

    [Fact]
    public async Task Directory_that_changed_after_its_difference_was_shown_is_not_touched()
    {
        await using var rig = await FilledAsync(catalog);
        Damage(rig);
        var fault = await Assert.ThrowsAsync<EngineException>(() => rig.RestoreAsync($"dir:{rig.Volume}?inPlace=true&delete=true", _ =>
        {
            rig.Write("written meanwhile");
            return Task.CompletedTask;
        }));
        Assert.Equal("target-changed", fault.Code);
        Assert.Contains("intruder/x=evil", Show(rig.Volume));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Restore_in_place_that_died_half_way_is_finished_or_taken_back(bool isResumed)
    {
        await using var rig = await FilledAsync(catalog);
        Damage(rig);
        var damaged = Show(rig.Volume);
        await using var repository = await rig.OpenAsync();
        var plan = await rig.PlanAsync(repository, $"dir:{rig.Volume}?inPlace=true&delete=true");
        var work = rig.Work(repository, plan, "R-7 of a console that died");
        using (var died = new CancellationTokenSource())
        {
            // It dies when everything is kept aside and the first files are written.
            var log = work with { Progress = new DyingProgress(died) };
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => rig.Restores.ExecuteAsync(log, died.Token));
        }

        Assert.Null(await rig.Restores.FindFinishedAsync(work, Ct));
        if (isResumed)
        {
            await rig.Restores.ExecuteAsync(work, Ct);
            Assert.Equal(Original, Show(rig.Volume));
            Assert.NotNull(await rig.Restores.FindFinishedAsync(work, Ct));
            await rig.RestoreAsync($"dir:{rig.Volume}?undo=true");
        }
        else
        {
            Assert.Contains("again what it was", await rig.Restores.AbandonAsync(plan, work.Operation, Ct), StringComparison.Ordinal);
        }

        Assert.Equal(damaged, Show(rig.Volume));
    }

    [Fact]
    public async Task Empty_disk_that_was_filled_before_a_crash_counts_as_restored_and_keeps_no_trace_of_it()
    {
        await using var rig = await FilledAsync(catalog);
        await using var disk = await LoopDisk.AttachAsync(rig.Combine("disk.img"));
        var mount = rig.Combine("mounted");
        await disk.MountAsync(mount);
        await using var repository = await rig.OpenAsync();
        var plan = await rig.PlanAsync(repository, $"dir:{mount}");
        var work = rig.Work(repository, plan, "R-7");
        await rig.Restores.ExecuteAsync(work, Ct);

        Assert.NotNull(await rig.Restores.FindFinishedAsync(work, Ct));
        await rig.Restores.SettleAsync(plan, work.Operation, Ct);
        await rig.Restores.SettleAsync(plan, work.Operation, Ct);
        Assert.Equal([.. Original.Append("lost+found/").Order(StringComparer.Ordinal)], Show(mount));
        Assert.Empty(Directory.GetFileSystemEntries(mount, ".drconsole*"));
    }

    /// <summary>A copy of the disk has what was written to it by then, as it is found after a power cut; what only waits in memory to be written is not in it.</summary>
    [Theory]
    [InlineData("")]
    [InlineData("/new")]
    public async Task What_is_told_to_be_restored_is_there_after_a_power_cut(string place)
    {
        await using var rig = await FilledAsync(catalog);
        await using var disk = await LoopDisk.AttachAsync(rig.Combine("disk.img"));
        await using var found = await LoopDisk.AttachAsync(rig.Combine("found.img"));
        await disk.MountAsync(rig.Combine("mounted"));

        await rig.RestoreAsync($"dir:{rig.Combine("mounted")}{place}");

        await Shell.RunAsync("dd", $"if={rig.Combine("disk.img")}", $"of={found.Device}", "bs=1M", "status=none");
        await found.MountAsync(rig.Combine("found"));
        Assert.Equal(Original, Show(rig.Combine("found") + place).Where(line => line != "lost+found/"));
    }

    [Theory]
    [InlineData(@"a\b.txt", @"a\\b.txt")]
    [InlineData("line\nend", @"line\x0aend")]
    public async Task File_whose_name_is_written_with_escapes_gets_its_own_name_back(string name, string part)
    {
        await using var rig = new VolumeRig(catalog);
        rig.Write(name, "strange");
        await rig.BackupAsync();

        Assert.False((await rig.RestoreAsync($"dir:{rig.Combine("file")}?part={Uri.EscapeDataString(part)}")).WritesOver);

        Assert.Equal([$"{name}=strange"], Show(rig.Combine("file")));
    }

    [Fact]
    public async Task Consoles_own_folders_are_never_restored_over()
    {
        await using var rig = await FilledAsync(catalog);
        Assert.Equal("restore-target-refused", (await Assert.ThrowsAsync<EngineException>(() => rig.PlanAsync($"dir:{rig.Folder.Path}?inPlace=true"))).Code);
    }

    [Theory]
    [InlineData("dir:/a/b?part=x/y&inPlace=true&delete=true&verify=true", "dir:/a/b?delete=true&inPlace=true&part=x/y&verify=true")]
    [InlineData("dir:/a/100%25/what%3F", "dir:/a/100%25/what%3F")]
    [InlineData("dir:/a?part=%E6%97%A5", "dir:/a?part=%E6%97%A5")]
    public void Target_is_written_as_it_is_read(string text, string canonical)
    {
        var target = RestoreTarget.Parse(text, "/");
        Assert.Equal(canonical, target.ToText());
        Assert.Equal(target, RestoreTarget.Parse(target.ToText(), "/"));
    }

    [Theory]
    [InlineData("dir:/a?delete=true", "for inPlace=true")]
    [InlineData("dir:/a?undo=true&inPlace=true", "undo stands alone")]
    [InlineData("dir:/a?inplace=true", "none of part, inPlace, delete, verify, exchange, undo")]
    public void Target_with_a_mistake_is_refused(string text, string said) =>
        Assert.Contains(said, Assert.Throws<EngineException>(() => RestoreTarget.Parse(text, "/")).Message, StringComparison.Ordinal);

    [Fact]
    public async Task Exchange_replaces_what_is_there_when_it_is_carried_out_and_brings_all_of_it_back()
    {
        await using var rig = await FilledAsync(catalog);
        Damage(rig);
        IReadOnlyList<string> before = [];

        await rig.RestoreAsync($"dir:{rig.Volume}?inPlace=true&delete=true&exchange=true", _ =>
        {
            // After the plan was made: a file that had been right, one that had been encrypted already, and new ones.
            rig.Write("photos/2024/b.jpg", "painted over");
            rig.Write("photos/2024/a.jpg", "encrypted again");
            rig.Write("late", "made since");
            rig.Write("below/late", "made since");
            before = Show(rig.Volume);
            return Task.CompletedTask;
        });

        Assert.Equal(Original, Show(rig.Volume));
        await rig.RestoreAsync($"dir:{rig.Volume}?undo=true");
        Assert.Equal(before, Show(rig.Volume));
    }

    [Fact]
    public async Task What_is_written_while_it_is_restored_is_not_replaced_since_nothing_keeps_it()
    {
        await using var rig = await FilledAsync(catalog);
        Damage(rig);
        await using var repository = await rig.OpenAsync();
        var plan = await rig.PlanAsync(repository, $"dir:{rig.Volume}?inPlace=true&exchange=true");
        var said = new List<string>();

        // The first line comes when the difference is known, and before anything is kept.
        await rig.Restores.ExecuteAsync(rig.Work(repository, plan, "R-7") with { Log = (_, text) => Hear(text) }, TestContext.Current.CancellationToken);

        Assert.Equal("written meanwhile", await File.ReadAllTextAsync(Path.Combine(rig.Volume, "photos/2024/b.jpg"), TestContext.Current.CancellationToken));
        // Of what was to change anyway, that is kept which is there when the journal is written.
        Assert.Equal("lost", await File.ReadAllTextAsync(Path.Combine(rig.Volume, "documents/lost.txt"), TestContext.Current.CancellationToken));
        var kept = Assert.Single(Directory.GetDirectories(rig.Volume, ".drconsole-before-*"));
        Assert.Equal("written meanwhile", await File.ReadAllTextAsync(Path.Combine(kept, "old/documents/lost.txt"), TestContext.Current.CancellationToken));
        Assert.Equal("picture a", await File.ReadAllTextAsync(Path.Combine(rig.Volume, "photos/2024/a.jpg"), TestContext.Current.CancellationToken));
        Assert.Contains(said, line => line.Contains("1 item left as written while it was restored", StringComparison.Ordinal));

        void Hear(string text)
        {
            if (said.Count == 0)
            {
                File.WriteAllText(Path.Combine(rig.Volume, "photos/2024/b.jpg"), "written meanwhile");
                File.WriteAllText(Path.Combine(rig.Volume, "documents/lost.txt"), "written meanwhile");
            }

            said.Add(text);
        }
    }

    private static readonly string[] Original =
        ["documents/", "documents/kept.txt=kept", "documents/lost.txt=lost", "photos/", "photos/2024/", "photos/2024/a.jpg=picture a", "photos/2024/b.jpg=picture b"];

    private static async Task<VolumeRig> FilledAsync(CatalogServer catalog)
    {
        var rig = new VolumeRig(catalog);
        rig.Write("photos/2024/a.jpg", "picture a");
        rig.Write("photos/2024/b.jpg", "picture b");
        rig.Write("documents/kept.txt", "kept");
        rig.Write("documents/lost.txt", "lost");
        await rig.BackupAsync();
        return rig;
    }

    private static void Damage(VolumeRig rig)
    {
        File.WriteAllText(Path.Combine(rig.Volume, "photos/2024/a.jpg"), "encrypted");
        File.Delete(Path.Combine(rig.Volume, "documents/lost.txt"));
        Directory.CreateDirectory(Path.Combine(rig.Volume, "intruder"));
        File.WriteAllText(Path.Combine(rig.Volume, "intruder/x"), "evil");
        File.SetUnixFileMode(Path.Combine(rig.Volume, "documents"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    private sealed class DyingProgress(CancellationTokenSource died) : IProgress<TransferProgress>
    {
        private int _told;

        public void Report(TransferProgress value)
        {
            // The first phase compares; once the journal is there, the next sign of life is the last.
            if (Interlocked.Increment(ref _told) > 1)
            {
                died.Cancel();
            }
        }
    }
}
