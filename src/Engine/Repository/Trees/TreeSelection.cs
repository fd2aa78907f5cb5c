using System.Runtime.CompilerServices;
using Hexabase.DrConsole.Engine.Repository.Format;

namespace Hexabase.DrConsole.Engine.Repository.Trees;

/// <summary>The nodes of a part of a tree, with paths relative to that part.</summary>
internal static class TreeSelection
{
    /// <summary>The nodes at and below a path, in their order; all where it is null or the root.</summary>
    /// <exception cref="EngineException">Kind NotFound where the tree has nothing there; Damaged.</exception>
    public static async IAsyncEnumerable<TreeNode> ReadAsync(
        RepositoryParts parts, StoredArtifact artifact, string? path, TreeWarnings warnings, [EnumeratorCancellation] CancellationToken ct)
    {
        var part = path is null ? [] : PathText.Parse(path);
        if (part.Length == 0)
        {
            await foreach (var node in TreeReader.ReadAsync(parts, artifact, ct))
            {
                yield return node;
            }

            yield break;
        }

        var isFound = false;
        // Files of several names that come before the part: one of those names may lie in it, and then needs the content.
        var outside = new Dictionary<string, TreeNode>(StringComparer.Ordinal);
        var taken = new Dictionary<string, byte[]>(StringComparer.Ordinal);
        await foreach (var node in TreeReader.ReadAsync(parts, artifact, ct))
        {
            if (!Contains(part, node.Path))
            {
                if (TreeNode.ComparePaths(node.Path, part) > 0)
                {
                    break;
                }

                if (node is { Kind: TreeNodeKind.File, Links: > 1 })
                {
                    outside[Convert.ToHexString(node.Path)] = node;
                }

                continue;
            }

            isFound = true;
            if (node.Kind != TreeNodeKind.HardLink || Contains(part, node.Target))
            {
                yield return Rebased(node, part);
            }
            else if (taken.TryGetValue(Convert.ToHexString(node.Target), out var first))
            {
                yield return Rebased(node with { Target = part }, part) with { Target = first };
            }
            else if (outside.TryGetValue(Convert.ToHexString(node.Target), out var file))
            {
                first = Rebased(node with { Target = part }, part).Path;
                taken[Convert.ToHexString(node.Target)] = first;
                yield return file with { Path = first };
            }
            else
            {
                warnings.Note($"{Posix.Show(node.Path)}: not restored, its file {Posix.Show(node.Target)} was unreadable at the backup");
            }
        }

        if (!isFound)
        {
            throw new EngineException(
                "tree-path-missing", ErrorKind.NotFound, $"artifact '{artifact.Name}' has nothing at '{path}'", "see 'drconsole repository ls'");
        }
    }

    /// <summary>The nodes at and below a path; reading ends behind them.</summary>
    public static async IAsyncEnumerable<TreeNode> FindAsync(
        RepositoryParts parts, StoredArtifact artifact, byte[] part, [EnumeratorCancellation] CancellationToken ct)
    {
        await foreach (var batch in TreeReader.ReadBatchesAsync(parts, artifact, ct))
        {
            if (TreeNode.ComparePaths(batch[^1].Path, part) < 0)
            {
                continue;
            }

            foreach (var node in batch)
            {
                if (Contains(part, node.Path))
                {
                    yield return node;
                }
                else if (TreeNode.ComparePaths(node.Path, part) > 0)
                {
                    yield break;
                }
            }
        }
    }

    /// <summary>True where a path is the directory's or lies below it.</summary>
    public static bool Contains(ReadOnlySpan<byte> directory, ReadOnlySpan<byte> path) =>
        directory.Length == 0 || (path.StartsWith(directory) && (path.Length == directory.Length || path[directory.Length] == '/'));

    private static TreeNode Rebased(TreeNode node, byte[] part) => node with
    {
        Path = node.Path.Length == part.Length ? [] : node.Path[(part.Length + 1)..],
        Target = node.Kind != TreeNodeKind.HardLink ? node.Target : node.Target.Length == part.Length ? [] : node.Target[(part.Length + 1)..],
    };
}
