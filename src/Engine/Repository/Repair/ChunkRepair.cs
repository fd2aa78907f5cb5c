using System.Collections.Concurrent;
using Hexabase.DrConsole.Engine.Repository.Crypto;
using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Repository.Index;
using Hexabase.DrConsole.Engine.Repository.Packs;
using Hexabase.DrConsole.Engine.Repository.Verification;

namespace Hexabase.DrConsole.Engine.Repository.Repair;

/// <summary>
/// Stores anew what damaged and missing packs held: what is left whole in the pack itself, and by chunk id from another tier
/// what is not. Every chunk is opened before it is stored.
/// </summary>
internal sealed class ChunkRepair(RepositoryParts parts, RepositoryParts? from, BlobWriter blobs, ProgressMeter meter)
{
    private readonly StoredTally _tally = new();
    private readonly ConcurrentDictionary<(ChunkId Id, ObjectType Type), bool> _lost = new();
    private long _salvaged;
    private long _fetched;

    public long Salvaged => _salvaged;

    public long Fetched => _fetched;

    public long Bytes => _tally.Bytes;

    /// <summary>Stores anew all chunks of these packs that no safe pack holds.</summary>
    public async Task OfPacksAsync(IReadOnlySet<int> packs, CancellationToken ct)
    {
        if (packs.Count > 0)
        {
            await EachAsync(parts.Index.Index.All().Where(entry => packs.Contains(entry.Pack)), ct);
        }
    }

    /// <summary>Stores anew the chunks of a restore point that this tier has nowhere, as the other tier knows them.</summary>
    public async Task OfPointAsync(Manifest manifest, CancellationToken ct)
    {
        if (from is not null)
        {
            var closure = await Closure.CollectAsync(from, manifest, ct);
            await EachAsync(closure.Entries.Select(from.Index.Index.Place), ct);
        }
    }

    private Task EachAsync(IEnumerable<BlobLocation> wanted, CancellationToken ct) => Parallel.ForEachAsync(
        wanted, new ParallelOptions { MaxDegreeOfParallelism = parts.Options.Workers, CancellationToken = ct },
        async (place, token) =>
        {
            if (blobs.TryLeanOn(place.Id, place.Type) || _lost.ContainsKey((place.Id, place.Type)))
            {
                return;
            }

            if (!await TryStoreAsync(parts, place, () => Interlocked.Increment(ref _salvaged), token)
                && (from is null || !await TryStoreAsync(from, place, () => Interlocked.Increment(ref _fetched), token)))
            {
                // Perhaps nobody needs it; the check afterwards tells.
                _lost.TryAdd((place.Id, place.Type), true);
            }
        });

    private async Task<bool> TryStoreAsync(RepositoryParts origin, BlobLocation place, Action onStored, CancellationToken ct)
    {
        var (stored, rawLength) = await ReadAsync(origin, place, ct);
        if (stored is not { } bytes)
        {
            return false;
        }

        using (bytes)
        {
            if (await blobs.StoreSealedAsync(place.Id, place.Type, bytes.Memory, (int)rawLength, _tally, ct))
            {
                onStored();
                meter.Add(1, bytes.Length);
            }

            return true;
        }
    }

    /// <summary>Null where it is not to be had there.</summary>
    private async Task<(PooledBytes? Stored, uint RawLength)> ReadAsync(RepositoryParts origin, BlobLocation place, CancellationToken ct)
    {
        try
        {
            var (stored, rawLength, _) = await origin.Blobs.TryReadSealedAsync(place.Id, place.Type, ct);
            return (stored, rawLength);
        }
        catch (EngineException fault) when (origin == parts && from is not null && fault.Kind == ErrorKind.Unavailable)
        {
            // A store that gives all but this pack: what the other tier has of it heals that. One that gives nothing fails at the next write.
            return (null, 0);
        }
    }
}
