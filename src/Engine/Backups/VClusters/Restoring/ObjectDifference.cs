using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;

/// <summary>One field that differs.</summary>
/// <param name="Path">For example <c>spec.template.spec.containers[0].image</c>.</param>
/// <param name="Before">What is there, as JSON; null where nothing is.</param>
/// <param name="After">What the restore point has, as JSON; null where it has nothing.</param>
public sealed record FieldDifference(string Path, string? Before, string? After);

/// <summary>Compares two cleaned objects field by field.</summary>
public static class ObjectDifference
{
    private const int LongestValue = 500;

    /// <summary>Every field that differs, in the order of the paths. Values of Secrets are never in it.</summary>
    /// <remarks>The identity of owners is left out: another cluster's owners have other ones.</remarks>
    public static IReadOnlyList<FieldDifference> Between(JsonObject before, JsonObject after)
    {
        ArgumentNullException.ThrowIfNull(before);
        ArgumentNullException.ThrowIfNull(after);
        var found = new List<FieldDifference>();
        Compare("", Comparable(before), Comparable(after), SecretValues.Has(before) || SecretValues.Has(after), found);
        return found;
    }

    /// <summary>The paths of fields that were sent and are not in what came back: a schema prunes what it does not know without a word.</summary>
    internal static IReadOnlyList<string> Lost(JsonObject sent, JsonObject answered)
    {
        var lost = new List<string>();
        Lose("", sent, answered, lost);
        return lost;
    }

    private static void Lose(string path, JsonNode? sent, JsonNode? answered, List<string> lost)
    {
        switch (sent, answered)
        {
            case (null or JsonObject { Count: 0 } or JsonArray { Count: 0 }, _):
            // What a server leaves out when it has its default.
            case (JsonValue, null) when sent!.ToJsonString() is "false" or "0" or "\"\"":
                break;
            case (_, null):
                lost.Add(path);
                break;
            case (JsonObject one, JsonObject other):
                foreach (var (key, value) in one)
                {
                    Lose(path.Length == 0 ? Quoted(key) : $"{path}.{Quoted(key)}", value, other[key], lost);
                }

                break;
            case (JsonArray one, JsonArray other) when one.Count == other.Count:
                for (var at = 0; at < one.Count; at++)
                {
                    Lose($"{path}[{at}]", one[at], other[at], lost);
                }

                break;
        }
    }

    /// <summary>An object without what differs from cluster to cluster by nature.</summary>
    internal static JsonObject Comparable(JsonObject value)
    {
        var copy = value.DeepClone().AsObject();
        copy.Remove("apiVersion");
        foreach (var owner in (copy["metadata"]?["ownerReferences"] as JsonArray ?? []).OfType<JsonObject>())
        {
            owner.Remove("uid");
        }

        return (JsonObject)Sorted(copy)!;
    }

    /// <summary>Members in one order: equal objects give equal digests, however their server wrote them.</summary>
    private static JsonNode? Sorted(JsonNode? value) => value switch
    {
        JsonObject map => new JsonObject(map.OrderBy(member => member.Key, StringComparer.Ordinal).Select(member => KeyValuePair.Create(member.Key, Sorted(member.Value)))),
        JsonArray list => new JsonArray([.. list.Select(Sorted)]),
        _ => value?.DeepClone(),
    };

    private static void Compare(string path, JsonNode? before, JsonNode? after, bool hides, List<FieldDifference> found)
    {
        switch (before, after)
        {
            case (JsonObject one, JsonObject other):
                foreach (var key in one.Select(member => member.Key).Union(other.Select(member => member.Key)).Order(StringComparer.Ordinal))
                {
                    Compare(path.Length == 0 ? Quoted(key) : $"{path}.{Quoted(key)}", one[key], other[key], hides, found);
                }

                break;
            case (JsonArray one, JsonArray other) when one.Count == other.Count:
                for (var at = 0; at < one.Count; at++)
                {
                    Compare($"{path}[{at}]", one[at], other[at], hides, found);
                }

                break;
            default:
                if (!JsonNode.DeepEquals(before, after))
                {
                    found.Add(new FieldDifference(path, Text(path, before, hides), Text(path, after, hides)));
                }

                break;
        }
    }

    private static string Quoted(string key) => key.Contains('.', StringComparison.Ordinal) ? $"\"{key}\"" : key;

    private static string? Text(string path, JsonNode? value, bool hides)
    {
        if (value is null)
        {
            return null;
        }

        var shown = hides ? SecretValues.MaskedAt(path, value) : value;
        var text = shown is JsonValue && shown.ToString() == SecretValues.Hidden ? SecretValues.Hidden : shown.ToJsonString();
        return text.Length <= LongestValue ? text : text[..LongestValue] + "…";
    }
}
