using Hexabase.DrConsole.Engine.Repository.Trees;

namespace Hexabase.DrConsole.Engine.Repository;

/// <summary>How artifacts are restored. The default wants a new or empty directory.</summary>
public sealed record TreeRestoreOptions
{
    /// <summary>
    /// Only this part of a tree, relative to the tree's root, written as <see cref="PathText"/>; null for all of it. It
    /// becomes the target itself.
    /// </summary>
    public string? Path { get; init; }

    /// <summary>
    /// True to bring a directory that holds something to the state of the restore point: what is right already is left as it
    /// is, what is not in the restore point too. New content of a file appears under its name at once or not at all.
    /// </summary>
    public bool Delta { get; init; }

    /// <summary>With <see cref="Delta"/>: true to compare contents; else a file of the same size and time counts as right.</summary>
    public bool VerifyContent { get; init; }

    /// <summary>With <see cref="Delta"/>: true to delete what is not in the restore point, at the end.</summary>
    public bool Delete { get; init; }

    /// <summary>With <see cref="Delta"/>: true to tell the difference only and change nothing.</summary>
    public bool DryRun { get; init; }

    /// <summary>
    /// With <see cref="Delta"/>: only the files, links and special files of which this is true, by their <see cref="PathText"/>;
    /// the others are neither looked at nor changed. Directories are made all the same.
    /// </summary>
    public Predicate<string>? Only { get; init; }

    /// <summary>With <see cref="Delta"/>: what the target's path led to when it was looked at; null to follow the path.</summary>
    internal HeldTarget? Held { get; init; }

    /// <summary>Told each difference; from one thread, in no particular order.</summary>
    public Action<RestoreChange>? OnChange { get; init; }
}

/// <summary>What a restore does to an item.</summary>
public enum RestoreChangeKind
{
    /// <summary>It is not there.</summary>
    Create,

    /// <summary>Its content, target or kind is another.</summary>
    Replace,

    /// <summary>Only its owner, mode, time or attributes are others.</summary>
    Metadata,

    /// <summary>It is not in the restore point, and is to be deleted.</summary>
    Delete,

    /// <summary>A directory that holds something is in its way; only with deletion it would be removed.</summary>
    Blocked,
}

/// <summary>One difference between a directory and a restore point.</summary>
/// <param name="Kind">What is done.</param>
/// <param name="Path">Below the target, as <see cref="PathText"/>.</param>
public readonly record struct RestoreChange(RestoreChangeKind Kind, string Path);

/// <summary>What a restore did, or with a dry run would do.</summary>
/// <param name="Items">Files, directories and so on that belong there.</param>
/// <param name="Bytes">Bytes written.</param>
/// <param name="Warnings">What could not be restored as it was, at most 1,000 lines; the content is never among it.</param>
/// <param name="WarningCount">How many there were in all.</param>
public sealed record TreeRestoreResult(long Items, long Bytes, IReadOnlyList<string> Warnings, long WarningCount)
{
    /// <summary>Items that were made.</summary>
    public long Created { get; init; }

    /// <summary>Items that got another content, target or kind.</summary>
    public long Replaced { get; init; }

    /// <summary>Items of which only owner, mode, time or attributes were set.</summary>
    public long Adjusted { get; init; }

    /// <summary>Items that were right already.</summary>
    public long Unchanged { get; init; }

    /// <summary>Items beyond the restore point that were deleted; a directory counts as one.</summary>
    public long Deleted { get; init; }

    /// <summary>Items beyond the restore point that were left alone; a directory counts as one.</summary>
    public long LeftAlone { get; init; }

    /// <summary>Items that were not restored, since a directory that holds something is in their way.</summary>
    public long Blocked { get; init; }

    /// <summary>Both together.</summary>
    public TreeRestoreResult Plus(TreeRestoreResult other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return new TreeRestoreResult(Items + other.Items, Bytes + other.Bytes, [.. Warnings, .. other.Warnings], WarningCount + other.WarningCount)
        {
            Created = Created + other.Created,
            Replaced = Replaced + other.Replaced,
            Adjusted = Adjusted + other.Adjusted,
            Unchanged = Unchanged + other.Unchanged,
            Deleted = Deleted + other.Deleted,
            LeftAlone = LeftAlone + other.LeftAlone,
            Blocked = Blocked + other.Blocked,
        };
    }
}
