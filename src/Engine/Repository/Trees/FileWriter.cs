using System.Runtime.CompilerServices;
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

    /// <summary>
    /// Each worker writes what it opened to its place: in the order of the content one writer would hold up all who decrypt, and
    /// copying into the page cache is the larger part of the work.
    /// </summary>
    private async Task FetchAsync(TreeNode node, SafeFileHandle file, CancellationToken ct)
    {
        var extents = node.Extents ?? [new Extent(0, node.Content.Length)];
        var options = new ParallelOptions { MaxDegreeOfParallelism = parts.Options.Workers, CancellationToken = ct };
        var shared = node.Content.Depth == PageList.Depth ? new SharedChunks(parts.Blobs) : null;
        await Parallel.ForEachAsync(PlacedAsync(node, extents, ct), options, async (placed, token) =>
        {
            using var bytes = await parts.Contents.ReadStretchAsync(placed.Stretch, ObjectType.Stream, shared, token);
            if (bytes.Length != placed.Stretch.Length)
            {
                throw OtherLength(node, bytes.Length, placed.Stretch.Length);
            }

            WriteAt(node, file, extents, placed, bytes.Span);
            Interlocked.Add(ref _bytes, bytes.Length);
            meter.Add(0, bytes.Length);
        });
    }

    /// <summary>What a file is made of, with the extent, and the place in it, at which each piece begins.</summary>
    private async IAsyncEnumerable<PlacedStretch> PlacedAsync(TreeNode node, IReadOnlyList<Extent> extents, [EnumeratorCancellation] CancellationToken ct)
    {
        var (offset, extent, within) = (0L, 0, 0L);
        var room = extents.Sum(one => one.Length);
        await foreach (var stretch in parts.Contents.StretchesAsync(node.Content, ct))
        {
            if (stretch.Length < 0 || stretch.Length > room - offset)
            {
                throw OtherLength(node, offset + stretch.Length, room);
            }

            yield return new PlacedStretch(stretch, extent, within);
            offset += stretch.Length;
            for (within += stretch.Length; extent < extents.Count && within >= extents[extent].Length; extent++)
            {
                within -= extents[extent].Length;
            }
        }

        if (offset != room || room != node.Content.Length)
        {
            throw OtherLength(node, offset, node.Content.Length);
        }
    }

    private static void WriteAt(TreeNode node, SafeFileHandle file, IReadOnlyList<Extent> extents, in PlacedStretch placed, ReadOnlySpan<byte> bytes)
    {
        var (extent, within) = (placed.Extent, placed.Within);
        while (bytes.Length > 0)
        {
            var length = (int)Math.Min(bytes.Length, extents[extent].Length - within);
            Posix.Write(file, bytes[..length], extents[extent].Offset + within, node.Path);
            bytes = bytes[length..];
            (extent, within) = (extent + 1, 0);
        }
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
            throw OtherLength(node, offset, node.Content.Length);
        }
    }

    private static EngineException OtherLength(TreeNode node, long length, long stored) => new(
        "content-length", ErrorKind.Damaged, $"'{Posix.Show(node.Path)}' has {length} bytes where {stored} were stored", "run 'drconsole repository check'");

    /// <param name="Stretch">A piece of the content.</param>
    /// <param name="Extent">The extent in which it begins.</param>
    /// <param name="Within">How far from that extent's beginning.</param>
    private readonly record struct PlacedStretch(Stretch Stretch, int Extent, long Within);
}
