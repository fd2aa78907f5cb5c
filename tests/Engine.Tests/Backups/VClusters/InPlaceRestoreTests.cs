using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Drivers;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Backups.VClusters.Etcd;
using Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Storage;
using Hexabase.DrConsole.Engine.Tests.Repository;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Engine.Validation;
using Hexabase.DrConsole.Lab.Kubernetes;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Backups.VClusters;

/// <summary>A virtual cluster put back in its place by its etcd, and proven in a scratch one.</summary>
[Collection("vcluster")]
public sealed class InPlaceRestoreTests(KubernetesLab kubernetes) : IDisposable
{
    private const string ConfigMap = "/api/v1/namespaces/team-0000/configmaps/app-0";
    private const string Database = $"/apis/{ClusterPopulation.Group}/v1/namespaces/team-0000/databases/db-000";
    private const string Gone = "/api/v1/namespaces/team-0001/secrets/app-1";
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public async Task Cluster_in_place_has_its_objects_with_their_identity_and_its_watches_work()
    {
        var lab = await kubernetes.GetAsync(Ct);
        var cluster = lab.Clusters[0];
        await using var repository = await InitializeAsync(new FileSystemStore(_folder.Combine("store")));
        var captured = await CaptureAsync(lab, repository);
        string uid;
        using (var api = KubernetesLab.Api(cluster))
        {
            uid = Uid(await api.GetAsync(Gone, Ct));
            Assert.True((await api.DeleteAsync(Gone, null, Ct)).IsSuccess);
            Assert.True((await api.PatchAsync(ConfigMap, Json("""{"data":{"LOG_LEVEL":"ransomed"}}"""), Ct)).IsSuccess);
        }

        Assert.True(StoreLock.IsHeld(cluster.ControlPlane.EtcdData));
        await MakeNewerClaimAsync(lab, cluster, "newer");
        // Other tests of this cluster may have left their former stores, which nobody removes but a person.
        var former = Directory.GetDirectories(cluster.DataDirectory, "etcd.before-*");
        var ledger = new PauseLedger(_folder.Combine("pauses"), lab.Registry);
        var driver = new VClusterInPlaceDriver(new InPlaceRestore(lab.Registry, TimeProvider.System, ledger), TimeProvider.System);
        var target = RestoreTarget.Parse($"vcluster:{cluster.Namespace}/{cluster.Name}?kubeconfig={lab.Host.Kubeconfig}&store={cluster.DataDirectory}", "/");
        var plan = await driver.PlanAsync(repository, captured.Manifest, target, Ct);
        Assert.Contains(plan.Notes, note => note.Contains("pv-newer", StringComparison.Ordinal) && note.Contains("Retain", StringComparison.Ordinal));
        Assert.True(plan.WritesOver);
        Assert.Contains("the data in its claims' volumes stays as it is; this restore point has none of it", plan.Notes);
        Assert.Contains("comes back: Secret team-0001/app-1", plan.Notes);
        Assert.Contains("becomes what it was: ConfigMap team-0000/app-0", plan.Notes);
        using (var api = KubernetesLab.Api(cluster))
        {
            // What controllers and autoscalers write all the time stops nothing.
            Assert.True((await api.PatchAsync(Database + "/status", Json("""{"status":{"phase":"Ready"}}"""), Ct)).IsSuccess);
            Assert.True((await api.PatchAsync(Database, Json("""{"spec":{"replicas":7}}"""), Ct)).IsSuccess);
        }

        // A watcher that saw this revision goes on from it, whatever becomes of the store.
        long seen;
        using (var api = KubernetesLab.Api(cluster))
        {
            seen = (await KubeListing.RevisionAsync(api, Ct))!.Value;
        }

        var (late, records) = (Task.CompletedTask, new Dictionary<string, PauseRecord?>());
        var outcome = await driver.ExecuteAsync(new RestoreWork(repository, captured.Manifest, plan, plan.Hash, "R-1 of a test", Log: (_, line) =>
        {
            records[line] = ledger.Find("tenant-a");
            // A claim that is made while the cluster stops, which takes longer.
            late = line == "stop" ? MakeNewerClaimAsync(lab, cluster, "late") : late;
        }), Ct);
        await late;
        // Who looks through the ledger starts it whatever becomes of this process, but not without its store.
        Assert.Null(records["stop"]);
        Assert.Equal(("R-1 of a test", cluster.DataDirectory), (records["exchange"]?.Purpose, records["exchange"]?.Store));
        Assert.NotNull(records["start"]);
        Assert.Null(records["verify"]);
        Assert.Null(ledger.Find("tenant-a"));
        Assert.DoesNotContain(outcome.Warnings, warning => warning.Contains("kind Pod", StringComparison.Ordinal));
        TestContext.Current.SendDiagnosticMessage(string.Join(", ", outcome.Phases!.Select(phase => $"{phase.Name} {phase.Seconds:0.0} s")));
        Assert.Equal(["unpack", "compare", "protect", "stop", "exchange", "start", "verify"], outcome.Phases!.Select(phase => phase.Name));

        using var restored = KubernetesLab.Api(cluster);
        Assert.True(await KubeListing.RevisionAsync(restored, Ct) >= seen + 1000);
        var watch = await restored.SendAsync(HttpMethod.Get, $"/api/v1/namespaces/team-0000/configmaps?watch=1&timeoutSeconds=5&resourceVersion={seen}", null, null, Ct);
        Assert.True(watch.Status == 410 || watch.Body?["object"]?["code"]?.GetValue<int>() == 410, $"{watch.Status}: {watch.Body?.ToJsonString()}");
        Assert.Equal(uid, Uid(await restored.GetAsync(Gone, Ct)));
        Assert.Equal("info", (await restored.GetAsync(ConfigMap, Ct))["data"]!["LOG_LEVEL"]!.GetValue<string>());
        using var host = new KubeApi(KubeEndpoint.FromKubeconfig(lab.Host.Kubeconfig));
        foreach (var name in (string[])["pv-newer", "pv-late"])
        {
            Assert.Equal("Retain", (await host.GetAsync("/api/v1/persistentvolumes/" + name, Ct))["spec"]!["persistentVolumeReclaimPolicy"]!.GetValue<string>());
        }

        var workload = await host.GetAsync($"/apis/apps/v1/namespaces/{cluster.Namespace}/statefulsets/{cluster.Name}", Ct);
        Assert.Null(workload["metadata"]!["annotations"]?["loft.sh/paused"]);

        // Controllers see what happens now: a namespace gets what they give it.
        Assert.True((await restored.CreateAsync("/api/v1/namespaces", Json("""{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"after-restore"}}"""), false, Ct)).IsSuccess);
        await Eventually.UntilAsync(
            async () => await restored.FindAsync("/api/v1/namespaces/after-restore/serviceaccounts/default", Ct) is not null, () => "the namespace's service account", Ct);

        // Taken back, the cluster is as it was before, damage and all; a killed attempt had left a snapshot with all Secrets in it.
        var snapshot = Assert.Single(Directory.GetDirectories(cluster.DataDirectory, "etcd.before-*").Except(former)).Replace("etcd.before-", "etcd.restored-", StringComparison.Ordinal) + ".snapshot";
        await File.WriteAllTextAsync(snapshot, "secrets", Ct);
        var keptBefore = Directory.GetDirectories(cluster.DataDirectory, "etcd.undone-*");
        var undone = await driver.AbandonAsync(plan, "R-1 of a test", Ct);
        using var back = KubernetesLab.Api(cluster);
        Assert.True(await new ClusterPause(await VClusterAccess.OpenAsync(((VClusterTarget)target).Settings, TimeProvider.System, Ct), TimeProvider.System).WaitReadyAsync(Ct));
        // Tenants may have written into the restored one meanwhile.
        var kept = Assert.Single(Directory.GetDirectories(cluster.DataDirectory, "etcd.undone-*").Except(keptBefore));
        Assert.Contains($"is kept as {kept} until somebody removes it; the former store is back in its place", undone, StringComparison.Ordinal);
        Assert.True(File.Exists(Path.Combine(kept, "member", "snap", "db")));
        Assert.Equal("ransomed", (await back.GetAsync(ConfigMap, Ct))["data"]!["LOG_LEVEL"]!.GetValue<string>());
        Assert.Null(await back.FindAsync(Gone, Ct));
        Assert.False(File.Exists(snapshot));
        var volume = await host.GetAsync("/api/v1/persistentvolumes/pv-newer", Ct);
        Assert.Equal("Delete", volume["spec"]!["persistentVolumeReclaimPolicy"]!.GetValue<string>());
        Assert.Null(volume["metadata"]!["annotations"]?[VolumeRetention.FormerAnnotation]);
        await DropClaimAsync(host, cluster, "newer");
        await DropClaimAsync(host, cluster, "late");
    }

    [Fact]
    public async Task Directory_of_another_cluster_is_refused_when_it_is_planned()
    {
        var lab = await kubernetes.GetAsync(Ct);
        var cluster = lab.Clusters[0];
        await using var repository = await InitializeAsync(new FileSystemStore(_folder.Combine("store")));
        var captured = await CaptureAsync(lab, repository);
        var driver = new VClusterInPlaceDriver(new InPlaceRestore(lab.Registry, TimeProvider.System), TimeProvider.System);
        var other = Path.GetDirectoryName(Directory.CreateDirectory(_folder.Combine("another", "etcd")).FullName);

        var fault = await Assert.ThrowsAsync<EngineException>(() => driver.PlanAsync(
            repository, captured.Manifest, RestoreTarget.Parse($"vcluster:{cluster.Namespace}/{cluster.Name}?kubeconfig={lab.Host.Kubeconfig}&store={other}", "/"), Ct));

        Assert.Equal("store-of-another", fault.Code);
        Assert.Contains(cluster.DataDirectory, fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Cluster_that_changed_after_the_plan_is_not_stopped_and_what_changed_is_named()
    {
        var lab = await kubernetes.GetAsync(Ct);
        var cluster = lab.Clusters[0];
        await using var repository = await InitializeAsync(new FileSystemStore(_folder.Combine("store")));
        var captured = await CaptureAsync(lab, repository);
        var driver = new VClusterInPlaceDriver(new InPlaceRestore(lab.Registry, TimeProvider.System), TimeProvider.System);
        var target = RestoreTarget.Parse($"vcluster:{cluster.Namespace}/{cluster.Name}?kubeconfig={lab.Host.Kubeconfig}&store={cluster.DataDirectory}", "/");
        var plan = await driver.PlanAsync(repository, captured.Manifest, target, Ct);
        using var api = KubernetesLab.Api(cluster);
        const string Late = "/api/v1/namespaces/team-0002/configmaps";
        Assert.True((await api.CreateAsync(Late, Json("""{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"late"}}"""), false, Ct)).IsSuccess);
        // What no controller makes is a person's, of whatever kind.
        var (pods, sets) = ("/api/v1/namespaces/team-0002/pods", "/apis/apps/v1/namespaces/team-0002/replicasets");
        var bare = """{"apiVersion":"v1","kind":"Pod","metadata":{"name":"late"},"spec":{"automountServiceAccountToken":false,"containers":[{"name":"c","image":"none"}]}}""";
        var set = """{"apiVersion":"apps/v1","kind":"ReplicaSet","metadata":{"name":"late"},"spec":{"replicas":0,"selector":{"matchLabels":{"app":"late"}},"template":{"metadata":{"labels":{"app":"late"}},"spec":{"containers":[{"name":"c","image":"none"}]}}}}""";
        try
        {
            var (uid, stores) = (Uid(await api.GetAsync(ConfigMap, Ct)), Directory.GetDirectories(cluster.DataDirectory, "etcd*"));
            var fault = await Assert.ThrowsAsync<EngineException>(() => driver.ExecuteAsync(new RestoreWork(repository, captured.Manifest, plan, plan.Hash, "R-2 of a test"), Ct));
            Assert.Equal("target-drifted", fault.Code);
            Assert.Contains("ConfigMap team-0002/late", fault.Message, StringComparison.Ordinal);
            Assert.True(cluster.ControlPlane.IsRunning);
            Assert.Equal(uid, Uid(await api.GetAsync(ConfigMap, Ct)));
            Assert.Equal(stores, Directory.GetDirectories(cluster.DataDirectory, "etcd*"));

            // As it is now it can be confirmed, and says what would be lost.
            Assert.True((await api.CreateAsync(pods, Json(bare), false, Ct)).IsSuccess);
            Assert.True((await api.CreateAsync(sets, Json(set), false, Ct)).IsSuccess);
            var again = await driver.PlanAsync(repository, captured.Manifest, target, Ct);
            Assert.All((string[])["ConfigMap", "Pod", "ReplicaSet.apps"], kind => Assert.Contains($"will be gone: {kind} team-0002/late", again.Notes));
            Assert.NotEqual(plan.Hash, again.Hash);
            Assert.Equal(again.Hash, (await driver.PlanAsync(repository, captured.Manifest, target, Ct)).Hash);
        }
        finally
        {
            foreach (var path in (string[])[Late, pods, sets])
            {
                await api.DeleteAsync(path + "/late?gracePeriodSeconds=0", null, Ct);
            }
        }
    }

    [Fact]
    public async Task Edit_of_what_every_cluster_has_is_named_and_no_longer_the_cluster_that_was_planned_for()
    {
        var lab = await kubernetes.GetAsync(Ct);
        var cluster = lab.Clusters[0];
        await using var repository = await InitializeAsync(new FileSystemStore(_folder.Combine("store")));
        var captured = await CaptureAsync(lab, repository);
        var driver = new VClusterInPlaceDriver(new InPlaceRestore(lab.Registry, TimeProvider.System), TimeProvider.System);
        var target = RestoreTarget.Parse($"vcluster:{cluster.Namespace}/{cluster.Name}?kubeconfig={lab.Host.Kubeconfig}&store={cluster.DataDirectory}", "/");
        var plan = await driver.PlanAsync(repository, captured.Manifest, target, Ct);
        using var api = KubernetesLab.Api(cluster);
        const string Namespace = "/api/v1/namespaces/default";
        const string Role = "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:basic-user";
        try
        {
            Assert.True((await api.PatchAsync(Namespace, Json("""{"metadata":{"labels":{"edited":"yes"}}}"""), Ct)).IsSuccess);
            Assert.True((await api.PatchAsync(Role, Json("""{"metadata":{"annotations":{"edited":"yes"}}}"""), Ct)).IsSuccess);

            var again = await driver.PlanAsync(repository, captured.Manifest, target, Ct);

            Assert.Contains("becomes what it was: Namespace default", again.Notes);
            Assert.Contains("becomes what it was: ClusterRole.rbac.authorization.k8s.io system:basic-user", again.Notes);
            Assert.NotEqual(plan.Notes[^1], again.Notes[^1]);
            Assert.Equal(again.Hash, (await driver.PlanAsync(repository, captured.Manifest, target, Ct)).Hash);
        }
        finally
        {
            await api.PatchAsync(Namespace, Json("""{"metadata":{"labels":{"edited":null}}}"""), CancellationToken.None);
            await api.PatchAsync(Role, Json("""{"metadata":{"annotations":{"edited":null}}}"""), CancellationToken.None);
        }
    }

    [Fact]
    public async Task Claim_that_was_being_deleted_when_it_was_captured_is_endangered_too()
    {
        var lab = await kubernetes.GetAsync(Ct);
        var cluster = lab.Clusters[0];
        await MakeNewerClaimAsync(lab, cluster, "going");
        using var host = new KubeApi(KubeEndpoint.FromKubeconfig(lab.Host.Kubeconfig));
        try
        {
            using var access = await VClusterAccess.OpenAsync(KubernetesLab.Settings(lab, cluster), TimeProvider.System, Ct);
            var one = new CapturedObject("v1", "PersistentVolumeClaim", "team-0000", "going", "u", VClusterArtifacts.Resources, 0, 0, "d", IsTerminating: false);
            Assert.DoesNotContain(await InPlaceRestore.EndangeredAsync(access, [one], Ct), claim => claim.Volume == "pv-going");
            Assert.Contains(await InPlaceRestore.EndangeredAsync(access, [one with { IsTerminating = true }], Ct), claim => claim.Volume == "pv-going");
        }
        finally
        {
            await DropClaimAsync(host, cluster, "going");
        }
    }

    [Fact]
    public async Task Cluster_that_was_scaled_to_nothing_before_is_so_after_the_way_back_and_that_is_said()
    {
        var lab = await kubernetes.GetAsync(Ct);
        var cluster = lab.Clusters[0];
        await using var repository = await InitializeAsync(new FileSystemStore(_folder.Combine("store")));
        var captured = await CaptureAsync(lab, repository);
        var driver = new VClusterInPlaceDriver(new InPlaceRestore(lab.Registry, TimeProvider.System), TimeProvider.System);
        var target = RestoreTarget.Parse($"vcluster:{cluster.Namespace}/{cluster.Name}?kubeconfig={lab.Host.Kubeconfig}&store={cluster.DataDirectory}", "/");
        using var access = await VClusterAccess.OpenAsync(((VClusterTarget)target).Settings, TimeProvider.System, Ct);
        var (pause, scale) = (new ClusterPause(access, TimeProvider.System), access.Workload.PathOf(access.Namespace, access.Name) + "/scale");
        Assert.True((await access.Host.PatchAsync(scale, Json("""{"spec":{"replicas":0}}"""), Ct)).IsSuccess);
        try
        {
            Assert.True(await pause.WaitStoppedAsync(Ct));
            var plan = await driver.PlanAsync(repository, captured.Manifest, target, Ct);
            var lines = new List<string>();

            var fault = await Assert.ThrowsAsync<EngineException>(() => driver.ExecuteAsync(new RestoreWork(repository, captured.Manifest, plan, plan.Hash, "R-3 of a test", Log: (_, line) => lines.Add(line)), Ct));

            Assert.Equal("vcluster-not-ready", fault.Code);
            Assert.EndsWith("the former store is back in its place; the cluster is as it was before, with no replicas, and was not started", lines[^1], StringComparison.Ordinal);
            Assert.False(cluster.ControlPlane.IsRunning);
        }
        finally
        {
            await access.Host.PatchAsync(scale, Json("""{"spec":{"replicas":1}}"""), CancellationToken.None);
        }

        Assert.True(await pause.WaitReadyAsync(Ct));
    }

    [Fact]
    public async Task Restore_that_cannot_be_taken_back_needs_a_decision_and_one_that_has_left_nothing_does_not()
    {
        var (store, away) = (_folder.Combine("volume"), _folder.Write("away", System.Text.Encoding.UTF8.GetBytes("""
            apiVersion: v1
            kind: Config
            clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
            users: [{name: u, user: {token: none}}]
            contexts: [{name: x, context: {cluster: c, user: u}}]
            current-context: x
            """)));
        Directory.CreateDirectory(Path.Combine(store, "etcd"));
        var plan = new RestorePlan
        {
            FormatVersion = 1, RestorePointId = "01", ManifestHash = "00", Source = "tenant-a", Kind = VClusterInPlaceDriver.Kind,
            Target = $"vcluster:host/tenant-a?kubeconfig={away}&store={store}", Artifacts = [], Notes = [],
        };
        var driver = new VClusterInPlaceDriver(new InPlaceRestore(new ProcessRegistry(_folder.Combine("processes")), new HastyTime()), new HastyTime());
        Assert.Equal("api-unreachable", (await Assert.ThrowsAsync<EngineException>(() => driver.AbandonAsync(plan, "R-9", Ct))).Code);

        var mark = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData("R-9"u8).AsSpan(0, 6));
        Directory.CreateDirectory(Path.Combine(store, $"etcd.before-{mark}"));
        var undecided = await Assert.ThrowsAsync<NeedsDecisionException>(() => driver.AbandonAsync(plan, "R-9", Ct));
        Assert.Contains("does not answer", undecided.Message, StringComparison.Ordinal);
        Assert.Contains(store, undecided.Message, StringComparison.Ordinal);

        using var over = new CancellationTokenSource(TimeSpan.FromMilliseconds(200));
        var slow = new VClusterInPlaceDriver(new InPlaceRestore(new ProcessRegistry(_folder.Combine("processes")), TimeProvider.System), TimeProvider.System);
        Assert.Contains("in the time that there is", (await Assert.ThrowsAsync<NeedsDecisionException>(() => slow.AbandonAsync(plan, "R-9", over.Token))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Paused_cluster_of_a_dead_backup_is_resumed_by_the_next_one()
    {
        var lab = await kubernetes.GetAsync(Ct);
        var cluster = lab.Clusters[0];
        var settings = KubernetesLab.Settings(lab, cluster);
        using var access = await VClusterAccess.OpenAsync(settings, TimeProvider.System, Ct);
        Assert.True(await new ClusterPause(access, TimeProvider.System).PauseAsync("backup of tenant-a", Ct));
        Assert.False(cluster.ControlPlane.IsRunning);
        await using var repository = await InitializeAsync(new FileSystemStore(_folder.Combine("store")));
        Assert.True((await CaptureAsync(lab, repository)).Inventory.Objects > 0);
        Assert.True(cluster.ControlPlane.IsRunning);
    }

    [Fact]
    public async Task Restore_point_is_proven_in_a_scratch_cluster()
    {
        var lab = await kubernetes.GetAsync(Ct);
        await using var repository = await InitializeAsync(new FileSystemStore(_folder.Combine("store")));
        var captured = await CaptureAsync(lab, repository);
        var validation = new RestorePointValidation(new ValidationOptions { ScratchRoot = "/var/lib/hexabase-drconsole-scratch" }, lab.Registry, TimeProvider.System);
        var result = await validation.RunAsync(repository, captured.Manifest.Id, null, (step, text) => TestContext.Current.SendDiagnosticMessage($"{step}: {text}"), Ct);
        Assert.True(result.OverallPassed, string.Join("; ", result.Steps.Select(step => $"{step.Name} {step.Status}: {step.Reason}")));
        Assert.Contains("etcd's snapshot has its hash", result.Steps[3].Reason, StringComparison.Ordinal);
        Assert.Contains($"and {captured.Inventory.HostDocuments!.Values.Sum()} of the host parse", result.Steps[3].Reason, StringComparison.Ordinal);
        Assert.Contains("equal field by field", result.Steps[4].Reason, StringComparison.Ordinal);
        Assert.StartsWith("etcd's snapshot starts, with ", result.Steps[4].Reason, StringComparison.Ordinal);
        Assert.NotNull(result.MeasuredRestoreSeconds);
    }

    public void Dispose() => _folder.Dispose();

    private static Task<VClusterCaptured> CaptureAsync(LabKubernetes lab, BackupRepository repository) => new VClusterBackup(TimeProvider.System).CaptureAsync(
        new VClusterBackupRequest
        {
            Description = new BackupDescription { Source = "tenant-a", Kind = VClusterBackup.Kind, Workspace = "shop" },
            Settings = KubernetesLab.Settings(lab, lab.Clusters[0]),
        },
        repository, null, null, Ct);

    /// <summary>Takes away what <see cref="MakeNewerClaimAsync"/> made, also where the test was cancelled.</summary>
    private static async Task DropClaimAsync(KubeApi host, LabVirtualCluster cluster, string name)
    {
        foreach (var path in (string[])[$"/api/v1/namespaces/{cluster.Namespace}/persistentvolumeclaims/{name}-x-team-0000-x-tenant", $"/api/v1/persistentvolumes/pv-{name}"])
        {
            await host.DeleteAsync(path, null, CancellationToken.None);
            await host.PatchAsync(path, Json("""{"metadata":{"finalizers":null}}"""), CancellationToken.None);
        }
    }

    /// <summary>A host's claim that the syncer made for one that the restore point does not have.</summary>
    private static async Task MakeNewerClaimAsync(LabKubernetes lab, LabVirtualCluster cluster, string name)
    {
        using var host = new KubeApi(KubeEndpoint.FromKubeconfig(lab.Host.Kubeconfig));
        var volume = Json("""{"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":"pv-newer"},"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"persistentVolumeReclaimPolicy":"Delete","hostPath":{"path":"/nowhere"}}}""");
        var claim = Json("""
            {"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"newer-x-team-0000-x-tenant","labels":{"vcluster.loft.sh/managed-by":"tenant"},
             "annotations":{"vcluster.loft.sh/object-name":"newer","vcluster.loft.sh/object-namespace":"team-0000"}},
             "spec":{"accessModes":["ReadWriteOnce"],"volumeName":"pv-newer","storageClassName":"","resources":{"requests":{"storage":"1Gi"}}}}
            """);
        claim["metadata"]!["labels"]!["vcluster.loft.sh/managed-by"] = cluster.Name;
        claim["metadata"]!["name"] = $"{name}-x-team-0000-x-tenant";
        claim["metadata"]!["annotations"]!["vcluster.loft.sh/object-name"] = name;
        (volume["metadata"]!["name"], claim["spec"]!["volumeName"]) = ($"pv-{name}", $"pv-{name}");
        Assert.True((await host.CreateAsync("/api/v1/persistentvolumes", volume, false, Ct)).IsSuccess);
        Assert.True((await host.CreateAsync($"/api/v1/namespaces/{cluster.Namespace}/persistentvolumeclaims", claim, false, Ct)).IsSuccess);
    }

    private static string Uid(JsonObject value) => value["metadata"]!["uid"]!.GetValue<string>();

    private static JsonObject Json(string text) => (JsonObject)JsonNode.Parse(text)!;
}
