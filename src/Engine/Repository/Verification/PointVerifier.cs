using System.Collections.Concurrent;
using Hexabase.DrConsole.Engine.Repository.Crypto;
using Hexabase.DrConsole.Engine.Repository.Index;
using Hexabase.DrConsole.Engine.Repository.Packs;

namespace Hexabase.DrConsole.Engine.Repository.Verification;

/// <summary>Verifies one restore point, layer by layer. Damage is a value.</summary>
internal sealed class PointVerifier(RepositoryParts parts)
{
    private const int MaxNamed = 1000;

    public async Task<PackReport> VerifyPacksAsync(Manifest manifest, IProgress<TransferProgress>? progress, CancellationToken ct)
    {
        await parts.Index.RefreshAsync(ct);
        var closure = await Closure.CollectAsync(parts, manifest, ct);
        var index = parts.Index.Index;
        var packs = closure.Entries.Select(number => index.Place(number).Pack).Distinct().Select(index.Pack).ToList();
        var meter = new ProgressMeter(progress, parts.Options.Time, "packs", packs.Count, packs.Sum(p => p.Length));
        var damaged = new ConcurrentBag<Damage>(closure.Faults);
        var bytes = 0L;
        await Parallel.ForEachAsync(packs, Options(ct), async (pack, token) =>
        {
            var (fault, read) = await PackScrub.HashAsync(parts.Store, pack.Name, n => meter.Add(0, n), token);
            Interlocked.Add(ref bytes, read);
            fault ??= read == pack.Length ? null : $"has {read} bytes where {pack.Length} were written";
            if (fault is not null)
            {
                damaged.Add(new Damage(PackBuilder.KeyOf(pack.Name), fault));
            }

            meter.Add(1, 0);
        });
        meter.Finish();
        return new PackReport(packs.Count, bytes, [.. damaged.DistinctBy(d => d.Name).OrderBy(d => d.Name, StringComparer.Ordinal)]);
    }

    public async Task<ChunkReport> VerifyChunksAsync(Manifest manifest, ChunkLayer layer, IProgress<TransferProgress>? progress, CancellationToken ct)
    {
        await parts.Index.RefreshAsync(ct);
        var closure = await Closure.CollectAsync(parts, manifest, ct);
        var index = parts.Index.Index;
        var meter = new ProgressMeter(progress, parts.Options.Time, layer == ChunkLayer.Encryption ? "decrypt" : "decompress", closure.Entries.Count);
        var damaged = new ConcurrentQueue<ChunkDamage>();
        var faults = new long[Enum.GetValues<BlobFault>().Length];
        var bytes = 0L;
        await Parallel.ForEachAsync(closure.Entries, Options(ct), async (number, token) =>
        {
            var place = index.Place(number);
            var fault = await VerifyAsync(place, layer, token);
            Interlocked.Increment(ref faults[(int)fault]);
            Interlocked.Add(ref bytes, place.StoredLength);
            meter.Add(1, place.StoredLength);
            if (fault != BlobFault.None && damaged.Count < MaxNamed)
            {
                damaged.Enqueue(new ChunkDamage(place.Id.ToString(), index.Pack(place.Pack).Name, fault));
            }
        });
        meter.Finish();
        return new ChunkReport(
            closure.Entries.Count, bytes, [.. damaged.OrderBy(d => d.Chunk, StringComparer.Ordinal)], faults[(int)BlobFault.Encryption],
            faults[(int)BlobFault.Compression], faults[(int)BlobFault.Identity], faults[(int)BlobFault.Missing], closure.Faults);
    }

    private async Task<BlobFault> VerifyAsync(BlobLocation place, ChunkLayer layer, CancellationToken ct)
    {
        if (layer == ChunkLayer.Encryption)
        {
            return await parts.Blobs.TryDecryptAtAsync(place, ct);
        }

        var (fault, plain) = await parts.Blobs.TryReadAtAsync(place, ct);
        if (fault == BlobFault.None)
        {
            plain.Dispose();
        }

        return fault;
    }

    private ParallelOptions Options(CancellationToken ct) => new() { MaxDegreeOfParallelism = parts.Options.Workers, CancellationToken = ct };
}
