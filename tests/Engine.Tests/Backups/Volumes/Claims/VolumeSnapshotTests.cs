using System.Collections.Concurrent;
using System.Security.Cryptography;
using Hexabase.DrConsole.Engine.Backups.Volumes;
using Hexabase.DrConsole.Engine.Backups.Volumes.Claims;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Lab.Kubernetes;
using Microsoft.Extensions.Logging.Abstractions;
using static Hexabase.DrConsole.Engine.Tests.Backups.Volumes.Claims.ClaimRig;
using static Hexabase.DrConsole.Engine.Tests.Support.ClusterClient;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Volumes.Claims;

/// <summary>CSI snapshots of claims: taken, read and removed again, whatever happens in between.</summary>
[Collection("vcluster")]
public sealed class VolumeSnapshotTests(KubernetesLab kubernetes, CatalogServer catalog)
{
    private const int Large = 2_000_000;

    [Fact]
    public async Task Snapshot_is_cut_while_writers_wait_read_when_they_write_again_and_leaves_nothing()
    {
        await using var rig = await StartAsync(kubernetes, catalog);
        var volume = await FillAsync(rig);
        var state = Path.Combine(rig.Data, "state");
        rig.Volume.Settings = rig.Volume.Settings with { Hooks = new VolumeHooks(Script($"echo frozen > {state}"), Script($"echo thawed > {state}"), false, TimeSpan.FromSeconds(20), TimeSpan.FromMinutes(1)) };
        var seen = new ConcurrentQueue<string>();
        var result = await rig.Volume.BackupAsync(new Watching(() => seen.Enqueue(File.ReadAllText(state))));
        Assert.Empty(result.Warnings);
        // While it was read, writers wrote again; what was read is of the moment at which they did not.
        Assert.All(seen, text => Assert.Equal("thawed\n", text));
        Assert.NotEmpty(seen);
        await rig.Volume.RestoreAsync($"dir:{rig.Volume.Combine("beside")}");
        Assert.Equal("frozen\n", await File.ReadAllTextAsync(rig.Volume.Combine("beside/state"), Ct));
        var facts = await rig.Volume.FactsAsync(result);
        Assert.Equal(($"claim {rig.Namespace}/{Claim}", volume, SnapshotKinds.Usual, "command", 2L), (facts.Path, facts.Volume, facts.SnapshotClass, facts.HeldStill, facts.Files));
        Assert.InRange(facts.SnapshotAt!.Value, result.CreatedAt - TimeSpan.FromSeconds(10), result.CreatedAt + TimeSpan.FromSeconds(30));
        Assert.Equal(facts.SnapshotAt, result.SnapshotAt);
        Assert.StartsWith(rig.Copies, facts.ReadAt, StringComparison.Ordinal);
        await rig.AssertNothingLeftAsync();
        Assert.Equal(["volume.frozen", "volume.thawed", "volume.snapshot-taken", "volume.snapshot-removed"], await rig.Volume.AuditAsync());
        Assert.True((await rig.Volume.ValidateAsync(result)).OverallPassed);

        // Each snapshot is another copy with other inodes: its files are read again, and nothing of them is stored again.
        rig.Volume.Settings = rig.Volume.Settings with { Hooks = null };
        var second = await rig.Volume.BackupAsync();
        var again = await rig.Volume.FactsAsync(second);
        Assert.Equal((2L, 2L, result.BackupId.Value), (again.Files, again.ChangedFiles, again.Since));
        Assert.True(again is { IsConsistent: true, HeldStill: null });
        Assert.InRange(second.StoredBytes, 1, Large / 100);

        // What their classes would keep is removed too.
        rig.Volume.Settings = rig.Volume.Settings with { Snapshot = rig.Volume.Settings.Snapshot! with { Class = SnapshotKinds.Kept, StorageClass = LabSnapshots.KeptClass } };
        Assert.Empty((await rig.Volume.BackupAsync()).Warnings);
        await rig.AssertNothingLeftAsync();
    }

    [Fact]
    public async Task Snapshot_of_a_volume_that_its_driver_mounts_is_read_where_a_Pod_of_ours_has_it_mounted()
    {
        await using var rig = await StartAsync(kubernetes, catalog);
        var volume = await FillAsync(rig, isMounted: true);
        Assert.Equal("snapshot-node-missing", (await Assert.ThrowsAsync<EngineException>(() => rig.Volume.BackupAsync())).Code);
        rig.Volume.Settings = rig.Volume.Settings with { Node = rig.Namespace };
        rig.Volume.Nodes = new ServedNodes([rig.Namespace]);

        var facts = await rig.Volume.FactsAsync(await rig.Volume.BackupAsync());
        Assert.Equal((volume, 1L, null), (facts.Volume, facts.Files, facts.MountPoint));
        Assert.StartsWith(Path.Combine(rig.Kubelet, "pods"), facts.ReadAt, StringComparison.Ordinal);
        await rig.AssertNothingLeftAsync();

        // A Pod that does not start, or starts where this worker does not see its mounts, is told and removed like any other.
        rig.Node.Mounts = false;
        await FailsAsync(rig, "claim-unmounted", "is not mounted below");
        rig.Node.Runs = false;
        await FailsAsync(rig, "snapshot-timeout", "ran not within", TimeSpan.FromSeconds(1));
    }

    [Fact]
    public async Task Snapshot_that_does_not_come_about_says_why_thaws_and_leaves_nothing()
    {
        await using var rig = await StartAsync(kubernetes, catalog);
        await FillAsync(rig);
        var usual = rig.Volume.Settings;
        VolumeSettings With(string name) => usual with { Snapshot = usual.Snapshot! with { Class = name, ReadyTimeout = TimeSpan.FromSeconds(1) } };
        rig.Volume.Settings = With(SnapshotKinds.Never);
        await FailsAsync(rig, "snapshot-timeout", "look whether a snapshot controller runs");
        rig.Volume.Settings = With(SnapshotKinds.Broken);
        await FailsAsync(rig, "snapshot-timeout", SnapshotKinds.BrokenMessage);
        var mark = rig.Volume.Combine("mark");
        rig.Volume.Settings = With(SnapshotKinds.Broken) with { Hooks = new VolumeHooks(Script($"touch {mark}"), Script($"rm {mark}"), false, TimeSpan.FromSeconds(20), TimeSpan.FromMinutes(1)) };
        await FailsAsync(rig, "snapshot-failed", SnapshotKinds.BrokenMessage);
        Assert.False(File.Exists(mark));
        rig.Volume.Settings = With(SnapshotKinds.Never) with { Hooks = rig.Volume.Settings.Hooks! with { FrozenLimit = TimeSpan.FromMilliseconds(300) } };
        await FailsAsync(rig, "frozen-too-long", "before its snapshot was cut");
        Assert.False(File.Exists(mark));

        // Whoever may make no snapshots may not look for them either: nothing was made, and nothing is looked for.
        var limited = await rig.LimitedAsync("""[{"apiGroups":[""],"resources":["persistentvolumeclaims"],"verbs":["get"]}]""");
        rig.Volume.Settings = usual with { Claim = usual.Claim! with { Kubeconfig = limited } };
        await FailsAsync(rig, "api-forbidden", "persistentvolumes");
        await using (await rig.MayReadVolumesAsync())
        {
            var fault = await FailsAsync(rig, "snapshot-refused", "cannot create resource \"volumesnapshots\"");
            Assert.Equal(ErrorKind.Denied, fault.Kind);
            Assert.Contains("docs/volumes.md", fault.Hint, StringComparison.Ordinal);
        }

        await using var repository = await rig.Volume.OpenAsync();
        Assert.Empty((await repository.ListAsync(Ct)).Points);
    }

    [Fact]
    public async Task Snapshot_of_a_process_that_died_is_removed_by_the_next_start_and_by_the_next_backup()
    {
        await using var rig = await StartAsync(kubernetes, catalog);
        await FillAsync(rig);
        // Nobody disposes of what a dead process has taken.
        var dead = new VolumeSnapshots(rig.Volume.Snapshots(rig.Volume.Folder.RegistryOfDeadConsole()), rig.Volume.Freeze(), catalog.Pool, TimeProvider.System);
        var left = await dead.TakeAsync(rig.Volume.Source, "R-7", null, Ct);
        Assert.True(Directory.Exists(left.Reading.Place.Path));
        Assert.NotEmpty(await rig.MadeAsync());
        var snapshots = new VolumeSnapshots(rig.Volume.SnapshotLedger, rig.Volume.Freeze(), catalog.Pool, TimeProvider.System);
        var start = new LeftSnapshots(rig.Volume.SnapshotLedger, snapshots, TimeProvider.System, NullLogger<LeftSnapshots>.Instance);
        Assert.Equal(0, await start.UndoAsync(Ct));
        await rig.AssertNothingLeftAsync();
        Assert.Equal(["volume.snapshot-taken", "volume.snapshot-removed"], await rig.Volume.AuditAsync());

        await dead.TakeAsync(rig.Volume.Source, "R-8", null, Ct);
        Assert.NotEmpty(await rig.MadeAsync());
        await rig.Volume.BackupAsync();
        await rig.AssertNothingLeftAsync();
        Assert.Equal(["volume.snapshot-taken", "volume.snapshot-removed", "volume.snapshot-taken", "volume.snapshot-removed"], (await rig.Volume.AuditAsync()).Skip(2));

        // Before its first object was made, too.
        rig.Volume.SnapshotLedger.Write(new SnapshotRecord(rig.Volume.Name, "/no/longer/there", rig.Namespace, "drconsole-0", 1, ServerFolder.DeadConsole, DateTimeOffset.UnixEpoch));
        Assert.Equal(0, await start.UndoAsync(Ct));
        await rig.AssertNothingLeftAsync();
    }

    [Fact]
    public async Task Snapshot_that_cannot_be_removed_costs_no_restore_point_says_what_to_type_and_stands_in_the_way_of_the_next()
    {
        await using var rig = await StartAsync(kubernetes, catalog);
        await FillAsync(rig);
        var usual = rig.Volume.Settings;
        var limited = await rig.LimitedAsync("""
            [{"apiGroups":[""],"resources":["persistentvolumeclaims"],"verbs":["get","create","delete"]},{"apiGroups":["snapshot.storage.k8s.io"],"resources":["volumesnapshots"],"verbs":["get","create"]}]
            """);
        rig.Volume.Settings = usual with { Claim = usual.Claim! with { Kubeconfig = limited } };
        await using var rights = await rig.MayReadVolumesAsync();

        var result = await rig.Volume.BackupAsync();
        var warning = Assert.Single(result.Warnings);
        Assert.Contains("cannot delete resource \"volumesnapshots\"", warning, StringComparison.Ordinal);
        var record = rig.Volume.SnapshotLedger.Find(rig.Volume.Name)!;
        Assert.True(record.IsGivenUp);
        Assert.Contains(record.RemoveCommand, warning, StringComparison.Ordinal);
        Assert.Equal("volume.snapshot-left", (await rig.Volume.AuditAsync())[^1]);
        Assert.Equal(1, (await rig.Volume.FactsAsync(result)).Files);

        var fault = await Assert.ThrowsAsync<EngineException>(() => rig.Volume.BackupAsync());
        Assert.Equal("snapshot-left", fault.Code);
        Assert.Contains(record.RemoveCommand, fault.Hint, StringComparison.Ordinal);
        Assert.Single(await rig.MadeAsync(), one => one.StartsWith("VolumeSnapshot ", StringComparison.Ordinal));

        // The right is given, and the console does the rest.
        await rig.Api.PatchAsync($"/apis/rbac.authorization.k8s.io/v1/namespaces/{rig.Namespace}/roles/r", Json("""{"rules":[{"apiGroups":["","snapshot.storage.k8s.io"],"resources":["*"],"verbs":["*"]}]}"""), Ct);
        var snapshots = new VolumeSnapshots(rig.Volume.SnapshotLedger, rig.Volume.Freeze(), catalog.Pool, TimeProvider.System);
        var start = new LeftSnapshots(rig.Volume.SnapshotLedger, snapshots, TimeProvider.System, NullLogger<LeftSnapshots>.Instance);
        await Eventually.UntilAsync(async () => await start.UndoAsync(Ct) == 0, () => "the right to delete snapshots", Ct);
        await rig.AssertNothingLeftAsync();
        Assert.Equal("volume.snapshot-removed", (await rig.Volume.AuditAsync())[^1]);
    }

    private static async Task<string> FillAsync(ClaimRig rig, bool isMounted = false)
    {
        await rig.StartSnapshotsAsync();
        var volume = await rig.AddClaimAsync(rig.Data, isMounted);
        await File.WriteAllBytesAsync(Path.Combine(rig.Data, "picture.jpg"), RandomNumberGenerator.GetBytes(Large), Ct);
        rig.Volume.Settings = rig.Volume.Settings with { Snapshot = new SnapshotSettings(TimeSpan.FromSeconds(30)) };
        return volume;
    }

    private static async Task<EngineException> FailsAsync(ClaimRig rig, string code, string said, TimeSpan? ready = null)
    {
        var settings = rig.Volume.Settings;
        rig.Volume.Settings = settings with { Snapshot = settings.Snapshot! with { ReadyTimeout = ready ?? settings.Snapshot.ReadyTimeout } };
        var fault = await Assert.ThrowsAsync<EngineException>(() => rig.Volume.BackupAsync());
        rig.Volume.Settings = settings;
        Assert.Equal(code, fault.Code);
        Assert.Contains(said, fault.Message, StringComparison.Ordinal);
        await rig.AssertNothingLeftAsync();
        return fault;
    }

    private static string[] Script(string text) => ["/bin/sh", "-c", text];

    private sealed class Watching(Action look) : IProgress<TransferProgress>
    {
        public void Report(TransferProgress value) => look();
    }
}
