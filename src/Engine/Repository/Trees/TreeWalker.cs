namespace Hexabase.DrConsole.Engine.Repository.Trees;

/// <summary>Something found on a walk.</summary>
/// <param name="Path">Relative to the tree's root, bytes without a final null.</param>
/// <param name="FullPath">Absolute, null-terminated.</param>
/// <param name="Stat">What it was when it was found.</param>
internal readonly record struct WalkedItem(byte[] Path, byte[] FullPath, FileStat Stat);

/// <summary>Walks directories depth first in the order of nodes. Memory grows with the width of the directories on the way, not with the tree.</summary>
internal sealed class TreeWalker(TreeWarnings warnings, IReadOnlyList<string> excluded)
{
    private readonly List<byte[]> _excluded = [.. excluded.Select(Posix.ToPath)];

    /// <summary>Walks from a root; a root that is a symbolic link is followed, nothing else is.</summary>
    public IEnumerable<WalkedItem> Walk(byte[] prefix, byte[] fullPath)
    {
        var root = new WalkedItem(prefix, fullPath, Posix.Stat(fullPath, follow: true));
        return Descend(root);
    }

    private IEnumerable<WalkedItem> Descend(WalkedItem item)
    {
        yield return item;
        if (item.Stat.Kind != TreeNodeKind.Directory)
        {
            yield break;
        }

        foreach (var name in List(item))
        {
            var fullPath = Posix.Join(item.FullPath, name);
            if (_excluded.Any(path => path.AsSpan().SequenceEqual(fullPath)))
            {
                warnings.Note($"{Posix.Show(fullPath)}: left out, as asked");
                continue;
            }

            if (TryStat(fullPath) is not { } stat)
            {
                continue;
            }

            byte[] path = item.Path.Length == 0 ? name : [.. item.Path, (byte)'/', .. name];
            foreach (var below in Descend(new WalkedItem(path, fullPath, stat)))
            {
                yield return below;
            }
        }
    }

    private List<byte[]> List(WalkedItem directory)
    {
        try
        {
            var names = Posix.List(directory.FullPath);
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
