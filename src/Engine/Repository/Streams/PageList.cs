using System.Buffers.Binary;
using Hexabase.DrConsole.Engine.Repository.Format;

namespace Hexabase.DrConsole.Engine.Repository.Streams;

/// <summary>
/// The bytes of a page list, which a file of pages has in a chunk list's place once pages of it changed: chunks that it leans
/// on (count; id 32, length 4), then stretches (count; id 32, length 4, number of runs 2, and per run: row of the chunk 4,
/// offset 4, length 4; a stretch that is a chunk has one run over all of it). All chunks are named at the head and are stored whole,
/// so whoever follows references needs no more of it, and a reader never goes deeper than one chunk.
/// </summary>
internal static class PageList
{
    /// <summary>The depth of a root that is one. Readers that do not know it refuse it as too deep.</summary>
    public const int Depth = 64;

    /// <summary>No file with more stretches gets one: of 256 KiB each that is a file of 2 GiB, and PostgreSQL's have 1 GiB.</summary>
    public const int MaxStretches = 8192;

    private const int SourceLength = ChunkId.Length + sizeof(uint);
    private const int StretchLength = ChunkId.Length + sizeof(uint) + sizeof(ushort);
    private const int RunLength = 3 * sizeof(uint);

    public static byte[] Encode(IReadOnlyList<Stretch> stretches)
    {
        var rows = new Dictionary<ChunkId, int>();
        var sources = new List<ChunkRef>();
        foreach (var source in stretches.SelectMany(stretch => stretch.Sources))
        {
            if (rows.TryAdd(source.Id, sources.Count))
            {
                sources.Add(source);
            }
        }

        var runs = stretches.Sum(stretch => Math.Max(1, stretch.Runs.Count));
        var bytes = new byte[(2 * sizeof(uint)) + (sources.Count * SourceLength) + (stretches.Count * StretchLength) + (runs * RunLength)];
        var at = 0;
        PutU32(bytes, ref at, sources.Count);
        foreach (var source in sources)
        {
            PutId(bytes, ref at, source.Id);
            PutU32(bytes, ref at, (int)source.Length);
        }

        PutU32(bytes, ref at, stretches.Count);
        foreach (var stretch in stretches)
        {
            PutId(bytes, ref at, stretch.Id);
            PutU32(bytes, ref at, (int)stretch.Length);
            BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(at), (ushort)Math.Max(1, stretch.Runs.Count));
            at += sizeof(ushort);
            foreach (var run in stretch.IsChunk ? [new PageRun(stretch.Id, (int)stretch.Length, 0, (int)stretch.Length)] : stretch.Runs)
            {
                PutU32(bytes, ref at, rows[run.Source]);
                PutU32(bytes, ref at, run.Offset);
                PutU32(bytes, ref at, run.Length);
            }
        }

        return bytes;
    }

    /// <summary>The chunks that it leans on: all that closure, prune, copies and checks need to know.</summary>
    public static ChunkRef[] DecodeSources(ReadOnlySpan<byte> bytes) => DecodeSources(bytes, out _);

    /// <summary>All of it.</summary>
    /// <exception cref="EngineException">Kind Damaged where lengths do not fit.</exception>
    public static Stretch[] Decode(ReadOnlySpan<byte> bytes)
    {
        var sources = DecodeSources(bytes, out var at);
        var count = TakeU32(bytes, ref at);
        var stretches = new Stretch[Checked(count, StretchLength + RunLength, bytes.Length - at)];
        for (var i = 0; i < stretches.Length; i++)
        {
            Require(bytes.Length - at >= StretchLength);
            var id = new ChunkId(bytes.Slice(at, ChunkId.Length));
            at += ChunkId.Length;
            var length = TakeU32(bytes, ref at);
            var runs = new PageRun[BinaryPrimitives.ReadUInt16LittleEndian(bytes[at..])];
            at += sizeof(ushort);
            Require(runs.Length > 0 && bytes.Length - at >= runs.Length * RunLength);
            var sum = 0L;
            for (var n = 0; n < runs.Length; n++)
            {
                var row = TakeU32(bytes, ref at);
                Require(row < sources.Length);
                var source = sources[(int)row];
                var (offset, part) = (TakeU32(bytes, ref at), TakeU32(bytes, ref at));
                Require((long)offset + part <= source.Length && part > 0);
                runs[n] = new PageRun(source.Id, (int)source.Length, (int)offset, (int)part);
                sum += part;
            }

            Require(sum == length);
            var isChunk = runs is [{ Offset: 0 } whole] && whole.Source == id;
            stretches[i] = new Stretch(id, length, isChunk ? [] : runs);
        }

        Require(at == bytes.Length);
        return stretches;
    }

    private static ChunkRef[] DecodeSources(ReadOnlySpan<byte> bytes, out int at)
    {
        at = 0;
        var count = TakeU32(bytes, ref at);
        var sources = new ChunkRef[Checked(count, SourceLength, bytes.Length - at)];
        for (var i = 0; i < sources.Length; i++)
        {
            var id = new ChunkId(bytes.Slice(at, ChunkId.Length));
            at += ChunkId.Length;
            var length = TakeU32(bytes, ref at);
            Require(length is > 0 and <= RepositoryFormat.MaxBlobLength);
            sources[i] = new ChunkRef(id, length);
        }

        return sources;
    }

    private static int Checked(uint count, int length, int room)
    {
        Require(count > 0 && count <= room / length);
        return (int)count;
    }

    private static void Require(bool fits)
    {
        if (!fits)
        {
            throw new EngineException("page-list-invalid", ErrorKind.Damaged, "a page list has impossible lengths", "run 'drconsole repository check'");
        }
    }

    private static void PutId(byte[] bytes, ref int at, ChunkId id)
    {
        id.CopyTo(bytes.AsSpan(at));
        at += ChunkId.Length;
    }

    private static void PutU32(byte[] bytes, ref int at, int value)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(at), (uint)value);
        at += sizeof(uint);
    }

    private static uint TakeU32(ReadOnlySpan<byte> bytes, ref int at)
    {
        Require(bytes.Length - at >= sizeof(uint));
        var value = BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);
        at += sizeof(uint);
        return value;
    }
}
