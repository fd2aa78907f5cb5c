using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;
using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Repository.Streams;

namespace Hexabase.DrConsole.Engine.Repository.Trees;

/// <summary>The bytes of a node: a u32 with the length of the rest, then the fields, all little-endian.</summary>
internal static class TreeNodeCodec
{
    /// <summary>No record is longer; extended attributes are at most 64 KiB each.</summary>
    public const int MaxRecordLength = 64 * 1024 * 1024;

    private const int FlushBytes = 64 * 1024;
    private const byte HasContent = 1;
    private const byte IsSparse = 2;

    /// <summary>Writes one record.</summary>
    /// <param name="output">Gets the record.</param>
    /// <param name="node">The node.</param>
    /// <param name="body">A buffer to build it in, since its length comes first; emptied before and kept for the next.</param>
    public static void Write(IBufferWriter<byte> output, TreeNode node, ArrayBufferWriter<byte> body)
    {
        body.ResetWrittenCount();
        body.Write([(byte)node.Kind]);
        WriteBytes(body, node.Path);
        WriteU32(body, node.Mode);
        WriteU32(body, node.User);
        WriteU32(body, node.Group);
        WriteTime(body, node.Modified);
        WriteTime(body, node.Changed);
        WriteU64(body, node.Inode);
        WriteU64(body, node.Device);
        WriteU32(body, node.Links);
        WriteU32(body, (uint)node.Attributes.Count);
        foreach (var attribute in node.Attributes)
        {
            WriteBytes(body, attribute.Name);
            WriteBytes(body, attribute.Value);
        }

        switch (node.Kind)
        {
            case TreeNodeKind.File:
                WriteContent(body, node);
                break;
            case TreeNodeKind.SymbolicLink or TreeNodeKind.HardLink:
                WriteBytes(body, node.Target);
                break;
            case TreeNodeKind.CharacterDevice or TreeNodeKind.BlockDevice:
                WriteU64(body, node.NodeDevice);
                break;
        }

        WriteU32(output, (uint)body.WrittenCount);
        output.Write(body.WrittenSpan);
    }

    /// <summary>Writes one record into a pipe, which is flushed whenever enough has come together.</summary>
    public static async ValueTask WriteAsync(PipeWriter output, TreeNode node, ArrayBufferWriter<byte> body, CancellationToken ct)
    {
        Write(output, node, body);
        if (output.UnflushedBytes > FlushBytes)
        {
            await output.FlushAsync(ct);
        }
    }

    /// <summary>Reads one record's fields (without the length before them).</summary>
    /// <exception cref="EngineException">Kind Damaged, or Unsupported for an unknown kind of node.</exception>
    public static TreeNode Read(ReadOnlySpan<byte> body)
    {
        var kind = body.Length > 0 ? (TreeNodeKind)body[0] : 0;
        if (!Enum.IsDefined(kind))
        {
            throw RepositoryFormat.UnknownType("a node of a file tree", $"{(byte)kind}");
        }

        try
        {
            var reader = new Reader(body[1..]);
            var node = new TreeNode
            {
                Kind = kind,
                Path = reader.Bytes(),
                Mode = reader.U32(),
                User = reader.U32(),
                Group = reader.U32(),
                Modified = reader.Time(),
                Changed = reader.Time(),
                Inode = reader.U64(),
                Device = reader.U64(),
                Links = reader.U32(),
                Attributes = reader.Attributes(),
            };
            return kind switch
            {
                TreeNodeKind.File => ReadContent(node, ref reader),
                TreeNodeKind.SymbolicLink or TreeNodeKind.HardLink => node with { Target = reader.Bytes() },
                TreeNodeKind.CharacterDevice or TreeNodeKind.BlockDevice => node with { NodeDevice = reader.U64() },
                _ => node,
            };
        }
        catch (ArgumentOutOfRangeException error)
        {
            throw new EngineException("tree-invalid", ErrorKind.Damaged, "a node of a file tree is cut", "run 'drconsole repository check'", error);
        }
    }

    private static void WriteContent(ArrayBufferWriter<byte> body, TreeNode node)
    {
        WriteU64(body, (ulong)node.Size);
        body.Write([(byte)((node.Content.Id is null ? 0 : HasContent) | (node.Extents is null ? 0 : IsSparse)), (byte)node.Content.Depth]);
        WriteU64(body, (ulong)node.Content.Length);
        if (node.Content.Id is { } id)
        {
            id.CopyTo(body.GetSpan(ChunkId.Length));
            body.Advance(ChunkId.Length);
        }

        if (node.Extents is { } extents)
        {
            WriteU32(body, (uint)extents.Count);
            foreach (var extent in extents)
            {
                WriteU64(body, (ulong)extent.Offset);
                WriteU64(body, (ulong)extent.Length);
            }
        }
    }

    private static TreeNode ReadContent(TreeNode node, ref Reader reader)
    {
        var size = (long)reader.U64();
        var (flags, depth) = (reader.U8(), reader.U8());
        var length = (long)reader.U64();
        ChunkId? id = (flags & HasContent) != 0 ? new ChunkId(reader.Take(ChunkId.Length)) : null;
        List<Extent>? extents = null;
        if ((flags & IsSparse) != 0)
        {
            extents = [];
            for (var count = reader.U32(); count > 0; count--)
            {
                extents.Add(new Extent((long)reader.U64(), (long)reader.U64()));
            }
        }

        return node with { Size = size, Content = new ContentRoot(depth, id, length), Extents = extents };
    }

    private static void WriteU32(IBufferWriter<byte> output, uint value)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(output.GetSpan(sizeof(uint)), value);
        output.Advance(sizeof(uint));
    }

    private static void WriteU64(ArrayBufferWriter<byte> output, ulong value)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(output.GetSpan(sizeof(ulong)), value);
        output.Advance(sizeof(ulong));
    }

    private static void WriteTime(ArrayBufferWriter<byte> output, FileTime time)
    {
        WriteU64(output, (ulong)time.Seconds);
        WriteU32(output, time.Nanoseconds);
    }

    private static void WriteBytes(ArrayBufferWriter<byte> output, ReadOnlySpan<byte> bytes)
    {
        WriteU32(output, (uint)bytes.Length);
        output.Write(bytes);
    }

    /// <summary>Reads fields one after the other; a read beyond the end throws <see cref="ArgumentOutOfRangeException"/>.</summary>
    private ref struct Reader(ReadOnlySpan<byte> rest)
    {
        private ReadOnlySpan<byte> _rest = rest;

        public ReadOnlySpan<byte> Take(int length)
        {
            var taken = _rest[..length];
            _rest = _rest[length..];
            return taken;
        }

        public byte U8() => Take(1)[0];

        public uint U32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(sizeof(uint)));

        public ulong U64() => BinaryPrimitives.ReadUInt64LittleEndian(Take(sizeof(ulong)));

        public FileTime Time() => new((long)U64(), U32());

        public byte[] Bytes() => Take((int)Math.Min(U32(), int.MaxValue)).ToArray();

        public List<ExtendedAttribute> Attributes()
        {
            var attributes = new List<ExtendedAttribute>();
            for (var count = U32(); count > 0; count--)
            {
                attributes.Add(new ExtendedAttribute(Bytes(), Bytes()));
            }

            return attributes;
        }
    }
}
