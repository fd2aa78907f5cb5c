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

/// <summary>Objects put back into the running cluster that they came from.</summary>
[Collection("vcluster")]
public sealed class ObjectRestoreTests(KubernetesLab kubernetes) : IAsyncDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly List<string> _made = [];
    private KubeApi? _api;

    [Fact]
    public async Task Namespace_restored_under_another_name_is_the_same_with_owners_of_its_own()
    {
        var (api, stored) = await CaptureAsync();
        var selection = new RestoreSelection { Namespaces = [ClusterPopulation.NamespaceOf(0)], NamespaceMap = Map("team-copy") };
        var plan = await new RestorePlanner(api).PlanAsync(stored, selection, Ct);
        Assert.Equal(0, plan.Count(ObjectAction.Refuse) + plan.Count(ObjectAction.Conflict) + plan.Count(ObjectAction.Change));
        var journal = new MemoryJournal();
        var result = await new ObjectRestore(api, journal, TimeProvider.System).ExecuteAsync(plan, plan.Hash, null, Ct);
        Assert.Empty(result.Failed);
        Assert.Empty(result.Warnings);
        Assert.Equal(plan.Count(ObjectAction.Create), result.Created);

        // Planned again, nothing is left to do: every object is there and equal.
        var again = await new RestorePlanner(api).PlanAsync(stored, selection, Ct);
        Assert.Equal(0, again.Count(ObjectAction.Create));
        Assert.All(again.Objects, one => Assert.Empty(one.Differences));

        // The owned one has its own cluster's owner; with a stale identity it would have been collected by now.
        var database = await api.GetAsync(Path("databases", "team-copy", "db-000"), Ct);
        var owned = await api.GetAsync(Path("databasesnapshots", "team-copy", "db-000-nightly"), Ct);
        Assert.Equal(Uid(database), owned["metadata"]!["ownerReferences"]![0]!["uid"]!.GetValue<string>());
        Assert.NotEqual(Uid(await api.GetAsync(Path("databases", ClusterPopulation.NamespaceOf(0), "db-000"), Ct)), Uid(database));
        Assert.Equal($"{ClusterPopulation.Group}/protect", database["metadata"]!["finalizers"]![0]!.GetValue<string>());

        // And back: nothing of it stays but what waits for its finalizer.
        await RemoveFinalizersAsync(api, "team-copy");
        var (_, left) = await new ObjectRestore(api, journal, TimeProvider.System).UndoAsync(plan, Ct);
        Assert.Empty(left);
        Assert.Empty(journal.Notes);
    }

    [Fact]
    public async Task Changed_object_is_shown_field_by_field_put_back_and_taken_back()
    {
        var (api, stored) = await CaptureAsync();
        var ns = ClusterPopulation.NamespaceOf(1);
        var path = $"/api/v1/namespaces/{ns}/configmaps/app-0";
        var secret = $"/api/v1/namespaces/{ns}/secrets/app-0";
        await PatchAsync(api, path, """{"data":{"LOG_LEVEL":"trace","EXTRA":"1"}}""");
        await PatchAsync(api, secret, """{"data":{"password":"c3RvbGVu"}}""");
        var selection = new RestoreSelection { Namespaces = [ns], Names = ["app-0"], Kinds = ["ConfigMap", "Secret"], ChangesExisting = true };
        var plan = await new RestorePlanner(api).PlanAsync(stored, selection, Ct);
        Assert.Equal(2, plan.Count(ObjectAction.Change));
        Assert.Equal(
            [new FieldDifference("data.EXTRA", "\"1\"", null), new FieldDifference("data.LOG_LEVEL", "\"trace\"", "\"info\"")],
            plan.Objects.Single(one => one.Target.Kind == "ConfigMap").Differences);
        Assert.Equal(
            [new FieldDifference("data.password", SecretValues.Hidden, SecretValues.Hidden)],
            plan.Objects.Single(one => one.Target.Kind == "Secret").Differences);

        var journal = new MemoryJournal();
        var result = await new ObjectRestore(api, journal, TimeProvider.System).ExecuteAsync(plan, plan.Hash, null, Ct);
        Assert.Equal(2, result.Changed);
        Assert.Equal("info", (await api.GetAsync(path, Ct))["data"]!["LOG_LEVEL"]!.GetValue<string>());
        Assert.Null((await api.GetAsync(path, Ct))["data"]!["EXTRA"]);

        Assert.Empty((await new ObjectRestore(api, journal, TimeProvider.System).UndoAsync(plan, Ct)).Left);
        Assert.Equal("trace", (await api.GetAsync(path, Ct))["data"]!["LOG_LEVEL"]!.GetValue<string>());
        Assert.Equal("c3RvbGVu", (await api.GetAsync(secret, Ct))["data"]!["password"]!.GetValue<string>());

        // Left alone unless it is asked for; then it is told all the same.
        var careful = await new RestorePlanner(api).PlanAsync(stored, selection with { ChangesExisting = false }, Ct);
        Assert.Equal(2, careful.Count(ObjectAction.Leave));
        Assert.All(careful.Objects, one => Assert.NotEmpty(one.Differences));
    }

    [Fact]
    public async Task Target_that_changed_after_the_plan_stops_it_before_the_object()
    {
        var (api, stored) = await CaptureAsync();
        var ns = ClusterPopulation.NamespaceOf(2);
        var path = $"/api/v1/namespaces/{ns}/configmaps/app-1";
        await PatchAsync(api, path, """{"data":{"LOG_LEVEL":"debug"}}""");
        var selection = new RestoreSelection { Namespaces = [ns], Names = ["app-1"], Kinds = ["ConfigMap"], ChangesExisting = true };
        var plan = await new RestorePlanner(api).PlanAsync(stored, selection, Ct);
        await PatchAsync(api, path, """{"data":{"LOG_LEVEL":"warn"}}""");
        Assert.NotEqual(plan.Hash, (await new RestorePlanner(api).PlanAsync(stored, selection, Ct)).Hash);
        var fault = await Assert.ThrowsAsync<EngineException>(() => new ObjectRestore(api, new MemoryJournal(), TimeProvider.System).ExecuteAsync(plan, plan.Hash, null, Ct));
        Assert.Equal("target-drifted", fault.Code);
        Assert.Equal("warn", (await api.GetAsync(path, Ct))["data"]!["LOG_LEVEL"]!.GetValue<string>());
        Assert.Equal("target-drifted", (await Assert.ThrowsAsync<EngineException>(() => new ObjectRestore(api, new MemoryJournal(), TimeProvider.System).ExecuteAsync(plan, new string('0', 64), null, Ct))).Code);
    }

    [Fact]
    public async Task Interrupted_restore_goes_on_where_it_stopped()
    {
        var (api, stored) = await CaptureAsync();
        var selection = new RestoreSelection { Namespaces = [ClusterPopulation.NamespaceOf(0)], NamespaceMap = Map("team-again") };
        var plan = await new RestorePlanner(api).PlanAsync(stored, selection, Ct);
        // It dies after an effect and before its note, in the middle of the plan.
        var journal = new MemoryJournal { DiesAt = plan.Objects.Count(one => one.IsEffect) / 2 };
        const string Operation = "R-4 of 2026-11-29T21:00:00.0000000Z";
        await Assert.ThrowsAsync<IOException>(() => new ObjectRestore(api, journal, TimeProvider.System) { Operation = Operation }.ExecuteAsync(plan, plan.Hash, null, Ct));
        journal.DiesAt = int.MaxValue;
        // It knows its own effect by the name under which the server noted it.
        var result = await new ObjectRestore(api, journal, TimeProvider.System) { Operation = Operation }.ExecuteAsync(plan, plan.Hash, null, Ct);
        Assert.Empty(result.Failed);
        Assert.Empty(result.Warnings);
        Assert.Equal(plan.Count(ObjectAction.Create), result.Created);
        Assert.Equal(0, (await new RestorePlanner(api).PlanAsync(stored, selection, Ct)).Count(ObjectAction.Create));
    }

    [Fact]
    public async Task Interrupted_restore_is_taken_back_with_the_last_effect_that_nobody_could_note()
    {
        var (api, stored) = await CaptureAsync();
        var selection = new RestoreSelection { Namespaces = [ClusterPopulation.NamespaceOf(0)], Kinds = ["Namespace", "ConfigMap", "Secret"], NamespaceMap = Map("team-dead") };
        var plan = await new RestorePlanner(api).PlanAsync(stored, selection, Ct);
        var effects = plan.Objects.Where(one => one.IsEffect).ToList();
        var journal = new MemoryJournal { DiesAt = effects.Count / 2 };
        await Assert.ThrowsAsync<IOException>(() => new ObjectRestore(api, journal, TimeProvider.System).ExecuteAsync(plan, plan.Hash, null, Ct));
        journal.DiesAt = int.MaxValue;
        Assert.Contains(journal.Notes.Keys, at => plan.Objects[at].Target is { Kind: "Namespace" });
        var unnoted = effects.First(one => !journal.Notes.ContainsKey(plan.Objects.ToList().IndexOf(one)));
        var path = $"/api/v1/namespaces/team-dead/{unnoted.Target.Kind.ToLowerInvariant()}s/{unnoted.Target.Name}";
        Assert.NotNull(await api.FindAsync(path, Ct));
        // So that it does not go with its namespace.
        journal.Notes.Remove(journal.Notes.Keys.Single(at => plan.Objects[at].Target is { Kind: "Namespace" }));

        var (taken, left) = await new ObjectRestore(api, journal, TimeProvider.System).UndoAsync(plan, Ct);

        Assert.Empty(left);
        Assert.Equal(effects.Count / 2, taken);
        Assert.Null(await api.FindAsync(path, Ct));
    }

    [Fact]
    public async Task Server_that_is_killed_in_the_middle_and_comes_back_ends_no_restore()
    {
        var (api, stored) = await CaptureAsync();
        var cluster = (await kubernetes.GetAsync(Ct)).Clusters[0];
        var selection = new RestoreSelection { Namespaces = [ClusterPopulation.NamespaceOf(0)], Kinds = ["Namespace", "ConfigMap", "Secret"], NamespaceMap = Map("team-through") };
        var plan = await new RestorePlanner(api).PlanAsync(stored, selection, Ct);
        var journal = new MemoryJournal();
        // The lab starts again what its StatefulSet wants.
        journal.Noted = notes => notes == plan.Count(ObjectAction.Create) / 2 ? cluster.ControlPlane.KillAsync(Ct) : Task.CompletedTask;

        var result = await new ObjectRestore(api, journal, TimeProvider.System).ExecuteAsync(plan, plan.Hash, null, Ct);

        Assert.Empty(result.Failed);
        Assert.Equal(plan.Count(ObjectAction.Create), result.Created);
        Assert.Equal(0, (await new RestorePlanner(api).PlanAsync(stored, selection, Ct)).Count(ObjectAction.Create));

        journal.Noted = _ => Task.CompletedTask;
        await cluster.ControlPlane.KillAsync(Ct);
        Assert.Empty((await new ObjectRestore(api, journal, TimeProvider.System).UndoAsync(plan, Ct)).Left);
        Assert.Null(await api.FindAsync("/api/v1/namespaces/team-through", Ct));
        // The lab starts what a test has just killed: each once.
        Assert.Single(EtcdsOf(cluster.DataDirectory));
    }

    private static IEnumerable<string> EtcdsOf(string directory) => Directory.EnumerateDirectories("/proc").Where(process =>
    {
        try
        {
            var words = File.ReadAllText(System.IO.Path.Combine(process, "cmdline")).Split('\0');
            return words[0].EndsWith("/etcd", StringComparison.Ordinal) && words.Contains(System.IO.Path.Combine(directory, "etcd"));
        }
        catch (IOException)
        {
            // It has ended meanwhile, or is none.
            return false;
        }
    });

    [Fact]
    public async Task Webhook_whose_server_dies_after_the_plan_fails_what_it_is_asked_about()
    {
        var (api, stored) = await CaptureAsync();
        var selection = new RestoreSelection { Namespaces = [ClusterPopulation.NamespaceOf(0)], Kinds = ["Namespace", "ConfigMap"], NamespaceMap = Map("team-hooked") };
        var plan = await new RestorePlanner(api).PlanAsync(stored, selection, Ct);
        const string Hooks = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
        Assert.True((await api.CreateAsync(Hooks, Json("""
            {"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingWebhookConfiguration","metadata":{"name":"is-dead"},"webhooks":[{"name":"dead.lab.hexabase.example",
             "clientConfig":{"url":"https://127.0.0.1:1/"},"rules":[{"apiGroups":[""],"apiVersions":["v1"],"operations":["CREATE"],"resources":["configmaps"]}],
             "failurePolicy":"Fail","sideEffects":"None","admissionReviewVersions":["v1"],"timeoutSeconds":1}]}
            """), false, Ct)).IsSuccess);
        var journal = new MemoryJournal();
        try
        {
            // The server's own view of its webhooks follows its store a moment later.
            await Eventually.UntilAsync(async () => (await AskAsync()).Status == 500, () => "the webhook", Ct);
            var result = await new ObjectRestore(api, journal, new HastyTime()).ExecuteAsync(plan, plan.Hash, null, Ct);
            Assert.Equal(plan.Objects.Where(one => one is { IsEffect: true, Target.Kind: "ConfigMap" }).Select(one => $"{one.Target}"), result.Failed.Select(line => line.Split(": ")[0]));
            Assert.All(result.Failed, line => Assert.Contains("dead.lab.hexabase.example", line, StringComparison.Ordinal));
            Assert.Equal(1, result.Created);
        }
        finally
        {
            await api.DeleteAsync(Hooks + "/is-dead", null, Ct);
        }

        await Eventually.UntilAsync(async () => (await AskAsync()).IsSuccess, () => "the end of the webhook", Ct);
        Assert.Equal(plan.Count(ObjectAction.Create), (await new ObjectRestore(api, journal, TimeProvider.System).ExecuteAsync(plan, plan.Hash, null, Ct)).Created);

        Task<KubeAnswer> AskAsync() =>
            api.CreateAsync("/api/v1/namespaces/default/configmaps", Json("""{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"asked"}}"""), true, Ct);
    }

    [Fact]
    public async Task Taken_node_port_is_refused_in_the_plan_not_in_the_middle_of_the_work()
    {
        var (api, _) = await CaptureAsync();
        var service = Json("""{"apiVersion":"v1","kind":"Service","metadata":{"name":"edge","namespace":"team-0003"},"spec":{"type":"NodePort","ports":[{"port":80,"nodePort":30555,"protocol":"TCP"}]}}""");
        Assert.True((await api.CreateAsync("/api/v1/namespaces/team-0003/services", service, false, Ct)).IsSuccess);
        try
        {
            var (_, stored) = await CaptureAsync();
            var plan = await new RestorePlanner(api).PlanAsync(
                stored, new RestoreSelection { Namespaces = ["team-0003"], Names = ["edge"], Kinds = ["Service"], NamespaceMap = new Dictionary<string, string> { ["team-0003"] = "default" } }, Ct);
            var one = Assert.Single(plan.Objects);
            Assert.Equal(ObjectAction.Refuse, one.Action);
            Assert.Contains("30555", one.Reason, StringComparison.Ordinal);
        }
        finally
        {
            await api.DeleteAsync("/api/v1/namespaces/team-0003/services/edge", null, Ct);
        }
    }

    [Fact]
    public async Task Quota_of_another_namespace_binds_nobody_while_what_no_namespace_takes_stays_refused()
    {
        var (api, _) = await CaptureAsync();
        var ns = ClusterPopulation.NamespaceOf(0);
        var service = Json($$$"""{"apiVersion":"v1","kind":"Service","metadata":{"name":"edge","namespace":"{{{ns}}}"},"spec":{"type":"NodePort","ports":[{"port":80,"nodePort":30556,"protocol":"TCP"}]}}""");
        var quota = Json("""{"apiVersion":"v1","kind":"ResourceQuota","metadata":{"name":"none","namespace":"default"},"spec":{"hard":{"count/configmaps":"0","count/secrets":"0"}}}""");
        Assert.True((await api.CreateAsync($"/api/v1/namespaces/{ns}/services", service, false, Ct)).IsSuccess);
        Assert.True((await api.CreateAsync("/api/v1/namespaces/default/resourcequotas", quota, false, Ct)).IsSuccess);
        try
        {
            var (_, stored) = await CaptureAsync();
            var selection = new RestoreSelection { Namespaces = [ns], NamespaceMap = Map("team-borrowed") };
            var plan = await new RestorePlanner(api).PlanAsync(stored, selection, Ct);

            var counted = plan.Objects.Where(one => one.Target is { Kind: "ConfigMap" or "Secret", Namespace: "team-borrowed" } && one.IsEffect).ToList();
            Assert.NotEmpty(counted);
            Assert.All(counted, one => Assert.Contains("there the server would refuse it", one.Reason, StringComparison.Ordinal));
            var refused = Assert.Single(plan.Objects, one => one.Action == ObjectAction.Refuse);
            Assert.Equal("Service team-borrowed/edge", refused.Target.ToString());
            Assert.Contains("30556", refused.Reason, StringComparison.Ordinal);

            // The other namespace is none of the plan: it may change until the restore runs.
            Assert.True((await api.DeleteAsync("/api/v1/namespaces/default/resourcequotas/none", null, Ct)).IsSuccess);
            Assert.Equal(plan.Hash, (await new RestorePlanner(api).PlanAsync(stored, selection, Ct)).Hash);
            var result = await new ObjectRestore(api, new MemoryJournal(), TimeProvider.System).ExecuteAsync(plan, plan.Hash, null, Ct);
            Assert.Equal((0, plan.Count(ObjectAction.Create)), (result.Failed.Count, result.Created));
            await RemoveFinalizersAsync(api, "team-borrowed");
        }
        finally
        {
            await api.DeleteAsync("/api/v1/namespaces/default/resourcequotas/none", null, CancellationToken.None);
            await api.DeleteAsync($"/api/v1/namespaces/{ns}/services/edge", null, CancellationToken.None);
        }
    }

    [Theory]
    [InlineData(422, "spec.replicas: Invalid value: -1", "spec.replicas", true)]
    [InlineData(422, "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no", null, false)]
    [InlineData(422, "admission webhook \"w.example\" denied the request: no", "spec", false)]
    [InlineData(400, "json: cannot unmarshal string into Go struct field", null, true)]
    [InlineData(400, "admission webhook \"w.example\" denied the request: no", null, false)]
    [InlineData(403, "exceeded quota: q, requested: count/configmaps=1", null, false)]
    [InlineData(404, "the server could not find the requested resource", null, true)]
    [InlineData(500, "failed calling webhook", null, false)]
    public async Task Refusal_in_a_borrowed_namespace_holds_elsewhere_where_it_is_about_the_object(int status, string message, string? field, bool holds)
    {
        var causes = new JsonArray(new JsonObject { ["message"] = message, ["field"] = field });
        var answer = new KubeAnswer(status, new JsonObject { ["message"] = message, ["details"] = new JsonObject { ["causes"] = causes } }, 0);
        Assert.Equal(holds, await new BorrowedNamespace(null!).HoldsAnywhereAsync(answer, new KubeObjectKey("apps", "Deployment", "team-a", "web"), Ct));
    }

    public async ValueTask DisposeAsync()
    {
        if (_api is not null)
        {
            foreach (var ns in _made)
            {
                await NamespaceRemoval.RemoveAsync(_api, ns, CancellationToken.None);
            }

            _api.Dispose();
        }

        _folder.Dispose();
    }

    private Dictionary<string, string> Map(string target)
    {
        _made.Add(target);
        return new Dictionary<string, string> { [ClusterPopulation.NamespaceOf(0)] = target };
    }

    private async Task<(KubeApi Api, StoredObjects Stored)> CaptureAsync()
    {
        var lab = await kubernetes.GetAsync(Ct);
        var repository = await InitializeAsync(new FileSystemStore(_folder.Combine(Guid.NewGuid().ToString("N"))));
        var captured = await new VClusterBackup(TimeProvider.System).CaptureAsync(
            new VClusterBackupRequest
            {
                Description = new BackupDescription { Source = "tenant-a", Kind = VClusterBackup.Kind, Workspace = "shop" },
                Settings = KubernetesLab.Settings(lab, lab.Clusters[0]) with { Etcd = null },
            },
            repository, null, null, Ct);
        return (_api ??= KubernetesLab.Api(lab.Clusters[0]), new StoredObjects(repository, captured.Manifest));
    }

    private static async Task RemoveFinalizersAsync(KubeApi api, string ns)
    {
        foreach (var kind in (string[])["databases", "databasesnapshots"])
        {
            foreach (var one in (await api.FindAsync(Path(kind, ns), CancellationToken.None))?["items"] as JsonArray ?? [])
            {
                await api.PatchAsync(Path(kind, ns, one!["metadata"]!["name"]!.GetValue<string>()), Json("""{"metadata":{"finalizers":null}}"""), CancellationToken.None);
            }
        }
    }

    private static async Task PatchAsync(KubeApi api, string path, string patch) => Assert.True((await api.PatchAsync(path, Json(patch), Ct)).IsSuccess);

    private static string Path(string plural, string ns, string? name = null) => new KubeResource(ClusterPopulation.Group, "v1", plural, "", true).PathOf(ns, name);

    private static string Uid(JsonObject value) => value["metadata"]!["uid"]!.GetValue<string>();

    private static JsonObject Json(string text) => (JsonObject)JsonNode.Parse(text)!;
}
