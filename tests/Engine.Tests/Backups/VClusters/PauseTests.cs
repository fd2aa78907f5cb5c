using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Audit;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Drivers;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Storage;
using Hexabase.DrConsole.Engine.Tests.Repository;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Lab.Kubernetes;
using Microsoft.Extensions.Logging.Abstractions;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Backups.VClusters;

/// <summary>A virtual cluster that is stopped for a backup is started again, whatever becomes of who stopped it.</summary>
[Collection("vcluster")]
public sealed class PauseTests(KubernetesLab kubernetes, CatalogServer catalog) : IDisposable
{
    private static readonly ProcessIdentity s_dead = new(int.MaxValue, 1, "another boot");
    private readonly TemporaryFolder _folder = new();
    private readonly string _source = $"tenant-{Guid.NewGuid():n}";

    private string Purpose => "backup of " + _source;

    [Fact]
    public async Task Cluster_that_a_dead_process_left_paused_is_started_and_that_is_told()
    {
        var lab = await kubernetes.GetAsync(Ct);
        var (settings, ledger) = (KubernetesLab.Settings(lab, lab.Clusters[0]), Ledger(s_dead));
        using var access = await VClusterAccess.OpenAsync(settings, TimeProvider.System, Ct);
        ledger.Write(_source, access, settings, Purpose);
        Assert.True(await new ClusterPause(access, TimeProvider.System).PauseAsync(Purpose, Ct));
        Assert.False(lab.Clusters[0].ControlPlane.IsRunning);

        Assert.Equal(0, await Keeper(ledger).UndoAsync(Ct));

        Assert.True(await new ClusterPause(access, TimeProvider.System).WaitReadyAsync(Ct));
        Assert.True(lab.Clusters[0].ControlPlane.IsRunning);
        Assert.Empty(ledger.Left());
        Assert.Equal("vcluster.resumed", Assert.Single(await AuditLog.NewestAsync(catalog.Pool, 200, Ct), one => one.Subject == _source).Action);
    }

    [Fact]
    public async Task Cluster_that_is_annotated_and_not_yet_stopped_is_not_held_and_its_pause_can_be_gone_on_with()
    {
        var lab = await kubernetes.GetAsync(Ct);
        using var access = await VClusterAccess.OpenAsync(KubernetesLab.Settings(lab, lab.Clusters[0]), TimeProvider.System, Ct);
        var pause = new ClusterPause(access, TimeProvider.System);
        // As a process leaves it that dies between the two requests of a pause, or of a resume.
        var annotations = (JsonObject)JsonNode.Parse($$"""{"metadata":{"annotations":{"loft.sh/paused":"true","loft.sh/paused-replicas":"1","{{ClusterPause.OwnerAnnotation}}":"{{Purpose}}"} } }""")!;
        Assert.True((await access.Host.PatchAsync(access.Workload.PathOf(access.Namespace, access.Name), annotations, Ct)).IsSuccess);
        try
        {
            Assert.False(await pause.IsHeldAsync(Purpose, Ct));
            Assert.True(lab.Clusters[0].ControlPlane.IsRunning);

            Assert.True(await pause.PauseAsync(Purpose, Ct));
            Assert.True(await pause.IsHeldAsync(Purpose, Ct));
            Assert.False(await pause.IsHeldAsync("another", Ct));
        }
        finally
        {
            await pause.ResumePatientlyAsync(Purpose);
        }

        Assert.True(await pause.WaitReadyAsync(Ct));
        Assert.False(await pause.IsHeldAsync(Purpose, Ct));
    }

    [Fact]
    public async Task Owner_that_an_earlier_pause_left_neither_hinders_a_pause_nor_its_end()
    {
        var lab = await kubernetes.GetAsync(Ct);
        using var access = await VClusterAccess.OpenAsync(KubernetesLab.Settings(lab, lab.Clusters[0]), TimeProvider.System, Ct);
        var (pause, path) = (new ClusterPause(access, TimeProvider.System), access.Workload.PathOf(access.Namespace, access.Name));
        // As it is where somebody resumed the cluster with vCluster's own command, which knows nothing of an owner.
        await LeaveAsync("another run");
        try
        {
            Assert.True(await pause.PauseAsync(Purpose, Ct));
            Assert.False(lab.Clusters[0].ControlPlane.IsRunning);
            Assert.True(await pause.ResumePatientlyAsync(Purpose));
            Assert.True(await pause.WaitReadyAsync(Ct));
            Assert.True(lab.Clusters[0].ControlPlane.IsRunning);

            // One that nobody's pause goes with: the number of replicas is not ours to set.
            await LeaveAsync(Purpose);
            Assert.True((await access.Host.PatchAsync(path + "/scale", ClusterClient.Json("""{"spec":{"replicas":0}}"""), Ct)).IsSuccess);
            Assert.False(await pause.ResumeAsync(Purpose, Ct));
            var found = await access.Host.GetAsync(path, Ct);
            Assert.Equal(0, KubeWorkload.ReplicasOf(found));
            Assert.Null(found["metadata"]!["annotations"]?[ClusterPause.OwnerAnnotation]);
            // None of none is not ready.
            Assert.False(await pause.WaitReadyAsync(Ct));
        }
        finally
        {
            await access.Host.PatchAsync(path, ClusterClient.Json("""{"metadata":{"annotations":null}}"""), CancellationToken.None);
            await access.Host.PatchAsync(path + "/scale", ClusterClient.Json("""{"spec":{"replicas":1}}"""), CancellationToken.None);
            await pause.WaitReadyAsync(CancellationToken.None);
        }

        async Task LeaveAsync(string owner) =>
            Assert.True((await access.Host.PatchAsync(path, ClusterClient.Json($$"""{"metadata":{"annotations":{"{{ClusterPause.OwnerAnnotation}}":"{{owner}}","loft.sh/paused-replicas":"3"} } }"""), Ct)).IsSuccess);
    }

    [Fact]
    public async Task Pause_that_somebody_else_made_after_ours_is_not_ended()
    {
        var lab = await kubernetes.GetAsync(Ct);
        using var access = await VClusterAccess.OpenAsync(KubernetesLab.Settings(lab, lab.Clusters[0]), TimeProvider.System, Ct);
        var (pause, path) = (new ClusterPause(access, TimeProvider.System), access.Workload.PathOf(access.Namespace, access.Name));
        Assert.True(await pause.PauseAsync(Purpose, Ct));
        try
        {
            // vCluster's own resume and pause know nothing of our annotations.
            Assert.True((await access.Host.PatchAsync(path, ClusterClient.Json("""{"metadata":{"annotations":{"loft.sh/paused-date":"2999-01-01T00:00:00Z"}}}"""), Ct)).IsSuccess);
            Assert.False(await pause.IsHeldAsync(Purpose, Ct));
            Assert.False(await pause.PauseAsync(Purpose, Ct));

            Assert.False(await pause.ResumePatientlyAsync(Purpose));

            var found = await access.Host.GetAsync(path, Ct);
            Assert.Equal(0, KubeWorkload.ReplicasOf(found));
            var annotations = found["metadata"]!["annotations"]!.AsObject();
            Assert.Equal("true", annotations["loft.sh/paused"]!.GetValue<string>());
            Assert.DoesNotContain(annotations, annotation => annotation.Key is ClusterPause.OwnerAnnotation or ClusterPause.DateAnnotation);
            Assert.False(await pause.ResumeAsync(null, Ct));
        }
        finally
        {
            await access.Host.PatchAsync(path, ClusterClient.Json("""{"metadata":{"annotations":null}}"""), CancellationToken.None);
            await access.Host.PatchAsync(path + "/scale", ClusterClient.Json("""{"spec":{"replicas":1}}"""), CancellationToken.None);
        }

        Assert.True(await pause.WaitReadyAsync(Ct));
    }

    [Fact]
    public async Task Restore_that_died_is_left_to_its_run_and_never_started_without_its_store()
    {
        var lab = await kubernetes.GetAsync(Ct);
        var (settings, ledger) = (KubernetesLab.Settings(lab, lab.Clusters[0]), Ledger(s_dead));
        using var access = await VClusterAccess.OpenAsync(settings, TimeProvider.System, Ct);
        var store = Directory.CreateDirectory(_folder.Combine("volume")).FullName;
        ledger.Write(_source, access, settings, Purpose, store);
        Assert.True(await new ClusterPause(access, TimeProvider.System).PauseAsync(Purpose, Ct));
        try
        {
            var time = new HastyTime();
            var keeper = new LeftPauses(ledger, catalog.Pool, time, NullLogger<LeftPauses>.Instance);
            await Task.Delay(TimeSpan.FromHours(1), time, Ct);
            // Between the two renames there is no etcd in it: a cluster that starts now begins an empty one.
            Assert.Equal(1, await keeper.UndoAsync(Ct));
            Directory.CreateDirectory(Path.Combine(store, "etcd"));
            // Its run is taken up with the same start of the console.
            Assert.Equal(1, await keeper.UndoAsync(Ct));
            Assert.False(lab.Clusters[0].ControlPlane.IsRunning);
            Assert.Single(ledger.Left());

            await Task.Delay(TimeSpan.FromMinutes(3), time, Ct);
            Assert.Equal(0, await keeper.UndoAsync(Ct));
            Assert.Empty(ledger.Left());
        }
        finally
        {
            await new ClusterPause(access, TimeProvider.System).ResumePatientlyAsync(Purpose);
        }

        Assert.True(await new ClusterPause(access, TimeProvider.System).WaitReadyAsync(Ct));
    }

    [Fact]
    public async Task Record_stays_while_the_host_does_not_answer_and_what_a_living_process_holds_is_left_alone()
    {
        var lab = await kubernetes.GetAsync(Ct);
        var settings = KubernetesLab.Settings(lab, lab.Clusters[0]);
        using var access = await VClusterAccess.OpenAsync(settings, TimeProvider.System, Ct);
        var away = _folder.Write("away", System.Text.Encoding.UTF8.GetBytes("""
            apiVersion: v1
            kind: Config
            clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
            users: [{name: u, user: {token: none}}]
            contexts: [{name: x, context: {cluster: c, user: u}}]
            current-context: x
            """));
        var left = Ledger(s_dead);
        left.Write(_source, access, settings with { Kubeconfig = away }, Purpose);
        Assert.Equal(1, await Keeper(left).UndoAsync(Ct));
        Assert.Single(left.Left());

        var living = Ledger(ProcessIdentity.Current);
        var record = living.Write(_source, access, settings, Purpose);
        Assert.Empty(living.Left());
        living.GiveUp(record);
        Assert.Single(living.Left());
        Assert.Equal(0, await Keeper(living).UndoAsync(Ct));
        Assert.Empty(living.Left());
    }

    [Fact]
    public async Task Store_file_is_copied_when_the_last_pod_is_gone_and_what_was_stopped_is_started()
    {
        var lab = await kubernetes.GetAsync(Ct);
        var (cluster, ledger) = (lab.Clusters[0], Ledger(ProcessIdentity.Current));
        var settings = KubernetesLab.Settings(lab, cluster) with { Etcd = null, DataDirectory = _folder.Path, PauseForBackup = true };
        _folder.Write("state.db", Noise(10_000));
        using var host = new KubeApi(KubeEndpoint.FromKubeconfig(lab.Host.Kubeconfig));
        var pod = $"/api/v1/namespaces/{cluster.Namespace}/pods/{cluster.Name}-0";
        await MakePodAsync(host, cluster, pod);
        await using var repository = await InitializeAsync(new FileSystemStore(_folder.Combine("store")));
        var lines = new List<string>();
        var backup = new VClusterBackup(TimeProvider.System, ledger).CaptureAsync(
            new VClusterBackupRequest { Description = new BackupDescription { Source = _source, Kind = VClusterBackup.Kind }, Settings = settings },
            repository, null, (phase, text) => { lock (lines) { lines.Add($"{phase}: {text}"); } }, Ct);
        while (cluster.ControlPlane.IsRunning || await ReadyAsync(host, cluster) != 0)
        {
            Assert.False(backup.IsCompleted, "it came to its end while a Pod was there");
            await Task.Delay(50, Ct);
        }

        // A Pod that is ending writes all the same.
        Assert.DoesNotContain(Lines(), line => line.Contains("copying", StringComparison.Ordinal));
        Assert.False(backup.IsCompleted);
        Assert.True((await host.DeleteAsync(pod + "?gracePeriodSeconds=0", null, Ct)).IsSuccess);
        var captured = await backup;
        Assert.Contains(Lines(), line => line.Contains("copying", StringComparison.Ordinal));
        Assert.Contains(captured.Manifest.Artifacts, artifact => artifact.Name == "state.db");
        Assert.True(cluster.ControlPlane.IsRunning);
        Assert.False(Directory.EnumerateFiles(_folder.Combine("pauses")).Any());

        // It is not put back in place as a whole, and who wants that is told so, and what to do.
        var target = RestoreTarget.Parse($"vcluster:{cluster.Namespace}/{cluster.Name}?kubeconfig={lab.Host.Kubeconfig}&store={_folder.Path}", "/");
        var refused = await Assert.ThrowsAsync<EngineException>(() =>
            new VClusterInPlaceDriver(new InPlaceRestore(new ProcessRegistry(_folder.Combine("processes")), TimeProvider.System), TimeProvider.System).PlanAsync(repository, captured.Manifest, target, Ct));
        Assert.Equal(("restore-target-unsupported", ErrorKind.Unsupported), (refused.Code, refused.Kind));
        Assert.Contains("is a file of SQLite (state.db), which is not put back in place", refused.Message, StringComparison.Ordinal);

        string[] Lines()
        {
            lock (lines)
            {
                return [.. lines];
            }
        }
    }

    [Theory]
    [InlineData("{")]
    [InlineData("{}")]
    public async Task Record_that_cannot_be_read_keeps_no_other_cluster_stopped(string damaged)
    {
        var lab = await kubernetes.GetAsync(Ct);
        var (settings, ledger) = (KubernetesLab.Settings(lab, lab.Clusters[0]), Ledger(s_dead));
        using var access = await VClusterAccess.OpenAsync(settings, TimeProvider.System, Ct);
        ledger.Write(_source, access, settings, Purpose);
        ledger.Write("before-" + _source, access, settings with { Kubeconfig = Unusable() }, Purpose);
        await File.WriteAllTextAsync(_folder.Combine("pauses", "a.json"), damaged, Ct);
        // Leads to itself: the system refuses to open it.
        File.CreateSymbolicLink(_folder.Combine("pauses", "b.json"), _folder.Combine("pauses", "b.json"));

        // The two that cannot be read, and the one whose kubeconfig leads nowhere.
        Assert.Equal(3, await Keeper(ledger).UndoAsync(Ct));

        Assert.Null(ledger.Find(_source));
        Assert.NotNull(ledger.Find("before-" + _source));
    }

    [Fact]
    public void Kubeconfig_that_names_a_missing_certificate_says_so()
    {
        var fault = Assert.Throws<EngineException>(() => KubeEndpoint.FromKubeconfig(Unusable()));
        Assert.Equal("kubeconfig-unreadable", fault.Code);
        Assert.Contains("missing.crt", fault.Message, StringComparison.Ordinal);
    }

    public void Dispose() => _folder.Dispose();

    private string Unusable() => _folder.Write("unusable", System.Text.Encoding.UTF8.GetBytes("""
        apiVersion: v1
        kind: Config
        clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
        users: [{name: u, user: {client-certificate: missing.crt, client-key: missing.key}}]
        contexts: [{name: x, context: {cluster: c, user: u}}]
        current-context: x
        """));

    private PauseLedger Ledger(ProcessIdentity owner) => new(_folder.Combine("pauses"), new ProcessRegistry(_folder.Combine("processes"), owner: owner));

    private LeftPauses Keeper(PauseLedger ledger) => new(ledger, catalog.Pool, TimeProvider.System, NullLogger<LeftPauses>.Instance);

    private static async Task<int> ReadyAsync(KubeApi host, LabVirtualCluster cluster) =>
        (await host.GetAsync($"/apis/apps/v1/namespaces/{cluster.Namespace}/statefulsets/{cluster.Name}", Ct))["status"]?["readyReplicas"]?.GetValue<int>() ?? 0;

    /// <summary>The lab's host runs no controllers, so that a Pod is there for as long as the test likes.</summary>
    private static async Task MakePodAsync(KubeApi host, LabVirtualCluster cluster, string path)
    {
        var account = (JsonObject)JsonNode.Parse("""{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"default"}}""")!;
        Assert.True(await host.CreateAsync($"/api/v1/namespaces/{cluster.Namespace}/serviceaccounts", account, false, Ct) is { IsSuccess: true } or { Reason: "AlreadyExists" });
        var body = (JsonObject)JsonNode.Parse("""{"apiVersion":"v1","kind":"Pod","metadata":{"labels":{"app":"vcluster"}},"spec":{"automountServiceAccountToken":false,"containers":[{"name":"syncer","image":"none"}]}}""")!;
        body["metadata"]!["name"] = path[(path.LastIndexOf('/') + 1)..];
        body["metadata"]!["labels"]!["release"] = cluster.Name;
        var answer = await host.CreateAsync(path[..path.LastIndexOf('/')], body, false, Ct);
        Assert.True(answer.IsSuccess, answer.Message);
    }
}
