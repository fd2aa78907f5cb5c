using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using Hexabase.DrConsole.Engine.Repository.Chunking;
using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Repository.Packs;
using Hexabase.DrConsole.Engine.Repository.Streams;
using Microsoft.Win32.SafeHandles;

namespace Hexabase.DrConsole.Engine.Repository.Trees;

/// <summary>Stores the content of one file: small ones whole, larger ones in chunks, sparse ones without their holes.</summary>
internal sealed class FileStorer(
    BlobWriter blobs, ContentWriter contents, RepositoryParts parts, StoredTally tally, TreeWarnings warnings, ProgressMeter meter, ITreeInspector? inspector,
    TreeTally counts)
{
    /// <summary>A file that changed this shortly before the parent was taken may have changed again within the same clock tick.</summary>
    private const long SettledSeconds = 2;
    private const long MaxUnknownLength = 64 * 1024 * 1024;

    /// <summary>
    /// True where the parent has this file unchanged and its content is stored whole; decided without a system call, where
    /// that is possible. A change of access list or attribute moves the change time, so those are the parent's too.
    /// </summary>
    public bool TryTakeOver(TreeNode node, TreeNode? parent, long parentSeconds, [NotNullWhen(true)] out TreeNode? taken)
    {
        taken = null;
        if (parent is null || parent.Content.Depth != 0 || !IsUnchanged(node, parent, parentSeconds)
            || (parent.Content.Id is { } id && !blobs.TryLeanOn(id, ObjectType.Stream)))
        {
            return false;
        }

        taken = TakeOver(node, parent);
        return true;
    }

    /// <summary>The node with attributes and content, or null where the file could not be read and is left out.</summary>
    public async Task<TreeNode?> StoreAsync(WalkedItem item, TreeNode node, TreeNode? parent, long parentSeconds, CancellationToken ct)
    {
        try
        {
            if (parent is not null && IsUnchanged(node, parent, parentSeconds) && await IsStoredAsync(parent.Content, ct))
            {
                return TakeOver(node, parent);
            }

            return await ReadAsync(item, node, parent, ct);
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

    private TreeNode TakeOver(TreeNode node, TreeNode parent)
    {
        meter.Add(1, parent.Size);
        inspector?.TakenOver(PathText.Of(node.Path), parent.Size, node.Modified.ToTime());
        return node with { Attributes = parent.Attributes, Content = parent.Content, Extents = parent.Extents };
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
            await foreach (var chunk in parts.Contents.NeededAsync(root, list => isWhole &= blobs.TryLeanOn(list, ObjectType.ChunkList), ct: ct))
            {
                isWhole &= blobs.TryLeanOn(chunk.Id, ObjectType.Stream);
                if (!isWhole)
                {
                    return false;
                }
            }
        }
        catch (EngineException error) when (error.Kind is ErrorKind.Damaged or ErrorKind.Unavailable)
        {
            return false;
        }

        return isWhole;
    }

    private async Task<TreeNode> ReadAsync(WalkedItem item, TreeNode node, TreeNode? parent, CancellationToken ct)
    {
        using var file = item.OpenRead();
        node = node with { Attributes = Posix.Attributes(file, item.FullPath) };
        var extents = item.Stat.MayHaveHoles && inspector is null ? Posix.DataExtents(file, node.Size, item.FullPath) : null;
        if (extents is [{ Offset: 0 } whole] && whole.Length == node.Size)
        {
            // Less space than length without holes: the file system compresses, or keeps small files in the inode.
            extents = null;
        }

        ContentRoot? content = null;
        var look = inspector?.Open(PathText.Of(node.Path));
        if (extents is null && node.Size <= ChunkerProfile.Content.Minimum)
        {
            content = await StoreWholeAsync(file, item.FullPath, (int)node.Size, look, ct);
            look = content is null ? inspector?.Open(PathText.Of(node.Path)) : look;
        }

        content ??= await StoreChunkedAsync(file, extents, look, parent, ct);
        look?.Complete(content.Value.Length, node.Modified.ToTime());

        // Of the open file: one that was replaced by another meanwhile was read whole, and is what its path meant at the walk.
        var after = Posix.Stat(file, item.FullPath);
        if (after.Inode != node.Inode || after.Modified != node.Modified || after.Size != node.Size || content.Value.Length != (extents is null ? node.Size : content.Value.Length))
        {
            warnings.Note($"{Posix.Show(item.FullPath)}: changed while it was read");
            counts.AddChangedWhileRead();
        }

        meter.Add(1, 0);
        counts.AddRead(content.Value.Length);
        return node with { Content = content.Value, Extents = extents, Size = extents is null ? content.Value.Length : node.Size };
    }

    /// <summary>Stores a small file as one chunk; null where it is longer by now than it was.</summary>
    private async Task<ContentRoot?> StoreWholeAsync(SafeFileHandle file, byte[] path, int size, IFileInspector? look, CancellationToken ct)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(size + 1);
        try
        {
            // One byte more than expected: a file that grew is noticed. A shorter answer means the end, so it is not asked twice.
            var filled = 0;
            int read;
            do
            {
                read = Posix.Read(file, buffer.AsSpan(filled, size + 1 - filled), filled, path);
                filled += read;
            }
            while (read > 0 && filled < size);

            if (filled > size)
            {
                return null;
            }

            meter.Add(0, filled);
            look?.Append(buffer.AsSpan(0, filled));
            return filled == 0
                ? ContentRoot.Empty
                : new ContentRoot(0, await blobs.StoreAsync(ObjectType.Stream, buffer.AsMemory(0, filled), tally, ct), filled);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private async Task<ContentRoot> StoreChunkedAsync(SafeFileHandle file, List<Extent>? extents, IFileInspector? look, TreeNode? parent, CancellationToken ct)
    {
        // Files that claim no length, such as the kernel's, are read to their end, within reason.
        var length = RandomAccess.GetLength(file);
        await using var content = new FileContentStream(file, extents, length > 0 ? length : MaxUnknownLength);
        await using var inspected = new InspectedStream(content, look);
        if (look?.IsPaged == true && extents is null && await BeforeAsync(parent, length, ct) is { } before)
        {
            return await new PagedContentWriter(blobs, parts.Contents, parts.Keys, tally, parts.Options.Workers).WriteAsync(inspected, before, look.Same, read => meter.Add(0, read), ct);
        }

        return await contents.WriteAsync(
            inspected, ObjectType.Stream, InspectedStream.ProfileFor(look), tally, null, read => meter.Add(0, read), ct);
    }

    /// <summary>The file's older state where its pages can be compared with it; else null, and the file is stored as if it were new.</summary>
    private async Task<List<Stretch>?> BeforeAsync(TreeNode? parent, long length, CancellationToken ct)
    {
        if (parent is not { Kind: TreeNodeKind.File, Extents: null } || length > PageList.MaxStretches * (long)ChunkerProfile.Pages.Maximum)
        {
            return null;
        }

        try
        {
            var before = new List<Stretch>();
            await foreach (var stretch in parts.Contents.StretchesAsync(parent.Content, ct))
            {
                before.Add(stretch);
            }

            return PagedContentWriter.Fits(before) ? before : null;
        }
        catch (EngineException error) when (error.Kind is ErrorKind.Damaged or ErrorKind.NotFound or ErrorKind.Unavailable)
        {
            return null;
        }
    }
}
