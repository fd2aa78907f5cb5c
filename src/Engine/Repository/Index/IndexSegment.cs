using System.Buffers.Binary;
using Hexabase.DrConsole.Engine.Repository.Crypto;
using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Repository.Packs;

namespace Hexabase.DrConsole.Engine.Repository.Index;

/// <summary>What a stored segment covers.</summary>
/// <param name="Packs">Ordinals of packs.</param>
/// <param name="Entries">How many entries it has.</param>
internal sealed record SegmentContent(int[] Packs, int Entries);

/// <summary>
/// A stored, immutable part of the index: a table of packs, then entries sorted by chunk id. Only a shortcut: everything in
/// it can be read from the packs' trailers.
/// </summary>
internal static class IndexSegment
{
    public const string Prefix = "index/";
    private const int BlockEntries = 1024;
    private const int PackLength = 32 + 1 + sizeof(ulong);
    private const int EntryLength = ChunkId.Length + 1 + (4 * sizeof(uint));

    public static string KeyOf(Guid id) => Prefix + id.ToString("N");

    /// <summary>Encodes entries whose pack numbers count the rows of <paramref name="packs"/>.</summary>
    public static byte[] Encode(KeyRing keys, Guid id, IReadOnlyList<IndexedPack> packs, IReadOnlyList<BlobLocation> sorted)
    {
        var rows = new Dictionary<int, uint>(packs.Count);
        var plain = new byte[8 + (packs.Count * PackLength) + (sorted.Count * EntryLength)];
        BinaryPrimitives.WriteUInt32LittleEndian(plain, (uint)packs.Count);
        BinaryPrimitives.WriteUInt32LittleEndian(plain.AsSpan(4), (uint)sorted.Count);
        var at = plain.AsSpan(8);
        foreach (var pack in packs)
        {
            rows.Add(pack.Ordinal, (uint)rows.Count);
            Convert.FromHexString(pack.Name, at[..32], out _, out _);
            at[32] = (byte)pack.Kind;
            BinaryPrimitives.WriteUInt64LittleEndian(at[33..], (ulong)pack.Length);
            at = at[PackLength..];
        }

        foreach (var entry in sorted)
        {
            entry.Id.CopyTo(at);
            at[32] = (byte)entry.Type;
            BinaryPrimitives.WriteUInt32LittleEndian(at[33..], rows[entry.Pack]);
            BinaryPrimitives.WriteUInt32LittleEndian(at[37..], entry.Offset);
            BinaryPrimitives.WriteUInt32LittleEndian(at[41..], entry.StoredLength);
            BinaryPrimitives.WriteUInt32LittleEndian(at[45..], entry.RawLength);
            at = at[EntryLength..];
        }

        return Envelope.Seal(keys, ObjectType.IndexSegment, id, plain);
    }

    /// <summary>
    /// Adds a segment's packs and entries to the index in memory; the entries of packs that it knows already are skipped.
    /// Returns the ordinals of all its packs, and how many entries it has.
    /// </summary>
    /// <exception cref="EngineException">Kind Damaged or Unsupported.</exception>
    public static SegmentContent AddTo(ChunkIndex index, KeyRing keys, Guid id, string key, Span<byte> sealedBytes)
    {
        using var opened = Envelope.OpenInPlace(keys, ObjectType.IndexSegment, id, key, sealedBytes);
        var plain = opened.Span;
        var packCount = plain.Length >= 8 ? BinaryPrimitives.ReadUInt32LittleEndian(plain) : uint.MaxValue;
        var entryCount = plain.Length >= 8 ? BinaryPrimitives.ReadUInt32LittleEndian(plain[4..]) : uint.MaxValue;
        if (plain.Length != 8 + ((long)packCount * PackLength) + ((long)entryCount * EntryLength))
        {
            throw new EngineException("object-damaged", ErrorKind.Damaged, $"{key} has a table of another length", "run 'drconsole repository check'");
        }

        var packs = new IndexedPack[packCount];
        var isNew = new bool[packCount];
        var at = plain[8..];
        for (var i = 0; i < packs.Length; i++)
        {
            var name = Convert.ToHexStringLower(at[..32]);
            isNew[i] = index.FindPack(name) is null;
            packs[i] = index.AddPack(name, (PackKind)at[32], (long)BinaryPrimitives.ReadUInt64LittleEndian(at[33..]));
            at = at[PackLength..];
        }

        AddEntries(index, key, at, packs, isNew);
        return new SegmentContent([.. packs.Select(pack => pack.Ordinal)], (int)entryCount);
    }

    /// <summary>Block by block, so that the index is locked once for many.</summary>
    private static void AddEntries(ChunkIndex index, string key, ReadOnlySpan<byte> at, IndexedPack[] packs, bool[] isNew)
    {
        var block = new BlobLocation[BlockEntries];
        var filled = 0;
        for (; at.Length > 0; at = at[EntryLength..])
        {
            var row = BinaryPrimitives.ReadUInt32LittleEndian(at[33..]);
            var type = (ObjectType)at[32];
            if (!ObjectTypes.IsBlob(type))
            {
                throw RepositoryFormat.UnknownType($"an entry of {key}", $"{at[32]}");
            }

            if (!isNew[row])
            {
                continue;
            }

            block[filled++] = new BlobLocation(
                new ChunkId(at), type, packs[row].Ordinal, BinaryPrimitives.ReadUInt32LittleEndian(at[37..]),
                BinaryPrimitives.ReadUInt32LittleEndian(at[41..]), BinaryPrimitives.ReadUInt32LittleEndian(at[45..]));
            if (filled == block.Length)
            {
                index.Add(block);
                filled = 0;
            }
        }

        index.Add(block.AsSpan(0, filled));
    }

    /// <summary>About how many entries segments of that many bytes hold, at most.</summary>
    public static int EntriesIn(long bytes) => (int)Math.Min(bytes / EntryLength, int.MaxValue);
}
