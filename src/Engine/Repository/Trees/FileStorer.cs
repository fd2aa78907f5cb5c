using System.Buffers;
using Hexabase.DrConsole.Engine.Repository.Chunking;
using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Repository.Packs;
using Hexabase.DrConsole.Engine.Repository.Streams;
using Microsoft.Win32.SafeHandles;

namespace Hexabase.DrConsole.Engine.Repository.Trees;

/// <summary>Stores the content of one file: small ones whole, larger ones in chunks, sparse ones without their holes.</summary>
internal sealed class FileStorer(BlobWriter blobs, ContentWriter contents, ContentReader stored, StoredTally tally, TreeWarnings warnings, ProgressMeter meter)
{
    /// <summary>A file that changed this shortly before the parent was taken may have changed again within the same clock tick.</summary>
    private const long SettledSeconds = 2;

    /// <summary>The node with its content, or null where the file could not be read and is left out.</summary>
    public async Task<TreeNode?> StoreAsync(WalkedItem item, TreeNode node, TreeNode? parent, long parentSeconds, CancellationToken ct)
    {
        try
        {
            if (parent is not null && IsUnchanged(node, parent, parentSeconds) && await IsStoredAsync(parent.Content, ct))
            {
                meter.Add(1, parent.Size);
                return node with { Content = parent.Content, Extents = parent.Extents };
            }

            return await ReadAsync(item, node, ct);
        }
        catch (Exception error) when (error is PosixException { Errno: PosixException.NoEntry } or FileNotFoundException)
        {
            warnings.Note($"{Posix.Show(item.FullPath)}: removed meanwhile");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            warnings.Unreadable(error is PosixException ? error.Message : $"{Posix.Show(item.FullPath)}: {error.Message}");
        }

        return null;
    }

    private static bool IsUnchanged(TreeNode node, TreeNode parent, long parentSeconds) =>
        parent.Kind == TreeNodeKind.File && parent.Size == node.Size && parent.Modified == node.Modified && parent.Changed == node.Changed
        && parent.Inode == node.Inode && node.Changed.Seconds + SettledSeconds < parentSeconds;

    /// <summary>True where packs proven present hold all of it; else the file is read again, which heals the loss.</summary>
    private async Task<bool> IsStoredAsync(ContentRoot root, CancellationToken ct)
    {
        if (root.Id is null)
        {
            return true;
        }

        var isWhole = true;
        try
        {
            await foreach (var chunk in stored.ChunksAsync(root, list => isWhole &= blobs.TryLeanOn(list, ObjectType.ChunkList), ct: ct))
            {
                isWhole &= blobs.TryLeanOn(chunk.Id, ObjectType.Stream);
                if (!isWhole)
                {
                    return false;
                }
            }
        }
        catch (EngineException error) when (error.Kind == ErrorKind.Damaged)
        {
            return false;
        }

        return isWhole;
    }

    private async Task<TreeNode> ReadAsync(WalkedItem item, TreeNode node, CancellationToken ct)
    {
        using var file = Posix.OpenRead(item.FullPath);
        var extents = item.Stat.MayHaveHoles ? Posix.DataExtents(file, node.Size) : null;
        if (extents is [{ Offset: 0 } whole] && whole.Length == node.Size)
        {
            // Less space than length without holes: the file system compresses, or keeps small files in the inode.
            extents = null;
        }

        ContentRoot content;
        if (extents is null && node.Size <= ChunkerProfile.Content.Minimum)
        {
            content = await StoreWholeAsync(file, (int)node.Size, ct) ?? await StoreChunkedAsync(file, null, ct);
        }
        else
        {
            content = await StoreChunkedAsync(file, extents, ct);
        }

        var after = Posix.Stat(item.FullPath, follow: item.Path.Length == 0);
        if (after.Inode != node.Inode || after.Modified != node.Modified || after.Size != node.Size)
        {
            warnings.Note($"{Posix.Show(item.FullPath)}: changed while it was read");
        }

        meter.Add(1, 0);
        return node with { Content = content, Extents = extents, Size = extents is null ? content.Length : node.Size };
    }

    /// <summary>Stores a small file as one chunk; null where it is longer by now than it was.</summary>
    private async Task<ContentRoot?> StoreWholeAsync(SafeFileHandle file, int size, CancellationToken ct)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(size + 1);
        try
        {
            var filled = 0;
            // One byte more than expected: a file that grew is noticed.
            while (filled <= size && RandomAccess.Read(file, buffer.AsSpan(filled, size + 1 - filled), filled) is > 0 and var read)
            {
                filled += read;
            }

            if (filled > size)
            {
                return null;
            }

            meter.Add(0, filled);
            return filled == 0
                ? ContentRoot.Empty
                : new ContentRoot(0, await blobs.StoreAsync(ObjectType.Stream, buffer.AsMemory(0, filled), tally, ct), filled);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private async Task<ContentRoot> StoreChunkedAsync(SafeFileHandle file, List<Extent>? extents, CancellationToken ct)
    {
        await using var content = new FileContentStream(file, extents);
        return await contents.WriteAsync(
            content, ObjectType.Stream, ChunkerProfile.Content, tally, null, read => meter.Add(0, read), ct);
    }
}
