using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;

/// <summary>How many of a restore point's objects are in a cluster with the identity that they had.</summary>
/// <param name="Looked">Objects that were looked for.</param>
/// <param name="Missing">Those that are not there, or are others by the same name.</param>
/// <param name="Unlisted">Kinds that could not be listed, each with the reason and the number of objects.</param>
/// <param name="LeftOut">Kinds that nobody can judge by their nature, the same way.</param>
internal sealed record IdentityCheck(int Looked, IReadOnlyList<KubeObjectKey> Missing, IReadOnlyList<string> Unlisted, IReadOnlyList<string> LeftOut)
{
    private const int NamedKinds = 5;
    private const string PodsComeAndGo = "are made and removed by their controllers from the start on";

    /// <summary>False where more are missing than come and go between two instants, or where nothing could be looked at.</summary>
    public bool IsAsStored => Missing.Count <= Math.Max(5, Looked / 100) && (Looked > 0 || Unlisted.Count + LeftOut.Count == 0);

    /// <summary>Why nobody can say that the objects are back; null where all that can be judged was looked at and is.</summary>
    public string? Fault => Looked == 0 && !IsAsStored ? "nothing of what is in the restore point could be looked at" + string.Concat(Unlisted.Take(NamedKinds).Select(kind => "; " + kind))
        : !IsAsStored ? MissingText
        : Unlisted.Count > 0 ? string.Join("; ", Unlisted.Take(NamedKinds))
        : null;

    public string MissingText => $"{Missing.Count} of {Looked} objects are not back with their identity: {string.Join(", ", Missing.Take(5))}";

    /// <summary>Compares.</summary>
    /// <param name="index">The restore point's objects.</param>
    /// <param name="there">The identities of those that are there.</param>
    /// <param name="unlisted">Why a kind could not be listed, by group and kind; null where it was.</param>
    public static IdentityCheck Of(IReadOnlyList<CapturedObject> index, IReadOnlyDictionary<KubeObjectKey, string> there, Func<string, string, string?> unlisted)
    {
        var (looked, missing, unread, left) = (0, new List<KubeObjectKey>(), new List<string>(), new List<string>());
        foreach (var kind in index.Where(one => !one.IsTerminating).GroupBy(one => (one.Key.Group, one.Key.Kind)))
        {
            var (reason, named) = kind.Key is ("", "Pod") ? (PodsComeAndGo, left) : unlisted(kind.Key.Group, kind.Key.Kind) is { } problem ? ($"could not be listed: {problem}", unread) : (null, left);
            if (reason is not null)
            {
                named.Add($"{kind.Count()} objects of kind {kind.Key.Kind}{(kind.Key.Group.Length > 0 ? "." + kind.Key.Group : "")} were not compared: they {reason}");
                continue;
            }

            looked += kind.Count();
            missing.AddRange(kind.Where(one => !there.TryGetValue(one.Key, out var uid) || uid != one.Uid).Select(one => one.Key));
        }

        return new IdentityCheck(looked, missing, unread, left);
    }

    /// <summary>The same without objects that have a controller: those are made and removed from the start on, as Pods are.</summary>
    /// <param name="controlled">Which of the missing ones have one.</param>
    public IdentityCheck Without(IReadOnlySet<KubeObjectKey> controlled)
    {
        var judged = Missing.Where(key => !controlled.Contains(key)).ToList();
        var gone = Missing.Count - judged.Count;
        return gone == 0 ? this : this with
        {
            Looked = Looked - gone,
            Missing = judged,
            LeftOut = [.. LeftOut, $"{Counted.Of(gone, "object")} with a controller that are not there were not judged: they {PodsComeAndGo}"],
        };
    }

    /// <summary>Sentences for everything that is not as it was, and for what could not be looked at.</summary>
    public IEnumerable<string> Warnings() => Missing.Count == 0 ? Unlisted : [$"{MissingText}; they were made or removed while the backup ran, or since the start", .. Unlisted];
}
