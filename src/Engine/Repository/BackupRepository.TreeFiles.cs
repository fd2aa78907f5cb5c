using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Repository.Trees;

namespace Hexabase.DrConsole.Engine.Repository;

/// <summary>One file of a tree, found and ready to be read.</summary>
/// <param name="Path">From the tree's root, as <see cref="PathText"/>.</param>
/// <param name="Size">Its length, holes included.</param>
/// <param name="Modified">When its content last changed.</param>
public sealed record TreeFile(string Path, long Size, DateTimeOffset Modified)
{
    internal TreeNode Node { get; init; } = null!;
}

public sealed partial class BackupRepository
{
    private static readonly byte[] s_zeros = new byte[64 * 1024];

    /// <summary>Deletes a file or folder with all below it, over no symbolic link and whatever bytes the names are; nothing there is no error.</summary>
    /// <exception cref="IOException">Something cannot be deleted.</exception>
    public static void RemoveTree(string path)
    {
        var full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        var parent = Path.GetDirectoryName(full);
        if (parent is not null && Directory.Exists(parent))
        {
            using var home = Posix.OpenDirectoryHandle(Posix.ToPath(parent));
            TreeRemoval.Remove(home, Posix.ToPath(Path.GetFileName(full)));
        }
    }

    /// <summary>Finds a file of a tree; a hard link gives the file that it is another name of.</summary>
    /// <exception cref="EngineException">Kind NotFound where there is nothing; Input where it is no file; Damaged.</exception>
    public async Task<TreeFile> FindTreeFileAsync(Manifest manifest, string artifact, string path, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(manifest);
        var wanted = PathText.Parse(path);
        TreeNode? found = null;
        await foreach (var node in TreeSelection.FindAsync(_parts, FindArtifact(manifest, artifact), wanted, cancellationToken))
        {
            found ??= node;
            break;
        }

        return found switch
        {
            { Kind: TreeNodeKind.File } => new TreeFile(path, found.Size, found.Modified.ToTime()) { Node = found },
            { Kind: TreeNodeKind.HardLink } => await FindTreeFileAsync(manifest, artifact, PathText.Of(found.Target), cancellationToken) with { Path = path },
            null => throw new EngineException("tree-path-missing", ErrorKind.NotFound, $"artifact '{artifact}' has nothing at '{path}'", "list the directory above it"),
            _ => throw new EngineException("tree-path-no-file", ErrorKind.Input, $"'{path}' is no file", "restore it into a directory instead"),
        };
    }

    /// <summary>Writes a file's bytes, each chunk verified before any of it is written; holes become zeros.</summary>
    /// <exception cref="EngineException">Kind Damaged naming the pack.</exception>
    public async Task ReadTreeFileAsync(TreeFile file, Stream output, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(file);
        ArgumentNullException.ThrowIfNull(output);
        var node = file.Node;
        var extents = node.Extents ?? [new Extent(0, node.Content.Length)];
        var (extent, within, at) = (0, 0L, 0L);
        await _parts.Contents.ReadAsync(node.Content, ObjectType.Stream, async bytes =>
        {
            for (var rest = bytes; rest.Length > 0;)
            {
                await ZerosAsync(extents[extent].Offset + within - at);
                var length = (int)Math.Min(rest.Length, extents[extent].Length - within);
                await output.WriteAsync(rest[..length], cancellationToken);
                (rest, within, at) = (rest[length..], within + length, at + length);
                if (within == extents[extent].Length)
                {
                    (extent, within) = (extent + 1, 0);
                }
            }
        }, cancellationToken);
        await ZerosAsync(node.Size - at);

        async Task ZerosAsync(long count)
        {
            at += Math.Max(count, 0);
            for (; count > 0; count -= s_zeros.Length)
            {
                await output.WriteAsync(s_zeros.AsMemory(0, (int)Math.Min(count, s_zeros.Length)), cancellationToken);
            }
        }
    }
}
