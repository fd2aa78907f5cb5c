namespace Hexabase.DrConsole.Engine.Repository.Trees;

/// <summary>Counts a tree while it is written: nodes by one thread, files that were read by several.</summary>
internal sealed class TreeTally
{
    private long _files;
    private long _directories;
    private long _links;
    private long _hardLinks;
    private long _others;
    private long _contentBytes;
    private long _readFiles;
    private long _readBytes;
    private long _changedWhileRead;

    /// <summary>A node of the tree, in its order.</summary>
    public void Add(TreeNode node)
    {
        _ = node.Kind switch
        {
            TreeNodeKind.File => _files++,
            TreeNodeKind.Directory => _directories++,
            TreeNodeKind.SymbolicLink => _links++,
            TreeNodeKind.HardLink => _hardLinks++,
            _ => _others++,
        };
        _contentBytes += node.Kind == TreeNodeKind.File ? node.Content.Length : 0;
    }

    /// <summary>A file that was read. Thread-safe.</summary>
    public void AddRead(long bytes)
    {
        Interlocked.Increment(ref _readFiles);
        Interlocked.Add(ref _readBytes, bytes);
    }

    /// <summary>A file that was written to while it was read. Thread-safe.</summary>
    public void AddChangedWhileRead() => Interlocked.Increment(ref _changedWhileRead);

    public TreeCounts ToCounts() => new(
        _files, _directories, _links, _hardLinks, _others, _contentBytes, Interlocked.Read(ref _readFiles), Interlocked.Read(ref _readBytes))
    {
        ChangedWhileRead = Interlocked.Read(ref _changedWhileRead),
    };
}
