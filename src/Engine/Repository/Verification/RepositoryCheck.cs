using System.Collections.Concurrent;
using Hexabase.DrConsole.Engine.Repository.Crypto;
using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Repository.Index;
using Hexabase.DrConsole.Engine.Repository.Packs;
using Hexabase.DrConsole.Engine.Repository.Prune;
using Hexabase.DrConsole.Engine.Repository.Wal;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Repository.Verification;

/// <summary>
/// Checks a whole repository. Works on parts whose index was not loaded yet, so that every segment is read now. Damage is
/// collected by object; at the end each is matched with the restore points that lean on it.
/// </summary>
internal sealed class RepositoryCheck(
    RepositoryParts parts, CheckLevel level, CheckSlice slice, IProgress<TransferProgress>? progress, CheckBudget? budget = null, IReadOnlyList<RepositoryParts>? others = null)
{
    private const int MaxPacksInWork = 3;
    private readonly ConcurrentDictionary<string, string> _damaged = new(StringComparer.Ordinal);
    private readonly Dictionary<string, HashSet<RestorePointId>> _hurt = new(StringComparer.Ordinal);
    private readonly List<string> _notes = [];
    private readonly ConcurrentDictionary<string, bool> _sound = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, bool> _soundWal = new(StringComparer.Ordinal);
    private WalCheck? _walCheck;
    private IReadOnlyList<WalItem> _wal = [];
    private int _packsRead;
    private int _walRead;
    private int _packsLeft;
    private long _chunksRead;
    private long _bytesRead;

    public async Task<CheckReport> RunAsync(CancellationToken ct)
    {
        foreach (var key in (await KeySlotStore.ReadAsync(parts.Store, ct)).Damaged)
        {
            _damaged[key] = "this copy of the key slot is missing, cut or has a changed byte; its twin still opens the repository";
        }

        var looks = await LookForWalAsync(ct);
        await parts.Index.RefreshAsync(ct);
        foreach (var damage in parts.Index.Damage)
        {
            _damaged[damage.Key] = damage.Reason;
        }

        foreach (var pack in parts.Index.Index.Packs.Where(pack => pack is { IsDamaged: true, IsListed: true }))
        {
            _damaged.TryAdd(PackBuilder.KeyOf(pack.Name), "is marked as damaged");
        }

        await CheckObjectsAsync(ct);
        if (level >= CheckLevel.L2)
        {
            await ReadDueAsync(ct);
        }

        var points = await CheckPointsAsync(ct);
        NotePacks();
        await NoteLostWalAsync(looks, ct);
        return new CheckReport
        {
            Level = level,
            RestorePoints = points,
            Packs = parts.Index.Index.Packs.Count(p => p.IsPresent),
            PacksRead = _packsRead,
            PacksLeft = _packsLeft,
            WalObjects = _wal.Count,
            WalObjectsRead = _walRead,
            OldestRead = budget?.Oldest(Due().Select(due => due.Name)),
            Coverage = budget?.CoverageOf(PackNames(pack => !pack.IsDamaged).Concat(_wal.Select(WalCheck.MemoryName))),
            ChunksRead = _chunksRead,
            BytesRead = _bytesRead,
            Damaged = [.. _damaged.OrderBy(d => d.Key, StringComparer.Ordinal).Select(d => new CheckDamage(d.Key, d.Value, HurtBy(d.Key)) { StoredAt = _walCheck?.StoredAt(d.Key) })],
            Notes = _notes,
            SoundPacks = _sound.Keys.ToHashSet(StringComparer.Ordinal),
            SoundWal = _soundWal.Keys.ToHashSet(StringComparer.Ordinal),
        };
    }

    /// <summary>Attestations, and objects that belong to nothing.</summary>
    private async Task CheckObjectsAsync(CancellationToken ct)
    {
        foreach (var (key, reason) in await EpochStore.DamagedAsync(parts.Store, parts.Keys, ct))
        {
            _damaged[key] = reason;
        }

        foreach (var key in await parts.Attestations.KeysAsync(ct))
        {
            await NotingAsync(key, () => parts.Attestations.ReadAsync(key, ct));
        }

        foreach (var session in (await parts.Sessions.ListAsync(ct)).Where(session => session.Record is null))
        {
            _damaged[session.Key] = "this writer's session cannot be read; prune waits until it is old";
        }

        foreach (var mark in parts.Index.Marks.Unreadable)
        {
            _damaged[mark.Key] = $"{mark.Reason}; until it is repaired no backup leans on what is stored already";
        }

        string[] known =
        [
            KeySlotStore.Prefix, IndexStore.PackPrefix, IndexSegment.Prefix, Manifests.ManifestStore.Prefix, Manifests.AttestationStore.Prefix,
            SessionStore.Prefix, MarkStore.Prefix, EpochStore.Prefix, CheckMemory.Prefix, WalName.Prefix,
        ];
        _walCheck = new WalCheck(parts, level, (key, reason) => _damaged[key] = reason, _notes.Add);
        _wal = await _walCheck.LoadAsync(ct);
        await foreach (var item in parts.Store.ListAsync(CheckMemory.Prefix, ct))
        {
            await NotingAsync(item.Key, () => CheckMemory.ReadAsync(parts, item.Key, ct));
        }

        await foreach (var item in parts.Store.ListAsync("", ct))
        {
            if (!known.Any(prefix => item.Key.StartsWith(prefix, StringComparison.Ordinal)))
            {
                _notes.Add($"{item.Key} is no object of this format version");
            }
        }
    }

    /// <summary>What other tiers hold of the WAL that this one does not, as it is at the beginning.</summary>
    private async Task<List<(WalComparison With, string Url, WalLook Look)>> LookForWalAsync(CancellationToken ct)
    {
        var looks = new List<(WalComparison With, string Url, WalLook Look)>();
        foreach (var other in others?.Where(other => other.Keys.RepositoryId == parts.Keys.RepositoryId) ?? [])
        {
            var comparison = new WalComparison(parts, other);
            if (await LookAsync(comparison, other.Store.Url, ct) is { } look)
            {
                looks.Add((comparison, other.Store.Url, look));
            }
        }

        return looks;
    }

    /// <summary>At the end, since a receiver may have been writing at the beginning: only what is missing still is lost.</summary>
    private async Task NoteLostWalAsync(List<(WalComparison With, string Url, WalLook Look)> looks, CancellationToken ct)
    {
        foreach (var (with, url, look) in looks.Where(one => one.Look.Missing.Count > 0))
        {
            foreach (var name in await LookAsync(with, url, ct) is { } later ? look.LostBy(later) : [])
            {
                _damaged.TryAdd(name.Key, $"is missing, and {url} holds it");
            }
        }
    }

    /// <summary>A tier that goes away while it is looked at is no fault of this one.</summary>
    private async Task<WalLook?> LookAsync(WalComparison comparison, string url, CancellationToken ct)
    {
        try
        {
            return await comparison.LookAsync(ct);
        }
        catch (EngineException fault) when (fault.Kind is ErrorKind.Unavailable or ErrorKind.Denied)
        {
            _notes.Add($"the WAL is not compared with {url}: {fault.Message}");
            return null;
        }
    }

    private void NotePacks()
    {
        var index = parts.Index.Index;
        var unindexed = index.Packs.Count(pack => pack.IsPresent && !pack.IsIndexed);
        if (unindexed > 0)
        {
            _notes.Add($"{Counted.Of(unindexed, "pack", "is", "are")} in no index segment (a backup was interrupted, or a segment was lost) and read by the trailer");
        }

        foreach (var pack in index.Packs)
        {
            var key = PackBuilder.KeyOf(pack.Name);
            if (pack.IsDamaged && HurtBy(key).Length == 0 && _damaged.TryRemove(key, out var reason))
            {
                // Repaired: what was needed of it lies in other packs, and nobody leans on it any more.
                _notes.Add($"pack {pack.Name} {reason}; no restore point needs it, and prune will delete it");
            }
            else if (!pack.IsPresent && !_damaged.ContainsKey(key))
            {
                _notes.Add($"pack {pack.Name} is missing, but no restore point needs it");
            }
        }
    }

    private IEnumerable<string> PackNames(Func<IndexedPack, bool> which) =>
        parts.Index.Index.Packs.Where(pack => pack.IsPresent && which(pack)).Select(pack => pack.Name);

    private IEnumerable<IndexedPack> Present() => parts.Index.Index.Packs.Where(pack => pack.IsPresent && slice.Contains(pack.Name));

    private IEnumerable<DueRead> Due() =>
        Present().Select(pack => new DueRead(pack.Name, pack.Length, pack, default))
            .Concat(_wal.Select(item => new DueRead(WalCheck.MemoryName(item), item.Info.Length, null, item)).Where(due => slice.Contains(due.Name)));

    private async Task ReadDueAsync(CancellationToken ct)
    {
        if (budget is null)
        {
            await ReadAsync([.. Due()], ct);
            return;
        }

        try
        {
            await ReadAsync(await budget.OrderAsync([.. Due()], due => due.Name, due => (due.StoredAt, due.Length), ct), ct);
        }
        finally
        {
            if (await budget.TrySaveAsync(PackNames(_ => true).Concat(_wal.Select(WalCheck.MemoryName))) is { } note)
            {
                _notes.Add(note);
            }
        }
    }

    private async Task ReadAsync(List<DueRead> objects, CancellationToken ct)
    {
        var meter = new ProgressMeter(progress, parts.Options.Time, "check", objects.Count, objects.Sum(due => due.Length));
        var reader = new PackReader(parts, level, meter);
        // Whole packs side by side: each is read once, in one go, and the next is on its way while this one is opened.
        var options = new ParallelOptions { MaxDegreeOfParallelism = Math.Min(MaxPacksInWork, parts.Options.Workers), CancellationToken = ct };
        await Parallel.ForEachAsync(InTime(objects), options, async (due, token) =>
        {
            var fault = due.Pack is { } pack ? await ReadPackAsync(pack, reader, token) : await ReadWalAsync(due.Wal, meter, token);
            budget?.Note(due.Name, fault is null);
            meter.Add(1, 0);
        });
        meter.Finish();
    }

    /// <summary>What the budget allows, asked when its turn comes: workers that asked by themselves could pass over the one that is due.</summary>
    private IEnumerable<DueRead> InTime(IEnumerable<DueRead> objects)
    {
        foreach (var due in objects)
        {
            if (budget?.MayRead() == false)
            {
                _packsLeft++;
                continue;
            }

            yield return due;
        }
    }

    private async Task<string?> ReadWalAsync(WalItem item, ProgressMeter meter, CancellationToken ct)
    {
        var fault = await _walCheck!.ReadAsync(item, ct);
        if (fault is not null)
        {
            _damaged[item.Info.Key] = fault;
        }
        else if (level >= CheckLevel.L3 && _walCheck.IsNoted(item.Info.Key))
        {
            // Only this level opens it: what a lower one finds whole may still hold other bytes than its name says.
            _soundWal[item.Info.Key] = true;
            _damaged.TryRemove(KeyValuePair.Create(item.Info.Key, WalCheck.KnownBefore));
        }

        Interlocked.Increment(ref _walRead);
        Interlocked.Add(ref _bytesRead, item.Info.Length);
        meter.Add(0, item.Info.Length);
        return fault;
    }

    private async Task<string?> ReadPackAsync(IndexedPack pack, PackReader reader, CancellationToken ct)
    {
        var (fault, bytes, chunks) = await reader.ReadAsync(pack, ct);
        Interlocked.Add(ref _bytesRead, bytes);
        Interlocked.Add(ref _chunksRead, chunks);
        if (fault is not null && await parts.Store.StatAsync(PackBuilder.KeyOf(pack.Name), ct) is not null)
        {
            // One that is gone by now was pruned, or the restore points that need it will say so.
            _damaged[PackBuilder.KeyOf(pack.Name)] = fault;
        }
        else if (fault is null && chunks > 0)
        {
            // Only of one whose chunks were opened: a mark that another process makes meanwhile may be about what its SHA-256 does not show.
            NoteSound(pack);
        }

        Interlocked.Increment(ref _packsRead);
        return fault;
    }

    private void NoteSound(IndexedPack pack)
    {
        _sound[pack.Name] = true;
        if (pack.IsDamaged && _damaged.TryRemove(PackBuilder.KeyOf(pack.Name), out _))
        {
            lock (_notes)
            {
                _notes.Add($"pack {pack.Name} is marked as damaged and is whole; 'repair' takes the mark back");
            }
        }
    }

    private async Task<int> CheckPointsAsync(CancellationToken ct)
    {
        var points = 0;
        var keys = await parts.Manifests.KeysAsync(ct);
        // Restore points that were committed while packs were read lean on packs that are newer than the first look.
        await parts.Index.RefreshAsync(ct);
        var followed = new FollowedContent(parts);
        var options = new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount, CancellationToken = ct };
        await Parallel.ForEachAsync(keys, options, async (key, token) =>
        {
            if (await CheckPointAsync(key, followed, token))
            {
                Interlocked.Increment(ref points);
            }
        });
        return points;
    }

    /// <summary>False where there is no such restore point, or none that can be read.</summary>
    private async Task<bool> CheckPointAsync(string key, FollowedContent followed, CancellationToken ct)
    {
        if (await NotingAsync(key, () => parts.Manifests.ReadAsync(key, ct)) is not { } manifest)
        {
            Hurt(key, new RestorePointId(key[Manifests.ManifestStore.Prefix.Length..]));
            return false;
        }

        var (packs, faults) = await followed.FollowAsync(manifest, ct);
        if (faults.Count > 0 && await parts.Store.StatAsync(key, ct) is null)
        {
            // Expired while it was looked at.
            return false;
        }

        foreach (var fault in faults)
        {
            _damaged.TryAdd(fault.Name, fault.Reason);
            Hurt(fault.Name, manifest.Id);
        }

        foreach (var ordinal in packs)
        {
            Hurt(PackBuilder.KeyOf(parts.Index.Index.Pack(ordinal).Name), manifest.Id);
        }

        return true;
    }

    private void Hurt(string name, RestorePointId point)
    {
        if (!_damaged.ContainsKey(name))
        {
            return;
        }

        lock (_hurt)
        {
            if (!_hurt.TryGetValue(name, out var points))
            {
                _hurt.Add(name, points = []);
            }

            points.Add(point);
        }
    }

    private RestorePointId[] HurtBy(string name) =>
        _hurt.TryGetValue(name, out var points) ? [.. points.OrderBy(p => p.Value, StringComparer.Ordinal)] : [];

    private async Task<T?> NotingAsync<T>(string key, Func<Task<T>> read)
        where T : class
    {
        try
        {
            return await read();
        }
        catch (EngineException error) when (error.Kind is ErrorKind.Damaged or ErrorKind.NotFound)
        {
            if (error.Kind == ErrorKind.Damaged || await parts.Store.StatAsync(key, CancellationToken.None) is not null)
            {
                _damaged[key] = error.Message;
            }

            return null;
        }
    }

    /// <summary>A pack, or an object of WAL, that is read whole.</summary>
    private readonly record struct DueRead(string Name, long Length, IndexedPack? Pack, WalItem Wal)
    {
        /// <summary>When the store took it.</summary>
        public DateTimeOffset StoredAt => Pack?.ModifiedAt ?? Wal.Info.LastModified;
    }
}
