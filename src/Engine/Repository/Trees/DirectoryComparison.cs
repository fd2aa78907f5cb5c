using System.Collections.Concurrent;

namespace Hexabase.DrConsole.Engine.Repository.Trees;

/// <summary>
/// Compares a directory with a tree by content, several files at a time; sizes rule out, times prove nothing. Nothing is
/// fetched but lists of chunks.
/// </summary>
internal sealed class DirectoryComparison(RepositoryParts parts, string directory, ProgressMeter meter)
{
    private readonly byte[] _root = Posix.ToPath(directory);
    private readonly ConcurrentBag<ComparedItem> _items = [];
    private readonly ConcurrentDictionary<string, byte> _expected = new(StringComparer.Ordinal);
    private readonly ConcurrentBag<string> _otherKind = [];

    public async Task<TreeComparison> CompareAsync(StoredArtifact artifact, CancellationToken ct)
    {
        await parts.Index.RefreshAsync(ct);
        var atOnce = new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount, CancellationToken = ct };
        await Parallel.ForEachAsync(TreeReader.ReadAsync(parts, artifact, ct), atOnce, async (node, token) => await CompareAsync(node, token));
        var found = _items.Select(BelowWhatStands).ToList();
        found.AddRange(Extras());
        return new TreeComparison(found);
    }

    private async ValueTask CompareAsync(TreeNode node, CancellationToken ct)
    {
        var path = PathText.Of(node.Path);
        _expected[path] = 0;
        var full = Posix.Join(_root, node.Path);
        var there = TryStat(full);
        if (there is { } other && node.Kind != TreeNodeKind.HardLink && other.Kind != node.Kind && node.Path.Length > 0)
        {
            _otherKind.Add(path);
        }

        if (node.Kind != TreeNodeKind.Directory)
        {
            var state = there is null ? TreeItemState.Missing : await IsSameAsync(node, there.Value, full, ct) ? TreeItemState.Right : TreeItemState.Wrong;
            _items.Add(new ComparedItem(path, state, node.Size, there?.Size ?? 0));
        }
        else if (node.Path.Length > 0 && there is not { Kind: TreeNodeKind.Directory })
        {
            _items.Add(new ComparedItem(path, there is null ? TreeItemState.Missing : TreeItemState.Wrong, 0, there?.Size ?? 0));
        }

        meter.Add(1, node.Size);
    }

    private async ValueTask<bool> IsSameAsync(TreeNode node, FileStat there, byte[] full, CancellationToken ct)
    {
        if (there.Kind != node.Kind)
        {
            return false;
        }

        if (node.Kind == TreeNodeKind.SymbolicLink)
        {
            return Posix.ReadLink(full).AsSpan().SequenceEqual(node.Target);
        }

        if (node.Kind != TreeNodeKind.File || there.Size != node.Size)
        {
            return false;
        }

        try
        {
            using var file = Posix.OpenRead(full);
            return await FileComparison.HasContentAsync(parts, file, node, ct);
        }
        catch (PosixException error) when (error.Errno == PosixException.NoEntry)
        {
            // Where somebody still works in the directory it went between two looks; then it is no more right than any other.
            return false;
        }
    }

    /// <summary>What was found below something that is no directory, over a symbolic link, is not the directory's own.</summary>
    private ComparedItem BelowWhatStands(ComparedItem item) =>
        _otherKind.Any(place => item.Path.StartsWith(place + '/', StringComparison.Ordinal)) ? item with { State = TreeItemState.Missing, BytesThere = 0 } : item;

    private List<ComparedItem> Extras()
    {
        var extras = new List<ComparedItem>();
        foreach (var item in new TreeWalker(new TreeWarnings(), new TreeOptions()).Walk([], _root))
        {
            var path = PathText.Of(item.Path);
            if (extras is [.., var last] && path.StartsWith(last.Path + '/', StringComparison.Ordinal))
            {
                extras[^1] = last with { BytesThere = last.BytesThere + Size(item) };
            }
            else if (!_expected.ContainsKey(path) && !IsBelowOtherKind(path))
            {
                extras.Add(new ComparedItem(path, TreeItemState.Extra, 0, Size(item)));
            }
        }

        return extras;
    }

    /// <summary>A directory where the tree has a file goes as a whole; what is in it is no item of its own.</summary>
    private bool IsBelowOtherKind(string path) => _otherKind.Any(place => path.StartsWith(place + '/', StringComparison.Ordinal));

    private static long Size(WalkedItem item) => item.Stat.Kind == TreeNodeKind.Directory ? 0 : item.Stat.Size;

    private static FileStat? TryStat(byte[] path)
    {
        try
        {
            return Posix.Stat(path);
        }
        catch (PosixException error) when (error.Errno is PosixException.NoEntry or PosixException.NotDirectory or PosixException.Loop)
        {
            return null;
        }
    }
}
