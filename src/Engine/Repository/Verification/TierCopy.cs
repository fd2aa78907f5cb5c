using Hexabase.DrConsole.Engine.Repository.Crypto;
using Hexabase.DrConsole.Engine.Repository.Index;
using Hexabase.DrConsole.Engine.Repository.Manifests;
using Hexabase.DrConsole.Engine.Repository.Packs;
using Hexabase.DrConsole.Engine.Repository.Prune;
using Hexabase.DrConsole.Engine.Repository.Wal;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Repository.Verification;

/// <summary>
/// Copies restore points into another tier, chunk by chunk: ciphertext unchanged into the tier's own packs, then index, then
/// manifests. Every chunk is verified on the way, every new pack is read back. A copy that was cut off goes on where it
/// stopped, since chunks that are there are skipped.
/// </summary>
internal sealed class TierCopy(RepositoryParts source, RepositoryParts target, IProgress<TransferProgress>? progress)
{
    /// <summary>Code of a fault that is the source's: what is to be copied is not there as it was written.</summary>
    public const string SourceDamaged = "copy-source-damaged";
    private readonly StoredTally _tally = new();
    private long _chunks;
    private long _chunksThere;

    public async Task<CopyReport> RunAsync(IReadOnlyCollection<RestorePointId>? which, CancellationToken ct)
    {
        if (source.Keys.RepositoryId != target.Keys.RepositoryId)
        {
            throw new EngineException(
                "other-repository", ErrorKind.Input, $"{target.Store.Url} is no tier of the repository in {source.Store.Url}",
                "make the tier with 'drconsole repository init --from'");
        }

        await source.Index.RefreshAsync(ct);
        await using var blobs = new BlobWriter(target.Keys, target.Index.Index, target.Store);
        await using var session = await WriterSession.BeginAsync(target, blobs, SessionRecord.Copy, ct);
        var there = (await target.Manifests.KeysAsync(ct)).ToHashSet(StringComparer.Ordinal);
        var wanted = which is null ? await source.Manifests.KeysAsync(ct) : [.. which.Select(ManifestStore.KeyOf)];
        // What this tier's retention gave up does not come back by a copy of everything; asked for by name it does.
        var expired = which is null ? target.Index.Marks.ExpiredPoints().Select(ManifestStore.KeyOf).ToHashSet(StringComparer.Ordinal) : [];
        var keys = wanted.Where(key => !there.Contains(key) && !expired.Contains(key)).ToList();
        var meter = new ProgressMeter(progress, source.Options.Time, "copy");
        foreach (var key in keys.ToList())
        {
            if (!await TryCopyChunksAsync(key, blobs, meter, ct))
            {
                keys.Remove(key);
            }
        }

        await StoreAsync(blobs, session, ct);
        var copied = await CommitAsync(keys, session, ct);

        var attestations = await new AttestationCopy(source, target).RunAsync(new HashSet<string>(), ct);
        meter.Finish();
        var wal = which is null ? await new WalCopy(source, target, progress).RunAsync(null, ct) : null;
        return new CopyReport(
            copied, wanted.Count(there.Contains), _chunks, _chunksThere, _tally.Bytes, attestations.Count, wanted.Count(key => !there.Contains(key) && expired.Contains(key))) { Wal = wal };
    }

    /// <summary>False where the source gave the restore point up while it was copied.</summary>
    private async Task<bool> TryCopyChunksAsync(string key, BlobWriter blobs, ProgressMeter meter, CancellationToken ct)
    {
        try
        {
            await CopyChunksAsync(await OfSourceAsync(() => source.Manifests.ReadAsync(key, ct)), blobs, meter, ct);
            return true;
        }
        catch (EngineException error) when (error.Code == SourceDamaged)
        {
            if (await source.Store.StatAsync(key, ct) is null)
            {
                return false;
            }

            throw;
        }
    }

    /// <summary>What is missing or damaged where it is read from; the target may miss something too, and that is no fault of the source.</summary>
    private static async Task<T> OfSourceAsync<T>(Func<Task<T>> read)
    {
        try
        {
            return await read();
        }
        catch (EngineException error) when (error.Kind is ErrorKind.NotFound or ErrorKind.Damaged && error.Code != SourceDamaged)
        {
            throw new EngineException(SourceDamaged, ErrorKind.Damaged, error.Message, error.Hint, error) { Context = error.Context };
        }
    }

    private async Task CopyChunksAsync(Manifest manifest, BlobWriter blobs, ProgressMeter meter, CancellationToken ct)
    {
        var closure = await OfSourceAsync(() => Closure.CollectAsync(source, manifest, ct));
        if (closure.Faults is [var first, ..])
        {
            throw new EngineException(
                SourceDamaged, ErrorKind.Damaged, $"restore point {manifest.Id.Short} cannot be copied: {first.Name}: {first.Reason}",
                "run 'drconsole repository check' on the source");
        }

        var options = new ParallelOptions { MaxDegreeOfParallelism = source.Options.Workers, CancellationToken = ct };
        await Parallel.ForEachAsync(closure.Entries, options, async (number, token) =>
        {
            var place = source.Index.Index.Place(number);
            if (blobs.TryLeanOn(place.Id, place.Type))
            {
                Interlocked.Increment(ref _chunksThere);
                return;
            }

            using var stored = await OfSourceAsync(() => ReadVerifiedAsync(place, token));
            if (await blobs.StoreSealedAsync(place.Id, place.Type, stored.Memory, (int)place.RawLength, _tally, token))
            {
                Interlocked.Increment(ref _chunks);
            }

            meter.Add(1, place.StoredLength);
        });
    }

    /// <summary>The stored bytes, which were opened once: damage must not travel into another tier.</summary>
    private async Task<PooledBytes> ReadVerifiedAsync(BlobLocation place, CancellationToken ct)
    {
        var (stored, _, outcome) = await source.Blobs.TryReadSealedAsync(place.Id, place.Type, ct);
        return stored ?? throw new EngineException(
            SourceDamaged, ErrorKind.Damaged,
            $"chunk {place.Id.ToString()[..16]} in pack {outcome.Pack ?? "none"} fails at {outcome.Fault.ToString().ToLowerInvariant()}",
            "run 'drconsole repository check' on the source; what was copied so far is kept and used");
    }

    private async Task StoreAsync(BlobWriter blobs, WriterSession session, CancellationToken ct)
    {
        await blobs.FlushAsync(ct);
        await PackScrub.RequireAsWrittenAsync(target.Store, blobs.Uploaded, ct);
        await session.IndexDurableAsync(ct);
        await session.ProveAsync(always: true, ct);
    }

    /// <summary>Manifests last, and once more a look whether everything that they lean on is there: only then do they count.</summary>
    /// <returns>How many the target holds now: the source may have given one up meanwhile.</returns>
    private async Task<int> CommitAsync(List<string> keys, WriterSession session, CancellationToken ct)
    {
        var written = new List<string>();
        var copied = 0;
        var isProven = false;
        try
        {
            foreach (var key in keys)
            {
                written.Add(key);
                if (await TryCopyObjectAsync(key, ct) && await IsReadBackAsync(key, ct))
                {
                    copied++;
                }
            }

            await session.ProveAsync(always: false, ct);
            isProven = true;
            return copied;
        }
        finally
        {
            foreach (var key in isProven ? [] : written)
            {
                await TakenBack.TakeBackAsync(target, key);
            }
        }
    }

    /// <summary>False where this tier's retention gave it up at once.</summary>
    private async Task<bool> IsReadBackAsync(string key, CancellationToken ct)
    {
        try
        {
            _ = await target.Manifests.ReadAsync(key, ct);
            return true;
        }
        catch (EngineException error) when (error.Kind == ErrorKind.NotFound)
        {
            await target.Index.RefreshAsync(ct);
            if (!target.Index.Marks.ExpiredPoints().Select(ManifestStore.KeyOf).Contains(key))
            {
                throw;
            }

            return false;
        }
    }

    /// <summary>False where the source gave it up since its chunks were copied.</summary>
    private async Task<bool> TryCopyObjectAsync(string key, CancellationToken ct)
    {
        byte[] bytes;
        try
        {
            bytes = await source.Store.ReadAllAsync(key, ct);
        }
        catch (EngineException error) when (error.Kind == ErrorKind.NotFound)
        {
            return false;
        }

        await target.Store.PutAsync(key, bytes, ct);
        return true;
    }
}
