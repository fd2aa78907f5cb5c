namespace Hexabase.DrConsole.Engine.Repository.Trees;

/// <summary>The nodes of the parent's tree, asked for in ascending order of their paths.</summary>
internal sealed class ParentNodes : IAsyncDisposable
{
    private readonly IAsyncEnumerator<TreeNode>? _nodes;
    private readonly TreeWarnings _warnings;
    private bool _isAtNode;
    private bool _hasEnded;

    private ParentNodes(IAsyncEnumerator<TreeNode>? nodes, TreeWarnings warnings)
    {
        _nodes = nodes;
        _warnings = warnings;
        _hasEnded = nodes is null;
    }

    public static ParentNodes Open(RepositoryParts parts, Manifest? parent, string? artifact, TreeWarnings warnings, CancellationToken ct)
    {
        var stored = parent?.Artifacts.FirstOrDefault(a => a.Name == artifact && a.Type == StoredArtifact.TreeType);
        return new ParentNodes(stored is null ? null : TreeReader.ReadAsync(parts, stored, ct).GetAsyncEnumerator(ct), warnings);
    }

    /// <summary>The parent's node at this path, or null. A hard link's other names count as unknown.</summary>
    public async ValueTask<TreeNode?> FindAsync(byte[] path)
    {
        while (!_hasEnded)
        {
            if (_isAtNode && TreeNode.ComparePaths(_nodes!.Current.Path, path) is >= 0 and var order)
            {
                return order == 0 ? _nodes.Current : null;
            }

            try
            {
                _isAtNode = await _nodes!.MoveNextAsync();
                _hasEnded = !_isAtNode;
            }
            catch (EngineException error) when (error.Kind is ErrorKind.Damaged or ErrorKind.NotFound)
            {
                // A damaged parent must not stop a backup: from here on every file is read.
                _hasEnded = true;
                _warnings.Note($"the parent's tree cannot be read to its end, so files are read anew: {error.Message}");
            }
        }

        return null;
    }

    public ValueTask DisposeAsync() => _nodes?.DisposeAsync() ?? ValueTask.CompletedTask;
}
