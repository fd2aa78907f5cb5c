using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Drivers;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
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

/// <summary>Claims that a restore of objects makes anew, whose volumes a provisioner makes when a Pod asks for them.</summary>
[Collection("vcluster")]
public sealed class NewClaimDataTests(KubernetesLab kubernetes, CatalogServer catalog) : IDisposable
{
    private const string Namespace = "team-0002";
    private const string Copy = "team-copied";
    private readonly TemporaryFolder _folder = new();
    private TierRepositories? _tiers;

    [Fact]
    public async Task Claim_that_the_restore_makes_gets_its_data_before_anything_uses_it()
    {
        await using var scene = await SceneAsync();
        var plan = await scene.PlanAsync();
        // Nothing that lives is written over, so nobody is asked; and the plan says what becomes of the data.
        Assert.False(plan.WritesOver);
        Assert.Contains(plan.Notes, note => note.StartsWith($"data of claim {Copy}/{scene.Claim}: comes into the volume that the new claim gets", StringComparison.Ordinal));
        scene.Provision();

        var outcome = await scene.Driver.ExecuteAsync(scene.Work(plan), Ct);

        Assert.Empty(outcome.Warnings);
        Assert.Equal($"upload 3 of {Namespace}\n", await File.ReadAllTextAsync(Path.Combine(scene.Provisioner.DirectoryOf(scene.Claim), "files", "03.txt"), Ct));
        // The restore's own Pod asked for it, and is gone, as is what the volumes' driver keeps.
        Assert.StartsWith("drconsole-data-", Assert.Single(scene.Provisioner.AskedBy), StringComparison.Ordinal);
        Assert.Empty(await scene.PodsAsync());
        Assert.Equal(["files"], Directory.EnumerateFileSystemEntries(scene.Provisioner.DirectoryOf(scene.Claim)).Select(Path.GetFileName));
        Assert.NotNull(await scene.Api.FindAsync($"/apis/apps/v1/namespaces/{Copy}/deployments/user", Ct));

        // Its run died before it could say so, and the tenant has gone on: nothing is written a second time.
        await File.WriteAllTextAsync(Path.Combine(scene.Provisioner.DirectoryOf(scene.Claim), "files", "03.txt"), "by the tenant", Ct);
        Assert.Empty((await scene.Driver.ExecuteAsync(scene.Work(plan), Ct)).Warnings);
        Assert.Equal("by the tenant", await File.ReadAllTextAsync(Path.Combine(scene.Provisioner.DirectoryOf(scene.Claim), "files", "03.txt"), Ct));
        Assert.Single(scene.Provisioner.AskedBy);
    }

    [Fact]
    public async Task Restore_whose_claim_gets_no_volume_is_taken_back_before_its_workloads_find_an_empty_one()
    {
        await using var scene = await SceneAsync(TimeSpan.FromSeconds(3));
        var plan = await scene.PlanAsync();
        scene.Provisioner.MakesVolumes = false;
        scene.Provision();

        var fault = await Assert.ThrowsAsync<EngineException>(() => scene.Driver.ExecuteAsync(scene.Work(plan), Ct));

        Assert.Equal("claim-not-filled", fault.Code);
        Assert.Empty(await scene.PodsAsync());
        Assert.Null(await scene.Api.FindAsync($"/api/v1/namespaces/{Copy}/persistentvolumeclaims/{scene.Claim}", Ct));
        Assert.Null(await scene.Api.FindAsync($"/apis/apps/v1/namespaces/{Copy}/deployments/user", Ct));
        Assert.Empty(await scene.Notes.ReadAsync(scene.Operation, Ct));
    }

    [Fact]
    public async Task Volume_that_holds_something_already_is_left_and_named()
    {
        await using var scene = await SceneAsync();
        var plan = await scene.PlanAsync();
        var kept = scene.Provisioner.DirectoryOf(scene.Claim);
        Directory.CreateDirectory(kept);
        await File.WriteAllTextAsync(Path.Combine(kept, "kept"), "of before", Ct);
        scene.Provision();

        var outcome = await scene.Driver.ExecuteAsync(scene.Work(plan), Ct);

        Assert.Equal(1, outcome.NotRestored);
        Assert.Contains(outcome.Warnings, line => line.Contains($"data of claim {Copy}/{scene.Claim}: not restored, since its volume", StringComparison.Ordinal));
        Assert.Equal(["kept"], Directory.EnumerateFileSystemEntries(kept).Select(Path.GetFileName));
    }

    [Fact]
    public async Task Plan_without_a_directory_of_volumes_says_whose_data_it_does_not_bring()
    {
        await using var scene = await SceneAsync();

        var plan = await scene.PlanAsync(volumes: false);

        Assert.Contains(plan.Notes, note => note.StartsWith("data of claims: not restored", StringComparison.Ordinal) && note.Contains($"{Copy}/{scene.Claim}", StringComparison.Ordinal));
    }

    public void Dispose()
    {
        _tiers?.Dispose();
        _folder.Dispose();
    }

    private async Task<Scene> SceneAsync(TimeSpan? longest = null)
    {
        var lab = await kubernetes.GetAsync(Ct);
        var cluster = lab.Clusters[0];
        var (api, host) = (KubernetesLab.Api(cluster), new KubeApi(KubeEndpoint.FromKubeconfig(lab.Host.Kubeconfig)));
        var claim = $"c{Guid.NewGuid():n}"[..12];
        await cluster.AddClaimAsync(api, Namespace, claim, Ct);
        await api.CreateAsync($"/apis/apps/v1/namespaces/{Namespace}/deployments", ClusterClient.Json(
            $$"""
            {"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"user"},"spec":{"replicas":1,"selector":{"matchLabels":{"app":"user"} },"template":{"metadata":{"labels":{"app":"user"} },
            "spec":{"containers":[{"name":"c","image":"i","volumeMounts":[{"name":"d","mountPath":"/d"}]}],"volumes":[{"name":"d","persistentVolumeClaim":{"claimName":"{{claim}}"} }]} } } }
            """), false, Ct);
        var repository = await InitializeAsync(new FileSystemStore(_folder.Combine("store")));
        var captured = await new VClusterBackup(TimeProvider.System).CaptureAsync(
            new VClusterBackupRequest
            {
                Description = new BackupDescription { Source = "tenant-a", Kind = VClusterBackup.Kind },
                Settings = KubernetesLab.Settings(lab, cluster) with { Etcd = null, DataDirectory = null, VolumesDirectory = cluster.VolumesDirectory },
            },
            repository, null, null, Ct);
        var estate = new ProtectedEstate("test", _folder.Path, ProtectionClass.Defaults, [], [], []);
        _tiers = new TierRepositories(estate, TimeProvider.System) { KeyDerivation = RepositoryFixture.Cheap.KeyDerivation };
        var (points, notes) = (new RestorePointCatalog(catalog.Pool), new ObjectRestoreCatalog(catalog.Pool));
        var data = new ClaimDataRestore(new VolumeRestoreDriver(new VolumeRestore(TimeProvider.System), estate, DataFolder.Open(_folder.Combine("data")), TimeProvider.System));
        if (longest is { } limit)
        {
            data.LongestBinding = limit;
        }

        var target = $"vcluster:{cluster.Namespace}/{cluster.Name}?kubeconfig={lab.Host.Kubeconfig}&namespaces={Namespace}&kinds=PersistentVolumeClaim,Deployment&names={claim},user&map={Namespace}:{Copy}";
        return new Scene(
            cluster, api, host, claim, repository, captured.Manifest, new VClusterRestoreDriver(notes, points, new RestorePointAccess(points, _tiers), data, TimeProvider.System), notes, target,
            new LabProvisioner(cluster, api, host, Copy));
    }

    /// <summary>A claim with data that is in a restore point, and its namespace's copy that a restore makes.</summary>
    private sealed class Scene(
        LabVirtualCluster cluster, KubeApi api, KubeApi host, string claim, BackupRepository repository, Manifest manifest, VClusterRestoreDriver driver, ObjectRestoreCatalog notes, string target,
        LabProvisioner provisioner) : IAsyncDisposable
    {
        private readonly CancellationTokenSource _over = new();
        private Task _provisioning = Task.CompletedTask;

        public string Claim => claim;

        public KubeApi Api => api;

        public VClusterRestoreDriver Driver => driver;

        public ObjectRestoreCatalog Notes => notes;

        public LabProvisioner Provisioner => provisioner;

        public string Operation { get; } = $"R-1 of {Guid.NewGuid()}";

        public Task<RestorePlan> PlanAsync(bool volumes = true) =>
            driver.PlanAsync(repository, manifest, RestoreTarget.Parse(volumes ? $"{target}&volumes={cluster.VolumesDirectory}" : target, "/"), Ct);

        public RestoreWork Work(RestorePlan plan) => new(repository, manifest, plan, plan.Hash, Operation);

        public void Provision() => _provisioning = provisioner.RunAsync(_over.Token);

        public Task<List<System.Text.Json.Nodes.JsonObject>> PodsAsync() =>
            KubeListing.AllAsync(api, new KubeResource("", "v1", "pods", "Pod", true), "labelSelector=drconsole.hexabase.io%2Fclaim-data", Copy, Ct);

        public async ValueTask DisposeAsync()
        {
            await _over.CancelAsync();
            await _provisioning;
            await NamespaceRemoval.RemoveAsync(api, Copy, CancellationToken.None);
            await provisioner.RemoveAsync(claim);
            await api.DeleteAsync($"/apis/apps/v1/namespaces/{Namespace}/deployments/user", null, CancellationToken.None);
            await cluster.RemoveClaimAsync(api, Namespace, claim, CancellationToken.None);
            _over.Dispose();
            await repository.DisposeAsync();
            api.Dispose();
            host.Dispose();
        }
    }
}
