using Hexabase.DrConsole.Engine.Repository.Trees;

namespace Hexabase.DrConsole.Engine.Repository;

/// <summary>An item of a tree as a page or a listing shows it.</summary>
/// <param name="Path">From the tree's root, as <see cref="PathText"/>.</param>
/// <param name="Kind"><c>directory</c>, <c>file</c>, <c>link</c>, <c>hard link</c>, <c>fifo</c>, <c>socket</c>, <c>character device</c>, <c>block device</c>.</param>
/// <param name="Size">Bytes of a file, else 0.</param>
/// <param name="Mode">The twelve permission bits.</param>
/// <param name="User">The owner's number.</param>
/// <param name="Group">The group's number.</param>
/// <param name="Modified">When its content last changed.</param>
/// <param name="Target">What a link points to, or the first name of a hard link's file.</param>
public sealed record TreeEntry(string Path, string Kind, long Size, uint Mode, uint User, uint Group, DateTimeOffset Modified, string? Target);

public sealed partial class BackupRepository
{
    /// <summary>What lies at a path of this machine, in the words of <see cref="TreeEntry.Kind"/>; a symbolic link is followed.</summary>
    /// <exception cref="IOException">Nothing does, or it cannot be looked at.</exception>
    public static string KindOfFile(string path) => TreeBrowser.KindOf(Posix.Stat(Posix.ToPath(path), follow: true).Kind);

    /// <summary>
    /// What a directory of a tree holds, in order; a file gives itself. The tree's description runs by in pieces up to the end
    /// of that directory, so memory does not grow with the tree.
    /// </summary>
    /// <exception cref="EngineException">Kind NotFound for an artifact or path that is not there; Input for text that is no path; Damaged.</exception>
    public IAsyncEnumerable<TreeEntry> ListTreeAsync(
        Manifest manifest, string artifact, string path = "", bool recursive = false, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(manifest);
        return new TreeBrowser(_parts, FindArtifact(manifest, artifact)).ListAsync(PathText.Parse(path), recursive, cancellationToken);
    }

    /// <summary>Items of a tree whose name contains a text, in any case, or matches a pattern with * ? or [, as they are found.</summary>
    /// <exception cref="EngineException">Kind NotFound for an artifact that is not there; Damaged.</exception>
    public IAsyncEnumerable<TreeEntry> SearchTreeAsync(Manifest manifest, string artifact, string pattern, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(manifest);
        ArgumentException.ThrowIfNullOrEmpty(pattern);
        return new TreeBrowser(_parts, FindArtifact(manifest, artifact)).SearchAsync(pattern, cancellationToken);
    }
}
