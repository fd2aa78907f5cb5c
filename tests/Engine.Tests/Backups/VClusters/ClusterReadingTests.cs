using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;
using Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Tests.Repository;
using Hexabase.DrConsole.Engine.Tests.Storage;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Engine.Validation;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Backups.VClusters;

/// <summary>Kinds that cannot be read, and clusters that have lost what they had.</summary>
public sealed class ClusterReadingTests : IAsyncDisposable
{
    private readonly ScriptedApi _server = new();

    [Theory]
    [InlineData(500)]
    [InlineData(503)]
    public async Task Kind_whose_list_fails_for_a_moment_is_listed_again(int status)
    {
        _server.Put("/api/v1/namespaces/shop/configmaps/a", Json("""{"metadata":{"name":"a","namespace":"shop"}}"""));
        var times = 0;
        _server.Answers = (_, path) => path == "/api/v1/configmaps" && ++times <= 2 ? status : null;

        using var capture = await ClusterCapture.ReadAsync(_server.Api, null, null, Ct);

        Assert.DoesNotContain(capture.Warnings(), warning => warning.Contains("configmaps", StringComparison.Ordinal) && warning.Contains("could not", StringComparison.Ordinal));
        Assert.Equal("a", Assert.Single(capture.Kinds.Single(kind => kind.Resource.Name == "configmaps").Objects).Name);
        Assert.Empty(capture.Unread());
    }

    [Fact]
    public async Task Kind_whose_list_goes_on_failing_is_named_with_the_artifact_that_lacks_it()
    {
        _server.Answers = (_, path) => path == "/api/v1/configmaps" ? 503 : path == "/apis/example.org/v1" ? 503 : null;

        using var capture = await ClusterCapture.ReadAsync(_server.Api, null, null, Ct);

        Assert.Contains(capture.Warnings(), warning => warning.StartsWith("configmaps could not be listed", StringComparison.Ordinal));
        Assert.Equal(["configmaps"], capture.Unread()[VClusterArtifacts.Configuration]);
        Assert.Equal(["example.org/v1"], capture.Unread()[VClusterArtifacts.Resources]);
        Assert.DoesNotContain("configmaps", EmptiedCheck.Tenants.Count(capture).Keys);
        Assert.Contains("pods", EmptiedCheck.Tenants.Count(capture).Keys);
    }

    [Theory]
    [InlineData(500)]
    [InlineData(504)]
    public async Task Group_that_does_not_answer_for_a_moment_is_asked_again(int status)
    {
        var times = new System.Collections.Concurrent.ConcurrentDictionary<string, int>();
        _server.Answers = (_, path) => path is "/version" or "/apis" or "/api/v1" or "/apis/example.org/v1" && times.AddOrUpdate(path, 1, (_, count) => count + 1) <= 2 ? status : null;

        var catalogue = await KubeDiscovery.DiscoverAsync(_server.Api, Ct, "list");

        Assert.Empty(catalogue.Problems);
        Assert.Contains(catalogue.Resources, resource => resource.Name == "widgets.example.org");
        Assert.All(times, asked => Assert.Equal(3, asked.Value));
    }

    [Fact]
    public void Point_whose_store_is_a_file_is_not_proven_as_a_whole()
    {
        var passed = StepOutcome.Passed("all is equal");
        Assert.Equal(passed, VClusterProver.WithStore(passed, With(VClusterArtifacts.Etcd)));

        var found = VClusterProver.WithStore(passed, With("state.db"));

        Assert.Equal((ValidationStepStatus.NotRun, true), (found.Status, found.NotProvable));
        Assert.StartsWith("its store, state.db, is not proven here", found.Reason, StringComparison.Ordinal);
        Assert.Contains("all is equal", found.Reason, StringComparison.Ordinal);
        var failed = StepOutcome.Failed("differs", []);
        Assert.Equal(failed, VClusterProver.WithStore(failed, With("state.db")));
    }

    [Fact]
    public void Point_without_what_could_not_be_read_is_not_proven_as_a_whole()
    {
        var passed = StepOutcome.Passed("all is equal");
        Assert.Equal(passed, VClusterProver.Whole(passed, null));
        var unread = VClusterStructureCheck.Unread(new ClusterInventory
        {
            FormatVersion = 1, Cluster = "c", HostNamespace = "n", KubernetesVersion = "v1", Warnings = [],
            Kinds = [new KindCount("secrets", "v1", "Secret", true, 0, 0, null, "secrets is forbidden"), new KindCount("events", "v1", "Event", true, 0, 0, "tells what happened", null)],
            UnreadGroups = new Dictionary<string, string> { ["metrics.k8s.io/v1"] = "away" },
            MissingClaims = [new MissingClaim("shop", "db", "it is bound to no volume"), new MissingClaim("shop", "files", "it is on another node") { BackedUpBy = "uploads" }],
            UnreadableItems = new Dictionary<string, long> { ["shop/files"] = 2 },
            UnreadHostKinds = new Dictionary<string, string> { ["API group apps/v1"] = "away", ["API group metrics.k8s.io/v1beta1"] = "away", ["persistentvolumes"] = "forbidden", ["secrets"] = "forbidden" },
        });

        var found = VClusterProver.Whole(passed, unread);

        Assert.Equal((ValidationStepStatus.NotRun, true), (found.Status, found.NotProvable));
        Assert.Contains("secrets (secrets is forbidden); API group metrics.k8s.io/v1 (away)", found.Reason, StringComparison.Ordinal);
        Assert.Contains("the data of claim shop/db (it is bound to no volume); 2 items of claim shop/files; API group apps/v1 of the host (away); secrets of the host (forbidden)", found.Reason, StringComparison.Ordinal);
        Assert.Contains("all is equal", found.Reason, StringComparison.Ordinal);
        var failed = StepOutcome.Failed("differs", []);
        Assert.Equal(failed, VClusterProver.Whole(failed, unread));
    }

    [Theory]
    [InlineData(2, "host-objects.yaml: 2 documents, and 3 were captured")]
    [InlineData(3, null)]
    public async Task Documents_of_the_host_are_read_and_counted(int written, string? wrong)
    {
        await using var repository = await InitializeAsync(new CrashStore());
        var inventory = new ClusterInventory
        {
            FormatVersion = 1, Cluster = "c", HostNamespace = "n", KubernetesVersion = "v1", Warnings = [], Kinds = [],
            HostDocuments = new Dictionary<string, int> { [VClusterArtifacts.HostObjects] = 3, [VClusterArtifacts.HostSecrets] = 0 },
        };
        var host = string.Concat(Enumerable.Range(0, written).Select(at => ObjectYaml.Write(Json($$"""{"apiVersion":"v1","kind":"Service","metadata":{"name":"s{{at}}"} }"""))));
        await using var session = await repository.BeginAsync(new BackupDescription { Source = "tenant-a", Kind = VClusterBackup.Kind }, Ct);
        foreach (var (artifact, content) in ((string, byte[])[])[
            (VClusterArtifacts.HostObjects, Encoding.UTF8.GetBytes(host)), (VClusterArtifacts.HostSecrets, []), (VClusterArtifacts.Index, []), (VClusterArtifacts.Inventory, inventory.ToJson())])
        {
            await session.WriteStreamAsync(artifact, "test", new MemoryStream(content), null, Ct);
        }

        using var folder = new TemporaryFolder();
        var work = new ProofWork(new ValidationOptions { ScratchRoot = folder.Path }, new ProcessRegistry(folder.Path), TimeProvider.System, repository, await session.CommitAsync(null, null, Ct), null, null);
        var found = await new VClusterStructureCheck(work).RunAsync(Ct);

        Assert.Equal(wrong is null ? ValidationStepStatus.Passed : ValidationStepStatus.Failed, found.Status);
        Assert.Contains(wrong ?? "and 3 of the host parse", found.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Object_that_differs_after_the_proofs_restore_is_told_whatever_a_second_plan_would_do_with_it()
    {
        var (taken, owned, alone) = (Planned("taken"), Planned("owned", "Widget"), Planned("alone", "Pod"));
        var refused = taken with { Action = ObjectAction.Refuse, RefusedWith = 403, Differences = [new FieldDifference("data.a", "1", "2")] };
        List<FieldDifference> owners = [new FieldDifference("metadata.ownerReferences", null, "[]")];
        var plan = new ObjectRestorePlan("http://scratch",
        [
            refused, taken with { Action = ObjectAction.Conflict, Target = taken.Target with { Name = "held" }, Differences = refused.Differences },
            owned with { Action = ObjectAction.Change, Differences = owners }, alone with { Action = ObjectAction.Change, Differences = owners },
            Planned("owner", "Widget") with { Target = new KubeObjectKey("example.org", "Widget", "shop", "owner") },
        ]);

        // An owner that no restore puts there is not missed; one that is there is.
        Assert.Equal(["ConfigMap shop/taken: data.a differ", "ConfigMap shop/owned: metadata.ownerReferences differ"], VClusterProof.Differing(plan, ["ConfigMap shop/held: is immutable"]));

        static PlannedObject Planned(string name, string? owner = null)
        {
            var document = Json($$"""{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"{{name}}","namespace":"shop"} }""");
            var live = document.DeepClone().AsObject();
            if (owner is not null)
            {
                document["metadata"]!["ownerReferences"] = new JsonArray(new JsonObject { ["apiVersion"] = owner == "Pod" ? "v1" : "example.org/v1", ["kind"] = owner, ["name"] = "owner", ["uid"] = "u" });
            }

            return new PlannedObject(KubeObjectKey.Of(document), KubeObjectKey.Of(document), ObjectAction.Leave, null, [], "d", "l") { Document = document, Live = live };
        }
    }

    [Fact]
    public async Task Kind_that_the_server_no_longer_has_has_lost_all_unless_its_group_is_away()
    {
        List<JsonElement?> before = [Facts(9000, new() { ["gadgets.example.org"] = 5000, ["configmaps"] = 0 })];
        using (var capture = await ClusterCapture.ReadAsync(_server.Api, null, null, Ct))
        {
            var counted = EmptiedCheck.Tenants.Count(before, capture);
            Assert.Equal("the cluster's namespaces hold 0 gadgets.example.org, and the last backup that could list them had 5000", EmptiedCheck.Tenants.Of(before, counted));
            // Where that is meant, the restore point says so, and the next one is not compared with the one before.
            var meant = JsonSerializer.SerializeToElement(new JsonObject { ["tenantObjects"] = 0, [EmptiedCheck.Tenants.Fact] = EmptiedCheck.FactOf(counted) });
            Assert.Null(EmptiedCheck.Tenants.Of([meant, .. before], EmptiedCheck.Tenants.Count([meant, .. before], capture)));
        }

        _server.Answers = (_, path) => path == "/apis/example.org/v1" ? 503 : null;
        using var blind = await ClusterCapture.ReadAsync(_server.Api, null, null, Ct);
        Assert.DoesNotContain("gadgets.example.org", EmptiedCheck.Tenants.Count(before, blind).Keys);
    }

    [Fact]
    public async Task Cluster_whose_objects_are_all_in_namespace_default_or_in_none_is_seen_to_be_emptied()
    {
        for (var at = 0; at < 120; at++)
        {
            _server.Put($"/api/v1/namespaces/default/configmaps/c{at}", Json($$"""{"metadata":{"name":"c{{at}}","namespace":"default"} }"""));
            _server.Put($"/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/w{at}", Json($$"""{"metadata":{"name":"w{{at}}"} }"""));
        }

        // What every cluster has counts neither before nor after.
        _server.Put("/api/v1/namespaces/kube-system/configmaps/coredns", Json("""{"metadata":{"name":"coredns","namespace":"kube-system"}}"""));
        _server.Put("/api/v1/namespaces/default/configmaps/kube-root-ca.crt", Json("""{"metadata":{"name":"kube-root-ca.crt","namespace":"default"}}"""));
        using var full = await ClusterCapture.ReadAsync(_server.Api, null, null, Ct);
        var counted = EmptiedCheck.Whole.Count(full);
        Assert.Equal((120, 120), (counted["configmaps"], counted["validatingwebhookconfigurations.admissionregistration.k8s.io"]));
        JsonElement? before = JsonSerializer.SerializeToElement(new JsonObject { [EmptiedCheck.Total] = 0, [EmptiedCheck.Tenants.Fact] = EmptiedCheck.FactOf(EmptiedCheck.Tenants.Count(full)), [EmptiedCheck.Whole.Fact] = EmptiedCheck.FactOf(counted) });
        for (var at = 0; at < 120; at++)
        {
            await _server.Api.DeleteAsync($"/api/v1/namespaces/default/configmaps/c{at}", null, Ct);
            await _server.Api.DeleteAsync($"/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/w{at}", null, Ct);
        }

        using var emptied = await ClusterCapture.ReadAsync(_server.Api, null, null, Ct);

        Assert.Null(EmptiedCheck.Tenants.Of([before], EmptiedCheck.Tenants.Count([before], emptied)));
        var left = EmptiedCheck.Whole.Count([before], emptied);
        Assert.True(left.Values.Sum() == 0, string.Join(", ", left.Select(kind => $"{kind.Value} {kind.Key}")));
        Assert.Equal("the cluster holds 0 objects, and the last backup had 240", EmptiedCheck.Whole.Of([before], left));
        // Restore points of older builds say nothing of them.
        Assert.Null(EmptiedCheck.Whole.Of([Facts(9000, new() { ["configmaps"] = 9000 })], EmptiedCheck.Whole.Count(emptied)));
    }

    [Fact]
    public void Kind_that_has_lost_all_is_compared_with_the_last_backup_that_could_list_it()
    {
        var whole = Facts(10_000, new() { ["configmaps"] = 9000, ["secrets"] = 1000 });
        var blind = Facts(900, new() { ["secrets"] = 900 });
        Dictionary<string, int> now = new() { ["configmaps"] = 0, ["secrets"] = 900 };

        Assert.Equal("the cluster's namespaces hold 0 configmaps, and the last backup that could list them had 9000", EmptiedCheck.Tenants.Of([blind, whole], now));
        Assert.Null(EmptiedCheck.Tenants.Of([Facts(900, new() { ["secrets"] = 900, ["configmaps"] = 10 }), whole], now));
    }

    [Fact]
    public void Cluster_that_is_emptied_in_two_steps_is_seen()
    {
        var (first, second) = (Facts(10_000, new() { ["configmaps"] = 10_000 }), Facts(900, new() { ["configmaps"] = 900 }));
        Assert.Null(EmptiedCheck.Tenants.Of([first], new Dictionary<string, int> { ["configmaps"] = 900 }));
        Assert.Contains("hold 0 objects", EmptiedCheck.Tenants.Of([second, first], new Dictionary<string, int> { ["configmaps"] = 0 }), StringComparison.Ordinal);
        // Restore points of older builds say how many there were in all.
        Assert.NotNull(EmptiedCheck.Tenants.Of([JsonSerializer.SerializeToElement(new { tenantObjects = 100_000 })], new Dictionary<string, int> { ["configmaps"] = 900 }));
    }

    [Fact]
    public void What_comes_and_goes_and_first_backups_are_no_loss()
    {
        Assert.Null(EmptiedCheck.Tenants.Of([], new Dictionary<string, int> { ["configmaps"] = 0 }));
        Assert.Null(EmptiedCheck.Tenants.Of([null], new Dictionary<string, int> { ["configmaps"] = 0 }));
        Assert.Null(EmptiedCheck.Tenants.Of([Facts(6000, new() { ["pods"] = 5000, ["configmaps"] = 1000 })], new Dictionary<string, int> { ["pods"] = 0, ["configmaps"] = 1000 }));
    }

    [Fact]
    public async Task Pods_that_came_with_a_restore_are_waited_for_before_the_data_under_them()
    {
        var since = DateTimeOffset.Parse("2026-11-29T21:00:00Z", System.Globalization.CultureInfo.InvariantCulture);
        PutPod("older", "2026-11-29T20:59:59Z", "data");
        PutPod("another", "2026-11-29T21:00:01Z", "other");
        PutPod("ended", "2026-11-29T21:00:01Z", "data", "Succeeded");
        PutPod("ours", "2026-11-29T21:00:01Z", "data");
        KubeObjectKey[] claims = [new("", "PersistentVolumeClaim", "shop", "data")];
        var lists = 0;
        _server.Answers = (_, path) =>
        {
            if (path.EndsWith("/pods", StringComparison.Ordinal) && ++lists == 3)
            {
                PutPod("ours", "2026-11-29T21:00:01Z", "data", "Failed");
            }

            return null;
        };

        Assert.Empty(await ClaimUse.WaitFreeAsync(_server.Api, claims, since, new HastyTime(), Ct));
        Assert.Equal(3, lists);

        PutPod("ours", "2026-11-29T21:00:01Z", "data");
        Assert.Equal("Pod shop/ours: it still uses claim data", Assert.Single(await ClaimUse.WaitFreeAsync(_server.Api, claims, since, new HastyTime(), Ct)));
    }

    [Fact]
    public void Namespace_under_another_name_bears_that_name_as_its_label()
    {
        var document = Json("""{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop","labels":{"kubernetes.io/metadata.name":"shop","team":"shop"}}}""");
        var one = new CapturedObject("v1", "Namespace", "", "shop", "u", VClusterArtifacts.Resources, 0, 0, "d", false);

        ObjectBodies.Map(document, one, new KubeObjectKey("", "Namespace", "", "copy"), new RestoreSelection());

        Assert.Equal("copy", document["metadata"]!["labels"]!["kubernetes.io/metadata.name"]!.GetValue<string>());
        Assert.Equal("shop", document["metadata"]!["labels"]!["team"]!.GetValue<string>());
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    private void PutPod(string name, string made, string claim, string phase = "Running") => _server.Put($"/api/v1/namespaces/shop/pods/{name}", Json($$$"""
        {"metadata":{"name":"{{{name}}}","namespace":"shop","creationTimestamp":"{{{made}}}"},"spec":{"volumes":[{"name":"v","persistentVolumeClaim":{"claimName":"{{{claim}}}"}}]},"status":{"phase":"{{{phase}}}"}}
        """));

    private static StoredArtifact[] With(string artifact) => [new StoredArtifact { Name = artifact, Kind = "test", Type = StoredArtifact.StreamType, Length = 1, Sha256 = "", StoredBytes = 1, Root = new ArtifactRoot(0, null, 0) }];

    private static JsonElement? Facts(int objects, Dictionary<string, int> kinds) => JsonSerializer.SerializeToElement(new { tenantObjects = objects, tenantKinds = kinds });

    private static JsonObject Json(string text) => (JsonObject)JsonNode.Parse(text)!;
}
