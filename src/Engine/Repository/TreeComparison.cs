namespace Hexabase.DrConsole.Engine.Repository;

/// <summary>How an item of a directory stands to a tree of a restore point.</summary>
public enum TreeItemState
{
    /// <summary>It has the restore point's content. Owner, mode and times were not looked at.</summary>
    Right,

    /// <summary>Its content, target or kind is another.</summary>
    Wrong,

    /// <summary>The restore point has it, the directory has not.</summary>
    Missing,

    /// <summary>The directory has it, the restore point has not; a directory stands for all below it.</summary>
    Extra,
}

/// <summary>One item, and no directory but an extra or a missing one.</summary>
/// <param name="Path">Below the directory, as <see cref="PathText"/>.</param>
/// <param name="State">How it stands.</param>
/// <param name="Bytes">Its content in the restore point; 0 for an extra one.</param>
/// <param name="BytesThere">What is in the directory; 0 for a missing one.</param>
public readonly record struct ComparedItem(string Path, TreeItemState State, long Bytes, long BytesThere);

/// <summary>A directory beside a tree of a restore point, item by item.</summary>
public sealed record TreeComparison(IReadOnlyList<ComparedItem> Items)
{
    /// <summary>Items of a state, in no particular order.</summary>
    public IEnumerable<ComparedItem> Of(TreeItemState state) => Items.Where(item => item.State == state);
}
