using System.Buffers;
using Hexabase.DrConsole.Engine.Repository.Crypto;
using Hexabase.DrConsole.Engine.Repository.Index;
using Hexabase.DrConsole.Engine.Repository.Packs;

namespace Hexabase.DrConsole.Engine.Repository.Prune;

/// <summary>Writes what is needed of packs into new ones: ciphertext unchanged, each chunk opened once on the way.</summary>
internal sealed class Repack(RepositoryParts parts, BlobWriter blobs, ProgressMeter meter)
{
    private readonly StoredTally _tally = new();

    /// <summary>Stores entries of one pack anew; false where one of them is damaged, the others are stored all the same.</summary>
    public async Task<bool> CopyAsync(IndexedPack pack, IReadOnlyList<BlobLocation> entries, CancellationToken ct)
    {
        var buffer = ArrayPool<byte>.Shared.Rent((int)pack.Length);
        try
        {
            var bytes = buffer.AsMemory(0, (int)pack.Length);
            await parts.Store.ReadAsync(PackBuilder.KeyOf(pack.Name), 0, bytes, ct);
            var isSound = true;
            await Parallel.ForEachAsync(
                entries, new ParallelOptions { MaxDegreeOfParallelism = parts.Options.Workers, CancellationToken = ct },
                async (entry, token) =>
                {
                    var stored = bytes.Slice((int)entry.Offset, (int)entry.StoredLength);
                    if (BlobCodec.Verify(parts.Keys, entry.Type, entry.Id, stored.Span) != BlobFault.None)
                    {
                        Volatile.Write(ref isSound, false);
                        return;
                    }

                    await blobs.StoreSealedAsync(entry.Id, entry.Type, stored, (int)entry.RawLength, _tally, token);
                    meter.Add(1, entry.StoredLength);
                });
            return isSound;
        }
        catch (EngineException error) when (error.Kind is ErrorKind.NotFound or ErrorKind.Damaged)
        {
            return false;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
