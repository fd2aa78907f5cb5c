using System.Buffers;
using Hexabase.DrConsole.Engine.Repository.Crypto;
using Hexabase.DrConsole.Engine.Repository.Index;
using Hexabase.DrConsole.Engine.Repository.Packs;

namespace Hexabase.DrConsole.Engine.Repository.Prune;

/// <summary>Writes what is needed of packs into new ones: ciphertext unchanged, each chunk opened once on the way.</summary>
internal sealed class Repack(RepositoryParts parts, BlobWriter blobs, ProgressMeter meter)
{
    private const int MaxRange = 4 * 1024 * 1024;
    private readonly StoredTally _tally = new();

    /// <summary>Stores entries of one pack anew; false where one of them is damaged, the others are stored all the same.</summary>
    public async Task<bool> CopyAsync(IndexedPack pack, IReadOnlyList<BlobLocation> entries, CancellationToken ct)
    {
        var isSound = true;
        // Ranges, not packs, and no more of them than there are cores: prune runs beside others and must stay small.
        await Parallel.ForEachAsync(
            PackRanges.Cut([.. entries.OrderBy(entry => entry.Offset)], entry => entry, MaxRange, int.MaxValue),
            new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount, CancellationToken = ct },
            async (range, token) =>
            {
                if (!await CopyRangeAsync(pack, range, token))
                {
                    Volatile.Write(ref isSound, false);
                }
            });
        return isSound;
    }

    private async Task<bool> CopyRangeAsync(IndexedPack pack, ArraySegment<BlobLocation> range, CancellationToken ct)
    {
        var start = range[0].Offset;
        var length = (int)(range.Max(entry => PackRanges.End(entry)) - start);
        using var bytes = new PooledBytes(ArrayPool<byte>.Shared.Rent(length), length);
        try
        {
            await parts.Store.ReadAsync(PackBuilder.KeyOf(pack.Name), start, bytes.WritableMemory, ct);
        }
        catch (EngineException error) when (error.Kind is ErrorKind.NotFound or ErrorKind.Damaged)
        {
            return false;
        }

        var isSound = true;
        foreach (var entry in range)
        {
            var stored = bytes.Memory.Slice((int)(entry.Offset - start), (int)entry.StoredLength);
            await BlobCodec.LearnAsync(parts.Keys, stored, ct);
            if (BlobCodec.Verify(parts.Keys, entry.Type, entry.Id, stored.Span) != BlobFault.None)
            {
                isSound = false;
                continue;
            }

            await blobs.StoreSealedAsync(entry.Id, entry.Type, stored, (int)entry.RawLength, _tally, ct);
            meter.Add(1, entry.StoredLength);
        }

        return isSound;
    }
}
