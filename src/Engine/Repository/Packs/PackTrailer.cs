using System.Buffers.Binary;
using Hexabase.DrConsole.Engine.Repository.Crypto;
using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Repository.Packs;

/// <summary>A blob as a pack's table shows it.</summary>
/// <param name="Id">The chunk's id.</param>
/// <param name="Type">What it holds.</param>
/// <param name="Offset">Where it begins in the pack.</param>
/// <param name="StoredLength">Its length in the pack.</param>
/// <param name="RawLength">Its length in the clear.</param>
internal readonly record struct PackEntry(ChunkId Id, ObjectType Type, uint Offset, uint StoredLength, uint RawLength);

/// <summary>
/// The end of a pack: an encrypted object with the blob table, its length (u32) and a magic word. With it the index can be
/// made anew from the packs alone.
/// </summary>
internal static class PackTrailer
{
    public const int EntryLength = ChunkId.Length + 1 + (3 * sizeof(uint));

    /// <summary>Length and magic word behind the encrypted table.</summary>
    public const int TailLength = sizeof(uint) + 8;

    /// <summary>Most trailers are shorter than this, so that one read gets them.</summary>
    private const int UsualLength = 64 * 1024;

    public static byte[] Encode(KeyRing keys, IReadOnlyList<PackEntry> entries)
    {
        var table = new byte[sizeof(uint) + (entries.Count * EntryLength)];
        BinaryPrimitives.WriteUInt32LittleEndian(table, (uint)entries.Count);
        var at = table.AsSpan(sizeof(uint));
        foreach (var entry in entries)
        {
            entry.Id.CopyTo(at);
            at[32] = (byte)entry.Type;
            BinaryPrimitives.WriteUInt32LittleEndian(at[33..], entry.Offset);
            BinaryPrimitives.WriteUInt32LittleEndian(at[37..], entry.StoredLength);
            BinaryPrimitives.WriteUInt32LittleEndian(at[41..], entry.RawLength);
            at = at[EntryLength..];
        }

        var sealedTable = Envelope.Seal(keys, ObjectType.PackTrailer, Guid.NewGuid(), table);
        var trailer = new byte[sealedTable.Length + TailLength];
        sealedTable.CopyTo(trailer, 0);
        BinaryPrimitives.WriteUInt32LittleEndian(trailer.AsSpan(sealedTable.Length), (uint)sealedTable.Length);
        RepositoryFormat.TailMagic.CopyTo(trailer.AsSpan(sealedTable.Length + sizeof(uint)));
        return trailer;
    }

    /// <summary>Reads the blob table at the end of a stored pack.</summary>
    /// <exception cref="EngineException">Kind Damaged, NotFound or Unsupported.</exception>
    public static async Task<List<PackEntry>> ReadAsync(KeyRing keys, IObjectStore store, string key, long length, CancellationToken ct)
    {
        if (length < PackBuilder.HeaderLength + TailLength)
        {
            throw Damaged(key);
        }

        var end = new byte[(int)Math.Min(length, UsualLength)];
        await store.ReadAsync(key, length - end.Length, end, ct);
        if (!end.AsSpan().EndsWith(RepositoryFormat.TailMagic))
        {
            throw Damaged(key);
        }

        var trailerLength = (long)BinaryPrimitives.ReadUInt32LittleEndian(end.AsSpan(end.Length - TailLength));
        if (trailerLength + TailLength > length)
        {
            throw Damaged(key);
        }

        var trailer = new byte[trailerLength];
        if (trailerLength + TailLength <= end.Length)
        {
            end.AsSpan(end.Length - TailLength - (int)trailerLength, (int)trailerLength).CopyTo(trailer);
        }
        else
        {
            await store.ReadAsync(key, length - TailLength - trailerLength, trailer, ct);
        }

        return Decode(key, await Envelope.OpenAsync(keys, ObjectType.PackTrailer, null, key, trailer, ct), length);
    }

    /// <summary>
    /// The blob table of a pack that is in memory, where its parts account for each of its bytes: the header as it is always
    /// written, blobs that follow one another without a gap, the encrypted table, its length and the magic word. Null otherwise.
    /// </summary>
    /// <exception cref="EngineException">Kind Unsupported for an unknown version or type.</exception>
    public static List<PackEntry>? TryReadWhole(KeyRing keys, string key, PackKind kind, ReadOnlySpan<byte> pack)
    {
        Span<byte> header = stackalloc byte[PackBuilder.HeaderLength];
        PackBuilder.WriteHeader(header, kind);
        if (pack.Length < PackBuilder.HeaderLength + TailLength || !pack.StartsWith(header) || !pack.EndsWith(RepositoryFormat.TailMagic))
        {
            return null;
        }

        var end = pack.Length - TailLength - (long)BinaryPrimitives.ReadUInt32LittleEndian(pack[^TailLength..]);
        if (end < PackBuilder.HeaderLength)
        {
            return null;
        }

        var entries = Decode(key, Envelope.Open(keys, ObjectType.PackTrailer, null, key, pack[(int)end..^TailLength]), pack.Length);
        var at = (long)PackBuilder.HeaderLength;
        foreach (var entry in entries)
        {
            if (entry.Offset != at)
            {
                return null;
            }

            at += entry.StoredLength;
        }

        return at == end ? entries : null;
    }

    private static List<PackEntry> Decode(string key, ReadOnlySpan<byte> table, long packLength)
    {
        if (table.Length < sizeof(uint) || (table.Length - sizeof(uint)) % EntryLength != 0
            || BinaryPrimitives.ReadUInt32LittleEndian(table) != (table.Length - sizeof(uint)) / EntryLength)
        {
            throw Damaged(key);
        }

        var entries = new List<PackEntry>((table.Length - sizeof(uint)) / EntryLength);
        for (var at = table[sizeof(uint)..]; at.Length > 0; at = at[EntryLength..])
        {
            var entry = new PackEntry(
                new ChunkId(at), (ObjectType)at[32], BinaryPrimitives.ReadUInt32LittleEndian(at[33..]),
                BinaryPrimitives.ReadUInt32LittleEndian(at[37..]), BinaryPrimitives.ReadUInt32LittleEndian(at[41..]));
            entries.Add(
                !ObjectTypes.IsBlob(entry.Type) ? throw RepositoryFormat.UnknownType($"a blob of {key}", $"{(byte)entry.Type}")
                : entry.Offset + (long)entry.StoredLength > packLength ? throw Damaged(key)
                : entry);
        }

        return entries;
    }

    private static EngineException Damaged(string key) => new(
        "pack-damaged", ErrorKind.Damaged, $"{key} has no readable blob table at its end", "run 'drconsole repository check' on this store")
    {
        Context = new Dictionary<string, string> { ["object"] = key },
    };
}
