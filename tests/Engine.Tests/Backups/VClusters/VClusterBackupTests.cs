using System.Text;
using System.Text.Json;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Servers.Kubernetes;
using Hexabase.DrConsole.Engine.Storage;
using Hexabase.DrConsole.Engine.Tests.Repository;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Lab.Kubernetes;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Backups.VClusters;

/// <summary>Backups of a real virtual cluster. The classes of this collection share it, and change it one at a time.</summary>
[Collection("vcluster")]
public sealed class VClusterBackupTests(KubernetesLab kubernetes) : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public async Task Backup_holds_every_object_that_the_server_listed_and_the_store_itself()
    {
        var lab = await kubernetes.GetAsync(Ct);
        await using var repository = await InitializeAsync(new FileSystemStore(_folder.Path));
        var captured = await CaptureAsync(lab, repository);

        var inventory = captured.Inventory;
        Assert.All(inventory.Kinds.Where(kind => kind.LeftOut is null), kind => Assert.Equal(kind.Listed, kind.Captured));
        Assert.All(inventory.Kinds, kind => Assert.Null(kind.Problem));
        Assert.Empty(inventory.Warnings);
        var tenants = (await ReadIndexAsync(repository, captured.Manifest)).Where(one => one.Namespace.StartsWith("team-000", StringComparison.Ordinal)).ToList();
        Assert.Equal(10, tenants.Count(one => one is { Kind: "Database" }));
        Assert.Equal(8, tenants.Count(one => one is { Kind: "Deployment" }));
        var documents = await ReadDocumentsAsync(repository, captured.Manifest);
        Assert.Equal(inventory.Objects, documents.Count);
        Assert.All(documents, document => Assert.Null(document.Value["status"]));
        Assert.All(documents, document => Assert.Equal(document.Artifact == VClusterArtifacts.Secrets, document.Value["kind"]!.GetValue<string>() == "Secret"));
        Assert.Contains(documents, document => document.Value["spec"]?["limit"]?.ToJsonString() == "9007199254740993" && document.Value["spec"]?["ratio"]?.ToJsonString() == "1.5");

        // Each document lies where the index says.
        foreach (var one in (await ReadIndexAsync(repository, captured.Manifest)).Where((_, at) => at % 25 == 0))
        {
            var bytes = await repository.ReadAsync(captured.Manifest, one.Artifact);
            var document = ObjectYaml.ReadOne(Encoding.UTF8.GetString(bytes, (int)one.Offset, one.Length));
            Assert.Equal(one.Key, KubeObjectKey.Of(document));
        }

        // The host's side of it, its Secrets apart.
        var host = await TextAsync(repository, captured.Manifest, VClusterArtifacts.HostObjects);
        Assert.Contains("kind: StatefulSet", host, StringComparison.Ordinal);
        Assert.Contains("kind: PersistentVolume\n", host, StringComparison.Ordinal);
        Assert.DoesNotContain("kind: Secret", host, StringComparison.Ordinal);
        Assert.Contains("sh.helm.release.v1.tenant-a.v1", await TextAsync(repository, captured.Manifest, VClusterArtifacts.HostSecrets), StringComparison.Ordinal);

        // etcd's own tool agrees with the snapshot that was streamed.
        var file = _folder.Write("out/etcd.snapshot", await repository.ReadAsync(captured.Manifest, VClusterArtifacts.Etcd));
        var said = await ToolProcess.RunAsync(
            new ToolCommand(KubernetesBinaries.FindEtcdTool()!, ["snapshot", "status", file, "-w", "json"]) { Environment = new Dictionary<string, string> { ["ETCDCTL_API"] = "3" } },
            new ProcessRegistry(_folder.Combine("records")), Ct);
        Assert.True(said.ExitCode == 0, said.ErrorTail);
        using var status = JsonDocument.Parse(said.Output);
        Assert.True(status.RootElement.GetProperty("revision").GetInt64() >= inventory.Etcd!.Revision);
        Assert.True(status.RootElement.GetProperty("totalKey").GetInt32() > inventory.Objects / 2);
    }

    [Fact]
    public async Task Second_backup_of_an_unchanged_cluster_stores_next_to_nothing_of_its_objects()
    {
        var lab = await kubernetes.GetAsync(Ct);
        await using var repository = await InitializeAsync(new FileSystemStore(_folder.Path));
        var first = await CaptureAsync(lab, repository);
        var second = await CaptureAsync(lab, repository);
        // The controllers of a cluster that was populated a moment ago still make what its objects ask for.
        await Eventually.UntilAsync(
            async () =>
            {
                if (first.Inventory.Objects == second.Inventory.Objects)
                {
                    return true;
                }

                (first, second) = (second, await CaptureAsync(lab, repository));
                return false;
            },
            () => "two backups with as many objects", Ct);

        foreach (var artifact in VClusterArtifacts.OfObjects)
        {
            Assert.Equal(Artifact(first, artifact).Sha256, Artifact(second, artifact).Sha256);
            Assert.Equal(0, Artifact(second, artifact).StoredBytes);
        }

        static StoredArtifact Artifact(VClusterCaptured captured, string name) => captured.Manifest.Artifacts.Single(one => one.Name == name);
    }

    [Fact]
    public async Task List_whose_continue_token_expired_begins_again_and_is_whole()
    {
        var lab = await kubernetes.GetAsync(Ct);
        var cluster = lab.Clusters[0];
        using var api = KubernetesLab.Api(cluster, new KubeBudget(PageItems: 5));
        var resource = new KubeResource("", "v1", "configmaps", "ConfigMap", true);
        var before = await UidsAsync();
        var restarts = 0;
        var pages = 0;
        var found = new List<string>();
        await KubeListing.ReadAsync(api, resource, null, async page =>
        {
            found.AddRange(page.Select(value => value["metadata"]!["uid"]!.GetValue<string>()));
            if (++pages == 2)
            {
                await CompactAsync(cluster);
            }
        }, () =>
        {
            restarts++;
            found.Clear();
            return ValueTask.CompletedTask;
        }, null, Ct);
        Assert.Equal(1, restarts);
        // The cluster's controllers may make or delete some meanwhile.
        var after = await UidsAsync();
        Assert.Empty(before.Intersect(after).Except(found));
        Assert.Empty(found.Except(before.Union(after)));
        Assert.Equal(found.Count, found.Distinct().Count());

        async Task<List<string>> UidsAsync() => [.. (await KubeListing.AllAsync(api, resource, null, null, Ct)).Select(value => value["metadata"]!["uid"]!.GetValue<string>())];
    }

    [Fact]
    public async Task Store_that_does_not_answer_makes_no_restore_point()
    {
        var lab = await kubernetes.GetAsync(Ct);
        await using var repository = await InitializeAsync(new FileSystemStore(_folder.Path));
        var settings = KubernetesLab.Settings(lab, lab.Clusters[0]);
        settings = settings with { Etcd = settings.Etcd! with { Endpoint = new Uri($"https://127.0.0.1:{FreePort.Choose()}") } };
        var fault = await Assert.ThrowsAsync<EngineException>(() => CaptureAsync(settings, repository));
        Assert.Equal("etcd-unreachable", fault.Code);
        Assert.Empty((await repository.ListAsync(Ct)).Points);
    }

    [Fact]
    public async Task Host_that_may_only_be_entered_in_its_namespace_is_captured_as_far_as_it_may_be()
    {
        var lab = await kubernetes.GetAsync(Ct);
        var cluster = lab.Clusters[0];
        using var host = new KubeApi(KubeEndpoint.FromKubeconfig(lab.Host.Kubeconfig));
        var (accounts, rights) = ($"/api/v1/namespaces/{cluster.Namespace}/serviceaccounts", $"/apis/rbac.authorization.k8s.io/v1/namespaces/{cluster.Namespace}");
        await MakeAsync(accounts, """{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"within"}}""");
        await MakeAsync(rights + "/roles", """{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"Role","metadata":{"name":"within"},"rules":[{"apiGroups":["*"],"resources":["*"],"verbs":["*"]}]}""");
        await MakeAsync(rights + "/rolebindings", $$"""
            {"apiVersion":"rbac.authorization.k8s.io/v1","kind":"RoleBinding","metadata":{"name":"within"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"within"},
             "subjects":[{"kind":"ServiceAccount","name":"within","namespace":"{{cluster.Namespace}}"}]}
            """);
        try
        {
            var token = await host.CreateAsync(accounts + "/within/token", ClusterClient.Json("""{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{}}"""), false, Ct);
            var kubeconfig = _folder.Write("within", Encoding.UTF8.GetBytes($$"""
                apiVersion: v1
                kind: Config
                clusters: [ { name: c, cluster: { server: "{{lab.Host.Server}}", certificate-authority: "{{lab.Host.Keys.Authority}}" } } ]
                users: [ { name: u, user: { token: "{{token.Body!["status"]!["token"]}}" } } ]
                contexts: [ { name: x, context: { cluster: c, user: u } } ]
                current-context: x
                """));
            await using var repository = await InitializeAsync(new FileSystemStore(_folder.Combine("store")));

            var captured = await CaptureAsync(KubernetesLab.Settings(lab, cluster) with { Kubeconfig = kubeconfig }, repository);

            Assert.Contains(captured.Inventory.Warnings, warning => warning.StartsWith("on the host, persistentvolumes could not be listed", StringComparison.Ordinal));
            Assert.Contains("kind: StatefulSet", await TextAsync(repository, captured.Manifest, VClusterArtifacts.HostObjects), StringComparison.Ordinal);
        }
        finally
        {
            foreach (var path in (string[])[rights + "/rolebindings/within", rights + "/roles/within", accounts + "/within"])
            {
                await host.DeleteAsync(path, null, CancellationToken.None);
            }
        }

        async Task MakeAsync(string path, string json) => Assert.True((await host.CreateAsync(path, ClusterClient.Json(json), false, Ct)).IsSuccess);
    }

    [Fact]
    public async Task Store_that_nobody_described_is_a_warning_not_a_silence()
    {
        var lab = await kubernetes.GetAsync(Ct);
        await using var repository = await InitializeAsync(new FileSystemStore(_folder.Path));
        var captured = await CaptureAsync(KubernetesLab.Settings(lab, lab.Clusters[0]) with { Etcd = null }, repository);
        Assert.Contains(captured.Inventory.Warnings, warning => warning.Contains("VCluster:Etcd", StringComparison.Ordinal));
        Assert.DoesNotContain(captured.Manifest.Artifacts, artifact => artifact.Name == VClusterArtifacts.Etcd);
    }

    public void Dispose() => _folder.Dispose();

    private static Task<VClusterCaptured> CaptureAsync(LabKubernetes lab, BackupRepository repository) =>
        CaptureAsync(KubernetesLab.Settings(lab, lab.Clusters[0]), repository);

    private static Task<VClusterCaptured> CaptureAsync(VClusterSettings settings, BackupRepository repository) => new VClusterBackup(TimeProvider.System).CaptureAsync(
        new VClusterBackupRequest { Description = new BackupDescription { Source = "tenant-a", Kind = VClusterBackup.Kind, Workspace = "shop" }, Settings = settings },
        repository, null, null, Ct);

    private static async Task CompactAsync(LabVirtualCluster cluster)
    {
        var keys = cluster.ControlPlane.Keys;
        ToolCommand Etcdctl(params string[] arguments) => new(
            KubernetesBinaries.FindEtcdTool()!,
            ["--endpoints", cluster.ControlPlane.EtcdUrl, "--cacert", keys.Authority, "--cert", keys.AdminCertificate, "--key", keys.AdminKey, .. arguments])
        {
            Environment = new Dictionary<string, string> { ["ETCDCTL_API"] = "3" },
        };
        using var folder = new TemporaryFolder();
        var registry = new ProcessRegistry(folder.Combine("records"));
        var put = await ToolProcess.RunAsync(Etcdctl("put", "a-key-of-a-test", "1"), registry, Ct);
        Assert.True(put.ExitCode == 0, put.ErrorTail);
        var status = await ToolProcess.RunAsync(Etcdctl("endpoint", "status", "-w", "json"), registry, Ct);
        using var said = JsonDocument.Parse(status.Output);
        var revision = said.RootElement[0].GetProperty("Status").GetProperty("header").GetProperty("revision").GetInt64();
        var compacted = await ToolProcess.RunAsync(Etcdctl("compact", revision.ToString(System.Globalization.CultureInfo.InvariantCulture)), registry, Ct);
        Assert.True(compacted.ExitCode == 0, compacted.ErrorTail);
    }

    private static async Task<string> TextAsync(BackupRepository repository, Manifest manifest, string artifact) => Encoding.UTF8.GetString(await repository.ReadAsync(manifest, artifact));

    private static async Task<List<CapturedObject>> ReadIndexAsync(BackupRepository repository, Manifest manifest) =>
    [
        .. (await TextAsync(repository, manifest, VClusterArtifacts.Index)).Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => JsonSerializer.Deserialize<CapturedObject>(line, JsonSerializerOptions.Web)!),
    ];

    private static async Task<List<(string Artifact, System.Text.Json.Nodes.JsonObject Value)>> ReadDocumentsAsync(BackupRepository repository, Manifest manifest)
    {
        var found = new List<(string, System.Text.Json.Nodes.JsonObject)>();
        foreach (var artifact in VClusterArtifacts.OfObjects)
        {
            found.AddRange(ObjectYaml.Read(new StringReader(await TextAsync(repository, manifest, artifact))).Select(value => (artifact, value)));
        }

        return found;
    }
}
