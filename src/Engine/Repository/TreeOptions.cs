namespace Hexabase.DrConsole.Engine.Repository;

/// <summary>How a file tree is read.</summary>
public sealed record TreeOptions
{
    /// <summary>
    /// The artifact of the parent restore point whose unchanged files are taken over without reading them: those of the same
    /// path, size, inode, modification and change time. Null reads every file.
    /// </summary>
    public string? ParentArtifact { get; init; }

    /// <summary>Absolute paths that are left out with all below them, for example the store itself.</summary>
    public IReadOnlyList<string> Excluded { get; init; } = [];
}

/// <summary>What a restore of a tree did.</summary>
/// <param name="Items">Files, directories and so on that were made.</param>
/// <param name="Bytes">Bytes written.</param>
/// <param name="Warnings">What could not be restored as it was, at most 1,000 lines; the content is never among it.</param>
/// <param name="WarningCount">How many there were in all.</param>
public sealed record TreeRestoreResult(long Items, long Bytes, IReadOnlyList<string> Warnings, long WarningCount);
