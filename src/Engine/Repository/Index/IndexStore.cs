using System.Buffers;
using System.Collections.Concurrent;
using Hexabase.DrConsole.Engine.Repository.Crypto;
using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Repository.Packs;
using Hexabase.DrConsole.Engine.Repository.Prune;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Repository.Index;

/// <summary>An object of the store that cannot be used, and why.</summary>
internal readonly record struct DamagedObject(string Key, string Reason);

/// <summary>
/// The index in memory and what of the store it reflects. Segments are immutable, so a refresh loads only new ones. A pack
/// that no readable segment covers is read by its trailer: a lost index and the packs of a killed writer both heal by that.
/// </summary>
internal sealed class IndexStore(KeyRing keys, IObjectStore store) : IDisposable
{
    public const string PackPrefix = "packs/";

    /// <summary>How often a reader that misses something looks anew while other processes go on changing the store.</summary>
    public const int MaxLooks = 5;

    private const int ParallelReads = 4;
    private const long ReadAheadBytes = 32 << 20;
    private readonly SemaphoreSlim _gate = new(1);
    private readonly ConcurrentDictionary<string, bool> _suspects = new(StringComparer.Ordinal);
    private readonly MarkStore _marks = new(keys, store);
    private readonly Dictionary<string, SegmentContent> _segments = new(StringComparer.Ordinal);
    private readonly Dictionary<string, DamagedObject> _damage = new(StringComparer.Ordinal);

    public ChunkIndex Index { get; } = new();

    /// <summary>True after the first refresh.</summary>
    public bool IsLoaded { get; private set; }

    /// <summary>Rises with each refresh that showed other packs than the one before.</summary>
    public int Generation { get; private set; }

    /// <summary>The readable segments of the last refresh by their keys.</summary>
    public IReadOnlyDictionary<string, SegmentContent> Segments => _segments;

    /// <summary>Packs in which this process found a damaged chunk.</summary>
    public IReadOnlyCollection<string> Suspects => [.. _suspects.Keys];

    /// <summary>Leans on a pack no more: a chunk of it was not as it was written.</summary>
    public void Suspect(IndexedPack pack)
    {
        _suspects[pack.Name] = true;
        pack.IsMarked = true;
    }

    /// <summary>Prune's marks at the last refresh.</summary>
    public MarkSet Marks { get; private set; } = MarkSet.Empty;

    /// <summary>Segments and pack trailers that could not be read at the last refresh.</summary>
    public IReadOnlyList<DamagedObject> Damage { get; private set; } = [];

    public async Task EnsureLoadedAsync(CancellationToken ct)
    {
        if (!IsLoaded)
        {
            await RefreshAsync(ct);
        }
    }

    /// <summary>Lists the store anew, loads what is new and marks which packs are present.</summary>
    public async Task RefreshAsync(CancellationToken ct)
    {
        await _gate.WaitAsync(ct);
        try
        {
            _damage.Clear();
            // Marks before packs: a mark is taken back only when its packs are gone, so a pack that this look at the packs
            // shows is either unmarked or seen to be marked. Segments before packs: a segment's packs were durable before it.
            Marks = await _marks.LoadAsync(ct);
            await LoadSegmentsAsync(ct);
            await MarkPresentAsync(ct);
            Damage = [.. _damage.Values.OrderBy(d => d.Key, StringComparer.Ordinal)];
            IsLoaded = true;
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Throws where the last refresh did not show one of these packs whole.</summary>
    /// <param name="names">The packs that a writer needs.</param>
    /// <param name="hasLapsed">True where prune may have taken the writer for dead: then a marked pack may go at any time.</param>
    /// <exception cref="EngineException">Kind Unavailable, naming the packs.</exception>
    public void RequireSafe(IEnumerable<string> names, bool hasLapsed)
    {
        var unsafePacks = names.Where(name => Index.FindPack(name) is not { IsPresent: true, IsDamaged: false } pack || (hasLapsed && pack.IsMarked)).ToList();
        if (unsafePacks.Count > 0)
        {
            throw new EngineException(
                "pack-vanished", ErrorKind.Unavailable,
                $"this restore point leans on {Counted.Of(unsafePacks.Count, "pack", "that is", "that are")} no longer safe in the store (gone, damaged, or about to be pruned), the first is {unsafePacks[0]}",
                "run it again: what is missing is stored anew")
            {
                IsTransient = true,
                Context = new Dictionary<string, string> { ["packs"] = string.Join(',', unsafePacks) },
            };
        }
    }

    /// <summary>Writes segments for all packs that no segment covers; returns how many packs those were.</summary>
    public async Task<int> StoreMissingSegmentsAsync(CancellationToken ct)
    {
        await RefreshAsync(ct);
        var uncovered = Index.Packs.Where(p => p.IsPresent && !p.IsIndexed).ToList();
        if (uncovered.Count > 0)
        {
            var ordinals = uncovered.Select(p => p.Ordinal).ToHashSet();
            await WriteSegmentsAsync(uncovered, [.. Index.All().Where(e => ordinals.Contains(e.Pack))], ct);
            await RefreshAsync(ct);
        }

        return uncovered.Count;
    }

    /// <summary>Writes segments in which each pack stands whole; returns their keys.</summary>
    public async Task<IReadOnlyList<string>> WriteSegmentsAsync(IReadOnlyList<IndexedPack> packs, IReadOnlyList<BlobLocation> entries, CancellationToken ct)
    {
        var written = new List<string>();
        var byPack = entries.GroupBy(e => e.Pack).ToDictionary(g => g.Key, g => g.ToList());
        var segmentPacks = new List<IndexedPack>();
        var segment = new List<BlobLocation>();
        foreach (var pack in packs)
        {
            var blobs = byPack.GetValueOrDefault(pack.Ordinal, []);
            if (segment.Count > 0 && segment.Count + blobs.Count > RepositoryFormat.SegmentMaxEntries)
            {
                written.Add(await WriteSegmentAsync(segmentPacks, segment, ct));
                segmentPacks.Clear();
                segment.Clear();
            }

            segmentPacks.Add(pack);
            segment.AddRange(blobs);
        }

        if (segmentPacks.Count > 0)
        {
            written.Add(await WriteSegmentAsync(segmentPacks, segment, ct));
        }

        return written;
    }

    public void Dispose() => _gate.Dispose();

    private async Task<string> WriteSegmentAsync(List<IndexedPack> packs, List<BlobLocation> entries, CancellationToken ct)
    {
        entries.Sort((left, right) => left.Id.CompareTo(right.Id) is var order and not 0 ? order : left.Type.CompareTo(right.Type));
        var id = Guid.NewGuid();
        await store.PutAsync(IndexSegment.KeyOf(id), IndexSegment.Encode(keys, id, packs, entries), ct);
        return IndexSegment.KeyOf(id);
    }

    private async Task LoadSegmentsAsync(CancellationToken ct)
    {
        // A segment that is gone between listing and reading was merged into another one: then the listing is taken again.
        const int MaxListings = 20;
        for (var look = 1; !await TryLoadSegmentsAsync(isLast: look == MaxListings, ct); look++)
        {
        }
    }

    private async Task<bool> TryLoadSegmentsAsync(bool isLast, CancellationToken ct)
    {
        var fresh = new List<ObjectInfo>();
        var listed = new HashSet<string>(StringComparer.Ordinal);
        await foreach (var item in store.ListAsync(IndexSegment.Prefix, ct))
        {
            listed.Add(item.Key);
            if (!_segments.ContainsKey(item.Key))
            {
                fresh.Add(item);
            }
        }

        foreach (var gone in _segments.Keys.Where(key => !listed.Contains(key)).ToList())
        {
            _segments.Remove(gone);
        }

        Index.Reserve(IndexSegment.EntriesIn(fresh.Sum(item => item.Length)));
        await AddSegmentsAsync(fresh, ct);

        foreach (var item in fresh.Where(item => _damage.ContainsKey(item.Key)))
        {
            if (!isLast && await store.StatAsync(item.Key, ct) is null)
            {
                _damage.Remove(item.Key);
                return false;
            }
        }

        return true;
    }

    /// <summary>Adds segments in their order, while the next ones are on their way: as many as fit into a few megabytes.</summary>
    private async Task AddSegmentsAsync(List<ObjectInfo> fresh, CancellationToken ct)
    {
        var coming = new Queue<(ObjectInfo Item, Task<ReadSegment?> Content)>();
        var (next, bytes) = (0, 0L);
        try
        {
            while (next < fresh.Count || coming.Count > 0)
            {
                while (next < fresh.Count && coming.Count < ParallelReads && (coming.Count == 0 || bytes + fresh[next].Length <= ReadAheadBytes))
                {
                    var item = fresh[next++];
                    bytes += item.Length;
                    coming.Enqueue((item, Task.Run(() => TryAsync(item.Key, () => ReadSegmentAsync(item, ct)), ct)));
                }

                var (info, reading) = coming.Dequeue();
                using var content = await reading;
                if (content is not null && Guid.TryParseExact(info.Key[IndexSegment.Prefix.Length..], "N", out var id)
                    && await TryAsync(info.Key, () => Task.FromResult(IndexSegment.AddTo(Index, keys, id, info.Key, content.Bytes))) is { } covered)
                {
                    _segments.Add(info.Key, covered);
                }

                bytes -= info.Length;
            }
        }
        finally
        {
            foreach (var (_, reading) in coming)
            {
                await ((Task)reading).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                if (reading.IsCompletedSuccessfully)
                {
                    (await reading)?.Dispose();
                }
            }
        }
    }

    private async Task<ReadSegment> ReadSegmentAsync(ObjectInfo item, CancellationToken ct)
    {
        var segment = await ReadSegment.ReadAsync(store, item, ct);
        var isReady = false;
        try
        {
            await Envelope.LearnAsync(keys, segment.Memory, ct);
            isReady = true;
            return segment;
        }
        finally
        {
            if (!isReady)
            {
                segment.Dispose();
            }
        }
    }

    private async Task MarkPresentAsync(CancellationToken ct)
    {
        var present = new HashSet<int>();
        var listed = new HashSet<int>();
        var damaged = NamesIn(Marks.Marks.Where(mark => mark.Kind == PackMark.Damaged));
        var unreadable = new List<string>();
        await foreach (var item in store.ListAsync(PackPrefix, ct))
        {
            var name = item.Key[(item.Key.LastIndexOf('/') + 1)..];
            var pack = Index.FindPack(name) ?? await TryAsync(item.Key, () => LoadTrailerAsync(item, name, ct));
            if (pack is null && damaged.Contains(name))
            {
                // Its table cannot be read, which is known: so it can be pruned when nothing needs it.
                _damage.Remove(item.Key);
                pack = Index.AddPack(name, PackKind.Data, item.Length);
            }

            if (pack is null)
            {
                unreadable.Add(item.Key);
                continue;
            }

            listed.Add(pack.Ordinal);

            if (pack.Length == item.Length)
            {
                pack.ModifiedAt = item.LastModified;
                present.Add(pack.Ordinal);
            }
            else
            {
                _damage[item.Key] = new DamagedObject(item.Key, $"has {item.Length} bytes where {pack.Length} were written");
            }
        }

        foreach (var key in unreadable)
        {
            if (await store.StatAsync(key, ct) is null)
            {
                // Pruned between the listing and the reading.
                _damage.Remove(key);
            }
        }

        // A mark counts before a pack does: a pack that becomes present now must not be leaned on in between.
        var marked = NamesIn(Marks.Marks);
        var covered = _segments.Values.SelectMany(segment => segment.Packs).ToHashSet();
        Index.IsLeaningRefused = Marks.Unreadable.Count > 0;
        var packs = Index.Packs;
        var change = packs.Any(pack => pack.IsPresent != present.Contains(pack.Ordinal)) ? 1 : 0;
        // Before and after, so that a reader who saw a part of it looks again.
        Generation += change;
        foreach (var pack in packs)
        {
            pack.IsIndexed = covered.Contains(pack.Ordinal);
            var isSuspect = _suspects.ContainsKey(pack.Name);
            pack.IsMarked = isSuspect || marked.Contains(pack.Name);
            pack.IsDamaged = isSuspect || damaged.Contains(pack.Name);
            pack.IsListed = listed.Contains(pack.Ordinal);
            pack.IsPresent = present.Contains(pack.Ordinal);
        }

        Generation += change;
    }

    private static HashSet<string> NamesIn(IEnumerable<PackMark> marks) => marks.SelectMany(mark => mark.Packs).ToHashSet(StringComparer.Ordinal);

    private async Task<IndexedPack> LoadTrailerAsync(ObjectInfo item, string name, CancellationToken ct)
    {
        var entries = await PackTrailer.ReadAsync(keys, store, item.Key, item.Length, ct);
        var kind = entries.Count > 0 ? ObjectTypes.PackOf(entries[0].Type) : PackKind.Data;
        var pack = Index.AddPack(name, kind, item.Length);
        foreach (var entry in entries)
        {
            Index.Add(new BlobLocation(entry.Id, entry.Type, pack.Ordinal, entry.Offset, entry.StoredLength, entry.RawLength));
        }

        return pack;
    }

    /// <summary>A segment's bytes in a pooled buffer, as the listing showed its length.</summary>
    private sealed class ReadSegment(byte[] buffer, int length) : IDisposable
    {
        public Span<byte> Bytes => buffer.AsSpan(0, length);

        public static async Task<ReadSegment> ReadAsync(IObjectStore store, ObjectInfo item, CancellationToken ct)
        {
            var segment = new ReadSegment(ArrayPool<byte>.Shared.Rent(Math.Max(1, (int)item.Length)), (int)item.Length);
            var isRead = false;
            try
            {
                await store.ReadAsync(item.Key, 0, buffer: segment.Memory, ct);
                isRead = true;
                return segment;
            }
            finally
            {
                if (!isRead)
                {
                    segment.Dispose();
                }
            }
        }

        public void Dispose() => ArrayPool<byte>.Shared.Return(buffer);

        public Memory<byte> Memory => buffer.AsMemory(0, length);
    }

    /// <summary>Runs a read; damage is noted, since the rest of the repository may well do without this object.</summary>
    private async Task<T?> TryAsync<T>(string key, Func<Task<T>> read)
        where T : class
    {
        try
        {
            return await read();
        }
        catch (EngineException error) when (error.Kind is ErrorKind.Damaged or ErrorKind.NotFound)
        {
            lock (_damage)
            {
                _damage[key] = new DamagedObject(key, error.Message);
            }

            return null;
        }
    }
}
