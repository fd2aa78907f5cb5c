using System.Text.Json.Nodes;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;

/// <summary>
/// The owners of an object. A restore sets them last, with the identity that they have in the target, so that an object is for a while
/// as planned but for them.
/// </summary>
internal static class ObjectOwners
{
    /// <summary>The owners that an object names.</summary>
    public static IReadOnlyList<JsonObject> Of(JsonObject value) => [.. (value["metadata"]?["ownerReferences"] as JsonArray ?? []).OfType<JsonObject>()];

    /// <summary>True where both name the same owners, whatever identity those have.</summary>
    public static bool AreSame(JsonObject one, JsonObject other)
    {
        var (mine, others) = (Of(one), Of(other));
        return mine.Count == others.Count && mine.Zip(others).All(pair => IsSame(pair.First, pair.Second));
    }

    /// <summary>True where both are the same owner by kind and name, with the same say over what it owns.</summary>
    public static bool IsSame(JsonObject one, JsonObject other)
    {
        return JsonNode.DeepEquals(WithoutIdentity(one), WithoutIdentity(other));

        static JsonObject WithoutIdentity(JsonObject owner)
        {
            var copy = owner.DeepClone().AsObject();
            copy.Remove("uid");
            return copy;
        }
    }

    /// <summary>Gives an object the owners of another; none where that has none.</summary>
    public static JsonObject TakeOver(JsonObject value, JsonObject from)
    {
        var metadata = value["metadata"]!.AsObject();
        metadata.Remove("ownerReferences");
        if (from["metadata"]?["ownerReferences"] is { } owners)
        {
            metadata["ownerReferences"] = owners.DeepClone();
        }

        return value;
    }

    /// <summary>
    /// The digest by which a changed object is known again later: without its owners, which follow, and without what controllers,
    /// autoscalers, binders and injectors of certificates write into it whatever people do.
    /// </summary>
    /// <param name="found">As <see cref="ObjectBodies.AsFound"/> gives it.</param>
    public static string SteadyDigestOf(JsonObject found)
    {
        var steady = found.DeepClone().AsObject();
        steady["metadata"]?.AsObject().Remove("ownerReferences");
        steady["metadata"]?.AsObject().Remove("finalizers");
        WithoutBundles(steady);
        (steady["metadata"]?["annotations"] as JsonObject)?.Remove("deployment.kubernetes.io/revision");
        if (steady["metadata"]?["annotations"] is JsonObject { Count: 0 })
        {
            steady["metadata"]!.AsObject().Remove("annotations");
        }

        if (steady["spec"] is JsonObject spec)
        {
            spec.Remove("replicas");
            if (steady["kind"]?.ToString() == "PersistentVolumeClaim")
            {
                spec.Remove("volumeName");
            }
        }

        return ObjectRestorePlan.DigestOf(steady);
    }

    private static void WithoutBundles(JsonNode? value)
    {
        if (value is JsonObject members)
        {
            members.Remove("caBundle");
        }

        foreach (var part in value switch
        {
            JsonObject some => some.Select(member => member.Value),
            JsonArray some => some,
            _ => [],
        })
        {
            WithoutBundles(part);
        }
    }
}
