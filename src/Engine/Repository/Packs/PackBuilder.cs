using System.Buffers.Binary;
using System.Security.Cryptography;
using Hexabase.DrConsole.Engine.Repository.Crypto;
using Hexabase.DrConsole.Engine.Repository.Format;

namespace Hexabase.DrConsole.Engine.Repository.Packs;

/// <summary>A pack in the making: header, blobs one after the other, trailer. Not thread-safe.</summary>
internal sealed class PackBuilder
{
    public const int HeaderLength = 16;
    private const int FirstCapacity = 256 * 1024;
    private const long LastCapacity = RepositoryFormat.PackTargetLength + (12L * 1024 * 1024);
    private readonly List<PackEntry> _entries = [];
    private byte[] _buffer = GC.AllocateUninitializedArray<byte>(FirstCapacity);

    public PackBuilder(PackKind kind, int ordinal)
    {
        Kind = kind;
        Ordinal = ordinal;
        Reset(ordinal);
    }

    public PackKind Kind { get; }

    /// <summary>The number under which the session's index knows this pack.</summary>
    public int Ordinal { get; private set; }

    public int Length { get; private set; }

    public bool IsEmpty => _entries.Count == 0;

    public bool IsFull => Length >= RepositoryFormat.PackTargetLength || _entries.Count >= RepositoryFormat.PackMaxBlobs;

    /// <summary>Appends a sealed blob and tells where it lies.</summary>
    public PackEntry Append(ChunkId id, ObjectType type, ReadOnlySpan<byte> stored, int rawLength)
    {
        Reserve(stored.Length);
        stored.CopyTo(_buffer.AsSpan(Length));
        var entry = new PackEntry(id, type, (uint)Length, (uint)stored.Length, (uint)rawLength);
        _entries.Add(entry);
        Length += stored.Length;
        return entry;
    }

    /// <summary>Writes the trailer. The pack's name is the SHA-256 of what this returns; valid until <see cref="Reset"/>.</summary>
    public ReadOnlyMemory<byte> Close(KeyRing keys)
    {
        var trailer = PackTrailer.Encode(keys, _entries);
        Reserve(trailer.Length);
        trailer.CopyTo(_buffer.AsSpan(Length));
        Length += trailer.Length;
        return _buffer.AsMemory(0, Length);
    }

    /// <summary>Begins another pack in the same buffer.</summary>
    public void Reset(int ordinal)
    {
        Ordinal = ordinal;
        _entries.Clear();
        WriteHeader(_buffer.AsSpan(0, HeaderLength), Kind);
        Length = HeaderLength;
    }

    /// <summary>The first bytes of every pack of a kind.</summary>
    public static void WriteHeader(Span<byte> header, PackKind kind)
    {
        header.Clear();
        RepositoryFormat.PackMagic.CopyTo(header);
        BinaryPrimitives.WriteUInt16LittleEndian(header[8..], RepositoryFormat.Version);
        header[10] = (byte)kind;
    }

    /// <summary>The object key of a pack by the hex of its SHA-256.</summary>
    public static string KeyOf(string name) => $"packs/{name[..2]}/{name}";

    public static string NameOf(ReadOnlySpan<byte> pack) => Convert.ToHexStringLower(SHA256.HashData(pack));

    private void Reserve(int more)
    {
        if (Length + more <= _buffer.Length)
        {
            return;
        }

        // Few, large steps: pages that are never touched cost nothing, discarded buffers do.
        var larger = GC.AllocateUninitializedArray<byte>((int)Math.Max(Length + (long)more, Math.Min(16L * _buffer.Length, LastCapacity)));
        _buffer.AsSpan(0, Length).CopyTo(larger);
        _buffer = larger;
    }
}
