using System.Runtime.CompilerServices;
using System.Text;

namespace Hexabase.DrConsole.Engine.Repository.Trees;

/// <summary>Looks into a tree. The node stream runs by in pieces; nothing of it stays in memory.</summary>
internal sealed class TreeBrowser(RepositoryParts parts, StoredArtifact artifact)
{
    /// <summary>What a directory holds, or a file itself.</summary>
    /// <param name="path">The directory; empty for the root.</param>
    /// <param name="recursive">True for everything below it too.</param>
    /// <param name="ct">Ends the reading.</param>
    /// <exception cref="EngineException">Kind NotFound where the tree has nothing there.</exception>
    public async IAsyncEnumerable<TreeEntry> ListAsync(byte[] path, bool recursive, [EnumeratorCancellation] CancellationToken ct)
    {
        // Several paths side by side have no node for what holds them.
        var isFound = path.Length == 0;
        await foreach (var node in TreeSelection.FindAsync(parts, artifact, path, ct))
        {
            isFound = true;
            var isSelf = node.Path.Length == path.Length;
            if (isSelf ? node.Kind != TreeNodeKind.Directory : recursive || IsDirectlyIn(path, node.Path))
            {
                yield return Describe(node);
            }
        }

        if (!isFound)
        {
            throw new EngineException(
                "tree-path-missing", ErrorKind.NotFound, $"artifact '{artifact.Name}' has nothing at '{PathText.Of(path)}'", "list the directory above it");
        }
    }

    /// <summary>Items whose name contains a text, in any case, or matches a pattern with * ? or [ in the words of .gitignore.</summary>
    public async IAsyncEnumerable<TreeEntry> SearchAsync(string pattern, [EnumeratorCancellation] CancellationToken ct)
    {
        var rules = pattern.AsSpan().ContainsAny("*?[") ? new ExclusionRules([pattern]) : null;
        await foreach (var node in TreeReader.ReadAsync(parts, artifact, ct))
        {
            if (node.Path.Length == 0)
            {
                continue;
            }

            var name = node.Path.AsSpan(node.Path.AsSpan().LastIndexOf((byte)'/') + 1);
            var isMatch = rules is not null
                ? rules.Excludes(node.Path, node.Kind == TreeNodeKind.Directory)
                : Encoding.UTF8.GetString(name).Contains(pattern, StringComparison.OrdinalIgnoreCase);
            if (isMatch)
            {
                yield return Describe(node);
            }
        }
    }

    private static bool IsDirectlyIn(byte[] directory, byte[] path) =>
        path.Length > 0 && !path.AsSpan(directory.Length == 0 ? 0 : directory.Length + 1).Contains((byte)'/');

    private static TreeEntry Describe(TreeNode node) => new(
        PathText.Of(node.Path), KindOf(node.Kind), node.Size, node.Mode, node.User, node.Group, TimeOf(node.Modified),
        node.Kind is TreeNodeKind.SymbolicLink or TreeNodeKind.HardLink ? PathText.Of(node.Target) : null);

    internal static string KindOf(TreeNodeKind kind) => kind switch
    {
        TreeNodeKind.Directory => "directory",
        TreeNodeKind.File => "file",
        TreeNodeKind.SymbolicLink => "link",
        TreeNodeKind.HardLink => "hard link",
        TreeNodeKind.Fifo => "fifo",
        TreeNodeKind.Socket => "socket",
        TreeNodeKind.CharacterDevice => "character device",
        _ => "block device",
    };

    /// <summary>A file system may know times that the calendar here does not.</summary>
    private static DateTimeOffset TimeOf(FileTime time)
    {
        const long TicksPerNanosecondInverse = 100;
        var seconds = Math.Clamp(time.Seconds, DateTimeOffset.MinValue.ToUnixTimeSeconds(), DateTimeOffset.MaxValue.ToUnixTimeSeconds() - 1);
        return DateTimeOffset.FromUnixTimeSeconds(seconds).AddTicks(time.Nanoseconds / TicksPerNanosecondInverse);
    }
}
