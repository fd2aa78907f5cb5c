using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Tests.Executable;
using Hexabase.DrConsole.Engine.Tests.Support;
using static Hexabase.DrConsole.Engine.Tests.Backups.Volumes.VolumeRig;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Volumes;

/// <summary>A restore in place goes into the directory that a person saw, whatever those who write into the volume put in its place.</summary>
public sealed class VolumeTargetTests(CatalogServer catalog)
{
    [Fact]
    public async Task Link_below_a_volume_leads_no_restore_elsewhere_and_one_above_it_may()
    {
        await using var rig = await FilledAsync();
        var way = rig.Combine("way");
        Directory.CreateSymbolicLink(way, rig.Volume);
        rig.Settings = new VolumeSettings(way);
        rig.Configure();
        rig.Write("jobs/daily", "spoilt");
        var plan = await rig.RestoreAsync($"dir:{way}/jobs?inPlace=true&part=jobs");
        Assert.Equal("as it was", await File.ReadAllTextAsync(In(rig, "jobs/daily"), Ct));
        Assert.Contains(plan.Notes, note => note.StartsWith($"the directory is {In(rig, "jobs")} (", StringComparison.Ordinal) && note.Contains(", inode ", StringComparison.Ordinal));

        var victim = Exchange(rig);
        foreach (var path in new[] { way, rig.Volume })
        {
            Assert.Equal("restore-target-refused", (await Assert.ThrowsAsync<EngineException>(() => rig.PlanAsync($"dir:{path}/jobs?inPlace=true&part=jobs"))).Code);
            Assert.Equal("restore-target-refused", (await Assert.ThrowsAsync<EngineException>(() => rig.PlanAsync($"dir:{path}/jobs?undo=true"))).Code);
        }

        Assert.Equal(["daily=spoilt"], Show(victim));
    }

    /// <summary>As after a restart of the machine, which counts devices anew.</summary>
    [Fact]
    public async Task Disk_that_is_mounted_anew_under_another_device_number_is_the_same_and_a_copy_made_anew_is_another()
    {
        await using var rig = new VolumeRig(catalog);
        await using var disk = await LoopDisk.AttachAsync(rig.Combine("disk.img"));
        await disk.MountAsync(rig.Volume);
        rig.Write("jobs/daily", "as it was");
        await rig.BackupAsync();
        rig.Write("jobs/daily", "spoilt");
        var (first, moved) = (disk.Device, "");

        var plan = await rig.RestoreAsync($"dir:{rig.Volume}/jobs?inPlace=true&part=jobs", async _ =>
        {
            await disk.UnmountAsync();
            moved = await disk.AttachElsewhereAsync(rig.Combine("disk.img"));
            await disk.MountAsync(rig.Volume);
        });

        Assert.NotEqual(first, moved);
        Assert.Contains(plan.Notes, note => note.Contains("(file system ", StringComparison.Ordinal));
        Assert.Equal("as it was", await File.ReadAllTextAsync(In(rig, "jobs/daily"), Ct));

        // The same names and inodes on another file system.
        rig.Write("jobs/daily", "spoilt");
        rig.Write("jobs/weekly", "new");
        var fault = await Assert.ThrowsAsync<EngineException>(() => rig.RestoreAsync($"dir:{rig.Volume}/jobs?inPlace=true&part=jobs&delete=true", async _ =>
        {
            await disk.UnmountAsync();
            await Shell.RunAsync("bash", "-c", $"e2fsck -fy {disk.Device} >/dev/null 2>&1; tune2fs -U random {disk.Device} >/dev/null");
            await disk.MountAsync(rig.Volume);
        }));
        Assert.Equal("target-changed", fault.Code);
    }

    [Theory]
    [InlineData("", true)]
    [InlineData("", false)]
    [InlineData("&exchange=true", true)]
    [InlineData("&exchange=true", false)]
    public async Task Directory_that_took_the_place_of_the_planned_one_is_not_touched(string options, bool isLink)
    {
        await using var rig = await FilledAsync();
        rig.Write("jobs/daily", "spoilt");
        var victim = "";

        var fault = await Assert.ThrowsAsync<EngineException>(() => rig.RestoreAsync($"dir:{rig.Volume}/jobs?inPlace=true&part=jobs{options}", _ =>
        {
            // What differs in it is the same.
            victim = Exchange(rig);
            if (!isLink)
            {
                File.Delete(In(rig, "jobs"));
                Directory.Move(victim, In(rig, "jobs"));
                victim = In(rig, "jobs");
            }

            return Task.CompletedTask;
        }));

        Assert.Equal("target-changed", fault.Code);
        Assert.Contains("inode", fault.Message, StringComparison.Ordinal);
        Assert.Equal(["daily=spoilt"], Show(victim));
        Assert.Empty(Directory.GetFileSystemEntries(victim, ".*"));
    }

    [Fact]
    public async Task Link_that_appears_while_it_is_restored_leads_neither_it_nor_the_way_back_elsewhere()
    {
        await using var rig = await FilledAsync();
        rig.Write("jobs/daily", "spoilt");
        await using var repository = await rig.OpenAsync();
        var plan = await rig.PlanAsync(repository, $"dir:{rig.Volume}/jobs?inPlace=true&part=jobs&exchange=true");
        var victim = "";
        var work = rig.Work(repository, plan, "R-1") with
        {
            // It tells what it is about to change, just before it does.
            Log = (_, _) => victim = victim.Length == 0 ? Exchange(rig) : victim,
        };

        await rig.Restores.ExecuteAsync(work, Ct);

        Assert.Equal(["daily=spoilt"], Show(victim));
        Assert.Empty(Directory.GetFileSystemEntries(victim, ".*"));
        Assert.Equal(["daily=as it was"], Show(In(rig, "moved")));
        File.Delete(In(rig, "jobs"));
        Directory.Move(In(rig, "moved"), In(rig, "jobs"));
        await rig.RestoreAsync($"dir:{rig.Volume}/jobs?undo=true");
        Assert.Equal(["daily=spoilt"], Show(In(rig, "jobs")));
    }

    [Fact]
    public async Task Link_in_the_place_of_a_single_file_is_replaced_and_not_followed()
    {
        await using var rig = await FilledAsync();
        var victim = Directory.CreateDirectory(rig.Combine("etc")).FullName;
        await File.WriteAllTextAsync(Path.Combine(victim, "passwd"), "root", Ct);
        File.Delete(In(rig, "jobs/daily"));
        Directory.CreateSymbolicLink(In(rig, "jobs/daily"), victim);

        await rig.RestoreAsync($"dir:{rig.Volume}/jobs?inPlace=true&part=jobs/daily");

        Assert.Equal("as it was", await File.ReadAllTextAsync(In(rig, "jobs/daily"), Ct));
        Assert.Equal(["passwd=root"], Show(victim));
        await rig.RestoreAsync($"dir:{rig.Volume}/jobs?undo=true");
        Assert.Equal(victim, new FileInfo(In(rig, "jobs/daily")).LinkTarget);
    }

    private static string In(VolumeRig rig, string name) => Path.Combine(rig.Volume, name);

    /// <summary>Puts a link to a directory that holds the same in the place of the one that is restored.</summary>
    private static string Exchange(VolumeRig rig)
    {
        var victim = Directory.CreateDirectory(rig.Combine("victim")).FullName;
        var file = Path.Combine(victim, "daily");
        File.WriteAllText(file, "spoilt");
        File.SetLastWriteTimeUtc(file, File.GetLastWriteTimeUtc(In(rig, "jobs/daily")));
        Directory.SetLastWriteTimeUtc(victim, Directory.GetLastWriteTimeUtc(In(rig, "jobs")));
        Directory.Move(In(rig, "jobs"), In(rig, "moved"));
        Directory.CreateSymbolicLink(In(rig, "jobs"), victim);
        return victim;
    }

    private async Task<VolumeRig> FilledAsync()
    {
        var rig = new VolumeRig(catalog);
        rig.Write("jobs/daily", "as it was");
        rig.Write("other", "other");
        await rig.BackupAsync();
        return rig;
    }
}
