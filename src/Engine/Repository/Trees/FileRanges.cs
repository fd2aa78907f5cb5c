using System.Buffers;
using Hexabase.DrConsole.Engine.Repository.Crypto;
using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Repository.Index;
using Hexabase.DrConsole.Engine.Repository.Packs;

namespace Hexabase.DrConsole.Engine.Repository.Trees;

/// <summary>A file to be written whose content is one chunk, or nothing.</summary>
/// <param name="Node">The file.</param>
/// <param name="Replaces">True where something has its name already.</param>
/// <param name="Place">Where its chunk lies; of length 0 where no present pack is known to hold it.</param>
internal readonly record struct SmallFile(TreeNode Node, bool Replaces, BlobLocation Place);

/// <summary>
/// Writes small files in the order in which their chunks lie in the packs: neighbours are fetched by one read, and a chunk
/// that several files share is opened once.
/// </summary>
internal sealed class FileRanges(RepositoryParts parts, RestoreTarget target, FileWriter writer)
{
    private const int MaxRange = 4 * 1024 * 1024;
    private const int MaxFiles = 256;

    /// <summary>Writes all files.</summary>
    /// <exception cref="EngineException">Kind Damaged naming the pack where a chunk cannot be read.</exception>
    public Task WriteAsync(List<SmallFile> files, CancellationToken ct)
    {
        files.Sort((left, right) => (left.Place.Pack, left.Place.Offset).CompareTo((right.Place.Pack, right.Place.Offset)));
        var options = new ParallelOptions { MaxDegreeOfParallelism = parts.Options.Workers, CancellationToken = ct };
        return Parallel.ForEachAsync(PackRanges.Cut([.. files], file => file.Place, MaxRange, MaxFiles), options, (range, token) => new ValueTask(WriteRangeAsync(range, token)));
    }

    private async Task WriteRangeAsync(ArraySegment<SmallFile> range, CancellationToken ct)
    {
        using var cursor = target.Cursor();
        var first = range[0].Place;
        using var stored = await TryFetchAsync(first, range, ct);
        var (openId, open) = ((ChunkId?)null, default(PooledBytes));
        try
        {
            foreach (var file in range)
            {
                ct.ThrowIfCancellationRequested();
                if (file.Node.Content.Id is not { } id)
                {
                    writer.Write(cursor, file.Node, file.Replaces, []);
                    continue;
                }

                // Opening works in place, so a chunk that the next file shares is kept. Known by its id: chunks whose place
                // is not known all seem to lie at the same one.
                if (openId != id)
                {
                    if (openId is not null)
                    {
                        openId = null;
                        open.Dispose();
                    }

                    open = await OpenAsync(id, stored, file.Place, first.Offset, ct);
                    openId = id;
                }

                writer.Write(cursor, file.Node, file.Replaces, open.Span);
            }
        }
        finally
        {
            if (openId is not null)
            {
                open.Dispose();
            }
        }
    }

    /// <summary>The bytes of a range; empty where they cannot be read, then each chunk is looked for on its own.</summary>
    private async Task<PooledBytes> TryFetchAsync(BlobLocation first, ArraySegment<SmallFile> range, CancellationToken ct)
    {
        var length = (int)(range.Max(file => PackRanges.End(file.Place)) - first.Offset);
        if (first.StoredLength == 0)
        {
            return new PooledBytes(ArrayPool<byte>.Shared.Rent(1), 0);
        }

        var bytes = new PooledBytes(ArrayPool<byte>.Shared.Rent(length), length);
        var isRead = false;
        try
        {
            await parts.Store.ReadAsync(PackBuilder.KeyOf(parts.Index.Index.Pack(first.Pack).Name), first.Offset, bytes.WritableMemory, ct);
            isRead = true;
            return bytes;
        }
        catch (EngineException error) when (error.Kind is ErrorKind.NotFound or ErrorKind.Damaged)
        {
            return new PooledBytes(ArrayPool<byte>.Shared.Rent(1), 0);
        }
        finally
        {
            if (!isRead)
            {
                bytes.Dispose();
            }
        }
    }

    private async Task<PooledBytes> OpenAsync(ChunkId id, PooledBytes stored, BlobLocation place, long start, CancellationToken ct)
    {
        var at = (int)(place.Offset - start);
        if (place.StoredLength > 0 && stored.Length >= at + (int)place.StoredLength
            && BlobCodec.TryOpen(parts.Keys, place.Type, id, stored.Writable.Slice(at, (int)place.StoredLength), out var plain) == BlobFault.None)
        {
            return plain;
        }

        // Another pack may hold it whole; if none does, this names the damaged one.
        return await parts.Blobs.ReadAsync(id, ObjectType.Stream, ct);
    }
}
