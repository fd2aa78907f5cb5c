namespace Hexabase.DrConsole.Engine.Estate;

/// <summary>How a volume is held still while it is read.</summary>
/// <param name="FreezeCommand">Program and arguments, no shell; null with <paramref name="Fsfreeze"/>.</param>
/// <param name="ThawCommand">Undoes it. Must succeed on what is not frozen, since it is run after every doubt.</param>
/// <param name="Fsfreeze">True: the volume's file system itself is frozen.</param>
/// <param name="Timeout">How long one of the commands may take.</param>
/// <param name="FrozenLimit">The longest time that writers are held up; then the volume is thawed and the backup fails.</param>
public sealed record VolumeHooks(IReadOnlyList<string>? FreezeCommand, IReadOnlyList<string>? ThawCommand, bool Fsfreeze, TimeSpan Timeout, TimeSpan FrozenLimit)
{
    public static readonly TimeSpan DefaultTimeout = TimeSpan.FromSeconds(30);

    public static readonly TimeSpan DefaultFrozenLimit = TimeSpan.FromMinutes(2);
}

/// <summary>A volume source's settings.</summary>
/// <param name="Path">A directory, a file that holds a raw image, or a block device; absolute.</param>
public sealed record VolumeSettings(string Path)
{
    /// <summary>What is left out, in the words of .gitignore.</summary>
    public IReadOnlyList<string> Exclude { get; init; } = [];

    /// <summary>True to leave out what is mounted below the path.</summary>
    public bool OneFileSystem { get; init; }

    /// <summary>True: a mount point or below one other than <c>/</c>, from the first backup on. False: never asked. Null: what it was at the last backup.</summary>
    public bool? RequireMount { get; init; }

    /// <summary>True where a volume that had files and has none any more is backed up all the same.</summary>
    public bool MayBeEmptied { get; init; }

    /// <summary>Null where it is read as it is.</summary>
    public VolumeHooks? Hooks { get; init; }

    /// <summary>The node whose agent reads it; null where the console's own workers do.</summary>
    public string? Node { get; init; }
}
