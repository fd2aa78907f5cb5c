using System.Runtime.CompilerServices;
using Hexabase.DrConsole.Engine.Repository.Crypto;
using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Repository.Packs;

namespace Hexabase.DrConsole.Engine.Repository.Streams;

/// <summary>Reads content back in order while chunks further on are fetched and verified by workers.</summary>
internal sealed class ContentReader(BlobReader blobs, int workers)
{
    private const int MaxDepth = 8;

    /// <summary>The content's chunks in order; lists are read on the way, so memory does not grow with the content.</summary>
    /// <param name="root">Where it begins.</param>
    /// <param name="onList">Told the id of every list on the way; for verification.</param>
    /// <param name="isKnown">Asked with the id and depth of every list; one that it knows is passed over with all below.</param>
    /// <param name="ct">Ends the walk.</param>
    public async IAsyncEnumerable<ChunkRef> ChunksAsync(
        ContentRoot root, Action<ChunkId>? onList = null, Func<ChunkId, int, bool>? isKnown = null, [EnumeratorCancellation] CancellationToken ct = default)
    {
        if (root.Id is not { } id)
        {
            yield break;
        }

        if (root.Depth is < 0 or > MaxDepth)
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
            rows = ChunkList.Decode(bytes.Span);
        }

        foreach (var row in rows)
        {
            if (root.Depth == 1)
            {
                yield return row;
                continue;
            }

            await foreach (var chunk in ChunksAsync(new ContentRoot(root.Depth - 1, row.Id, row.Length), onList, isKnown, ct))
            {
                yield return chunk;
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
            await foreach (var chunk in ChunksAsync(root, ct: ct))
            {
                running.Enqueue(Task.Run(() => blobs.ReadAsync(chunk.Id, type, ct), ct));
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

    private static async Task<int> DrainOneAsync(Queue<Task<PooledBytes>> running, Func<ReadOnlyMemory<byte>, ValueTask> sink)
    {
        using var bytes = await running.Dequeue();
        await sink(bytes.Memory);
        return bytes.Length;
    }
}
