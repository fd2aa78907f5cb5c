using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;
using Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;

namespace Hexabase.DrConsole.Engine.Tests.Backups.VClusters;

/// <summary>Which objects of a restore point count as missing from a cluster that was put back.</summary>
public sealed class IdentityCheckTests
{
    [Fact]
    public void Kind_that_cannot_be_listed_and_pods_are_named_and_not_missing()
    {
        List<CapturedObject> index = [.. Of("apps/v1", "Deployment", 200), .. Of("v1", "Pod", 50), .. Of("example.org/v1", "Thing", 50)];
        var there = index.Where(one => one.Kind == "Deployment").ToDictionary(one => one.Key, one => one.Uid);

        var found = IdentityCheck.Of(index, there, (group, _) => group == "example.org" ? "503: the server is away" : null);

        Assert.True(found.IsAsStored);
        // All that could be listed is there, and of the rest nobody knows.
        Assert.Contains("503: the server is away", found.Fault, StringComparison.Ordinal);
        Assert.Equal((200, 0), (found.Looked, found.Missing.Count));
        Assert.Contains(found.Warnings(), warning => warning.Contains("50 objects of kind Thing.example.org", StringComparison.Ordinal) && warning.Contains("503", StringComparison.Ordinal));
        // That Pods come and go is nothing to warn of.
        Assert.DoesNotContain(found.Warnings(), warning => warning.Contains("kind Pod", StringComparison.Ordinal));
        Assert.Contains(found.LeftOut, note => note.Contains("50 objects of kind Pod", StringComparison.Ordinal));
    }

    [Fact]
    public void Few_missing_objects_are_borne_and_told()
    {
        var index = Of("v1", "ConfigMap", 100).ToList();

        var found = IdentityCheck.Of(index, index.Skip(2).ToDictionary(one => one.Key, one => one.Uid), (_, _) => null);

        Assert.True(found.IsAsStored);
        Assert.Null(found.Fault);
        Assert.StartsWith("2 of 100 objects are not back", Assert.Single(found.Warnings()), StringComparison.Ordinal);
    }

    [Fact]
    public void Objects_of_the_same_name_with_another_identity_are_missing()
    {
        var index = Of("v1", "ConfigMap", 10).ToList();

        var found = IdentityCheck.Of(index, index.ToDictionary(one => one.Key, one => "another " + one.Uid), (_, _) => null);

        Assert.False(found.IsAsStored);
        Assert.Equal(10, found.Missing.Count);
    }

    [Fact]
    public void Cluster_of_which_nothing_could_be_looked_at_is_not_as_stored()
    {
        var found = IdentityCheck.Of([.. Of("v1", "ConfigMap", 3), .. Of("v1", "Pod", 3)], new Dictionary<KubeObjectKey, string>(), (_, _) => "403: forbidden");

        Assert.False(found.IsAsStored);
        Assert.Contains("nothing of what is in the restore point could be looked at; 3 objects of kind ConfigMap", found.Fault, StringComparison.Ordinal);
        // One that has nothing lacks nothing.
        Assert.Null(IdentityCheck.Of([], new Dictionary<KubeObjectKey, string>(), (_, _) => null).Fault);
    }

    [Fact]
    public void Missing_objects_with_a_controller_are_not_judged_as_pods_are_not()
    {
        List<CapturedObject> index = [.. Of("v1", "ConfigMap", 100), .. Of("apps/v1", "ReplicaSet", 30)];
        var found = IdentityCheck.Of(index, index.Take(100).ToDictionary(one => one.Key, one => one.Uid), (_, _) => null);
        Assert.False(found.IsAsStored);

        var judged = found.Without(index.Skip(100).Select(one => one.Key).ToHashSet());

        Assert.Null(judged.Fault);
        Assert.Equal((100, 0), (judged.Looked, judged.Missing.Count));
        Assert.Empty(judged.Warnings());
        Assert.StartsWith("30 objects with a controller", Assert.Single(judged.LeftOut), StringComparison.Ordinal);
    }

    private static IEnumerable<CapturedObject> Of(string apiVersion, string kind, int count) =>
        Enumerable.Range(0, count).Select(at => new CapturedObject(apiVersion, kind, "ns", $"{kind}-{at}", $"uid of {kind} {at}", VClusterArtifacts.Resources, 0, 0, "", false));
}
