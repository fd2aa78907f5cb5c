using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Backups.VClusters.Browsing;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;
using Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Storage;
using Hexabase.DrConsole.Engine.Tests.Repository;
using Hexabase.DrConsole.Engine.Tests.Support;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Backups.VClusters;

/// <summary>Whether a cluster runs on the store that was restored, and not as before on another one.</summary>
[Collection("vcluster")]
public sealed class InPlaceLookTests(KubernetesLab kubernetes) : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void Planned_difference_is_gone_where_its_object_is_not_there_or_was_written_since()
    {
        ObjectChange[] before = [Only("made"), Changed("edited", "living"), Missing("lost")];
        var planned = LivingState.LinesIn([.. before.Select(LivingState.Line), "living cluster: 00"]);
        Assert.Equal(3, planned.Count);

        Assert.True(Look(before).IsUnchanged);
        // Snapshot and listing are of two instants: some may differ still, and are named.
        Assert.Equal((false, "will be gone: ConfigMap shop/made"), Look(Only("made")) is var (remaining, isUnchanged) ? (isUnchanged, Assert.Single(remaining)) : default);
        // An operator has made it anew, another one has written into it.
        Assert.Empty(Look(Only("made", "another identity"), Changed("edited", "a third content")).Remaining);
        Assert.Empty(Look().Remaining);
        Assert.False(Look().IsUnchanged);

        // What an autoscaler sets again shows nothing, alone or beside what does.
        ObjectChange scaled = Changed("scaled", "more") with { Second = One("scaled", "u", "more") with { SteadyDigest = "s" } };
        string[] lines = [LivingState.Line(scaled)];
        Assert.False(InPlaceLook.Remaining(lines, State(scaled), State(scaled)).IsUnchanged);
        Assert.True(InPlaceLook.Remaining([.. lines, .. planned], State([scaled, .. before]), State([scaled, .. before])).IsUnchanged);

        // An attempt that was interrupted has only the plan's lines.
        Assert.True(InPlaceLook.Remaining(planned, null, State(before)).IsUnchanged);
        Assert.False(InPlaceLook.Remaining([], null, State(before)).IsUnchanged);

        (IReadOnlyList<string> Remaining, bool IsUnchanged) Look(params ObjectChange[] after) => InPlaceLook.Remaining(planned, State(before), State(after));
        static LivingState State(params ObjectChange[] changes) => new("d", changes, []);
    }

    [Fact]
    public async Task Cluster_that_runs_on_as_before_is_not_taken_for_a_restored_one_although_it_has_its_objects()
    {
        var lab = await kubernetes.GetAsync(Ct);
        var cluster = lab.Clusters[0];
        await using var repository = await InitializeAsync(new FileSystemStore(_folder.Combine("store")));
        var captured = await new VClusterBackup(TimeProvider.System).CaptureAsync(
            new VClusterBackupRequest { Description = new BackupDescription { Source = "tenant-a", Kind = VClusterBackup.Kind }, Settings = KubernetesLab.Settings(lab, cluster) with { Etcd = null, DataDirectory = null } },
            repository, null, null, Ct);
        var target = (VClusterTarget)RestoreTarget.Parse($"vcluster:{cluster.Namespace}/{cluster.Name}?kubeconfig={lab.Host.Kubeconfig}&store={cluster.DataDirectory}", "/");
        using var api = KubernetesLab.Api(cluster);
        const string Late = "/api/v1/namespaces/team-0003/configmaps";
        Assert.True((await api.CreateAsync(Late, ClusterClient.Json("""{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"after-the-backup"}}"""), false, Ct)).IsSuccess);
        try
        {
            var before = await LivingState.ReadAsync(repository, captured.Manifest, target, TimeProvider.System, Ct);
            var planned = LivingState.LinesIn(before.Differences);
            Assert.Contains("will be gone: ConfigMap team-0003/after-the-backup", planned);
            Assert.Null((await Look([], null, 1).LookAsync(Ct)).Fault);

            var same = await Look(planned, before, 0).LookAsync(Ct);
            Assert.Null(same.Identity.Fault);
            Assert.StartsWith("nothing of what the restore was to change has changed", same.Fault, StringComparison.Ordinal);

            // A handful is borne where the cluster's own revision tells; an attempt that found it stopped never asked for that.
            Assert.Null((await Look(planned, before, 1).LookAsync(Ct)).Fault);
            Assert.StartsWith("nothing of what the restore was to change has changed", (await Look(planned, null, 1).LookAsync(Ct)).Fault, StringComparison.Ordinal);

            var behind = await Look([], null, long.MaxValue).LookAsync(Ct);
            Assert.EndsWith("it runs on another store", behind.Fault, StringComparison.Ordinal);

            Assert.True((await api.DeleteAsync(Late + "/after-the-backup", null, Ct)).IsSuccess);
            Assert.Null((await Look(planned, before, 0).LookAsync(Ct)).Fault);
        }
        finally
        {
            await api.DeleteAsync(Late + "/after-the-backup", null, CancellationToken.None);
        }

        InPlaceLook Look(IReadOnlyList<string> planned, LivingState? before, long revision) =>
            new(repository, captured.Manifest, target, new HastyTime(), null) { Planned = planned, Before = before, Revision = revision };
    }

    public void Dispose() => _folder.Dispose();

    private static ObjectChange Only(string name, string uid = "u") => new(Key(name), ObjectChangeKind.OnlySecond, null, One(name, uid, "living"));

    private static ObjectChange Changed(string name, string digest) => new(Key(name), ObjectChangeKind.Changed, One(name, "u", "stored"), One(name, "u", digest));

    private static ObjectChange Missing(string name) => new(Key(name), ObjectChangeKind.OnlyFirst, One(name, "u", "stored"), null);

    private static KubeObjectKey Key(string name) => new("", "ConfigMap", "shop", name);

    private static CapturedObject One(string name, string uid, string digest) => new("v1", "ConfigMap", "shop", name, uid, VClusterArtifacts.Resources, 0, 0, digest, false);
}
