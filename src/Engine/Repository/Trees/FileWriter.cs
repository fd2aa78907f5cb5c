using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Repository.Streams;
using Microsoft.Win32.SafeHandles;

namespace Hexabase.DrConsole.Engine.Repository.Trees;

/// <summary>
/// Writes files with their metadata. A name that is taken changes hands only when the new content is whole: it is written in
/// the staging directory and renamed.
/// </summary>
internal sealed class FileWriter(RepositoryParts parts, RestoreTarget target, RestoredMetadata metadata, ProgressMeter meter) : IDisposable
{
    // Large files fetch ahead with all workers; two at once would double the memory for no gain.
    private readonly SemaphoreSlim _large = new(1);
    private int _staged;
    private long _bytes;

    /// <summary>Bytes written.</summary>
    public long Bytes => Interlocked.Read(ref _bytes);

    /// <summary>Writes a file whose content is at hand.</summary>
    public void Write(RestoreTarget.DirectoryCursor cursor, TreeNode node, bool replaces, ReadOnlySpan<byte> content)
    {
        var (directory, name) = cursor.Find(node.Path);
        var (home, first) = Begin(directory, name, replaces);
        using (var file = Posix.CreateNewAt(home, first, metadata.CreationMode(node)))
        {
            Posix.Write(file, content, 0, node.Path);
            if (content.Length != node.Size)
            {
                RandomAccess.SetLength(file, node.Size);
            }

            metadata.SetOn(file, node);
        }

        Finish(directory, name, home, first, node);
        Interlocked.Add(ref _bytes, content.Length);
        meter.Add(0, content.Length);
    }

    /// <summary>
    /// Writes a file of many chunks, or one with holes. Where the file that it replaces still has a chunk at its place, that
    /// is used and nothing is fetched.
    /// </summary>
    public async Task WriteLargeAsync(TreeNode node, bool replaces, CancellationToken ct)
    {
        await _large.WaitAsync(ct);
        try
        {
            using var cursor = target.Cursor();
            var (directory, name) = cursor.Find(node.Path);
            var (home, first) = Begin(directory, name, replaces);
            using (var file = Posix.CreateNewAt(home, first, metadata.CreationMode(node)))
            {
                using var before = replaces && node.Extents is null ? TryOpenBefore(directory, name) : null;
                await (before is null ? FetchAsync(node, file, ct) : FetchDifferenceAsync(node, before, file, ct));
                RandomAccess.SetLength(file, node.Size);
                metadata.SetOn(file, node);
            }

            Finish(directory, name, home, first, node);
        }
        finally
        {
            _large.Release();
        }
    }

    public void Dispose() => _large.Dispose();

    private (SafeFileHandle Home, byte[] Name) Begin(SafeFileHandle directory, byte[] name, bool replaces) => replaces
        ? (target.Staging, [.. System.Text.Encoding.ASCII.GetBytes($"{Interlocked.Increment(ref _staged)}"), 0]) : (directory, name);

    private static void Finish(SafeFileHandle directory, byte[] name, SafeFileHandle home, byte[] first, TreeNode node)
    {
        if (ReferenceEquals(home, directory))
        {
            return;
        }

        try
        {
            Posix.MoveAt(home, first, directory, name);
        }
        catch (PosixException error) when (error.Errno == PosixException.CrossDevice)
        {
            throw new EngineException(
                "target-crosses-file-systems", ErrorKind.Unsupported, $"'{Posix.Show(node.Path)}' lies on another file system than the target's root",
                "restore the part below that mount point on its own (--path)", error);
        }
    }

    private static SafeFileHandle? TryOpenBefore(SafeFileHandle directory, byte[] name)
    {
        if (Posix.TryStatAt(directory, name) is not { Kind: TreeNodeKind.File })
        {
            return null;
        }

        try
        {
            return Posix.OpenReadAt(directory, name);
        }
        catch (PosixException)
        {
            return null;
        }
    }

    private async Task FetchAsync(TreeNode node, SafeFileHandle file, CancellationToken ct)
    {
        var extents = node.Extents ?? [new Extent(0, node.Content.Length)];
        var (extent, within) = (0, 0L);
        await parts.Contents.ReadAsync(
            node.Content, ObjectType.Stream,
            bytes =>
            {
                for (var rest = bytes.Span; rest.Length > 0;)
                {
                    var length = (int)Math.Min(rest.Length, extents[extent].Length - within);
                    Posix.Write(file, rest[..length], extents[extent].Offset + within, node.Path);
                    rest = rest[length..];
                    within += length;
                    if (within == extents[extent].Length)
                    {
                        (extent, within) = (extent + 1, 0);
                    }
                }

                Interlocked.Add(ref _bytes, bytes.Length);
                meter.Add(0, bytes.Length);
                return ValueTask.CompletedTask;
            },
            ct);
    }

    private async Task FetchDifferenceAsync(TreeNode node, SafeFileHandle before, SafeFileHandle file, CancellationToken ct)
    {
        var buffer = new byte[RepositoryFormat.MaxBlobLength];
        var shared = new SharedChunks(parts.Blobs);
        var offset = 0L;
        await foreach (var stretch in parts.Contents.StretchesAsync(node.Content, ct))
        {
            var own = buffer.AsMemory(0, (int)Math.Min(stretch.Length, buffer.Length));
            if (FileComparison.TryFill(before, own.Span, offset, node.Path) && parts.Keys.IdentityOf(own.Span) == stretch.Id)
            {
                Posix.Write(file, own.Span, offset, node.Path);
            }
            else
            {
                using var fetched = await parts.Contents.ReadStretchAsync(stretch, ObjectType.Stream, shared, ct);
                Posix.Write(file, fetched.Span, offset, node.Path);
                Interlocked.Add(ref _bytes, fetched.Length);
            }

            offset += stretch.Length;
            meter.Add(0, stretch.Length);
        }

        if (offset != node.Content.Length)
        {
            throw new EngineException(
                "content-length", ErrorKind.Damaged, $"'{Posix.Show(node.Path)}' has {offset} bytes where {node.Content.Length} were stored", "run 'drconsole repository check'");
        }
    }
}
