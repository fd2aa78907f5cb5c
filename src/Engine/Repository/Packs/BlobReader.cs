using System.Buffers;
using System.Runtime.ExceptionServices;
using Hexabase.DrConsole.Engine.Repository.Crypto;
using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Repository.Index;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Repository.Packs;

/// <summary>How the reading of one blob went.</summary>
/// <param name="Fault">What was wrong, or None.</param>
/// <param name="Pack">The pack in question; null where no pack was known.</param>
internal readonly record struct BlobReadOutcome(BlobFault Fault, string? Pack);

/// <summary>Reads and verifies blobs by chunk id, from whichever pack has them whole.</summary>
internal sealed class BlobReader(KeyRing keys, IObjectStore store, IndexStore index)
{
    /// <summary>The chunk's bytes, verified. The caller disposes them.</summary>
    /// <exception cref="EngineException">Kind Damaged where no pack has it whole; the pack is named.</exception>
    public async Task<PooledBytes> ReadAsync(ChunkId id, ObjectType type, CancellationToken ct)
    {
        var (outcome, plain) = await TryReadAsync(id, type, ct);
        if (outcome.Fault == BlobFault.None)
        {
            return plain;
        }

        var cause = outcome.Fault switch
        {
            BlobFault.Missing when outcome.Pack is null => "is in no pack that the index knows",
            BlobFault.Missing => $"is missing: pack {outcome.Pack} is gone or cut",
            BlobFault.Encryption => $"does not decrypt: pack {outcome.Pack} is damaged",
            BlobFault.Compression => $"does not decompress: pack {outcome.Pack} is damaged",
            _ => $"has other content than its id says: pack {outcome.Pack} is damaged",
        };
        throw new EngineException(
            "chunk-unreadable", ErrorKind.Damaged, $"chunk {id.ToString()[..16]} {cause}",
            "run 'drconsole repository check' to see what it touches, and restore from another tier")
        {
            Context = outcome.Pack is null ? new Dictionary<string, string>() : new Dictionary<string, string> { ["pack"] = outcome.Pack },
        };
    }

    /// <summary>The same with the fault as a value, for verification. The bytes are the caller's only without a fault.</summary>
    public async Task<(BlobReadOutcome Outcome, PooledBytes Plain)> TryReadAsync(ChunkId id, ObjectType type, CancellationToken ct)
    {
        await index.EnsureLoadedAsync(ct);
        for (var look = 1; ; look++)
        {
            var seen = index.Generation;
            var places = index.Index.Find(id, type);
            var result = await TryPlacesAsync(places, ct);
            if (result.Outcome.Fault == BlobFault.None || look == IndexStore.MaxLooks)
            {
                return result;
            }

            // Another process wrote it after this one loaded the index, prune moved it into another pack, or a repair stored it
            // anew. Where the index knew already that its packs are gone, another look costs much and shows the same.
            if (index.Generation == seen && (places.Count == 0 || places.Any(place => index.Index.Pack(place.Pack).IsPresent)))
            {
                await index.RefreshAsync(ct);
            }

            if (index.Generation == seen)
            {
                return result;
            }
        }
    }

    private async Task<(BlobReadOutcome Outcome, PooledBytes Plain)> TryPlacesAsync(IReadOnlyList<BlobLocation> places, CancellationToken ct)
    {
        var worst = new BlobReadOutcome(BlobFault.Missing, null);
        EngineException? away = null;
        foreach (var place in places)
        {
            try
            {
                var (fault, plain) = await TryReadAtAsync(place, ct);
                if (fault == BlobFault.None)
                {
                    return (new BlobReadOutcome(BlobFault.None, null), plain);
                }

                worst = new BlobReadOutcome(fault, index.Index.Pack(place.Pack).Name);
            }
            catch (EngineException error)
            {
                // The store does not give this pack now; it may give another that holds the chunk.
                away = error;
            }
        }

        if (away is not null)
        {
            // Not said to be lost while a pack that may have it whole was not seen.
            ExceptionDispatchInfo.Throw(away);
        }

        return (worst, default);
    }

    /// <summary>
    /// The stored bytes of a chunk as they travel between packs and tiers, from whichever pack has them whole; they were
    /// opened once. Null where none has, with the last fault. The caller disposes them.
    /// </summary>
    public async Task<(PooledBytes? Stored, uint RawLength, BlobReadOutcome Outcome)> TryReadSealedAsync(ChunkId id, ObjectType type, CancellationToken ct)
    {
        var worst = new BlobReadOutcome(BlobFault.Missing, null);
        for (var look = 1; ; look++)
        {
            var seen = index.Generation;
            EngineException? away = null;
            foreach (var place in index.Index.Find(id, type))
            {
                PooledBytes stored;
                try
                {
                    if (await TryReadStoredAtAsync(place, ct) is not { } read)
                    {
                        worst = new BlobReadOutcome(BlobFault.Missing, index.Index.Pack(place.Pack).Name);
                        continue;
                    }

                    stored = read;
                }
                catch (EngineException error)
                {
                    away = error;
                    continue;
                }

                var fault = BlobCodec.Verify(keys, type, id, stored.Span);
                if (fault == BlobFault.None)
                {
                    return (stored, place.RawLength, new BlobReadOutcome(fault, null));
                }

                stored.Dispose();
                worst = new BlobReadOutcome(fault, index.Index.Pack(place.Pack).Name);
            }

            if (away is not null)
            {
                ExceptionDispatchInfo.Throw(away);
            }

            if (worst.Fault != BlobFault.Missing || look == IndexStore.MaxLooks)
            {
                return (null, 0, worst);
            }

            // Prune may have moved it into another pack since.
            await index.RefreshAsync(ct);
            if (index.Generation == seen)
            {
                return (null, 0, worst);
            }
        }
    }

    /// <summary>Reads a blob at one place.</summary>
    public async Task<(BlobFault Fault, PooledBytes Plain)> TryReadAtAsync(BlobLocation place, CancellationToken ct)
    {
        if (await TryReadStoredAtAsync(place, ct) is not { } stored)
        {
            return (BlobFault.Missing, default);
        }

        using (stored)
        {
            var fault = BlobCodec.TryOpen(keys, place.Type, place.Id, stored.Writable, out var plain);
            if (fault != BlobFault.None)
            {
                index.Suspect(index.Index.Pack(place.Pack));
            }

            return (fault, plain);
        }
    }

    /// <summary>Reads a blob at one place and looks at its tag only.</summary>
    public async Task<BlobFault> TryDecryptAtAsync(BlobLocation place, CancellationToken ct)
    {
        if (await TryReadStoredAtAsync(place, ct) is not { } stored)
        {
            return BlobFault.Missing;
        }

        using (stored)
        {
            return BlobCodec.TryDecrypt(keys, place.Type, place.Id, stored.Writable) ? BlobFault.None : BlobFault.Encryption;
        }
    }

    /// <summary>The stored bytes at one place; null where the pack is gone or too short. The caller disposes them.</summary>
    public async Task<PooledBytes?> TryReadStoredAtAsync(BlobLocation place, CancellationToken ct)
    {
        var stored = new PooledBytes(ArrayPool<byte>.Shared.Rent((int)place.StoredLength), (int)place.StoredLength);
        var isRead = false;
        try
        {
            await ReadBytesAsync(place, stored, ct);
            await BlobCodec.LearnAsync(keys, stored.Memory, ct);
            isRead = true;
            return stored;
        }
        catch (EngineException error) when (error.Kind is ErrorKind.NotFound or ErrorKind.Damaged)
        {
            return null;
        }
        finally
        {
            if (!isRead)
            {
                stored.Dispose();
            }
        }
    }

    private async Task ReadBytesAsync(BlobLocation place, PooledBytes stored, CancellationToken ct)
    {
        var pack = index.Index.Pack(place.Pack);
        try
        {
            await store.ReadAsync(PackBuilder.KeyOf(pack.Name), place.Offset, stored.WritableMemory, ct);
        }
        catch (EngineException error) when (error.Kind == ErrorKind.Damaged)
        {
            // A bad sector: what is stored from now on must not lean on this pack.
            index.Suspect(pack);
            throw;
        }
    }
}
