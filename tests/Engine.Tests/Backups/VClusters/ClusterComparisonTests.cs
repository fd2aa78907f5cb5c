using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Backups.VClusters.Browsing;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;
using Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;

namespace Hexabase.DrConsole.Engine.Tests.Backups.VClusters;

/// <summary>What could not be read is neither there nor missing.</summary>
public sealed class ClusterComparisonTests
{
    [Fact]
    public void Kind_that_one_side_could_not_list_is_no_difference()
    {
        var first = new Content([One("apps/v1", "Deployment", "web"), One("v1", "Secret", "key"), One("v1", "Secret", "other")]);
        var second = new Content([One("apps/v1", "Deployment", "web")]) { Unread = [new UnreadPart("", "Secret", "forbidden")] };

        foreach (var difference in (ClusterDifference[])[ClusterComparison.Between(first, second), ClusterComparison.Between(second, first)])
        {
            Assert.Empty(difference.Changes);
            Assert.Equal((1, 2), (difference.Equal, difference.NotCompared));
        }
    }

    [Fact]
    public void Group_of_which_one_version_did_not_answer_hides_only_kinds_that_were_not_read()
    {
        var first = new Content([One("shop/v1", "Order", "a"), One("shop/v2", "Invoice", "b")]);
        var second = new Content([]) { Unread = [new UnreadPart("shop", null, "timed out") { Read = ["Order"] }] };

        var difference = ClusterComparison.Between(first, second);
        Assert.Equal("Order", Assert.Single(difference.Changes).Key.Kind);
        Assert.Equal(1, difference.NotCompared);
    }

    [Fact]
    public void Same_object_in_another_version_is_compared_not_missed()
    {
        var first = new Content([One("networking.k8s.io/v1beta1", "Ingress", "web", "11")]);
        var second = new Content([One("networking.k8s.io/v1", "Ingress", "web", "22")]);
        Assert.Equal(ObjectChangeKind.Changed, Assert.Single(ClusterComparison.Between(first, second).Changes).Kind);
    }

    [Fact]
    public void Secret_is_masked_with_its_copy_in_an_annotation_and_nothing_else_is()
    {
        var secret = JsonNode.Parse("""
            {"apiVersion":"v1","kind":"Secret","metadata":{"name":"a","annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{\"data\":{\"k\":\"c2VjcmV0\"}}","note":"x"}},"data":{"k":"c2VjcmV0","bad":"not base64!"},"stringData":{"s":"word"}}
            """)!.AsObject();
        var text = SecretValues.Masked(secret).ToJsonString();
        Assert.Contains("(hidden, 6 bytes)", text, StringComparison.Ordinal);
        Assert.Contains("(hidden, 11 bytes)", text, StringComparison.Ordinal);
        Assert.Contains("(hidden, 4 bytes)", text, StringComparison.Ordinal);
        Assert.Contains("\"note\":\"x\"", text, StringComparison.Ordinal);
        Assert.DoesNotContain("c2VjcmV0", text, StringComparison.Ordinal);
        Assert.DoesNotContain("word", text, StringComparison.Ordinal);

        var other = JsonNode.Parse("""{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"k":"v"}}""")!.AsObject();
        Assert.Same(other, SecretValues.Masked(other));
    }

    [Fact]
    public async Task Secret_that_one_side_lacks_shows_no_copy_of_its_values_either()
    {
        var secret = JsonNode.Parse("""
            {"apiVersion":"v1","kind":"Secret","metadata":{"name":"a","annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{\"data\":{\"k\":\"c2VjcmV0\"}}"}},"data":{"k":"c2VjcmV0"}}
            """)!.AsObject();
        var bare = JsonNode.Parse("""{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a"}}""")!.AsObject();
        var (one, missing) = (new Content([One("v1", "Secret", "a")]) { Document = secret }, new Content([]));
        foreach (var fields in (IReadOnlyList<FieldDifference>[])[
            await ClusterComparison.FieldsAsync(one, missing, ClusterComparison.Between(one, missing).Changes[0], TestContext.Current.CancellationToken),
            await ClusterComparison.FieldsAsync(missing, one, ClusterComparison.Between(missing, one).Changes[0], TestContext.Current.CancellationToken),
            ObjectDifference.Between(bare, secret), ObjectDifference.Between(secret, bare)])
        {
            Assert.Contains(fields, field => (field.Before ?? field.After) == SecretValues.Hidden);
            Assert.All(fields, field => Assert.DoesNotContain("c2VjcmV0", field.Before + field.After, StringComparison.Ordinal));
        }
    }

    private static CapturedObject One(string apiVersion, string kind, string name, string digest = "00") => new(apiVersion, kind, "shop", name, "uid", "resources.yaml", 0, 1, digest, false);

    private sealed record Content(IReadOnlyList<CapturedObject> Objects) : IClusterContent
    {
        public DateTimeOffset At => DateTimeOffset.UnixEpoch;

        public IReadOnlyList<UnreadPart> Unread { get; init; } = [];

        public JsonObject? Document { get; init; }

        public Task<JsonObject?> ReadAsync(CapturedObject one, CancellationToken cancellationToken) => Task.FromResult(Document);
    }
}
