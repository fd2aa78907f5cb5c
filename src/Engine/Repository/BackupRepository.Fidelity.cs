using Hexabase.DrConsole.Engine.Repository.Trees;

namespace Hexabase.DrConsole.Engine.Repository;

public sealed partial class BackupRepository
{
    private const int MostDifferences = 1000;

    /// <summary>Compares a directory or file with a tree artifact in everything that a backup keeps; changes nothing.</summary>
    /// <param name="manifest">The restore point.</param>
    /// <param name="artifact">The tree's name.</param>
    /// <param name="target">What the tree's root became.</param>
    /// <param name="progress">Told items and bytes of the restore point.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="EngineException">Kind Unavailable where a file cannot be read; Damaged naming the pack.</exception>
    public async Task<TreeFidelity> CompareFullyAsync(
        Manifest manifest, string artifact, string target, IProgress<TransferProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(manifest);
        var (differences, count) = (new List<string>(), 0L);
        var result = await RestoreTreeAsync(manifest, artifact, target, new TreeRestoreOptions
        {
            Delta = true,
            DryRun = true,
            Delete = true,
            VerifyContent = true,
            OnChange = change => Note($"{change.Path}: {Word(change.Kind)}"),
        }, progress, cancellationToken);
        await foreach (var node in TreeReader.ReadAsync(_parts, FindArtifact(manifest, artifact), cancellationToken))
        {
            if (node is { Kind: TreeNodeKind.File, Extents: not null } && FillsHoles(node, target))
            {
                Note($"{PathText.Of(node.Path)}: its holes take space");
            }
        }

        return new TreeFidelity(result.Items, differences, count, result.Warnings);

        void Note(string line)
        {
            if (count++ < MostDifferences)
            {
                differences.Add(line);
            }
        }
    }

    /// <summary>Counts a tree by reading all of its nodes, which proves that they are in order and can be read.</summary>
    /// <exception cref="EngineException">Kind Damaged.</exception>
    public async Task<TreeCounts> CountTreeAsync(Manifest manifest, string artifact, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(manifest);
        var tally = new TreeTally();
        await foreach (var node in TreeReader.ReadAsync(_parts, FindArtifact(manifest, artifact), cancellationToken))
        {
            tally.Add(node);
        }

        return tally.ToCounts();
    }

    /// <summary>True where a sparse file takes clearly more than its content; file systems round up, and some count their own lists.</summary>
    private static bool FillsHoles(TreeNode node, string target)
    {
        const long BlockBytes = 512;
        const long RoundedUp = 64 * 1024;
        var path = Posix.ToPath(target);
        var there = Posix.Stat(node.Path.Length == 0 ? path : Posix.Join(path, node.Path), follow: false);
        return there.Blocks * BlockBytes > node.Content.Length + (RoundedUp * (node.Extents!.Count + 1)) && there.Blocks * BlockBytes >= node.Size;
    }

    private static string Word(RestoreChangeKind kind) => kind switch
    {
        RestoreChangeKind.Create => "is missing",
        RestoreChangeKind.Replace => "has another content, target or kind",
        RestoreChangeKind.Metadata => "has another owner, mode, time or attribute",
        RestoreChangeKind.Delete => "is not in the restore point",
        _ => "is in the way",
    };
}
