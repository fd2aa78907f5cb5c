namespace Hexabase.DrConsole.Engine.Repository.Trees;

/// <summary>The nodes of the parent's tree, asked for in ascending order of their paths.</summary>
internal sealed class ParentNodes : IAsyncDisposable
{
    private readonly IAsyncEnumerator<List<TreeNode>>? _batches;
    private readonly TreeWarnings _warnings;
    private List<TreeNode> _batch = [];
    private int _next;
    private bool _hasEnded;

    private ParentNodes(IAsyncEnumerator<List<TreeNode>>? batches, TreeWarnings warnings)
    {
        _batches = batches;
        _warnings = warnings;
        _hasEnded = batches is null;
    }

    public static ParentNodes Open(RepositoryParts parts, Manifest? parent, string? artifact, TreeWarnings warnings, CancellationToken ct)
    {
        var stored = parent?.Artifacts.FirstOrDefault(a => a.Name == artifact && a.Type == StoredArtifact.TreeType);
        return new ParentNodes(stored is null ? null : TreeReader.ReadBatchesAsync(parts, stored, ct).GetAsyncEnumerator(ct), warnings);
    }

    /// <summary>
    /// The parent's node at this path, or null, where the nodes at hand tell; false where more must be read first
    /// (<see cref="ReadOnAsync"/>). A hard link's other names count as unknown.
    /// </summary>
    public bool TryFind(byte[] path, out TreeNode? node)
    {
        node = null;
        while (_next < _batch.Count)
        {
            var order = TreeNode.ComparePaths(_batch[_next].Path, path);
            if (order >= 0)
            {
                node = order == 0 ? _batch[_next] : null;
                return true;
            }

            _next++;
        }

        return _hasEnded;
    }

    /// <summary>Reads further nodes.</summary>
    public async ValueTask ReadOnAsync()
    {
        try
        {
            _hasEnded = !await _batches!.MoveNextAsync();
            (_batch, _next) = (_hasEnded ? [] : _batches.Current, 0);
        }
        catch (EngineException error) when (error.Kind is ErrorKind.Damaged or ErrorKind.NotFound or ErrorKind.Unavailable)
        {
            // A damaged parent must not stop a backup, nor one object that the store does not give: from here on every file is read.
            _hasEnded = true;
            _warnings.Note($"the parent's tree cannot be read to its end, so files are read anew: {error.Message}");
        }
    }

    public ValueTask DisposeAsync() => _batches?.DisposeAsync() ?? ValueTask.CompletedTask;
}
