using System.Buffers;
using Hexabase.DrConsole.Engine.Repository.Crypto;
using Hexabase.DrConsole.Engine.Repository.Index;
using Hexabase.DrConsole.Engine.Repository.Packs;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Repository.Verification;

/// <summary>
/// Reads whole packs for a check: their SHA-256, and from L3 on their table and every chunk in them; so also at lower levels where a pack
/// is marked as damaged. Thread-safe.
/// </summary>
internal sealed class PackReader(RepositoryParts parts, CheckLevel level, ProgressMeter meter)
{
    private readonly Lazy<Dictionary<int, int>> _counts = new(() => CountByPack(parts));

    /// <summary>What is wrong with a pack, or null, and how many bytes and chunks were read; no chunks where only its SHA-256 was compared.</summary>
    public async Task<(string? Fault, long Bytes, long Chunks)> ReadAsync(IndexedPack pack, CancellationToken ct)
    {
        // Whoever marked it may have opened a chunk that does not open although the pack is named by its bytes: they were wrong before they
        // were named. Then its SHA-256 says nothing.
        if (level >= CheckLevel.L3 || pack.IsDamaged)
        {
            return await OpenAsync(pack, _counts.Value.GetValueOrDefault(pack.Ordinal), ct);
        }

        var (fault, bytes) = await PackScrub.HashAsync(parts.Store, pack.Name, read => meter.Add(0, read), ct);
        return (fault, bytes, 0);
    }

    private static Dictionary<int, int> CountByPack(RepositoryParts parts)
    {
        var counts = new Dictionary<int, int>();
        foreach (var entry in parts.Index.Index.All())
        {
            counts[entry.Pack] = counts.GetValueOrDefault(entry.Pack) + 1;
        }

        return counts;
    }

    /// <summary>One read of the pack serves its SHA-256, its table and every chunk in it.</summary>
    private async Task<(string? Fault, long Bytes, long Chunks)> OpenAsync(IndexedPack pack, int count, CancellationToken ct)
    {
        var key = PackBuilder.KeyOf(pack.Name);
        var buffer = ArrayPool<byte>.Shared.Rent((int)pack.Length);
        try
        {
            var bytes = buffer.AsMemory(0, (int)pack.Length);
            await parts.Store.ReadAsync(key, 0, bytes, ct);
            meter.Add(0, pack.Length);
            if (TryOpenWhole(pack, key, count, bytes.Span, ct) is { } sound)
            {
                return (null, pack.Length, sound);
            }

            // Opening works in place, so what is wrong is looked for in another copy.
            await parts.Store.ReadAsync(key, 0, bytes, ct);
            var fault = PackBuilder.NameOf(bytes.Span) == pack.Name ? null : "has another SHA-256 than its name";
            var table = await TryReadTrailerAsync(pack, key, ct);
            if (fault is null && (table is null || !Matches(table, pack.Ordinal, count)))
            {
                fault = "has another blob table than the index";
            }

            // Without a table the index says what should be there.
            var entries = table?.Select(entry => new BlobLocation(entry.Id, entry.Type, pack.Ordinal, entry.Offset, entry.StoredLength, entry.RawLength))
                ?? parts.Index.Index.All().Where(entry => entry.Pack == pack.Ordinal);
            var faults = new List<string>();
            var opened = 0L;
            foreach (var entry in entries)
            {
                ct.ThrowIfCancellationRequested();
                opened++;
                // It may be of an epoch that began since the check did.
                await BlobCodec.LearnAsync(parts.Keys, bytes.Slice((int)entry.Offset, (int)entry.StoredLength), ct);
                if (Open(entry, bytes.Span.Slice((int)entry.Offset, (int)entry.StoredLength)) is var blobFault and not BlobFault.None)
                {
                    faults.Add($"chunk {entry.Id.ToString()[..16]} fails at {blobFault.ToString().ToLowerInvariant()}");
                }
            }

            return (faults.Count == 0 ? fault : string.Join("; ", new[] { fault }.Concat(faults.Order(StringComparer.Ordinal).Take(5)).Where(f => f is not null)), pack.Length, opened);
        }
        catch (EngineException error) when (error.Kind is ErrorKind.NotFound or ErrorKind.Damaged)
        {
            return (error.Message, 0, 0);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>
    /// How many chunks were opened, where that alone proves every byte: the pack's parts leave no byte between them, the table is
    /// the index's, and each part carries a tag that only its writer could make. Its SHA-256, which would cost an eighth of a
    /// check, then says nothing more. Null where anything is not so: the slow way says what it is.
    /// </summary>
    private int? TryOpenWhole(IndexedPack pack, string key, int count, Span<byte> bytes, CancellationToken ct)
    {
        // The entries of a pack that no segment lists come from its own table, which proves nothing of its name.
        if (pack is not { IsIndexed: true, IsDamaged: false })
        {
            return null;
        }

        try
        {
            if (PackTrailer.TryReadWhole(parts.Keys, key, pack.Kind, bytes) is not { } table || !Matches(table, pack.Ordinal, count))
            {
                return null;
            }

            foreach (var entry in table)
            {
                ct.ThrowIfCancellationRequested();
                var place = new BlobLocation(entry.Id, entry.Type, pack.Ordinal, entry.Offset, entry.StoredLength, entry.RawLength);
                if (Open(place, bytes.Slice((int)entry.Offset, (int)entry.StoredLength)) != BlobFault.None)
                {
                    return null;
                }
            }

            return table.Count;
        }
        catch (EngineException error) when (error.Kind == ErrorKind.Damaged)
        {
            return null;
        }
    }

    private BlobFault Open(BlobLocation entry, Span<byte> stored)
    {
        var fault = BlobCodec.TryOpen(parts.Keys, entry.Type, entry.Id, stored, out var plain);
        if (fault != BlobFault.None)
        {
            return fault;
        }

        using (plain)
        {
            return plain.Length == entry.RawLength ? BlobFault.None : BlobFault.Compression;
        }
    }

    private async Task<List<PackEntry>?> TryReadTrailerAsync(IndexedPack pack, string key, CancellationToken ct)
    {
        try
        {
            return await PackTrailer.ReadAsync(parts.Keys, parts.Store, key, pack.Length, ct);
        }
        catch (EngineException error) when (error.Kind is ErrorKind.NotFound or ErrorKind.Damaged)
        {
            return null;
        }
    }

    /// <summary>True where the index has the table's entries, all of them and no others, at their places.</summary>
    private bool Matches(List<PackEntry> table, int pack, int count) =>
        table.Count == count
        && table.TrueForAll(e => parts.Index.Index.Has(new BlobLocation(e.Id, e.Type, pack, e.Offset, e.StoredLength, e.RawLength)));
}
