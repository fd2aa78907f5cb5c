using Hexabase.DrConsole.Engine.Backups.Volumes;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Jobs;
using Hexabase.DrConsole.Engine.Repository.Trees;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Tests.Executable;
using Hexabase.DrConsole.Engine.Tests.Support;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Volumes;

/// <summary>Volumes are captured whole, read only where they changed, and proven by a restore.</summary>
public sealed class VolumeBackupTests(CatalogServer catalog)
{
    [Fact]
    public async Task Second_backup_reads_what_changed_and_both_are_proven()
    {
        await using var rig = new VolumeRig(catalog);
        rig.Settings = rig.Settings with { Exclude = ["*.tmp"] };
        for (var i = 0; i < 50; i++)
        {
            rig.Write($"dir-{i % 5}/file-{i}", $"content {i}");
        }

        rig.Write("left.tmp");
        var first = await rig.BackupAsync();
        rig.Write("dir-1/file-1", "another content");
        rig.Write("new/file", "new");
        var second = await rig.BackupAsync();

        var (before, after) = (await rig.FactsAsync(first), await rig.FactsAsync(second));
        Assert.Equal((50, 6, 50, null), (before.Files, before.Directories, before.ChangedFiles, before.Since));
        Assert.Equal((51, 7, 2, first.BackupId.Value, 50), (after.Files, after.Directories, after.ChangedFiles, after.Since, after.FilesBefore));
        Assert.Contains(second.Warnings, line => line.Contains("left out by the exclude patterns", StringComparison.Ordinal));
        Assert.Equal(51, second.Contents.Single(content => content.Name == "files").Count);
        foreach (var one in new[] { first, second })
        {
            var proof = await rig.ValidateAsync(one);
            Assert.True(proof.OverallPassed, string.Join('\n', proof.Steps.Select(step => step.Reason)));
            Assert.NotNull(proof.MeasuredRestoreSeconds);
        }
    }

    [Fact]
    public async Task Strange_files_are_kept_or_named_and_proven()
    {
        await using var rig = new VolumeRig(catalog);
        Assert.SkipUnless(Environment.UserName == "root", "special files and owners need root");
        rig.Write("empty", "");
        rig.Write("a/b/file");
        File.CreateSymbolicLink(Path.Combine(rig.Volume, "a/b/loop"), "../../a");
        File.CreateSymbolicLink(Path.Combine(rig.Volume, "selfish"), "selfish");
        await Shell.RunAsync("ln", Path.Combine(rig.Volume, "a/b/file"), Path.Combine(rig.Volume, "second-name"));
        await Shell.RunAsync("mkfifo", Path.Combine(rig.Volume, "fifo"));
        await Shell.RunAsync("bash", "-c", $"cd {rig.Volume} && : > $'caf\\xe9' && truncate -s 20G sparse && printf x | dd of=sparse bs=1 seek=12G conv=notrunc status=none && chown 1234:4321 empty && chmod 4751 empty");
        Posix.SetAttribute(Posix.ToPath(Path.Combine(rig.Volume, "empty")), new ExtendedAttribute("user.note"u8.ToArray(), "hello"u8.ToArray()));

        var result = await rig.BackupAsync();
        var facts = await rig.FactsAsync(result);

        Assert.Equal((4, 1, 2, 1), (facts.Files, facts.HardLinks, facts.Links, facts.Others));
        Assert.True(facts.Bytes > 20L << 30);
        Assert.True(facts.ContentBytes < 10 << 20, $"{facts.ContentBytes} bytes of content");
        var proof = await rig.ValidateAsync(result);
        Assert.True(proof.OverallPassed, string.Join('\n', proof.Steps.Select(step => step.Reason)));
        await rig.RestoreAsync($"dir:{rig.Combine("out")}");
        Assert.True(new FileInfo(rig.Combine("out/sparse")).Length == 20L << 30);
    }

    [Fact]
    public async Task Volume_that_is_gone_or_suddenly_empty_makes_no_restore_point()
    {
        await using var rig = new VolumeRig(catalog);
        for (var i = 0; i < 1200; i++)
        {
            rig.Write($"{i % 10}/{i}", "x");
        }

        await rig.BackupAsync();
        Directory.Delete(rig.Volume, recursive: true);
        Assert.Equal("volume-missing", (await Assert.ThrowsAsync<EngineException>(rig.BackupAsync)).Code);

        Directory.CreateDirectory(rig.Volume);
        var emptied = await Assert.ThrowsAsync<EngineException>(rig.BackupAsync);
        Assert.Equal("volume-emptied", emptied.Code);
        Assert.Contains("mounted", emptied.Hint, StringComparison.Ordinal);

        rig.Settings = rig.Settings with { MayBeEmptied = true };
        Assert.Equal(0, (await rig.FactsAsync(await rig.BackupAsync())).Files);
    }

    [Fact]
    public async Task Disk_that_was_mounted_at_the_last_backup_and_is_not_now_is_a_failure_with_a_hint()
    {
        await using var rig = new VolumeRig(catalog);
        Assert.SkipUnless(Environment.UserName == "root", "mounting needs root");
        await Shell.RunAsync("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", rig.Volume);
        try
        {
            rig.Write("one");
            Assert.Equal(rig.Volume, (await rig.FactsAsync(await rig.BackupAsync())).MountPoint);
        }
        finally
        {
            await Shell.RunAsync("umount", rig.Volume);
        }

        rig.Write("written below the mount point");
        var fault = await Assert.ThrowsAsync<EngineException>(rig.BackupAsync);
        Assert.Equal("volume-unmounted", fault.Code);
        Assert.Contains("Mount its disk", fault.Hint, StringComparison.Ordinal);
        rig.Settings = rig.Settings with { RequireMount = false };
        Assert.Equal(1, (await rig.FactsAsync(await rig.BackupAsync())).Files);
    }

    [Fact]
    public async Task Raw_image_keeps_its_holes_and_stores_only_what_changed()
    {
        await using var rig = new VolumeRig(catalog);
        var image = rig.Combine("disk.raw");
        await Shell.RunAsync("truncate", "-s", "1G", image);
        await Shell.RunAsync("bash", "-c", $"head -c 30000000 /dev/urandom | dd of={image} bs=1M seek=100 conv=notrunc status=none");
        rig.Settings = new VolumeSettings(image);
        var first = await rig.BackupAsync();
        await Shell.RunAsync("bash", "-c", $"printf changed | dd of={image} bs=1 seek=104857700 conv=notrunc status=none");
        var second = await rig.BackupAsync();

        Assert.Equal(VolumeFacts.ImageForm, (await rig.FactsAsync(second)).Form);
        Assert.True(second.StoredBytes < first.StoredBytes / 2, $"{second.StoredBytes} of {first.StoredBytes}");
        Assert.True((await rig.ValidateAsync(second)).OverallPassed);
        await rig.RestoreAsync($"dir:{rig.Combine("out")}");
        await Shell.RunAsync("cmp", image, rig.Combine("out/disk.raw"));
        await Shell.RunAsync("bash", "-c", $"test $(du -k {rig.Combine("out/disk.raw")} | cut -f1) -lt 40000");
    }

    [Fact]
    public async Task Block_device_is_read_whole_and_restored_without_its_zeros()
    {
        await using var rig = new VolumeRig(catalog);
        await using var disk = await LoopDisk.AttachAsync(rig.Combine("disk.img"));
        rig.Settings = new VolumeSettings(disk.Device);
        var result = await rig.BackupAsync();

        Assert.Equal(VolumeFacts.DeviceForm, (await rig.FactsAsync(result)).Form);
        var proof = await rig.ValidateAsync(result);
        Assert.True(proof.OverallPassed, string.Join('\n', proof.Steps.Select(step => step.Reason)));
        await rig.RestoreAsync($"dir:{rig.Combine("out")}");
        var restored = Assert.Single(Directory.GetFiles(rig.Combine("out")));
        await Shell.RunAsync("cmp", disk.Device, restored);
        await Shell.RunAsync("bash", "-c", $"test $(du -k {restored} | cut -f1) -lt 10000");
    }

    [Fact]
    public async Task Consoles_own_folders_are_left_out_by_whatever_names_they_are_reached()
    {
        await using var rig = new VolumeRig(catalog);
        // The tier lies in the volume; both are configured by links.
        Directory.CreateDirectory(Path.Combine(rig.Volume, "tier"));
        Directory.CreateSymbolicLink(rig.Combine("hot"), Path.Combine(rig.Volume, "tier"));
        Directory.CreateSymbolicLink(rig.Combine("link"), rig.Folder.Path);
        rig.Write("a", "content");
        rig.Settings = new VolumeSettings(Path.Combine(rig.Combine("link"), "volume"));

        await rig.BackupAsync();

        Assert.Equal(1, (await rig.FactsAsync(await rig.BackupAsync())).Files);
    }

    [Fact]
    public async Task Volume_of_a_node_is_read_by_its_agent_alone()
    {
        await using var rig = new VolumeRig(catalog);
        rig.Write("one");
        rig.Settings = rig.Settings with { Node = "worker-1" };
        Assert.Equal("volume-elsewhere", (await Assert.ThrowsAsync<EngineException>(rig.BackupAsync)).Code);
        rig.Nodes = JobQueues.NodesOf("critical,node-worker-1");
        Assert.Equal(1, (await rig.FactsAsync(await rig.BackupAsync())).Files);

        Assert.Equal(["c-critical", "n-node-worker-1"], JobQueues.Parse("critical,node-worker-1"));
        Assert.DoesNotContain(JobQueues.All, queue => queue.Contains("node", StringComparison.Ordinal));
        var estate = new ProtectedEstate("test", "/", rig.Estate.Classes, [], [rig.Source], []);
        Assert.Equal("n-node-worker-1", JobQueues.For(Run(RunKinds.Backup, rig.Name), estate));
        Assert.Equal("e-standard", JobQueues.For(Run(RunKinds.Validation, rig.Name), estate));
    }

    private static Run Run(string kind, string source) =>
        new(new RunId(1), kind, source, null, "{}", "", RunState.Queued, 0, 0, "tester", null, null) { CreatedAt = DateTimeOffset.UnixEpoch };
}
