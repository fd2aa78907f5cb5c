using System.Numerics;
using Hexabase.DrConsole.Engine.Repository.Format;

namespace Hexabase.DrConsole.Engine.Repository.Index;

/// <summary>A pack that the index knows.</summary>
/// <param name="Ordinal">Its number in this process.</param>
/// <param name="Name">Hex SHA-256 of its bytes.</param>
/// <param name="Kind">Data or metadata.</param>
/// <param name="Length">Its length in bytes.</param>
internal sealed record IndexedPack(int Ordinal, string Name, PackKind Kind, long Length)
{
    /// <summary>True where the last listing of the store showed it with this length.</summary>
    public bool IsPresent { get; set; }

    /// <summary>True where the last listing of the store showed it, whatever its length.</summary>
    public bool IsListed { get; set; }

    /// <summary>When the store took it, by the last listing that showed it.</summary>
    public DateTimeOffset ModifiedAt { get; set; }

    /// <summary>True where a mark says that nobody may lean on it any more; it can still be read.</summary>
    public bool IsMarked { get; set; }

    /// <summary>True where a mark says that it is not as it was written.</summary>
    public bool IsDamaged { get; set; }

    /// <summary>True where a segment of the stored index covers it; false for a pack known by its trailer only.</summary>
    public bool IsIndexed { get; set; }
}

/// <summary>Where a chunk lies.</summary>
internal readonly record struct BlobLocation(ChunkId Id, ObjectType Type, int Pack, uint Offset, uint StoredLength, uint RawLength);

/// <summary>
/// All chunks of a repository in memory: 48 bytes an entry and about 6 of hash table. A chunk may lie in several packs (after
/// damage, or when two writers stored it at once); all its places are kept. Thread-safe.
/// </summary>
internal sealed class ChunkIndex
{
    private const int PageBits = 12;
    private const int PageLength = 1 << PageBits;
    private const int MaxPacks = 1 << 24;
    private readonly Lock _lock = new();
    private readonly List<Entry[]> _pages = [];
    private readonly List<IndexedPack> _packs = [];
    private readonly Dictionary<string, IndexedPack> _packsByName = new(StringComparer.Ordinal);
    private int[] _buckets = new int[1024];

    public int Count { get; private set; }

    /// <summary>True where a mark could not be read: any pack might be one that it names, so nobody leans on any.</summary>
    public bool IsLeaningRefused { get; set; }

    public IReadOnlyList<IndexedPack> Packs
    {
        get
        {
            lock (_lock)
            {
                return [.. _packs];
            }
        }
    }

    public IndexedPack Pack(int ordinal)
    {
        lock (_lock)
        {
            return _packs[ordinal];
        }
    }

    public IndexedPack? FindPack(string name)
    {
        lock (_lock)
        {
            return _packsByName.GetValueOrDefault(name);
        }
    }

    /// <summary>Adds a pack, or finds the one of that name.</summary>
    public IndexedPack AddPack(string name, PackKind kind, long length)
    {
        lock (_lock)
        {
            if (_packsByName.TryGetValue(name, out var known))
            {
                return known;
            }

            if (_packs.Count == MaxPacks)
            {
                throw new EngineException(
                    "too-many-packs", ErrorKind.Unsupported, $"the repository has more than {MaxPacks} packs", "begin another repository");
            }

            var pack = new IndexedPack(_packs.Count, name, kind, length);
            _packs.Add(pack);
            _packsByName.Add(name, pack);
            return pack;
        }
    }

    /// <summary>
    /// Claims a chunk for the caller, who must store it and then call <see cref="SetPlace"/>.
    /// Returns 0 where somebody claimed or stored it before.
    /// </summary>
    public int TryClaim(ChunkId id, ObjectType type)
    {
        lock (_lock)
        {
            for (var at = _buckets[BucketOf(id)]; at != 0; at = At(at).Next)
            {
                ref readonly var entry = ref At(at);
                if (entry.Id == id && entry.Type == type)
                {
                    return 0;
                }
            }

            Add(new BlobLocation(id, type, 0, 0, 0, 0));
            return Count;
        }
    }

    /// <summary>Tells where a claimed chunk went.</summary>
    public void SetPlace(int claim, in BlobLocation location)
    {
        lock (_lock)
        {
            ref var entry = ref At(claim);
            entry = new Entry(location, entry.Next);
        }
    }

    /// <summary>Adds a place of a chunk. Adding a pack's entries twice keeps them twice: callers add a pack once.</summary>
    public void Add(in BlobLocation location) => Add(new ReadOnlySpan<BlobLocation>(in location));

    /// <summary>Adds many places.</summary>
    public void Add(ReadOnlySpan<BlobLocation> locations)
    {
        lock (_lock)
        {
            foreach (ref readonly var location in locations)
            {
                if (Count >= _buckets.Length)
                {
                    Grow(Count + 1);
                }

                if (Count >> PageBits == _pages.Count)
                {
                    _pages.Add(new Entry[PageLength]);
                }

                ref var bucket = ref _buckets[BucketOf(location.Id)];
                _pages[Count >> PageBits][Count & (PageLength - 1)] = new Entry(location, bucket);
                bucket = ++Count;
            }
        }
    }

    /// <summary>Makes room in the hash table at once; growing with the entries would hash each of them several times.</summary>
    public void Reserve(int more)
    {
        lock (_lock)
        {
            if (Count + more > _buckets.Length && Count + more > 0)
            {
                Grow(Count + more);
            }
        }
    }

    /// <summary>True where exactly this place is known.</summary>
    public bool Has(in BlobLocation location)
    {
        lock (_lock)
        {
            for (var at = _buckets[BucketOf(location.Id)]; at != 0; at = At(at).Next)
            {
                if (At(at).ToLocation() == location)
                {
                    return true;
                }
            }
        }

        return false;
    }

    /// <summary>True where a pack that is present and not marked holds the chunk.</summary>
    public bool TryFindSafe(ChunkId id, ObjectType type, out BlobLocation location)
    {
        lock (_lock)
        {
            for (var at = IsLeaningRefused ? 0 : _buckets[BucketOf(id)]; at != 0; at = At(at).Next)
            {
                ref readonly var entry = ref At(at);
                if (entry.Id == id && entry.Type == type && _packs[entry.Pack] is { IsPresent: true, IsMarked: false })
                {
                    location = entry.ToLocation();
                    return true;
                }
            }
        }

        location = default;
        return false;
    }

    /// <summary>
    /// The number, from 1, of the chunk's best place in a pack that is present: rather in one that is not damaged, then in
    /// one that is not marked. 0 where there is none.
    /// </summary>
    public int FindNumber(ChunkId id, ObjectType type)
    {
        var (best, rank) = (0, int.MaxValue);
        lock (_lock)
        {
            for (var at = _buckets[BucketOf(id)]; at != 0 && rank > 0; at = At(at).Next)
            {
                ref readonly var entry = ref At(at);
                if (entry.Id == id && entry.Type == type && _packs[entry.Pack] is { IsPresent: true } pack && RankOf(pack) < rank)
                {
                    (best, rank) = (at, RankOf(pack));
                }
            }
        }

        return best;
    }

    /// <summary>The number that stands for the chunk itself: that of the place which was known first. 0 where none is known.</summary>
    public int FindFirst(ChunkId id, ObjectType type)
    {
        var first = 0;
        lock (_lock)
        {
            for (var at = _buckets[BucketOf(id)]; at != 0; at = At(at).Next)
            {
                ref readonly var entry = ref At(at);
                first = entry.Id == id && entry.Type == type ? at : first;
            }
        }

        return first;
    }

    /// <summary>
    /// The number of the place at which prune keeps the chunk that this number is a place of; 0 where no pack that is present
    /// holds it. The same for every process that sees the same store: equal places are told apart by the packs' names.
    /// </summary>
    public int FindKeeper(int number)
    {
        lock (_lock)
        {
            ref readonly var wanted = ref At(number);
            var (best, rank, name) = (0, int.MaxValue, "");
            for (var at = _buckets[BucketOf(wanted.Id)]; at != 0; at = At(at).Next)
            {
                ref readonly var entry = ref At(at);
                if (entry.Id != wanted.Id || entry.Type != wanted.Type || _packs[entry.Pack] is not { IsPresent: true } pack)
                {
                    continue;
                }

                if (RankOf(pack) < rank || (RankOf(pack) == rank && string.CompareOrdinal(pack.Name, name) < 0))
                {
                    (best, rank, name) = (at, RankOf(pack), pack.Name);
                }
            }

            return best;
        }
    }

    /// <summary>The place with a number that <see cref="FindNumber"/> gave.</summary>
    public BlobLocation Place(int number)
    {
        lock (_lock)
        {
            return At(number).ToLocation();
        }
    }

    /// <summary>Every place of the chunk, present or not, best first.</summary>
    public IReadOnlyList<BlobLocation> Find(ChunkId id, ObjectType type)
    {
        List<BlobLocation>? found = null;
        lock (_lock)
        {
            for (var at = _buckets[BucketOf(id)]; at != 0; at = At(at).Next)
            {
                ref readonly var entry = ref At(at);
                if (entry.Id == id && entry.Type == type)
                {
                    (found ??= []).Add(entry.ToLocation());
                }
            }
        }

        if (found is { Count: > 1 })
        {
            found.Sort((left, right) => RankOf(Pack(left.Pack)).CompareTo(RankOf(Pack(right.Pack))));
        }

        return found ?? (IReadOnlyList<BlobLocation>)[];
    }

    /// <summary>All entries in the order of their adding.</summary>
    public IEnumerable<BlobLocation> All()
    {
        for (var i = 1; i <= Count; i++)
        {
            BlobLocation location;
            lock (_lock)
            {
                location = At(i).ToLocation();
            }

            yield return location;
        }
    }

    private static int RankOf(IndexedPack pack) => !pack.IsPresent ? 3 : pack.IsDamaged ? 2 : pack.IsMarked ? 1 : 0;

    private ref Entry At(int number) => ref _pages[(number - 1) >> PageBits][(number - 1) & (PageLength - 1)];

    private int BucketOf(ChunkId id) => (int)(id.Head & (uint)(_buckets.Length - 1));

    private void Grow(int entries)
    {
        _buckets = new int[BitOperations.RoundUpToPowerOf2((uint)entries)];
        for (var number = 1; number <= Count; number++)
        {
            ref var entry = ref At(number);
            ref var bucket = ref _buckets[BucketOf(entry.Id)];
            entry = entry with { Next = bucket };
            bucket = number;
        }
    }

    private readonly record struct Entry
    {
        private readonly uint _packAndType;
        private readonly uint _offset;
        private readonly uint _storedLength;
        private readonly uint _rawLength;

        public Entry(in BlobLocation location, int next)
        {
            Id = location.Id;
            _packAndType = ((uint)location.Pack << 8) | (byte)location.Type;
            _offset = location.Offset;
            _storedLength = location.StoredLength;
            _rawLength = location.RawLength;
            Next = next;
        }

        public ChunkId Id { get; }

        public int Next { get; init; }

        public int Pack => (int)(_packAndType >> 8);

        public ObjectType Type => (ObjectType)(byte)_packAndType;

        public BlobLocation ToLocation() => new(Id, Type, Pack, _offset, _storedLength, _rawLength);
    }
}
