using Hexabase.DrConsole.Engine.Repository.Crypto;
using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Repository.Index;
using Hexabase.DrConsole.Engine.Repository.Manifests;
using Hexabase.DrConsole.Engine.Repository.Verification;
using Hexabase.DrConsole.Engine.Repository.Wal;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Repository;

public sealed partial class BackupRepository
{
    /// <summary>Reads every pack that a restore point uses: name = SHA-256 of the bytes, and the length. Damage is a value.</summary>
    public Task<PackReport> VerifyPacksAsync(
        Manifest manifest, IProgress<TransferProgress>? progress = null, CancellationToken cancellationToken = default) =>
        new PointVerifier(_parts).VerifyPacksAsync(manifest, progress, cancellationToken);

    /// <summary>Opens every chunk that a restore point uses, down to a layer; the report tells the layers apart.</summary>
    public Task<ChunkReport> VerifyChunksAsync(
        Manifest manifest, ChunkLayer layer = ChunkLayer.Content, IProgress<TransferProgress>? progress = null, CancellationToken cancellationToken = default) =>
        new PointVerifier(_parts).VerifyChunksAsync(manifest, layer, progress, cancellationToken);

    /// <summary>Checks the repository. Damage is a value, with the restore points that each damaged object hurts.</summary>
    /// <exception cref="EngineException">Kind Unsupported for a version or type this build does not know; Unavailable.</exception>
    public Task<CheckReport> CheckAsync(
        CheckLevel level, CheckSlice slice, IProgress<TransferProgress>? progress = null, CancellationToken cancellationToken = default) =>
        CheckAsync(new CheckOptions { Level = level, Slice = slice }, progress, cancellationToken);

    /// <summary>Checks the repository. Damage is a value, with the restore points that each damaged object hurts.</summary>
    /// <exception cref="EngineException">Kind Unsupported for a version or type this build does not know; Unavailable.</exception>
    public async Task<CheckReport> CheckAsync(CheckOptions options, IProgress<TransferProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        using var fresh = _parts.Fresh();
        var budget = options.Budget is not null || options.TurnDays is not null ? new CheckBudget(fresh, options.Level, options.Budget ?? TimeSpan.MaxValue, options.TurnDays) : null;
        return await new RepositoryCheck(fresh, options.Level, options.Slice, progress, budget, [.. options.Others.Select(other => other._parts)]).RunAsync(cancellationToken);
    }

    /// <summary>Compares every object of a store with its checksum; needs no key.</summary>
    public static Task<ScrubReport> ScrubAsync(
        IObjectStore store, CheckSlice slice, IProgress<TransferProgress>? progress = null, TimeProvider? time = null, CancellationToken cancellationToken = default) =>
        PackScrub.ScrubAsync(store, slice, new ProgressMeter(progress, time ?? TimeProvider.System, "scrub"), cancellationToken);

    /// <summary>True where every chunk that a restore point leans on lies in a pack that is there, whole as far as is known, and not about to be deleted.</summary>
    public async Task<bool> HoldsAllOfAsync(Manifest manifest, CancellationToken cancellationToken = default) =>
        await StandingOfAsync(manifest, cancellationToken) == PointStanding.Whole;

    /// <summary>How much of what a restore point leans on is there; content is not read.</summary>
    public async Task<PointStanding> StandingOfAsync(Manifest manifest, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(manifest);
        await _parts.Index.RefreshAsync(cancellationToken);
        var closure = await Closure.CollectAsync(_parts, manifest, cancellationToken);
        var packs = closure.Entries.Select(number => _parts.Index.Index.Pack(_parts.Index.Index.Place(number).Pack)).Distinct().ToList();
        return closure.IsLacking || packs.Exists(pack => !pack.IsPresent) ? PointStanding.Lacking
            : closure.Faults.Count > 0 || packs.Exists(pack => pack.IsDamaged || pack.IsMarked) ? PointStanding.Doubtful
            : PointStanding.Whole;
    }

    /// <summary>
    /// Takes a restore point back whose writer died before its last look whether all is there that it leans on, where some of it is not.
    /// Only for one that nobody counts yet, and whose content another restore point has. What only cannot be read, or is marked, may be
    /// read again tomorrow or be repaired: it stays.
    /// </summary>
    /// <returns>False where it stays.</returns>
    /// <exception cref="EngineException">Kind Denied where the store lets nobody delete who only writes.</exception>
    public async Task<bool> WithdrawUnprovenAsync(Manifest manifest, CancellationToken cancellationToken = default)
    {
        if (await StandingOfAsync(manifest, cancellationToken) != PointStanding.Lacking)
        {
            return false;
        }

        await _parts.Store.DeleteAsync(Manifests.ManifestStore.KeyOf(manifest.Id), cancellationToken);
        return true;
    }

    /// <summary>The key of a restore point's manifest, as reports name it.</summary>
    public static string NameOf(RestorePointId id) => Manifests.ManifestStore.KeyOf(id);

    /// <summary>Of restore points that are known to have been stored in this tier those whose manifest is not there, though the tier never gave them up.</summary>
    /// <param name="known">What was known before this is called: a restore point is stored before anybody is told so.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public Task<IReadOnlyList<RestorePointId>> FindLostAsync(IReadOnlyCollection<RestorePointId> known, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(known);
        return LostPoints.FindAsync(_parts, known, cancellationToken);
    }

    /// <summary>Code of the fault of a copy whose source does not have a restore point as it was written.</summary>
    public const string CopySourceDamaged = TierCopy.SourceDamaged;

    /// <summary>Copies restore points (all, and all WAL, where <paramref name="which"/> is null) and all attestations into another tier.</summary>
    /// <exception cref="EngineException">Kind Input where it is no tier of this repository, Damaged where a chunk cannot be copied whole.</exception>
    public async Task<CopyReport> CopyAsync(
        BackupRepository to, IReadOnlyCollection<RestorePointId>? which = null, IProgress<TransferProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(to);
        if (_parts.Keys.RepositoryId != to._parts.Keys.RepositoryId || _parts.Keys.SealingEpoch <= to._parts.Keys.SealingEpoch)
        {
            return await new TierCopy(_parts, to._parts, progress).RunAsync(which, cancellationToken);
        }

        // The tier was away when the keys were rotated: without the new ones nobody could open there what is copied now.
        await TierKeys.CopyAsync(_parts, to._parts.Store, to._parts.Keys, cancellationToken);
        using var newer = new RepositoryParts(to._parts.Store, _parts.Keys.Copy(to._parts.Store), to._parts.Options);
        return await new TierCopy(_parts, newer, progress).RunAsync(which, cancellationToken);
    }

    /// <summary>Counts restore points, chunks and space.</summary>
    public async Task<RepositoryStats> StatsAsync(CancellationToken cancellationToken = default)
    {
        await _parts.Index.RefreshAsync(cancellationToken);
        var points = (await ListAsync(cancellationToken)).Points;
        var sizes = new Dictionary<string, (int Count, long Bytes)>(StringComparer.Ordinal);
        await foreach (var item in _parts.Store.ListAsync("", cancellationToken))
        {
            var room = item.Key[..(item.Key.IndexOf('/', StringComparison.Ordinal) + 1)];
            var (count, bytes) = sizes.GetValueOrDefault(room);
            sizes[room] = (count + 1, bytes + item.Length);
        }

        var seen = new HashSet<(ChunkId Id, ObjectType Type)>();
        var unique = _parts.Index.Index.All().Where(entry => seen.Add((entry.Id, entry.Type))).Sum(entry => (long)entry.RawLength);
        return new RepositoryStats
        {
            RestorePoints = points.Count,
            Bytes = points.Sum(p => p.Bytes),
            Chunks = seen.Count,
            UniqueBytes = unique,
            Packs = sizes.GetValueOrDefault(IndexStore.PackPrefix).Count,
            PackBytes = sizes.GetValueOrDefault(IndexStore.PackPrefix).Bytes,
            IndexBytes = sizes.GetValueOrDefault(IndexSegment.Prefix).Bytes,
            ManifestBytes = sizes.GetValueOrDefault(ManifestStore.Prefix).Bytes,
            Attestations = sizes.GetValueOrDefault(AttestationStore.Prefix).Count,
            WalObjects = sizes.GetValueOrDefault(WalName.Prefix).Count,
            WalBytes = sizes.GetValueOrDefault(WalName.Prefix).Bytes,
            TotalBytes = sizes.Values.Sum(size => size.Bytes),
        };
    }
}
