using Microsoft.Win32.SafeHandles;

namespace Hexabase.DrConsole.Engine.Repository.Trees;

/// <summary>An item of a directory that is held open, to restore to: no symbolic link is followed at it, whatever its path leads to.</summary>
/// <param name="Directory">Held by whoever gives it.</param>
/// <param name="Name">Null-terminated; a dot for the directory itself.</param>
internal sealed record HeldTarget(SafeFileHandle Directory, byte[] Name)
{
    /// <summary>Of a directory, or of a file in it.</summary>
    public static HeldTarget Of(SafeFileHandle handle, string directory, string root) =>
        new(handle, Posix.ToPath(root == directory ? "." : System.IO.Path.GetFileName(root)));
}

/// <summary>Where a tree is restored to: the item itself, named in its parent directory, and what comes below it.</summary>
/// <param name="path">Where it is; for messages only where it is held.</param>
/// <param name="held">Null to follow the path, at its last name too.</param>
internal sealed class RestoreTarget(string path, HeldTarget? held = null) : IDisposable
{
    /// <summary>New contents wait here for their names; a killed restore leaves it, the next one empties it.</summary>
    public static readonly byte[] StagingName = ".drconsole-partial\0"u8.ToArray();

    /// <summary>Begins the names of folders in a restored directory that hold what was there before; they are no part of it.</summary>
    public static ReadOnlySpan<byte> KeptPrefix => ".drconsole-before-"u8;

    private readonly SafeFileHandle _parent = held is null
        ? Posix.OpenDirectoryHandle(Posix.ToPath(System.IO.Path.GetDirectoryName(path) ?? "/")) : Posix.OpenDirectoryBelow(held.Directory, Posix.ToPath("."));

    private readonly byte[] _name = held?.Name ?? Posix.ToPath(System.IO.Path.GetFileName(path));
    private SafeFileHandle? _root;
    private SafeFileHandle? _staging;

    public string Path { get; } = path;

    /// <summary>True where a directory is there; a link to one only where the path is followed: whoever named it meant that directory.</summary>
    public bool IsDirectory => held is null ? Directory.Exists(Path) : Posix.TryStatAt(_parent, _name)?.Kind == TreeNodeKind.Directory;

    /// <summary>What the item is, or null.</summary>
    public FileStat? TryStat() => Posix.TryStatAt(_parent, _name) is { } stat
        ? held is null && stat.Kind == TreeNodeKind.SymbolicLink && IsDirectory ? Posix.Stat(Posix.ToPath(Path), follow: true) : stat : null;

    /// <summary>The tree's root, which must be a directory by now. Not for its first use from several threads at once.</summary>
    public SafeFileHandle Root => _root ??= held is null ? Posix.OpenDirectoryHandle(Posix.ToPath(Path)) : Posix.OpenDirectoryBelow(_parent, _name);

    /// <summary>The directory for contents that have no name yet; made and emptied at its first use, which must be alone.</summary>
    public SafeFileHandle Staging
    {
        get
        {
            if (_staging is null)
            {
                // A single file has no directory of its own; its parent serves.
                var home = IsDirectory ? Root : _parent;
                RemoveStaging(home);
                Posix.MakeDirectoryAt(home, StagingName);
                _staging = Posix.OpenDirectoryBelow(home, StagingName);
            }

            return _staging;
        }
    }

    /// <summary>A way to items that remembers the last directory; one for each thread.</summary>
    public DirectoryCursor Cursor() => new(this);

    /// <summary>A path of the tree as a person reads it.</summary>
    public string Show(ReadOnlySpan<byte> item) => Posix.Show(Posix.Join(Posix.ToPath(Path), item));

    /// <summary>Removes the staging directory, this restore's or one that a killed restore left.</summary>
    public void RemoveStaging()
    {
        _staging?.Dispose();
        _staging = null;
        RemoveStaging(IsDirectory ? Root : _parent);
    }

    public void Dispose()
    {
        _staging?.Dispose();
        _root?.Dispose();
        _parent.Dispose();
    }

    private static void RemoveStaging(SafeFileHandle home)
    {
        if (Posix.TryStatAt(home, StagingName) is not null)
        {
            TreeRemoval.Remove(home, StagingName);
        }
    }

    /// <summary>The directory and the null-terminated name of items, one after the other.</summary>
    internal sealed class DirectoryCursor(RestoreTarget target) : IDisposable
    {
        private byte[] _path = [];
        private SafeFileHandle? _directory;

        public (SafeFileHandle Directory, byte[] Name) Find(ReadOnlySpan<byte> item)
        {
            if (item.IsEmpty)
            {
                return (target._parent, target._name);
            }

            var slash = item.LastIndexOf((byte)'/');
            byte[] name = [.. item[(slash + 1)..], 0];
            if (slash < 0)
            {
                return (target.Root, name);
            }

            if (_directory is null || !item[..slash].SequenceEqual(_path))
            {
                _directory?.Dispose();
                _directory = null;
                _directory = Posix.OpenDirectoryBelow(target.Root, [.. item[..slash], 0]);
                _path = item[..slash].ToArray();
            }

            return (_directory, name);
        }

        /// <summary>Forgets the last directory, which may have been replaced.</summary>
        public void Forget()
        {
            _directory?.Dispose();
            _directory = null;
        }

        public void Dispose() => _directory?.Dispose();
    }
}

/// <summary>Deletes items with all below them, over no symbolic link.</summary>
internal static class TreeRemoval
{
    public static void Remove(SafeFileHandle directory, byte[] name)
    {
        if (Posix.TryStatAt(directory, name) is not { } stat)
        {
            return;
        }

        if (stat.Kind != TreeNodeKind.Directory)
        {
            Posix.RemoveAt(directory, name, isDirectory: false);
            return;
        }

        using (var below = Posix.OpenDirectoryBelow(directory, name))
        {
            foreach (var item in Posix.List(Posix.LiveName(below)))
            {
                Remove(below, [.. item, 0]);
            }
        }

        Posix.RemoveAt(directory, name, isDirectory: true);
    }
}
