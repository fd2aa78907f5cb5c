using System.Buffers;
using System.Runtime.CompilerServices;
using Hexabase.DrConsole.Engine.Repository.Crypto;
using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Repository.Packs;

namespace Hexabase.DrConsole.Engine.Repository.Streams;

/// <summary>The id of bytes.</summary>
internal delegate ChunkId BytesIdentity(ReadOnlySpan<byte> bytes);

/// <summary>Reads content back in order while chunks further on are fetched and verified by workers.</summary>
/// <param name="blobs">Reads chunks.</param>
/// <param name="identity">The id that bytes have in this repository.</param>
/// <param name="workers">How many chunks are fetched at once.</param>
internal sealed class ContentReader(BlobReader blobs, BytesIdentity identity, int workers)
{
    private const int MaxDepth = 8;

    /// <summary>
    /// Every chunk that must be there for the content to be read; lists are read on the way, so memory does not grow with it. These are
    /// not what to write one after the other: a page list leans on chunks of which it uses parts. That is <see cref="StretchesAsync"/>.
    /// </summary>
    /// <param name="root">Where it begins.</param>
    /// <param name="onList">Told the id of every list on the way; for verification.</param>
    /// <param name="isKnown">Asked with the id and depth of every list; one that it knows is passed over with all below.</param>
    /// <param name="ct">Ends the walk.</param>
    public async IAsyncEnumerable<ChunkRef> NeededAsync(
        ContentRoot root, Action<ChunkId>? onList = null, Func<ChunkId, int, bool>? isKnown = null, [EnumeratorCancellation] CancellationToken ct = default)
    {
        if (root.Id is not { } id)
        {
            yield break;
        }

        if (root.Depth is < 0 or (> MaxDepth and not PageList.Depth))
        {
            throw new EngineException("content-depth", ErrorKind.Unsupported, $"content of depth {root.Depth} is not known", "use a newer release of drconsole");
        }

        if (root.Depth == 0)
        {
            yield return new ChunkRef(id, root.Length);
            yield break;
        }

        if (isKnown?.Invoke(id, root.Depth) == true)
        {
            yield break;
        }

        onList?.Invoke(id);
        ChunkRef[] rows;
        using (var bytes = await blobs.ReadAsync(id, ObjectType.ChunkList, ct))
        {
            rows = root.Depth == PageList.Depth ? PageList.DecodeSources(bytes.Span) : ChunkList.Decode(bytes.Span);
        }

        foreach (var row in rows)
        {
            if (root.Depth is 1 or PageList.Depth)
            {
                yield return row;
                continue;
            }

            await foreach (var chunk in NeededAsync(new ContentRoot(root.Depth - 1, row.Id, row.Length), onList, isKnown, ct))
            {
                yield return chunk;
            }
        }
    }

    /// <summary>What the content is made of, in order.</summary>
    public async IAsyncEnumerable<Stretch> StretchesAsync(ContentRoot root, [EnumeratorCancellation] CancellationToken ct = default)
    {
        if (root is not { Depth: PageList.Depth, Id: { } id })
        {
            await foreach (var chunk in NeededAsync(root, ct: ct))
            {
                yield return Stretch.Of(chunk);
            }

            yield break;
        }

        Stretch[] stretches;
        using (var bytes = await blobs.ReadAsync(id, ObjectType.ChunkList, ct))
        {
            stretches = PageList.Decode(bytes.Span);
        }

        foreach (var stretch in stretches)
        {
            yield return stretch;
        }
    }

    /// <summary>The bytes of a stretch, verified by its id. The caller disposes them.</summary>
    /// <param name="stretch">What to read.</param>
    /// <param name="type">The type of its chunks.</param>
    /// <param name="shared">Keeps chunks that neighbours lean on too; null where none does.</param>
    /// <param name="ct">Ends it.</param>
    /// <exception cref="EngineException">Kind Damaged where a chunk is missing or damaged, or what they make is not what was stored.</exception>
    public async Task<PooledBytes> ReadStretchAsync(Stretch stretch, ObjectType type, SharedChunks? shared, CancellationToken ct)
    {
        if (stretch.IsChunk)
        {
            return await blobs.ReadAsync(stretch.Id, type, ct);
        }

        var bytes = new PooledBytes(ArrayPool<byte>.Shared.Rent((int)stretch.Length), (int)stretch.Length);
        var isWhole = false;
        try
        {
            foreach (var source in stretch.Runs.Select(run => run.Source).Distinct())
            {
                if (shared is not null && await shared.TryReadAsync(source, type, ct) is { } kept)
                {
                    Copy(stretch, source, kept, bytes.Writable);
                    continue;
                }

                using var chunk = await blobs.ReadAsync(source, type, ct);
                Copy(stretch, source, chunk.Span, bytes.Writable);
            }

            isWhole = identity(bytes.Span) == stretch.Id;
            return isWhole ? bytes : throw new EngineException(
                "stretch-differs", ErrorKind.Damaged, $"the pages of stretch {stretch.Id.ToString()[..16]} make something else than was stored",
                "take another restore point, and tell us: its chunks are whole");
        }
        finally
        {
            if (!isWhole)
            {
                bytes.Dispose();
            }
        }
    }

    /// <summary>Gives all bytes to <paramref name="sink"/>, chunk by chunk, in order.</summary>
    /// <exception cref="EngineException">Kind Damaged where a chunk is missing or damaged, or the lengths do not add up.</exception>
    public async Task ReadAsync(ContentRoot root, ObjectType type, Func<ReadOnlyMemory<byte>, ValueTask> sink, CancellationToken ct)
    {
        var running = new Queue<Task<PooledBytes>>();
        var length = 0L;
        try
        {
            var shared = root.Depth == PageList.Depth ? new SharedChunks(blobs) : null;
            await foreach (var stretch in StretchesAsync(root, ct))
            {
                running.Enqueue(Task.Run(() => ReadStretchAsync(stretch, type, shared, ct), ct));
                if (running.Count > workers)
                {
                    length += await DrainOneAsync(running, sink);
                }
            }

            while (running.Count > 0)
            {
                length += await DrainOneAsync(running, sink);
            }
        }
        finally
        {
            foreach (var task in running)
            {
                await ((Task)task).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                if (task.IsCompletedSuccessfully)
                {
                    (await task).Dispose();
                }
            }
        }

        if (length != root.Length)
        {
            throw new EngineException(
                "content-length", ErrorKind.Damaged, $"content has {length} bytes where {root.Length} were stored", "run 'drconsole repository check'");
        }
    }

    /// <summary>Gives the bytes of a part to <paramref name="sink"/>, in order; only the lists and chunks that hold some of it are read.</summary>
    /// <param name="root">Where the content begins.</param>
    /// <param name="type">The type of its chunks.</param>
    /// <param name="offset">The part's first byte.</param>
    /// <param name="length">How many bytes it has.</param>
    /// <param name="sink">Gets the bytes.</param>
    /// <param name="ct">Ends it.</param>
    /// <exception cref="EngineException">Kind Damaged where one of them is missing or damaged; <c>content-range</c> where the content ends before the part.</exception>
    public async Task ReadRangeAsync(ContentRoot root, ObjectType type, long offset, long length, Func<ReadOnlyMemory<byte>, ValueTask> sink, CancellationToken ct)
    {
        if (offset < 0 || length < 0 || offset > root.Length - length)
        {
            throw new EngineException(
                "content-range", ErrorKind.Damaged, $"content has {root.Length} bytes, and {length} from {offset} on are asked for", "run 'drconsole repository check'");
        }

        var end = offset + length;
        await foreach (var (begin, stretch) in OverlappingAsync(root, 0, offset, end, ct))
        {
            using var bytes = await ReadStretchAsync(stretch, type, null, ct);
            if (bytes.Length != stretch.Length)
            {
                throw new EngineException(
                    "content-length", ErrorKind.Damaged, $"a chunk has {bytes.Length} bytes where {stretch.Length} were stored", "run 'drconsole repository check'");
            }

            var from = (int)Math.Max(0, offset - begin);
            await sink(bytes.Memory[from..(int)Math.Min(bytes.Length, end - begin)]);
        }
    }

    /// <summary>What holds bytes of a part, each with where it begins. A row says how much content is below it, so that what is beside the part is passed over.</summary>
    private async IAsyncEnumerable<(long Begin, Stretch Stretch)> OverlappingAsync(
        ContentRoot root, long begin, long offset, long end, [EnumeratorCancellation] CancellationToken ct)
    {
        if (root.Depth is 0 or PageList.Depth)
        {
            await foreach (var stretch in StretchesAsync(root, ct))
            {
                if (begin < end && begin + stretch.Length > offset)
                {
                    yield return (begin, stretch);
                }

                begin += stretch.Length;
            }

            yield break;
        }

        if (root.Depth is < 0 or > MaxDepth)
        {
            throw new EngineException("content-depth", ErrorKind.Unsupported, $"content of depth {root.Depth} is not known", "use a newer release of drconsole");
        }

        ChunkRef[] rows;
        using (var bytes = await blobs.ReadAsync(root.Id!.Value, ObjectType.ChunkList, ct))
        {
            rows = ChunkList.Decode(bytes.Span);
        }

        foreach (var row in rows)
        {
            if (begin < end && begin + row.Length > offset)
            {
                await foreach (var found in OverlappingAsync(new ContentRoot(root.Depth - 1, row.Id, row.Length), begin, offset, end, ct))
                {
                    yield return found;
                }
            }

            begin += row.Length;
        }
    }

    private static void Copy(Stretch stretch, ChunkId source, ReadOnlySpan<byte> chunk, Span<byte> to)
    {
        foreach (var run in stretch.Runs)
        {
            if (run.Source == source)
            {
                if (run.Offset + run.Length > chunk.Length)
                {
                    throw new EngineException("page-list-invalid", ErrorKind.Damaged, $"a page list wants more of chunk {source.ToString()[..16]} than there is", "run 'drconsole repository check'");
                }

                chunk.Slice(run.Offset, run.Length).CopyTo(to);
            }

            to = to[run.Length..];
        }
    }

    private static async Task<int> DrainOneAsync(Queue<Task<PooledBytes>> running, Func<ReadOnlyMemory<byte>, ValueTask> sink)
    {
        using var bytes = await running.Dequeue();
        await sink(bytes.Memory);
        return bytes.Length;
    }
}
