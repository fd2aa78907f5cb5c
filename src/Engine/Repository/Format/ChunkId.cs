using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Hexabase.DrConsole.Engine.Repository.Format;

/// <summary>The name of a chunk: HMAC-SHA256 of its plaintext under the repository's id key; 32 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct ChunkId : IComparable<ChunkId>
{
    public const int Length = 32;

    private readonly ulong _a;
    private readonly ulong _b;
    private readonly ulong _c;
    private readonly ulong _d;

    public ChunkId(ReadOnlySpan<byte> bytes)
    {
        // Big-endian words make the numeric order the order of the bytes, which segments are sorted by.
        _a = BinaryPrimitives.ReadUInt64BigEndian(bytes);
        _b = BinaryPrimitives.ReadUInt64BigEndian(bytes[8..]);
        _c = BinaryPrimitives.ReadUInt64BigEndian(bytes[16..]);
        _d = BinaryPrimitives.ReadUInt64BigEndian(bytes[24..32]);
    }

    /// <summary>The first 64 bits; ids are uniformly distributed, so this is a hash already.</summary>
    public ulong Head => _a;

    public static ChunkId Parse(string hex)
    {
        if (hex is not { Length: Length * 2 } || !hex.All(char.IsAsciiHexDigitLower))
        {
            throw new EngineException(
                "bad-chunk-id", ErrorKind.Damaged, $"'{hex}' is not a chunk id", "run 'drconsole repository check' on this store");
        }

        return new ChunkId(Convert.FromHexString(hex));
    }

    public void CopyTo(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt64BigEndian(destination, _a);
        BinaryPrimitives.WriteUInt64BigEndian(destination[8..], _b);
        BinaryPrimitives.WriteUInt64BigEndian(destination[16..], _c);
        BinaryPrimitives.WriteUInt64BigEndian(destination[24..], _d);
    }

    public int CompareTo(ChunkId other)
    {
        var order = _a.CompareTo(other._a);
        order = order != 0 ? order : _b.CompareTo(other._b);
        order = order != 0 ? order : _c.CompareTo(other._c);
        return order != 0 ? order : _d.CompareTo(other._d);
    }

    public override int GetHashCode() => _a.GetHashCode();

    public override string ToString()
    {
        Span<byte> bytes = stackalloc byte[Length];
        CopyTo(bytes);
        return Convert.ToHexStringLower(bytes);
    }

    public static bool operator <(ChunkId left, ChunkId right) => left.CompareTo(right) < 0;

    public static bool operator <=(ChunkId left, ChunkId right) => left.CompareTo(right) <= 0;

    public static bool operator >(ChunkId left, ChunkId right) => left.CompareTo(right) > 0;

    public static bool operator >=(ChunkId left, ChunkId right) => left.CompareTo(right) >= 0;
}

/// <summary>A chunk or a list of chunks, and how many bytes of content it stands for.</summary>
internal readonly record struct ChunkRef(ChunkId Id, long Length);
