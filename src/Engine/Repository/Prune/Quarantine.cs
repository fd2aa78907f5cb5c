using Hexabase.DrConsole.Engine.Repository.Index;

namespace Hexabase.DrConsole.Engine.Repository.Prune;

/// <summary>Packs that are not as they were written are marked, so that no later backup leans on them.</summary>
internal static class Quarantine
{
    /// <summary>Marks packs as damaged, but for those that are marked so already. Packs that are gone need no mark.</summary>
    /// <returns>How many were marked now.</returns>
    public static async Task<int> MarkAsync(RepositoryParts parts, IEnumerable<string> names, string reason, CancellationToken ct)
    {
        var marks = new MarkStore(parts.Keys, parts.Store);
        var known = (await marks.LoadAsync(ct)).Marks.Where(mark => mark.Kind == PackMark.Damaged).SelectMany(mark => mark.Packs).ToHashSet(StringComparer.Ordinal);
        var fresh = new List<string>();
        foreach (var name in names.Where(name => !known.Contains(name)).Distinct())
        {
            if (await parts.Store.StatAsync(Packs.PackBuilder.KeyOf(name), ct) is not null)
            {
                fresh.Add(name);
            }
        }

        if (fresh.Count > 0)
        {
            await marks.WriteAsync(PackMark.New(PackMark.Damaged, parts.Options.Time.GetUtcNow(), TimeSpan.Zero, fresh, null, reason), ct);
        }

        return fresh.Count;
    }

    /// <summary>Takes packs out of the marks that call them damaged.</summary>
    public static async Task ReleaseAsync(RepositoryParts parts, Func<IndexedPack, bool> isSound, CancellationToken ct)
    {
        var marks = new MarkStore(parts.Keys, parts.Store);
        var sound = parts.Index.Index.Packs.Where(isSound).Select(pack => pack.Name).ToHashSet(StringComparer.Ordinal);
        foreach (var mark in (await marks.LoadAsync(ct)).Marks.Where(mark => mark.Kind == PackMark.Damaged && mark.Packs.Any(sound.Contains)))
        {
            var left = mark.Packs.Where(name => !sound.Contains(name)).ToList();
            if (left.Count > 0)
            {
                await marks.WriteAsync(mark with { Id = Guid.CreateVersion7(parts.Options.Time.GetUtcNow()).ToString("N"), Packs = left }, ct);
            }

            await parts.Store.DeleteAsync(MarkStore.KeyOf(mark), ct);
        }
    }
}
