using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;

namespace Hexabase.DrConsole.Engine.Tests.Backups.VClusters;

/// <summary>What is sent for an object that is there: no field goes that the plan does not show, and none stays that it shows as removed.</summary>
public sealed class ObjectBodiesTests
{
    [Fact]
    public void Status_that_no_document_has_stays_as_it_is()
    {
        var live = Json("""{"apiVersion":"example.org/v1","kind":"Widget","metadata":{"name":"w","namespace":"n","resourceVersion":"7"},"spec":{"a":1},"status":{"phase":"Ready"}}""");
        var document = Json("""{"apiVersion":"example.org/v1","kind":"Widget","metadata":{"name":"w","namespace":"n"},"spec":{"a":2}}""");

        var body = ObjectBodies.ForChange(document, live);

        Assert.Equal("Ready", body["status"]!["phase"]!.GetValue<string>());
        Assert.Equal(2, body["spec"]!["a"]!.GetValue<int>());
        Assert.Equal("Ready", ObjectBodies.ForUndo(document, document, null, live)["status"]!["phase"]!.GetValue<string>());
    }

    [Theory]
    [InlineData("shop", true)]
    [InlineData("another", false)]
    public void Volume_stays_bound_to_the_claim_that_it_has_by_its_identity(string ns, bool keeps)
    {
        var live = Json("""{"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":"v","resourceVersion":"7"},"spec":{"claimRef":{"namespace":"shop","name":"data","uid":"u-1","resourceVersion":"3"}}}""");
        var document = Json($$"""{"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":"v"},"spec":{"capacity":{"storage":"2Gi"},"claimRef":{"namespace":"{{ns}}","name":"data"} } }""");

        var claim = ObjectBodies.ForChange(document, live)["spec"]!["claimRef"]!;

        Assert.Equal(keeps ? ("u-1", "3") : (null, null), (claim["uid"]?.GetValue<string>(), claim["resourceVersion"]?.GetValue<string>()));
    }

    [Theory]
    [InlineData("v1", "Service", "clusterIP", "10.0.0.7", true)]
    [InlineData("v1", "Service", "clusterIP", "None", false)]
    [InlineData("v1", "Service", "volumeName", "v", false)]
    [InlineData("v1", "PersistentVolumeClaim", "volumeName", "v", true)]
    [InlineData("v1", "Pod", "nodeName", "n", true)]
    [InlineData("example.org/v1", "Service", "clusterIP", "10.0.0.7", false)]
    [InlineData("example.org/v1", "Pod", "nodeName", "n", false)]
    [InlineData("example.org/v1", "Database", "volumeName", "v", false)]
    public void Only_what_its_own_kind_is_assigned_stays(string version, string kind, string field, string value, bool keeps)
    {
        var live = Json($$"""{"apiVersion":"{{version}}","kind":"{{kind}}","metadata":{"name":"a","namespace":"n","resourceVersion":"7"},"spec":{"{{field}}":"{{value}}"} }""");
        var document = Json($$"""{"apiVersion":"{{version}}","kind":"{{kind}}","metadata":{"name":"a","namespace":"n"},"spec":{"b":1} }""");

        Assert.Equal(keeps ? value : null, ObjectBodies.ForChange(document, live)["spec"]![field]?.GetValue<string>());
    }

    private static JsonObject Json(string text) => (JsonObject)JsonNode.Parse(text)!;
}
