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

    /// <summary>Patterns of what is left out, as in a .gitignore file at the tree's root; later ones win, <c>!</c> takes back.</summary>
    public IReadOnlyList<string> Exclude { get; init; } = [];

    /// <summary>True to leave out what is mounted below the tree; the directories that it is mounted on stay, empty.</summary>
    public bool OneFileSystem { get; init; }

    /// <summary>True to leave out what directories with a valid CACHEDIR.TAG hold; they stay, with their tag.</summary>
    public bool SkipCacheDirectories { get; init; }

    /// <summary>Looks at the files' bytes while they are stored; null where nobody does. Files that it looks at are stored with their holes.</summary>
    public ITreeInspector? Inspector { get; init; }
}
