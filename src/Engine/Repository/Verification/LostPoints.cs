using Hexabase.DrConsole.Engine.Repository.Manifests;
using Hexabase.DrConsole.Engine.Repository.Prune;

namespace Hexabase.DrConsole.Engine.Repository.Verification;

/// <summary>Finds the restore points that a tier lost: a manifest that is gone shows in no listing, only in the memory of whoever knows that it was there.</summary>
internal static class LostPoints
{
    /// <summary>Of restore points that were stored in a tier those whose manifest is not there, though the tier never gave them up.</summary>
    public static async Task<IReadOnlyList<RestorePointId>> FindAsync(RepositoryParts parts, IReadOnlyCollection<RestorePointId> known, CancellationToken ct)
    {
        if (known.Count == 0)
        {
            return [];
        }

        var here = (await parts.Manifests.KeysAsync(ct)).ToHashSet(StringComparer.Ordinal);
        var absent = known.Where(id => !here.Contains(ManifestStore.KeyOf(id))).ToList();
        if (absent.Count == 0)
        {
            return [];
        }

        // After the manifests: the note that one is given up is there before its manifest goes.
        var expired = (await new MarkStore(parts.Keys, parts.Store).LoadAsync(ct)).ExpiredPoints();
        return [.. absent.Where(id => !expired.Contains(id))];
    }
}
