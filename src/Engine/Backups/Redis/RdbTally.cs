using System.Buffers.Binary;
using Hexabase.DrConsole.Engine.RedisProtocol;

namespace Hexabase.DrConsole.Engine.Backups.Redis;

/// <summary>Counts and adds up the keys of a snapshot as they pass.</summary>
internal sealed class RdbTally
{
    private const long NoExpiry = -1;
    private readonly SortedDictionary<int, Sum> _databases = [];
    private byte[] _buffer = new byte[1024];

    public long Keys { get; private set; }

    public bool HasModules { get; private set; }

    public void Add(RdbEntry entry)
    {
        Keys++;
        HasModules |= entry.TypeName == "module";
        if (!_databases.TryGetValue(entry.Database, out var sum))
        {
            _databases.Add(entry.Database, sum = new Sum());
        }

        sum.Keys++;
        sum.Expiring += entry.ExpiresAtMs is null ? 0 : 1;
        sum.Digest += Digest(entry);
        var type = entry.TypeName;
        sum.Types[type] = sum.Types.GetValueOrDefault(type) + 1;
    }

    public IReadOnlyList<RedisDatabaseFacts> ToFacts() =>
        [.. _databases.Select(pair => new RedisDatabaseFacts(pair.Key, pair.Value.Keys, pair.Value.Expiring, pair.Value.Digest.ToString("x32", null), pair.Value.Types))];

    private UInt128 Digest(RdbEntry entry)
    {
        const int Fixed = 4 + 8 + 16;
        var length = Fixed + entry.Key.Length;
        if (_buffer.Length < length)
        {
            _buffer = new byte[length * 2];
        }

        var bytes = _buffer.AsSpan(0, length);
        BinaryPrimitives.WriteInt32LittleEndian(bytes, entry.Database);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[4..], entry.ExpiresAtMs ?? NoExpiry);
        BinaryPrimitives.WriteUInt128LittleEndian(bytes[12..], entry.ValueDigest);
        entry.Key.CopyTo(bytes[Fixed..]);
        return ValueDigest.Of(bytes);
    }

    private sealed class Sum
    {
        public long Keys { get; set; }

        public long Expiring { get; set; }

        public UInt128 Digest { get; set; }

        public SortedDictionary<string, long> Types { get; } = new(StringComparer.Ordinal);
    }
}
