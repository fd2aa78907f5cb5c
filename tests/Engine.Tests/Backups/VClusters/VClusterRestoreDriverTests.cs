using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Drivers;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;
using Hexabase.DrConsole.Engine.Backups.Volumes;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Storage;
using Hexabase.DrConsole.Engine.Strategies;
using Hexabase.DrConsole.Engine.Tests.Repository;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Lab.Kubernetes;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Backups.VClusters;

/// <summary>The driver behind a restore run: its plan, its record beside the restore point, its notes in the catalog.</summary>
[Collection("vcluster")]
public sealed class VClusterRestoreDriverTests(KubernetesLab kubernetes, CatalogServer catalog) : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private TierRepositories? _tiers;

    [Fact]
    public async Task Plan_of_a_whole_cluster_holds_the_documents_of_what_it_puts_there_and_of_nothing_else()
    {
        var lab = await kubernetes.GetAsync(Ct);
        var cluster = lab.Clusters[0];
        await using var repository = await InitializeAsync(new FileSystemStore(_folder.Combine("store")));
        var manifest = await CaptureAsync(lab, cluster, repository);
        using var api = KubernetesLab.Api(cluster);
        var lost = $"/api/v1/namespaces/{ClusterPopulation.NamespaceOf(1)}/configmaps/settings-0";
        Assert.True((await api.DeleteAsync(lost, null, Ct)).IsSuccess);
        try
        {
            var target = (VClusterTarget)RestoreTarget.Parse($"vcluster:{cluster.Namespace}/{cluster.Name}?kubeconfig={lab.Host.Kubeconfig}", "/");
            var objects = (await Driver().Driver.PlanInFullAsync(repository, manifest, target, Ct)).Objects.Objects;

            Assert.True(objects.Count(one => one.Action == ObjectAction.Leave) > 100, $"{objects.Count}");
            Assert.Contains(objects, one => one is { Action: ObjectAction.Create, Document: not null, Target.Name: "settings-0" });
            Assert.All(objects.Where(one => !one.IsEffect), one => Assert.True(one is { Document: null, Live: null }, one.Target.ToString()));
        }
        finally
        {
            await api.CreateAsync(lost[..lost.LastIndexOf('/')], ClusterClient.Json("""{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"settings-0"},"data":{"on":"yes"}}"""), false, CancellationToken.None);
        }
    }

    [Fact]
    public async Task Confirmed_plan_runs_once_and_its_record_carries_it_through_a_second_attempt()
    {
        var lab = await kubernetes.GetAsync(Ct);
        var cluster = lab.Clusters[0];
        await using var repository = await InitializeAsync(new FileSystemStore(_folder.Combine("store")));
        var manifest = await CaptureAsync(lab, cluster, repository);
        var (notes, driver) = Driver();
        var target = RestoreTarget.Parse($"vcluster:{cluster.Namespace}/{cluster.Name}?kubeconfig={lab.Host.Kubeconfig}&namespaces={ClusterPopulation.NamespaceOf(3)}&map={ClusterPopulation.NamespaceOf(3)}:team-driven", "/");
        Assert.True(driver.Takes(target, manifest));
        var plan = await driver.PlanAsync(repository, manifest, target, Ct);
        Assert.Equal(plan.Hash, (await driver.PlanAsync(repository, manifest, target, Ct)).Hash);
        Assert.False(plan.WritesOver);
        using var api = KubernetesLab.Api(cluster);
        try
        {
            var operation = $"R-7 of {Guid.NewGuid()}";
            var work = new RestoreWork(repository, manifest, plan, plan.Hash, operation);
            var outcome = await driver.ExecuteAsync(work, Ct);
            Assert.Empty(outcome.Warnings);
            var done = await notes.ReadAsync(operation, Ct);
            Assert.NotEmpty(done);
            Assert.NotNull(await api.FindAsync("/api/v1/namespaces/team-driven/configmaps/app-0", Ct));

            // Over what somebody changed since it is another matter than beside it.
            await api.PatchAsync("/api/v1/namespaces/team-driven/configmaps/app-0", System.Text.Json.Nodes.JsonNode.Parse("""{"data":{"LOG_LEVEL":"trace"}}""")!.AsObject(), Ct);
            var over = await driver.PlanAsync(repository, manifest, RestoreTarget.Parse(target.ToText() + "&existing=change", "/"), Ct);
            Assert.True(over.WritesOver);
            await api.PatchAsync("/api/v1/namespaces/team-driven/configmaps/app-0", System.Text.Json.Nodes.JsonNode.Parse("""{"data":{"LOG_LEVEL":"info"}}""")!.AsObject(), Ct);

            // Its run died before it could say so: the record leads it to the same end, and nothing is made twice.
            await driver.ExecuteAsync(work, Ct);
            Assert.Equal(done, await notes.ReadAsync(operation, Ct));

            // Another run of the same plan meets a target that is no longer what was confirmed.
            var fault = await Assert.ThrowsAsync<EngineException>(() => driver.ExecuteAsync(work with { Operation = operation + " again" }, Ct));
            Assert.Equal("target-drifted", fault.Code);
        }
        finally
        {
            await NamespaceRemoval.RemoveAsync(api, "team-driven", Ct);
        }
    }

    [Fact]
    public async Task Namespace_comes_back_with_the_data_of_its_claims_or_with_neither()
    {
        const string Namespace = "team-0002";
        const string ConfigMap = $"/api/v1/namespaces/{Namespace}/configmaps/app-0";
        var lab = await kubernetes.GetAsync(Ct);
        var cluster = lab.Clusters[0];
        using var api = KubernetesLab.Api(cluster);
        var claim = $"c{Guid.NewGuid():n}"[..12];
        var claimPath = $"/api/v1/namespaces/{Namespace}/persistentvolumeclaims/{claim}";
        var directory = await cluster.AddClaimAsync(api, Namespace, claim, Ct);
        try
        {
            await using var repository = await InitializeAsync(new FileSystemStore(_folder.Combine("store")));
            var manifest = await CaptureAsync(lab, cluster, repository, withVolumes: true);
            var file = Path.Combine(directory, "files", "03.txt");
            await File.WriteAllTextAsync(file, "encrypted by somebody", Ct);
            Assert.True((await api.DeleteAsync(ConfigMap, null, Ct)).IsSuccess);
            var (notes, driver) = Driver();
            var text = $"vcluster:{cluster.Namespace}/{cluster.Name}?kubeconfig={lab.Host.Kubeconfig}&namespaces={Namespace}&kinds=ConfigMap,PersistentVolumeClaim&volumes={cluster.VolumesDirectory}";

            // Data that is there is left alone like objects that are there, unless that is asked for.
            var careful = await driver.PlanAsync(repository, manifest, RestoreTarget.Parse(text, "/"), Ct);
            Assert.False(careful.WritesOver);
            Assert.Contains(careful.Notes, note => note.StartsWith($"data of claim {Namespace}/{claim}", StringComparison.Ordinal) && note.Contains("left alone", StringComparison.Ordinal));

            var target = RestoreTarget.Parse(text + "&existing=change", "/");
            var plan = await driver.PlanAsync(repository, manifest, target, Ct);
            Assert.True(plan.WritesOver);
            Assert.Contains(plan.Notes, note => note.EndsWith("~ files/03.txt", StringComparison.Ordinal));

            // Written to since the plan: neither data nor objects.
            await File.WriteAllTextAsync(Path.Combine(directory, "files", "late.txt"), "late", Ct);
            var fault = await Assert.ThrowsAsync<EngineException>(() => driver.ExecuteAsync(Work(plan, "R-1"), Ct));
            Assert.Equal("target-changed", fault.Code);
            Assert.Equal("encrypted by somebody", await File.ReadAllTextAsync(file, Ct));
            Assert.Null(await api.FindAsync(ConfigMap, Ct));

            plan = await driver.PlanAsync(repository, manifest, target, Ct);
            var operation = $"R-2 of {Guid.NewGuid()}";
            Assert.Empty((await driver.ExecuteAsync(Work(plan, operation), Ct)).Warnings);
            Assert.Equal($"upload 3 of {Namespace}\n", await File.ReadAllTextAsync(file, Ct));
            Assert.False(File.Exists(Path.Combine(directory, "files", "late.txt")));
            Assert.NotNull(await api.FindAsync(ConfigMap, Ct));
            Assert.NotEmpty(await notes.ReadAsync(operation, Ct));

            // Its run died before it could say so: the volume is found finished, and nothing is done twice.
            await driver.ExecuteAsync(Work(plan, operation), Ct);
            Assert.Equal($"upload 3 of {Namespace}\n", await File.ReadAllTextAsync(file, Ct));

            // A claim that the restore makes gets its data with its volume (NewClaimDataTests).
            var mapped = await driver.PlanAsync(repository, manifest, RestoreTarget.Parse($"{text}&map={Namespace}:team-0003", "/"), Ct);
            Assert.Contains(mapped.Notes, note => note.StartsWith($"data of claim team-0003/{claim}: comes into the volume", StringComparison.Ordinal));

            // Nor does one have it that is left as it is: here one that is being deleted, which something still holds.
            await File.WriteAllTextAsync(file, "written since", Ct);
            await HoldAsync("""["case.example/keep"]""");
            Assert.True((await api.DeleteAsync(claimPath, null, Ct)).IsSuccess);
            var held = await driver.PlanAsync(repository, manifest, target, Ct);
            Assert.False(held.WritesOver);
            Assert.Contains(held.Notes, note => note.StartsWith($"data of claim {Namespace}/{claim}: is left alone", StringComparison.Ordinal) && note.Contains("being deleted", StringComparison.Ordinal));

            RestoreWork Work(RestorePlan confirmed, string name) => new(repository, manifest, confirmed, confirmed.Hash, name);
        }
        finally
        {
            await HoldAsync("null");
            await cluster.RemoveClaimAsync(api, Namespace, claim, Ct);
        }

        Task<KubeAnswer> HoldAsync(string finalizers) => api.PatchAsync(claimPath, ClusterClient.Json($$"""{"metadata":{"finalizers":{{finalizers}}} }"""), Ct);
    }

    public void Dispose()
    {
        _tiers?.Dispose();
        _folder.Dispose();
    }

    /// <summary>A restore point of the cluster's objects; of the data of its claims where that is wanted.</summary>
    private static async Task<Manifest> CaptureAsync(LabKubernetes lab, LabVirtualCluster cluster, BackupRepository repository, bool withVolumes = false)
    {
        var settings = KubernetesLab.Settings(lab, cluster) with { Etcd = null, DataDirectory = null };
        var captured = await new VClusterBackup(TimeProvider.System).CaptureAsync(
            new VClusterBackupRequest
            {
                Description = new BackupDescription { Source = "tenant-a", Kind = VClusterBackup.Kind },
                Settings = withVolumes ? settings with { VolumesDirectory = cluster.VolumesDirectory } : settings,
            },
            repository, null, null, Ct);
        return captured.Manifest;
    }

    private (ObjectRestoreCatalog Notes, VClusterRestoreDriver Driver) Driver()
    {
        var estate = new ProtectedEstate("test", _folder.Path, ProtectionClass.Defaults, [], [], []);
        _tiers = new TierRepositories(estate, TimeProvider.System) { KeyDerivation = RepositoryFixture.Cheap.KeyDerivation };
        var (points, notes) = (new RestorePointCatalog(catalog.Pool), new ObjectRestoreCatalog(catalog.Pool));
        var volumes = new VolumeRestoreDriver(new VolumeRestore(TimeProvider.System), estate, DataFolder.Open(_folder.Combine("data")), TimeProvider.System);
        return (notes, new VClusterRestoreDriver(notes, points, new RestorePointAccess(points, _tiers), new ClaimDataRestore(volumes), TimeProvider.System));
    }
}
