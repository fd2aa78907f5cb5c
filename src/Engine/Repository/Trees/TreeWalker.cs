using Microsoft.Win32.SafeHandles;

namespace Hexabase.DrConsole.Engine.Repository.Trees;

/// <summary>Something found on a walk.</summary>
/// <param name="Path">Relative to the tree's root, bytes without a final null.</param>
/// <param name="FullPath">Absolute, null-terminated. Where it was found: others may have put a symbolic link on the way there since, so it is for messages.</param>
/// <param name="Stat">What it was when it was found.</param>
internal readonly record struct WalkedItem(byte[] Path, byte[] FullPath, FileStat Stat)
{
    /// <summary>The directory that it was found in, open until the walk leaves it, and its null-terminated name there; null for the root.</summary>
    public (SafeFileHandle Directory, byte[] Name)? Place { get; init; }

    /// <summary>Keeps the directory open until <see cref="LetGo"/>, wherever the walk is by then.</summary>
    public void Keep()
    {
        var isKept = false;
        Place?.Directory.DangerousAddRef(ref isKept);
    }

    public void LetGo() => Place?.Directory.DangerousRelease();

    /// <summary>Opens it for reading; refuses a symbolic link that took its place.</summary>
    public SafeFileHandle OpenRead() => Named(item => item.Place is { } place ? Posix.OpenReadAt(place.Directory, place.Name) : Posix.OpenRead(item.FullPath));

    /// <summary>Opens it to list it; only the root may be a symbolic link.</summary>
    public SafeFileHandle OpenDirectory() =>
        Named(item => item.Place is { } place ? Posix.OpenDirectoryAt(place.Directory, place.Name) : Posix.OpenDirectoryHandle(item.FullPath));

    /// <summary>Where a symbolic link leads.</summary>
    public byte[] ReadLink() => Named(item => item.Place is { } place ? Posix.ReadLinkAt(place.Directory, place.Name) : Posix.ReadLink(item.FullPath));

    /// <summary>Its extended attributes; links are not followed.</summary>
    public IReadOnlyList<ExtendedAttribute> Attributes() => Named(item => Posix.Attributes(item.Place is { } place ? Posix.LiveName(place.Directory, place.Name) : item.FullPath));

    /// <summary>The fault's path is the one that people know.</summary>
    private T Named<T>(Func<WalkedItem, T> call)
    {
        try
        {
            return call(this);
        }
        catch (PosixException error)
        {
            throw new PosixException(error.Errno, Posix.Show(FullPath));
        }
    }
}

/// <summary>
/// Walks directories depth first in the order of nodes and leaves out what the options say. Memory grows with the width of
/// the directories on the way, not with the tree. Each directory is opened in the one above it and walked through that handle: who
/// puts a symbolic link in the place of one leads the walk nowhere.
/// </summary>
internal sealed class TreeWalker(TreeWarnings warnings, TreeOptions options)
{
    private const int LongestPath = 4096;
    private static readonly byte[] CacheTag = "CACHEDIR.TAG"u8.ToArray();
    private readonly List<byte[]> _excluded = [.. options.Excluded.Select(Posix.ToPath)];
    private readonly ExclusionRules _rules = new(options.Exclude);
    private int _prefixLength;
    private ulong _device;
    private long _leftOut;

    /// <summary>Walks from a root; a root that is a symbolic link is followed, nothing else is.</summary>
    public IEnumerable<WalkedItem> Walk(byte[] prefix, byte[] fullPath)
    {
        var root = new WalkedItem(prefix, fullPath, Posix.Stat(fullPath, follow: true));
        _prefixLength = prefix.Length == 0 ? 0 : prefix.Length + 1;
        _device = root.Stat.Device;
        return Descend(root);
    }

    /// <summary>Notes how many items the patterns left out; once, when the walk is over.</summary>
    public void NoteLeftOut()
    {
        if (_leftOut > 0)
        {
            warnings.Note($"{_leftOut} items were left out by the exclude patterns");
        }
    }

    /// <summary>A stack of its own: nested iterators would hand each item up through every level.</summary>
    private IEnumerable<WalkedItem> Descend(WalkedItem root)
    {
        yield return root;
        var open = new Stack<Level>();
        try
        {
            if (root.Stat.Kind == TreeNodeKind.Directory && Enter(root) is { } top)
            {
                open.Push(top);
            }

            while (open.TryPeek(out var level))
            {
                if (level.Next == level.Names.Count)
                {
                    open.Pop().Handle.Dispose();
                    continue;
                }

                if (Find(level, level.Names[level.Next++]) is not { } item)
                {
                    continue;
                }

                yield return item;
                if (item.Stat.Kind == TreeNodeKind.Directory && Enter(item) is { } below)
                {
                    open.Push(below);
                }
            }
        }
        finally
        {
            foreach (var level in open)
            {
                level.Handle.Dispose();
            }
        }
    }

    private WalkedItem? Find(Level level, byte[] name)
    {
        var fullPath = Posix.Join(level.Directory.FullPath, name);
        if (_excluded.Any(path => path.AsSpan().SequenceEqual(fullPath)))
        {
            warnings.Note($"{Posix.Show(fullPath)}: left out, as asked");
            return null;
        }

        byte[] here = [.. name, 0];
        if (TryStat(level.Handle, here, fullPath) is not { } stat)
        {
            return null;
        }

        byte[] path = level.Directory.Path.Length == 0 ? name : [.. level.Directory.Path, (byte)'/', .. name];
        if (!_rules.IsEmpty && _rules.Excludes(path.AsSpan(_prefixLength), stat.Kind == TreeNodeKind.Directory))
        {
            _leftOut++;
            return null;
        }

        return new WalkedItem(path, fullPath, stat) { Place = (level.Handle, here) };
    }

    /// <summary>Opens a directory and lists it; null where there is nothing to walk.</summary>
    private Level? Enter(WalkedItem directory)
    {
        if (options.OneFileSystem && directory.Stat.Device != _device)
        {
            warnings.Note($"{Posix.Show(directory.FullPath)}: another file system, left out");
            return null;
        }

        SafeFileHandle? handle = null;
        try
        {
            handle = directory.OpenDirectory();
            var now = Posix.Stat(handle, directory.FullPath);
            if ((now.Device, now.Inode) != (directory.Stat.Device, directory.Stat.Inode))
            {
                warnings.Note($"{Posix.Show(directory.FullPath)}: another directory took its place while it was read");
            }

            var names = Posix.List(handle, directory.FullPath);
            if (options.SkipCacheDirectories && names.Exists(IsCacheTag) && CacheDirectory.IsTagged(handle, [.. CacheTag, 0]))
            {
                warnings.Note($"{Posix.Show(directory.FullPath)}: a cache (CACHEDIR.TAG), left out");
                names.RemoveAll(name => !IsCacheTag(name));
            }

            names.Sort((left, right) => left.AsSpan().SequenceCompareTo(right));
            return new Level(directory, handle, names);
        }
        catch (PosixException error) when (error.Errno != PosixException.NoEntry)
        {
            warnings.Unreadable(error.Message);
        }
        catch (PosixException error)
        {
            warnings.Note($"{error.Message} (removed meanwhile)");
        }

        handle?.Dispose();
        return null;
    }

    private static bool IsCacheTag(byte[] name) => name.AsSpan().SequenceEqual(CacheTag);

    private FileStat? TryStat(SafeFileHandle directory, byte[] name, byte[] fullPath)
    {
        try
        {
            // As the system bounds a path: it bounds how many directories are open at once, too.
            if (fullPath.Length > LongestPath)
            {
                throw new PosixException(PosixException.NameTooLong, "");
            }

            if (Posix.TryStatAt(directory, name) is { } stat)
            {
                return stat;
            }

            warnings.Note($"{new PosixException(PosixException.NoEntry, Posix.Show(fullPath)).Message} (removed meanwhile)");
        }
        catch (PosixException error)
        {
            warnings.Unreadable(new PosixException(error.Errno, Posix.Show(fullPath)).Message);
        }

        return null;
    }

    /// <summary>An open directory on the way, with its names and the next of them to look at.</summary>
    private sealed class Level(WalkedItem directory, SafeFileHandle handle, List<byte[]> names)
    {
        public WalkedItem Directory => directory;

        public SafeFileHandle Handle => handle;

        public List<byte[]> Names => names;

        public int Next { get; set; }
    }
}

/// <summary>The convention by which programs mark directories that hold nothing but what they can make again.</summary>
internal static class CacheDirectory
{
    private static ReadOnlySpan<byte> Signature => "Signature: 8a477f597d28d172789f06886806bc55"u8;

    /// <summary>True where the file is a tag by its first bytes; its name alone says nothing.</summary>
    public static bool IsTagged(SafeFileHandle directory, byte[] tag)
    {
        try
        {
            using var file = Posix.OpenReadAt(directory, tag);
            Span<byte> head = stackalloc byte[Signature.Length];
            return Posix.Read(file, head, 0, tag) == head.Length && head.SequenceEqual(Signature);
        }
        catch (PosixException)
        {
            // A tag that cannot be read leaves nothing out; the walk reports the file itself.
            return false;
        }
    }
}
