using System.Buffers.Binary;
using Hexabase.DrConsole.Engine.Repository.Format;

namespace Hexabase.DrConsole.Engine.Repository.Streams;

/// <summary>The bytes of a chunk list: rows of id (32) and length (u64).</summary>
internal static class ChunkList
{
    public const int RowLength = ChunkId.Length + sizeof(ulong);
    private const int MinRows = 512;
    private const int MaxRows = 8192;
    private const ulong CutMask = 0x7FF;

    /// <summary>Lists are cut by content too, so that a change in a long stream stores few lists anew.</summary>
    public static bool EndsAfter(int rows, ChunkId last) => rows >= MaxRows || (rows >= MinRows && (last.Head & CutMask) == 0);

    public static byte[] Encode(IReadOnlyList<ChunkRef> rows)
    {
        var bytes = new byte[rows.Count * RowLength];
        for (var i = 0; i < rows.Count; i++)
        {
            rows[i].Id.CopyTo(bytes.AsSpan(i * RowLength));
            BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan((i * RowLength) + ChunkId.Length), (ulong)rows[i].Length);
        }

        return bytes;
    }

    public static ChunkRef[] Decode(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length == 0 || bytes.Length % RowLength != 0)
        {
            throw new EngineException("chunk-list-invalid", ErrorKind.Damaged, "a chunk list has an impossible length", "run 'drconsole repository check'");
        }

        var rows = new ChunkRef[bytes.Length / RowLength];
        for (var i = 0; i < rows.Length; i++)
        {
            var row = bytes.Slice(i * RowLength, RowLength);
            rows[i] = new ChunkRef(new ChunkId(row), (long)BinaryPrimitives.ReadUInt64LittleEndian(row[ChunkId.Length..]));
        }

        return rows;
    }
}
