namespace Hexabase.DrConsole.Engine.Repository.Trees;

/// <summary>Something found on a walk.</summary>
/// <param name="Path">Relative to the tree's root, bytes without a final null.</param>
/// <param name="FullPath">Absolute, null-terminated.</param>
/// <param name="Stat">What it was when it was found.</param>
internal readonly record struct WalkedItem(byte[] Path, byte[] FullPath, FileStat Stat);

/// <summary>
/// Walks directories depth first in the order of nodes and leaves out what the options say. Memory grows with the width of
/// the directories on the way, not with the tree.
/// </summary>
internal sealed class TreeWalker(TreeWarnings warnings, TreeOptions options)
{
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
        var open = new Stack<(WalkedItem Directory, List<byte[]> Names, int Next)>();
        if (root.Stat.Kind == TreeNodeKind.Directory)
        {
            open.Push((root, List(root), 0));
        }

        while (open.TryPop(out var level))
        {
            var (directory, names, next) = level;
            if (next == names.Count)
            {
                continue;
            }

            open.Push((directory, names, next + 1));
            if (Find(directory, names[next]) is not { } item)
            {
                continue;
            }

            yield return item;
            if (item.Stat.Kind == TreeNodeKind.Directory)
            {
                open.Push((item, List(item), 0));
            }
        }
    }

    private WalkedItem? Find(WalkedItem directory, byte[] name)
    {
        var fullPath = Posix.Join(directory.FullPath, name);
        if (_excluded.Any(path => path.AsSpan().SequenceEqual(fullPath)))
        {
            warnings.Note($"{Posix.Show(fullPath)}: left out, as asked");
            return null;
        }

        if (TryStat(fullPath) is not { } stat)
        {
            return null;
        }

        byte[] path = directory.Path.Length == 0 ? name : [.. directory.Path, (byte)'/', .. name];
        if (!_rules.IsEmpty && _rules.Excludes(path.AsSpan(_prefixLength), stat.Kind == TreeNodeKind.Directory))
        {
            _leftOut++;
            return null;
        }

        return new WalkedItem(path, fullPath, stat);
    }

    private List<byte[]> List(WalkedItem directory)
    {
        if (options.OneFileSystem && directory.Stat.Device != _device)
        {
            warnings.Note($"{Posix.Show(directory.FullPath)}: another file system, left out");
            return [];
        }

        try
        {
            var names = Posix.List(directory.FullPath);
            if (options.SkipCacheDirectories && names.Exists(IsCacheTag) && CacheDirectory.IsTagged(Posix.Join(directory.FullPath, CacheTag)))
            {
                warnings.Note($"{Posix.Show(directory.FullPath)}: a cache (CACHEDIR.TAG), left out");
                names.RemoveAll(name => !IsCacheTag(name));
            }

            names.Sort((left, right) => left.AsSpan().SequenceCompareTo(right));
            return names;
        }
        catch (PosixException error) when (error.Errno != PosixException.NoEntry)
        {
            warnings.Unreadable(error.Message);
        }
        catch (PosixException error)
        {
            warnings.Note($"{error.Message} (removed meanwhile)");
        }

        return [];
    }

    private static bool IsCacheTag(byte[] name) => name.AsSpan().SequenceEqual(CacheTag);

    private FileStat? TryStat(byte[] fullPath)
    {
        try
        {
            return Posix.Stat(fullPath);
        }
        catch (PosixException error) when (error.Errno != PosixException.NoEntry)
        {
            warnings.Unreadable(error.Message);
        }
        catch (PosixException error)
        {
            warnings.Note($"{error.Message} (removed meanwhile)");
        }

        return null;
    }
}

/// <summary>The convention by which programs mark directories that hold nothing but what they can make again.</summary>
internal static class CacheDirectory
{
    private static ReadOnlySpan<byte> Signature => "Signature: 8a477f597d28d172789f06886806bc55"u8;

    /// <summary>True where the file is a tag by its first bytes; its name alone says nothing.</summary>
    public static bool IsTagged(byte[] tag)
    {
        try
        {
            using var file = Posix.OpenRead(tag);
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
