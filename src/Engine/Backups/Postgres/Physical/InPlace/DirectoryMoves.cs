using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Trees;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Physical.InPlace;

/// <summary>
/// Items moved between two directories of one file system under the same relative path, each at once or not at all. Links are
/// moved themselves, and a directory with all in it. Names are text as <see cref="PathText"/> writes them.
/// </summary>
internal static class DirectoryMoves
{
    /// <summary>True where there is something, a dangling link too.</summary>
    public static bool Exists(string root, string path) => Find(root, path) is not null;

    /// <summary>True where there is a link, wherever it leads.</summary>
    public static bool IsLink(string root, string path) => Find(root, path) is { Kind: TreeNodeKind.SymbolicLink };

    /// <summary>Moves an item; the directories above it are made on the other side.</summary>
    public static void Move(string from, string to, string path)
    {
        var slash = path.LastIndexOf('/');
        var (parent, name) = slash < 0 ? ("", PathText.Parse(path)) : (path[..slash], PathText.Parse(path[(slash + 1)..]));
        Directory.CreateDirectory(FullPath(to, parent));
        using var source = Posix.OpenDirectoryHandle(Posix.ToPath(FullPath(from, parent)));
        using var target = Posix.OpenDirectoryHandle(Posix.ToPath(FullPath(to, parent)));
        byte[] terminated = [.. name, 0];
        Posix.MoveAt(source, terminated, target, terminated);
    }

    /// <summary>Removes an item with all below it.</summary>
    public static void Remove(string root, string path)
    {
        using var home = Posix.OpenDirectoryHandle(Posix.ToPath(root));
        var bytes = PathText.Parse(path);
        var slash = Array.LastIndexOf(bytes, (byte)'/');
        using var parent = slash < 0 ? null : Posix.OpenDirectoryBelow(home, [.. bytes[..slash], 0]);
        TreeRemoval.Remove(parent ?? home, [.. bytes[(slash + 1)..], 0]);
    }

    /// <summary>Renames a directory.</summary>
    public static void Rename(string from, string to)
    {
        Directory.Move(from, to);
        Servers.LocalFolder.Flush(Path.GetDirectoryName(to)!);
    }

    /// <summary>Waits until what was written and renamed in the file system of a directory is on its disk.</summary>
    public static void Sync(string directory) => Posix.Sync(directory);

    /// <summary>What is directly in a directory, as text of one name.</summary>
    public static IReadOnlyList<(string Name, bool IsDirectory)> List(string root, string path)
    {
        var full = Posix.ToPath(FullPath(root, path));
        return [.. Posix.List(full).Select(name => (PathText.Of(name), Posix.Stat(Posix.Join(full, name)).Kind == TreeNodeKind.Directory))];
    }

    private static FileStat? Find(string root, string path)
    {
        try
        {
            return Posix.Stat(Posix.Join(Posix.ToPath(root), PathText.Parse(path)));
        }
        catch (PosixException error) when (error.Errno is PosixException.NoEntry or PosixException.NotDirectory)
        {
            return null;
        }
    }

    /// <summary>Directories of a cluster have plain names: the server makes them, and tablespaces are no part of this.</summary>
    private static string FullPath(string root, string path) => path.Length == 0 ? root : Path.Combine(root, path);
}
