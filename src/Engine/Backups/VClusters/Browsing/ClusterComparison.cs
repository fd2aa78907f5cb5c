using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;
using Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Browsing;

/// <summary>How an object differs between two contents.</summary>
public enum ObjectChangeKind
{
    /// <summary>Only the first has it.</summary>
    OnlyFirst,

    /// <summary>Only the second has it.</summary>
    OnlySecond,

    /// <summary>Both have it, and it is not the same.</summary>
    Changed,
}

/// <summary>One object that differs.</summary>
/// <param name="Key">What tells it from others.</param>
/// <param name="Kind">How it differs.</param>
/// <param name="First">As the first has it; null where it does not.</param>
/// <param name="Second">As the second has it; null where it does not.</param>
public sealed record ObjectChange(KubeObjectKey Key, ObjectChangeKind Kind, CapturedObject? First, CapturedObject? Second);

/// <summary>What two contents of a virtual cluster differ in.</summary>
/// <param name="Changes">Every object that differs, by kind, namespace and name.</param>
/// <param name="Equal">Objects that are the same in both.</param>
/// <param name="NotCompared">Objects of which one side could not be read: they are in none of the other figures.</param>
/// <param name="Unread">What could not be read on either side.</param>
public sealed record ClusterDifference(IReadOnlyList<ObjectChange> Changes, int Equal, int NotCompared, IReadOnlyList<UnreadPart> Unread)
{
    /// <summary>How many objects differ in a way.</summary>
    public int Count(ObjectChangeKind kind) => Changes.Count(change => change.Kind == kind);
}

/// <summary>Compares the objects of a virtual cluster at two times.</summary>
public static class ClusterComparison
{
    /// <summary>Compares two contents by the digests of their documents; no document is read.</summary>
    public static ClusterDifference Between(IClusterContent first, IClusterContent second)
    {
        ArgumentNullException.ThrowIfNull(first);
        ArgumentNullException.ThrowIfNull(second);
        var unread = first.Unread.Concat(second.Unread).ToList();
        var before = Keyed(first, unread, out var hiddenBefore);
        var after = Keyed(second, unread, out var hiddenAfter);
        var changes = new List<ObjectChange>();
        var equal = 0;
        foreach (var (key, one) in before)
        {
            if (!after.TryGetValue(key, out var other))
            {
                changes.Add(new ObjectChange(key, ObjectChangeKind.OnlyFirst, one, null));
            }
            else if (one.Digest == other.Digest)
            {
                equal++;
            }
            else
            {
                changes.Add(new ObjectChange(key, ObjectChangeKind.Changed, one, other));
            }
        }

        changes.AddRange(after.Where(pair => !before.ContainsKey(pair.Key)).Select(pair => new ObjectChange(pair.Key, ObjectChangeKind.OnlySecond, null, pair.Value)));
        return new ClusterDifference(
            [.. changes.OrderBy(change => change.Key.Kind, StringComparer.Ordinal).ThenBy(change => change.Key.Namespace, StringComparer.Ordinal).ThenBy(change => change.Key.Name, StringComparer.Ordinal)],
            equal, hiddenBefore.Union(hiddenAfter).Count(), unread);
    }

    /// <summary>Field by field what an object differs in; values of Secrets are never in it.</summary>
    /// <returns>Empty where only what a server assigns differs: the version that it was read in, or an owner's identity.</returns>
    /// <exception cref="EngineException"><c>object-gone</c>: the living one was deleted meanwhile; or what the repository or server says.</exception>
    public static async Task<IReadOnlyList<FieldDifference>> FieldsAsync(IClusterContent first, IClusterContent second, ObjectChange change, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(first);
        ArgumentNullException.ThrowIfNull(second);
        ArgumentNullException.ThrowIfNull(change);
        return ObjectDifference.Between(await DocumentAsync(first, change.First).ConfigureAwait(false), await DocumentAsync(second, change.Second).ConfigureAwait(false));

        async Task<JsonObject> DocumentAsync(IClusterContent content, CapturedObject? one) => one is null ? new JsonObject { ["kind"] = change.Key.Kind }
            : await content.ReadAsync(one, cancellationToken).ConfigureAwait(false)
            ?? throw new EngineException("object-gone", ErrorKind.NotFound, $"{change.Key} was deleted meanwhile", "compare again");
    }

    private static Dictionary<KubeObjectKey, CapturedObject> Keyed(IClusterContent content, List<UnreadPart> unread, out HashSet<KubeObjectKey> hidden)
    {
        var found = new Dictionary<KubeObjectKey, CapturedObject>();
        hidden = [];
        foreach (var one in content.Objects)
        {
            if (unread.Exists(part => part.Covers(one.Key)))
            {
                hidden.Add(one.Key);
            }
            else
            {
                found[one.Key] = one;
            }
        }

        return found;
    }
}
