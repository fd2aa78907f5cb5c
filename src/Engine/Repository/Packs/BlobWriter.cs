using System.Runtime.ExceptionServices;
using Hexabase.DrConsole.Engine.Repository.Crypto;
using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Repository.Index;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Repository.Packs;

/// <summary>Counts what was stored for one artifact. Thread-safe.</summary>
internal sealed class StoredTally
{
    private long _bytes;

    /// <summary>New bytes in packs, after compression and encryption.</summary>
    public long Bytes => Interlocked.Read(ref _bytes);

    public void Add(long bytes) => Interlocked.Add(ref _bytes, bytes);
}

/// <summary>
/// Turns plaintext into stored blobs: identity, known already?, compress, encrypt, append to a pack, upload full packs in
/// the background. Called from as many threads as there are workers; only so many packs are on their way at a time.
/// </summary>
internal sealed class BlobWriter(KeyRing keys, ChunkIndex known, IObjectStore store, int parallelUploads = 2, Compression compression = Compression.Balanced) : IAsyncDisposable
{
    private readonly Lock _lock = new();
    private readonly ChunkIndex _fresh = new();
    private readonly Dictionary<int, IndexedPack> _uploaded = [];
    private readonly HashSet<int> _leanedOn = [];
    private readonly HashSet<int> _taken = [];
    private readonly Stack<PackBuilder> _spare = new();
    private readonly SemaphoreSlim _slots = new(parallelUploads);
    private readonly List<Task> _uploads = [];
    private readonly CancellationTokenSource _abandoned = new();
    private PackBuilder? _data;
    private PackBuilder? _metadata;
    private ExceptionDispatchInfo? _failure;
    private int _packCount;
    private int _waiting;

    /// <summary>Packs that this session wrote; complete after <see cref="FlushAsync"/>.</summary>
    public IReadOnlyList<IndexedPack> Uploaded
    {
        get
        {
            lock (_lock)
            {
                return [.. _uploaded.Values.OrderBy(p => p.Ordinal)];
            }
        }
    }

    /// <summary>Every pack that what was stored so far lies in: older ones in which chunks were found, and this session's own.</summary>
    public IReadOnlyList<IndexedPack> Needed
    {
        get
        {
            lock (_lock)
            {
                return [.. _leanedOn.Select(known.Pack), .. _uploaded.Values];
            }
        }
    }

    /// <summary>Packs that became durable since the last call, with where the chunks in them lie.</summary>
    public (IReadOnlyList<IndexedPack> Packs, IReadOnlyList<BlobLocation> Entries) TakeDurable()
    {
        List<IndexedPack> packs;
        lock (_lock)
        {
            packs = [.. _uploaded.Values.Where(pack => _taken.Add(pack.Ordinal)).OrderBy(pack => pack.Ordinal)];
        }

        var ordinals = packs.Select(pack => pack.Ordinal).ToHashSet();
        // A chunk that was claimed and not placed yet has no length.
        return (packs, packs.Count == 0 ? [] : [.. _fresh.All().Where(entry => entry.StoredLength > 0 && ordinals.Contains(entry.Pack))]);
    }

    /// <summary>Gives packs back that <see cref="TakeDurable"/> gave and no index lists: the next call gives them again.</summary>
    public void PutBack(IEnumerable<IndexedPack> packs)
    {
        lock (_lock)
        {
            _taken.ExceptWith(packs.Select(pack => pack.Ordinal));
        }
    }

    /// <summary>Stores a chunk, or finds that it is stored. The bytes are not used after the task ends.</summary>
    public async ValueTask<ChunkId> StoreAsync(ObjectType type, ReadOnlyMemory<byte> plain, StoredTally tally, CancellationToken ct)
    {
        _failure?.Throw();
        var id = keys.IdentityOf(plain.Span);
        if (TryLeanOn(id, type))
        {
            return id;
        }

        var claim = _fresh.TryClaim(id, type);
        if (claim > 0)
        {
            var isStored = false;
            try
            {
                using var blob = BlobCodec.Seal(keys, type, id, plain.Span, compression);
                await AppendAsync(claim, id, type, blob.Memory, plain.Length, tally, ct);
                isStored = true;
            }
            finally
            {
                BreakUnless(isStored);
            }
        }

        return id;
    }

    /// <summary>Stores a blob that is sealed already, as copying between tiers does. True where it was not there.</summary>
    public async ValueTask<bool> StoreSealedAsync(
        ChunkId id, ObjectType type, ReadOnlyMemory<byte> stored, int rawLength, StoredTally tally, CancellationToken ct)
    {
        _failure?.Throw();
        if (TryLeanOn(id, type) || _fresh.TryClaim(id, type) is not (> 0 and var claim))
        {
            return false;
        }

        var isStored = false;
        try
        {
            await AppendAsync(claim, id, type, stored, rawLength, tally, ct);
            isStored = true;
        }
        finally
        {
            BreakUnless(isStored);
        }

        return true;
    }

    /// <summary>True where a pack proven present and not marked holds the chunk; the session then depends on that pack.</summary>
    public bool TryLeanOn(ChunkId id, ObjectType type)
    {
        if (!known.TryFindSafe(id, type, out var location))
        {
            return false;
        }

        lock (_lock)
        {
            // Marked since it was found, by a renewal that did not see this pack in use: then it must not come into use.
            if (_leanedOn.Add(location.Pack) && known.Pack(location.Pack).IsMarked)
            {
                _leanedOn.Remove(location.Pack);
                return false;
            }
        }

        return true;
    }

    /// <summary>Uploads what is left and waits until all packs are durable.</summary>
    public async Task FlushAsync(CancellationToken ct)
    {
        foreach (var kind in (PackKind[])[PackKind.Data, PackKind.Metadata])
        {
            PackBuilder? last;
            lock (_lock)
            {
                ref var current = ref Current(kind);
                (last, current) = (current, null);
            }

            if (last is { IsEmpty: false })
            {
                await UploadAsync(last, ct);
            }
        }

        await Task.WhenAll(_uploads).WaitAsync(ct);
        _failure?.Throw();
    }

    public async ValueTask DisposeAsync()
    {
        await _abandoned.CancelAsync();
        await Task.WhenAll(_uploads);
        _abandoned.Dispose();
        _slots.Dispose();
    }

    /// <summary>A claimed chunk that was not stored would be found as known by the next: nothing may be committed any more.</summary>
    private void BreakUnless(bool isStored)
    {
        if (!isStored)
        {
            _failure ??= ExceptionDispatchInfo.Capture(new EngineException(
                "backup-interrupted", ErrorKind.Unavailable, "this backup was interrupted, so it makes no restore point", "run it again"));
        }
    }

    private async ValueTask AppendAsync(
        int claim, ChunkId id, ObjectType type, ReadOnlyMemory<byte> stored, int rawLength, StoredTally tally, CancellationToken ct)
    {
        if (Volatile.Read(ref _waiting) > 0)
        {
            // A full pack waits for its upload: filling another one meanwhile would only pile up memory.
            await _slots.WaitAsync(ct);
            _slots.Release();
        }

        var full = Append(claim, id, type, stored.Span, rawLength);
        tally.Add(stored.Length);
        if (full is not null)
        {
            await UploadAsync(full, ct);
        }
    }

    private PackBuilder? Append(int claim, ChunkId id, ObjectType type, ReadOnlySpan<byte> stored, int rawLength)
    {
        lock (_lock)
        {
            var kind = ObjectTypes.PackOf(type);
            ref var current = ref Current(kind);
            current ??= Begin(kind);
            var entry = current.Append(id, type, stored, rawLength);
            _fresh.SetPlace(claim, new BlobLocation(id, type, current.Ordinal, entry.Offset, entry.StoredLength, entry.RawLength));
            if (!current.IsFull)
            {
                return null;
            }

            var full = current;
            current = null;
            return full;
        }
    }

    private ref PackBuilder? Current(PackKind kind) => ref kind == PackKind.Data ? ref _data : ref _metadata;

    private PackBuilder Begin(PackKind kind)
    {
        if (kind == PackKind.Data && _spare.TryPop(out var spare))
        {
            spare.Reset(_packCount++);
            return spare;
        }

        return new PackBuilder(kind, _packCount++);
    }

    private async Task UploadAsync(PackBuilder pack, CancellationToken ct)
    {
        Interlocked.Increment(ref _waiting);
        try
        {
            await _slots.WaitAsync(ct);
        }
        finally
        {
            Interlocked.Decrement(ref _waiting);
        }

        var upload = Task.Run(() => PutAsync(pack), CancellationToken.None);
        lock (_lock)
        {
            _uploads.RemoveAll(task => task.IsCompletedSuccessfully);
            _uploads.Add(upload);
        }
    }

    private async Task PutAsync(PackBuilder pack)
    {
        try
        {
            var bytes = pack.Close(keys);
            var name = PackBuilder.NameOf(bytes.Span);
            await store.PutAsync(PackBuilder.KeyOf(name), bytes, _abandoned.Token);
            lock (_lock)
            {
                _uploaded.Add(pack.Ordinal, new IndexedPack(pack.Ordinal, name, pack.Kind, bytes.Length) { IsPresent = true });
                if (pack.Kind == PackKind.Data && _spare.Count < parallelUploads)
                {
                    _spare.Push(pack);
                }
            }
        }
        catch (Exception error) when (error is EngineException or OperationCanceledException or IOException)
        {
            // The writer's next call throws it: a chunk of this pack may have been promised to it already.
            _failure = ExceptionDispatchInfo.Capture(error);
        }
        finally
        {
            _slots.Release();
        }
    }
}
