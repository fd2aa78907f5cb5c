using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Repository.Index;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Repository.Prune;

/// <summary>
/// Writes small segments, and those that list packs which go, anew as few large ones: write, read back, compare, and only then
/// delete the old. A crash in between leaves packs in two segments, which readers do not mind. Segments are only a shortcut:
/// a pack in none of them is read by its trailer.
/// </summary>
internal sealed class IndexMerge(RepositoryParts parts, Func<string, CancellationToken, Task<bool>> delete)
{
    private const int ManySmall = 8;
    private const int SmallEntries = RepositoryFormat.SegmentMaxEntries / 8;

    /// <summary>Merges; returns how many segments were written and deleted.</summary>
    /// <param name="without">Ordinals of packs that the index shall no longer list.</param>
    /// <param name="ct">Ends it; the old segments then stay.</param>
    public async Task<(int Written, int Deleted)> RunAsync(IReadOnlySet<int> without, CancellationToken ct)
    {
        var index = parts.Index.Index;
        var old = Choose(without);
        if (old.Count == 0)
        {
            return (0, 0);
        }

        var elsewhere = parts.Index.Segments.Where(segment => !old.Contains(segment.Key)).SelectMany(segment => segment.Value.Packs).ToHashSet();
        var packs = old.SelectMany(key => parts.Index.Segments[key].Packs).Distinct()
            .Where(ordinal => !elsewhere.Contains(ordinal) && !without.Contains(ordinal)).Select(index.Pack).Where(pack => pack.IsPresent).ToList();
        var written = new List<string>();
        foreach (var batch in Batches(packs, CountEntries(packs)))
        {
            var ordinals = batch.Select(pack => pack.Ordinal).ToHashSet();
            written.AddRange(await parts.Index.WriteSegmentsAsync(batch, [.. index.All().Where(entry => ordinals.Contains(entry.Pack))], ct));
        }

        await VerifyAsync(written, packs, ct);
        var deleted = 0;
        foreach (var key in old)
        {
            deleted += await delete(key, ct) ? 1 : 0;
        }

        return (written.Count, deleted);
    }

    private List<string> Choose(IReadOnlySet<int> without)
    {
        var index = parts.Index.Index;
        var small = parts.Index.Segments.Where(segment => segment.Value.Entries <= SmallEntries).Select(segment => segment.Key).ToList();
        return [.. parts.Index.Segments
            .Where(segment => segment.Value.Packs.Any(ordinal => without.Contains(ordinal) || !index.Pack(ordinal).IsPresent))
            .Select(segment => segment.Key)
            .Concat(small.Count >= ManySmall ? small : []).Distinct().Order(StringComparer.Ordinal)];
    }

    private Dictionary<int, int> CountEntries(List<IndexedPack> packs)
    {
        var counts = packs.ToDictionary(pack => pack.Ordinal, _ => 0);
        foreach (var entry in parts.Index.Index.All())
        {
            if (counts.TryGetValue(entry.Pack, out var count))
            {
                counts[entry.Pack] = count + 1;
            }
        }

        return counts;
    }

    /// <summary>As many packs at a time as fill a segment, so that memory does not grow with the index.</summary>
    private static IEnumerable<List<IndexedPack>> Batches(List<IndexedPack> packs, Dictionary<int, int> counts)
    {
        var (batch, entries) = (new List<IndexedPack>(), 0);
        foreach (var pack in packs)
        {
            if (batch.Count > 0 && entries + counts[pack.Ordinal] > RepositoryFormat.SegmentMaxEntries)
            {
                yield return batch;
                (batch, entries) = ([], 0);
            }

            batch.Add(pack);
            entries += counts[pack.Ordinal];
        }

        if (batch.Count > 0)
        {
            yield return batch;
        }
    }

    /// <summary>Reads the new segments back and compares them with what memory holds of the packs that they must cover.</summary>
    private async Task VerifyAsync(List<string> written, List<IndexedPack> packs, CancellationToken ct)
    {
        var stored = new ChunkIndex();
        var expected = packs.ToDictionary(pack => pack.Name, _ => 0UL, StringComparer.Ordinal);
        var found = new Dictionary<string, ulong>(StringComparer.Ordinal);
        foreach (var key in written)
        {
            var id = Guid.ParseExact(key[IndexSegment.Prefix.Length..], "N");
            IndexSegment.AddTo(stored, parts.Keys, id, key, await parts.Store.ReadAllAsync(key, ct));
        }

        foreach (var pack in stored.Packs)
        {
            found[pack.Name] = 0;
        }

        Add(parts.Index.Index, expected);
        Add(stored, found);
        if (expected.Count != found.Count || expected.Any(pack => !found.TryGetValue(pack.Key, out var sum) || sum != pack.Value))
        {
            throw new EngineException(
                "index-not-read-back", ErrorKind.Damaged, $"index segments in {parts.Store.Url} read back otherwise than they were written, so the old ones stay",
                "check the disk or server behind that store, then run 'drconsole repository check'");
        }
    }

    /// <summary>A sum over a pack's entries that does not depend on their order.</summary>
    private static void Add(ChunkIndex index, Dictionary<string, ulong> sums)
    {
        foreach (var entry in index.All())
        {
            var name = index.Pack(entry.Pack).Name;
            if (sums.TryGetValue(name, out var sum))
            {
                var place = ((ulong)entry.Offset << 32) ^ entry.StoredLength ^ ((ulong)entry.RawLength << 17) ^ (byte)entry.Type;
                sums[name] = sum + unchecked((entry.Id.Head ^ place) * 0x9E3779B97F4A7C15);
            }
        }
    }
}
