using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Servers.Kubernetes;
using Hexabase.DrConsole.Engine.Storage;
using Hexabase.DrConsole.Engine.Tests.Repository;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Lab.Kubernetes;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Backups.VClusters;

/// <summary>A whole virtual cluster as a new one: everything in it, by its objects, into an empty cluster with controllers.</summary>
[Collection("vcluster")]
public sealed class NewClusterTests(KubernetesLab kubernetes) : IDisposable
{
    private const string Deployment = "/apis/apps/v1/namespaces/team-0000/deployments/app-0";
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public async Task Whole_cluster_comes_up_as_a_new_one_with_owners_of_its_own_and_its_controllers_work_on_it()
    {
        var lab = await kubernetes.GetAsync(Ct);
        await using var repository = await InitializeAsync(new FileSystemStore(_folder.Combine("store")));
        var captured = await new VClusterBackup(TimeProvider.System).CaptureAsync(
            new VClusterBackupRequest
            {
                Description = new BackupDescription { Source = "tenant-a", Kind = VClusterBackup.Kind },
                Settings = KubernetesLab.Settings(lab, lab.Clusters[0]) with { Etcd = null, DataDirectory = null },
            },
            repository, null, null, Ct);
        var stored = new StoredObjects(repository, captured.Manifest);
        await using var cluster = new KubernetesCluster(
            new KubernetesClusterOptions { Name = "test-new", Folder = _folder.Combine("new"), Binaries = lab.Binaries, HasControllers = true }, lab.Registry);
        await cluster.StartAsync(Ct);
        using var api = new KubeApi(KubeEndpoint.FromKubeconfig(cluster.Kubeconfig));

        var plan = await new RestorePlanner(api).PlanAsync(stored, new RestoreSelection(), Ct);
        Assert.Equal(0, plan.Count(ObjectAction.Refuse) + plan.Count(ObjectAction.Conflict) + plan.Count(ObjectAction.Change));
        var result = await new ObjectRestore(api, new MemoryJournal(), TimeProvider.System).ExecuteAsync(plan, plan.Hash, null, Ct);
        Assert.Empty(result.Failed);
        Assert.Equal(plan.Count(ObjectAction.Create), result.Created);

        var again = await new RestorePlanner(api).PlanAsync(stored, new RestoreSelection(), Ct);
        Assert.Equal(0, again.Count(ObjectAction.Create));
        var path = $"/apis/{ClusterPopulation.Group}/v1/namespaces/team-0000";
        var database = await api.GetAsync($"{path}/databases/db-000", Ct);
        var owned = await api.GetAsync($"{path}/databasesnapshots/db-000-nightly", Ct);
        Assert.Equal(database["metadata"]!["uid"]!.GetValue<string>(), owned["metadata"]!["ownerReferences"]![0]!["uid"]!.GetValue<string>());
        using var old = KubernetesLab.Api(lab.Clusters[0]);
        Assert.NotEqual((await old.GetAsync(Deployment, Ct))["metadata"]!["uid"]!.GetValue<string>(), (await api.GetAsync(Deployment, Ct))["metadata"]!["uid"]!.GetValue<string>());
        // Its own controllers take it up: they say that they have seen it.
        await Eventually.UntilAsync(async () => (await api.GetAsync(Deployment, Ct))["status"]?["observedGeneration"] is not null, () => "the deployment's controller", Ct);
    }

    public void Dispose() => _folder.Dispose();
}
