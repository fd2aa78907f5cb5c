namespace Hexabase.DrConsole.Engine.Repository;

/// <summary>How faithfully a directory is a tree of a restore point: content, kind, owner, mode, time, links, attributes, holes.</summary>
/// <param name="Items">Items of the tree.</param>
/// <param name="Differences">What is not as it was, at most 1,000.</param>
/// <param name="DifferenceCount">How many there are in all.</param>
/// <param name="Warnings">What could not be compared, for example owners without root's rights.</param>
public sealed record TreeFidelity(long Items, IReadOnlyList<string> Differences, long DifferenceCount, IReadOnlyList<string> Warnings)
{
    /// <summary>True where nothing differs.</summary>
    public bool IsEqual => DifferenceCount == 0;
}
