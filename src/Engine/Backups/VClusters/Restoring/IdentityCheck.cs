using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;

/// <summary>How many of a restore point's objects are in a cluster with the identity that they had.</summary>
/// <param name="Looked">Objects that were looked for.</param>
/// <param name="Missing">Those that are not there, or are others by the same name.</param>
/// <param name="Unlisted">Kinds that could not be listed, each with the reason and the number of objects.</param>
/// <param name="LeftOut">Kinds that nobody can judge by their nature, the same way.</param>
internal sealed record IdentityCheck(int Looked, IReadOnlyList<KubeObjectKey> Missing, IReadOnlyList<string> Unlisted, IReadOnlyList<string> LeftOut)
{
    private const string PodsComeAndGo = "are made and removed by their controllers from the start on";

    /// <summary>False where more are missing than come and go between two instants.</summary>
    public bool IsAsStored => Missing.Count <= Math.Max(5, Looked / 100);

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

    /// <summary>Sentences for everything that is not as it was, and for what could not be looked at.</summary>
    public IEnumerable<string> Warnings() => Missing.Count == 0 ? Unlisted : [$"{MissingText}; they were made or removed while the backup ran, or since the start", .. Unlisted];
}
