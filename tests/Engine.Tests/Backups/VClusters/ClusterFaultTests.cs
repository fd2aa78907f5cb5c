using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;
using Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Storage;
using Hexabase.DrConsole.Engine.Tests.Repository;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Lab.Kubernetes;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Backups.VClusters;

/// <summary>What real clusters do to those who back them up.</summary>
[Collection("vcluster")]
public sealed class ClusterFaultTests(KubernetesLab kubernetes) : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public async Task Forbidden_kinds_are_named_and_the_others_are_captured()
    {
        var cluster = (await kubernetes.GetAsync(Ct)).Clusters[0];
        using var admin = KubernetesLab.Api(cluster);
        var role = Json("""{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"limited"},"rules":[{"apiGroups":["*"],"resources":["configmaps","namespaces","deployments"],"verbs":["list","get"]}]}""");
        var binding = Json("""{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"limited"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"limited"},"subjects":[{"kind":"User","name":"limited","apiGroup":"rbac.authorization.k8s.io"}]}""");
        Assert.True((await admin.CreateAsync("/apis/rbac.authorization.k8s.io/v1/clusterroles", role, false, Ct)).IsSuccess);
        Assert.True((await admin.CreateAsync("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding, false, Ct)).IsSuccess);
        try
        {
            var kubeconfig = _folder.Write("limited", System.Text.Encoding.UTF8.GetBytes(cluster.LimitedKubeconfig));
            using var limited = new KubeApi(KubeEndpoint.FromKubeconfig(kubeconfig));
            using var capture = await ClusterCapture.ReadAsync(limited, null, null, Ct);
            Assert.Contains(capture.Warnings(), warning => warning.StartsWith("secrets could not be listed", StringComparison.Ordinal) && warning.Contains("forbidden", StringComparison.Ordinal));
            Assert.Contains(capture.Counts(), kind => kind is { Name: "deployments.apps", Captured: >= 8, Problem: null });
            Assert.Contains(capture.Counts(), kind => kind is { Name: "secrets", Captured: 0, Problem: not null });
        }
        finally
        {
            await admin.DeleteAsync("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/limited", null, Ct);
            await admin.DeleteAsync("/apis/rbac.authorization.k8s.io/v1/clusterroles/limited", null, Ct);
        }
    }

    [Fact]
    public async Task Server_that_dies_in_the_middle_of_a_list_is_a_fault_not_a_short_list()
    {
        var lab = await kubernetes.GetAsync(Ct);
        var cluster = lab.Clusters[0];
        using var api = KubernetesLab.Api(cluster, new KubeBudget(PageItems: 5));
        var pages = 0;
        var fault = await Assert.ThrowsAsync<EngineException>(() => KubeListing.ReadAsync(
            api, new KubeResource("", "v1", "configmaps", "ConfigMap", true), null,
            async _ =>
            {
                if (++pages == 2)
                {
                    await cluster.ControlPlane.KillAsync(Ct);
                }
            },
            () => ValueTask.CompletedTask, null, Ct));
        Assert.Equal("api-unreachable", fault.Code);
        Assert.True(fault.IsTransient);
        await WaitBackAsync(cluster);
    }

    [Fact]
    public async Task Large_binary_content_odd_names_and_dying_namespaces_are_captured_as_they_are()
    {
        var lab = await kubernetes.GetAsync(Ct);
        using var api = KubernetesLab.Api(lab.Clusters[0]);
        var binary = Convert.ToBase64String(Noise(700_000));
        await CreateAsync(api, "/api/v1/namespaces", Json("""{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"dying"}}"""));
        await CreateAsync(api, "/api/v1/namespaces/dying/configmaps", new JsonObject
        {
            ["apiVersion"] = "v1",
            ["kind"] = "ConfigMap",
            ["metadata"] = new JsonObject { ["name"] = "large", ["finalizers"] = new JsonArray("lab.hexabase.example/hold") },
            ["binaryData"] = new JsonObject { ["blob"] = binary },
        });
        await CreateAsync(api, "/apis/rbac.authorization.k8s.io/v1/clusterroles", Json("""{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"役割:閲覧 🚀"},"rules":[]}"""));
        Assert.True((await api.DeleteAsync("/api/v1/namespaces/dying", null, Ct)).IsSuccess);
        try
        {
            await using var repository = await InitializeAsync(new FileSystemStore(_folder.Combine("store")));
            var captured = await new VClusterBackup(TimeProvider.System).CaptureAsync(
                new VClusterBackupRequest
                {
                    Description = new BackupDescription { Source = "tenant-a", Kind = VClusterBackup.Kind },
                    Settings = KubernetesLab.Settings(lab, lab.Clusters[0]) with { Etcd = null, DataDirectory = null },
                },
                repository, null, null, Ct);
            var stored = new StoredObjects(repository, captured.Manifest);
            var index = await stored.ReadIndexAsync(Ct);
            var large = Assert.Single(await stored.ReadAsync(index.Where(one => one is { Namespace: "dying", Name: "large" }), Ct));
            Assert.Equal(binary, large.Document["binaryData"]!["blob"]!.GetValue<string>());
            Assert.True(index.Single(one => one is { Kind: "Namespace", Name: "dying" }).IsTerminating);
            Assert.Contains(index, one => one is { Kind: "ClusterRole", Name: "役割:閲覧 🚀" });

            var plan = await new RestorePlanner(api).PlanAsync(stored, new RestoreSelection { Names = ["役割:閲覧 🚀", "dying"] }, Ct);
            Assert.Equal("is there and equal", plan.Objects.Single(one => one.Target.Kind == "ClusterRole").Reason);
            Assert.Contains("being deleted", plan.Objects.Single(one => one.Target.Kind == "Namespace").Reason, StringComparison.Ordinal);
            // What is in it is no fault of the restore point either.
            var proof = await new RestorePlanner(api) { IsScratch = true }.PlanAsync(stored, new RestoreSelection { Namespaces = ["dying"] }, Ct);
            Assert.Contains(proof.Objects, one => one.Target.Name == "large");
            // Its account and the like are made by controllers, which may or may not have come to it.
            Assert.All(proof.Objects, one => Assert.True(one.Reason!.Contains("being deleted", StringComparison.Ordinal) || one.Reason.StartsWith("is made anew", StringComparison.Ordinal), one.Reason));
        }
        finally
        {
            await api.PatchAsync("/api/v1/namespaces/dying/configmaps/large", Json("""{"metadata":{"finalizers":null}}"""), Ct);
            await api.DeleteAsync(new KubeResource("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", false).PathOf(null, "役割:閲覧 🚀"), null, Ct);
            await NamespaceRemoval.RemoveAsync(api, "dying", Ct);
        }
    }

    [Fact]
    public async Task Webhook_that_rejects_is_in_the_plan()
    {
        var lab = await kubernetes.GetAsync(Ct);
        using var api = KubernetesLab.Api(lab.Clusters[0]);
        await using var repository = await InitializeAsync(new FileSystemStore(_folder.Combine("store")));
        var captured = await new VClusterBackup(TimeProvider.System).CaptureAsync(
            new VClusterBackupRequest
            {
                Description = new BackupDescription { Source = "tenant-a", Kind = VClusterBackup.Kind },
                Settings = KubernetesLab.Settings(lab, lab.Clusters[0]) with { Etcd = null, DataDirectory = null },
            },
            repository, null, null, Ct);
        // Nobody listens at its address, and it says that this is a no.
        await CreateAsync(api, "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations", Json("""
            {"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingWebhookConfiguration","metadata":{"name":"says-no"},"webhooks":[{"name":"no.lab.hexabase.example",
             "clientConfig":{"url":"https://127.0.0.1:1/"},"rules":[{"apiGroups":[""],"apiVersions":["v1"],"operations":["CREATE"],"resources":["configmaps"]}],
             "failurePolicy":"Fail","sideEffects":"None","admissionReviewVersions":["v1"],"timeoutSeconds":1}]}
            """));
        try
        {
            // The server's own view of its webhooks follows its store a moment later.
            ObjectRestorePlan? plan = null;
            await Eventually.UntilAsync(
                async () =>
                {
                    plan = await new RestorePlanner(api).PlanAsync(
                        new StoredObjects(repository, captured.Manifest),
                        new RestoreSelection { Namespaces = ["team-0002"], Kinds = ["ConfigMap"], Names = ["app-0"], NamespaceMap = new Dictionary<string, string> { ["team-0002"] = "default" } }, Ct);
                    return plan.Objects[0].Action != ObjectAction.Create;
                },
                () => "the webhook", Ct);

            Assert.Equal(ObjectAction.Refuse, plan!.Objects[0].Action);
            Assert.Contains("no.lab.hexabase.example", plan.Objects[0].Reason, StringComparison.Ordinal);
            Assert.Equal(500, plan.Objects[0].RefusedWith);
        }
        finally
        {
            await api.DeleteAsync("/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/says-no", null, Ct);
        }
    }

    [Fact]
    public async Task Emptied_cluster_is_a_failure_and_may_be_allowed()
    {
        var lab = await kubernetes.GetAsync(Ct);
        await using var repository = await InitializeAsync(new FileSystemStore(_folder.Combine("store")));
        // The last restore point says that there were many more.
        await using (var session = await repository.BeginAsync(new BackupDescription { Source = "tenant-a", Kind = VClusterBackup.Kind }, Ct))
        {
            await session.CommitAsync(System.Text.Json.JsonSerializer.SerializeToElement(new { tenantObjects = 100_000 }), null, Ct);
        }

        var request = new VClusterBackupRequest
        {
            Description = new BackupDescription { Source = "tenant-a", Kind = VClusterBackup.Kind },
            Settings = KubernetesLab.Settings(lab, lab.Clusters[0]) with { Etcd = null, DataDirectory = null },
        };
        var backup = new VClusterBackup(TimeProvider.System);
        var fault = await Assert.ThrowsAsync<EngineException>(() => backup.CaptureAsync(request, repository, null, null, Ct));
        Assert.Equal("vcluster-emptied", fault.Code);
        Assert.Single((await repository.ListAsync(Ct)).Points);
        await backup.CaptureAsync(request with { Settings = request.Settings with { MayBeEmptied = true } }, repository, null, null, Ct);
        Assert.Equal(2, (await repository.ListAsync(Ct)).Points.Count);
    }

    public void Dispose() => _folder.Dispose();

    /// <summary>The lab starts a control plane that is not there although its StatefulSet wants it.</summary>
    private static Task WaitBackAsync(LabVirtualCluster cluster) => Eventually.UntilAsync(
        async () =>
        {
            try
            {
                using var api = KubernetesLab.Api(cluster);
                await api.GetAsync("/readyz/ping?verbose", Ct);
                return true;
            }
            catch (EngineException fault)
            {
                // Any other answers, if not with JSON.
                return fault.Code != "api-unreachable";
            }
        },
        () => "the control plane", Ct);

    private static async Task CreateAsync(KubeApi api, string path, JsonObject body)
    {
        var answer = await api.CreateAsync(path, body, false, Ct);
        Assert.True(answer.IsSuccess, answer.Message);
    }

    private static JsonObject Json(string text) => (JsonObject)JsonNode.Parse(text)!;
}
