using System.Text.Json;
using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;
using Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;
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
        Assert.DoesNotContain("configmaps", EmptiedCheck.Count(capture).Keys);
        Assert.Contains("pods", EmptiedCheck.Count(capture).Keys);
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
        });

        var found = VClusterProver.Whole(passed, unread);

        Assert.Equal((ValidationStepStatus.NotRun, true), (found.Status, found.NotProvable));
        Assert.Contains("secrets (secrets is forbidden); API group metrics.k8s.io/v1 (away)", found.Reason, StringComparison.Ordinal);
        Assert.Contains("all is equal", found.Reason, StringComparison.Ordinal);
        var failed = StepOutcome.Failed("differs", []);
        Assert.Equal(failed, VClusterProver.Whole(failed, unread));
    }

    [Fact]
    public void Kind_that_has_lost_all_is_compared_with_the_last_backup_that_could_list_it()
    {
        var whole = Facts(10_000, new() { ["configmaps"] = 9000, ["secrets"] = 1000 });
        var blind = Facts(900, new() { ["secrets"] = 900 });
        Dictionary<string, int> now = new() { ["configmaps"] = 0, ["secrets"] = 900 };

        Assert.Equal("the cluster's namespaces hold 0 configmaps, and the last backup that could list them had 9000", EmptiedCheck.Of([blind, whole], now));
        Assert.Null(EmptiedCheck.Of([Facts(900, new() { ["secrets"] = 900, ["configmaps"] = 10 }), whole], now));
    }

    [Fact]
    public void Cluster_that_is_emptied_in_two_steps_is_seen()
    {
        var (first, second) = (Facts(10_000, new() { ["configmaps"] = 10_000 }), Facts(900, new() { ["configmaps"] = 900 }));
        Assert.Null(EmptiedCheck.Of([first], new Dictionary<string, int> { ["configmaps"] = 900 }));
        Assert.Contains("hold 0 objects", EmptiedCheck.Of([second, first], new Dictionary<string, int> { ["configmaps"] = 0 }), StringComparison.Ordinal);
        // Restore points of older builds say how many there were in all.
        Assert.NotNull(EmptiedCheck.Of([JsonSerializer.SerializeToElement(new { tenantObjects = 100_000 })], new Dictionary<string, int> { ["configmaps"] = 900 }));
    }

    [Fact]
    public void What_comes_and_goes_and_first_backups_are_no_loss()
    {
        Assert.Null(EmptiedCheck.Of([], new Dictionary<string, int> { ["configmaps"] = 0 }));
        Assert.Null(EmptiedCheck.Of([null], new Dictionary<string, int> { ["configmaps"] = 0 }));
        Assert.Null(EmptiedCheck.Of([Facts(6000, new() { ["pods"] = 5000, ["configmaps"] = 1000 })], new Dictionary<string, int> { ["pods"] = 0, ["configmaps"] = 1000 }));
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

    private static JsonElement? Facts(int objects, Dictionary<string, int> kinds) => JsonSerializer.SerializeToElement(new { tenantObjects = objects, tenantKinds = kinds });

    private static JsonObject Json(string text) => (JsonObject)JsonNode.Parse(text)!;
}
