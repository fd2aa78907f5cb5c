using Microsoft.Win32.SafeHandles;

namespace Hexabase.DrConsole.Engine.Repository.Trees;

/// <summary>What a node needs.</summary>
internal enum RestoreAction
{
    None,
    Create,
    Replace,
    Adjust,
    Blocked,
}

/// <summary>
/// Compares what is there with what belongs there, clears the way, and counts. Without delta everything is to be made. Used
/// by one thread, node after node in their order.
/// </summary>
internal sealed class RestoreDifference(RepositoryParts parts, RestoreTarget target, RestoredMetadata metadata, TreeWarnings warnings, TreeRestoreOptions options)
{
    private readonly Stack<(byte[] Path, HashSet<string> Names)> _open = new();
    private readonly List<byte[]> _extras = [];

    /// <summary>Of a dry run the files with other names that a restore would make anew: to them these are linked anew, too.</summary>
    private readonly HashSet<string> _remade = new(StringComparer.Ordinal);
    private byte[]? _blockedRoot;
    private long _blocked;
    private long _created;
    private long _replaced;
    private long _adjusted;
    private long _unchanged;
    private long _leftAlone;

    /// <summary>What to do with a node; where it must be made and something else is in its way, that is removed first.</summary>
    public async ValueTask<RestoreAction> DecideAsync(RestoreTarget.DirectoryCursor cursor, TreeNode node, CancellationToken ct)
    {
        Expect(node);
        if (!options.Delta)
        {
            _created++;
            return node.Kind == TreeNodeKind.Directory && node.Path.Length == 0 && target.IsDirectory ? RestoreAction.None : RestoreAction.Create;
        }

        var action = IsBelowBlocked(node.Path) ? RestoreAction.Blocked : await CompareAsync(cursor, node, ct);
        Count(action, node);
        if (options.DryRun && node.Links > 1 && action is RestoreAction.Create or RestoreAction.Replace)
        {
            _remade.Add(Convert.ToHexString(node.Path));
        }

        return action;
    }

    /// <summary>The same for another name of a file, when all files are there.</summary>
    public RestoreAction DecideLink(RestoreTarget.DirectoryCursor cursor, TreeNode link)
    {
        if (!options.Delta)
        {
            _created++;
            return RestoreAction.Create;
        }

        using var existing = target.Cursor();
        var there = TryStat(cursor, link.Path, out var directory, out var name);
        var file = TryStat(existing, link.Target, out _, out _);
        // A directory that stays in the way of the file keeps its other names from it, too.
        var action = file is { Kind: TreeNodeKind.Directory } ? RestoreAction.Blocked
            : there is null ? RestoreAction.Create
            : file is { } wanted && wanted.Inode == there.Value.Inode && wanted.Device == there.Value.Device && !_remade.Contains(Convert.ToHexString(link.Target)) ? RestoreAction.None
            : there.Value.Kind == TreeNodeKind.Directory && !TryClear(cursor, directory!, name, link) ? RestoreAction.Blocked
            : there.Value.Kind == TreeNodeKind.Directory ? RestoreAction.Create : RestoreAction.Replace;
        Count(action, link);
        return action;
    }

    /// <summary>Notes that a node belongs there, and closes the directories that it does not lie in.</summary>
    public void Expect(TreeNode node)
    {
        if (!options.Delta)
        {
            return;
        }

        while (_open.TryPeek(out var open) && !IsBelow(node.Path, open.Path))
        {
            Close();
        }

        if (_open.TryPeek(out var parent))
        {
            parent.Names.Add(Convert.ToHexString(node.Path.AsSpan(parent.Path.Length == 0 ? 0 : parent.Path.Length + 1)));
        }

        if (node.Kind == TreeNodeKind.Directory)
        {
            _open.Push((node.Path, new HashSet<string>(StringComparer.Ordinal)));
        }
    }

    /// <summary>Deletes what does not belong there, where that was asked for; last, so that nothing goes before all is there.</summary>
    public void Finish()
    {
        while (_open.Count > 0)
        {
            Close();
        }

        using var cursor = target.Cursor();
        foreach (var extra in _extras)
        {
            options.OnChange?.Invoke(new RestoreChange(RestoreChangeKind.Delete, PathText.Of(extra)));
            if (!options.DryRun)
            {
                var (directory, name) = cursor.Find(extra);
                TreeRemoval.Remove(directory, name);
            }
        }
    }

    public TreeRestoreResult Result(long items, long bytes) => new(items, bytes, warnings.Lines, warnings.Count)
    {
        Created = _created,
        Replaced = _replaced,
        Adjusted = _adjusted,
        Unchanged = _unchanged,
        Deleted = _extras.Count,
        LeftAlone = _leftAlone,
        Blocked = _blocked,
    };

    private async ValueTask<RestoreAction> CompareAsync(RestoreTarget.DirectoryCursor cursor, TreeNode node, CancellationToken ct)
    {
        if (TryStat(cursor, node.Path, out var directory, out var name) is not { } there)
        {
            return RestoreAction.Create;
        }

        if (there.Kind != node.Kind)
        {
            // The new item takes the place of a file by renaming; a directory must go first, and one comes to a free place.
            var mustClear = there.Kind == TreeNodeKind.Directory || node.Kind == TreeNodeKind.Directory;
            return mustClear && !TryClear(cursor, directory!, name, node) ? RestoreAction.Blocked
                : node.Kind == TreeNodeKind.Directory ? RestoreAction.Replace : mustClear ? RestoreAction.Create : RestoreAction.Replace;
        }

        var isSame = node.Kind switch
        {
            TreeNodeKind.Directory => true,
            TreeNodeKind.File => await IsSameFileAsync(directory!, name, there, node, ct),
            TreeNodeKind.SymbolicLink => Posix.ReadLinkAt(directory!, name).AsSpan().SequenceEqual(node.Target),
            TreeNodeKind.CharacterDevice or TreeNodeKind.BlockDevice => there.NodeDevice == node.NodeDevice,
            _ => true,
        };
        return !isSame ? RestoreAction.Replace : metadata.IsRight(directory!, name, there, node) ? RestoreAction.None : RestoreAction.Adjust;
    }

    private async ValueTask<bool> IsSameFileAsync(SafeFileHandle directory, byte[] name, FileStat there, TreeNode node, CancellationToken ct)
    {
        if (there.Size != node.Size)
        {
            return false;
        }

        if (!options.VerifyContent)
        {
            return there.Modified == node.Modified;
        }

        using var file = Posix.OpenReadAt(directory, name);
        return await FileComparison.HasContentAsync(parts, file, node, ct);
    }

    /// <summary>What is at a path, or null; also null where a part of the way is missing or no directory yet, as in a dry run.</summary>
    private FileStat? TryStat(RestoreTarget.DirectoryCursor cursor, byte[] path, out SafeFileHandle? directory, out byte[] name)
    {
        (directory, name) = (null, []);
        try
        {
            if (path.Length > 0 && !target.IsDirectory)
            {
                return null;
            }

            (directory, name) = cursor.Find(path);
            return path.Length == 0 ? target.TryStat() : Posix.TryStatAt(directory, name);
        }
        catch (PosixException error) when (options.DryRun && error.Errno is PosixException.NoEntry or PosixException.NotDirectory or PosixException.Loop)
        {
            return null;
        }
    }

    /// <summary>Removes what is in a node's way; a directory that holds something only where deletion was asked for.</summary>
    private bool TryClear(RestoreTarget.DirectoryCursor cursor, SafeFileHandle directory, byte[] name, TreeNode node)
    {
        if (!options.Delete && Posix.TryStatAt(directory, name) is { Kind: TreeNodeKind.Directory } && IsFilled(directory, name))
        {
            return false;
        }

        if (!options.DryRun)
        {
            TreeRemoval.Remove(directory, name);
            cursor.Forget();
        }

        return true;
    }

    private static bool IsFilled(SafeFileHandle directory, byte[] name)
    {
        using var below = Posix.OpenDirectoryBelow(directory, name);
        return Posix.List(Posix.LiveName(below)).Count > 0;
    }

    private void Count(RestoreAction action, TreeNode node)
    {
        RestoreChangeKind? change = null;
        switch (action)
        {
            case RestoreAction.Create:
                (_created, change) = (_created + 1, RestoreChangeKind.Create);
                break;
            case RestoreAction.Replace:
                (_replaced, change) = (_replaced + 1, RestoreChangeKind.Replace);
                break;
            case RestoreAction.Adjust:
                (_adjusted, change) = (_adjusted + 1, RestoreChangeKind.Metadata);
                break;
            case RestoreAction.Blocked:
                _blocked++;
                if (IsBelowBlocked(node.Path))
                {
                    break;
                }

                _blockedRoot = node.Path;
                warnings.Note($"{target.Show(node.Path)}: not restored, a directory that holds something is in the way");
                change = RestoreChangeKind.Blocked;
                break;
            default:
                _unchanged++;
                break;
        }

        if (change is { } kind)
        {
            options.OnChange?.Invoke(new RestoreChange(kind, PathText.Of(node.Path)));
        }
    }

    private void Close()
    {
        var (path, names) = _open.Pop();
        List<byte[]> found;
        try
        {
            using var cursor = target.Cursor();
            using var below = path.Length == 0 ? null : cursor.Find([.. path, (byte)'/', (byte)'x']).Directory;
            found = !target.IsDirectory ? [] : Posix.List(Posix.LiveName(below ?? target.Root));
        }
        catch (PosixException error) when (options.DryRun && error.Errno is PosixException.NoEntry or PosixException.NotDirectory or PosixException.Loop)
        {
            return;
        }

        foreach (var name in found.Where(name => !names.Contains(Convert.ToHexString(name)) && !IsStaging(path, name)))
        {
            if (!options.Delete)
            {
                _leftAlone++;
                continue;
            }

            _extras.Add(path.Length == 0 ? name : [.. path, (byte)'/', .. name]);
        }
    }

    private static bool IsStaging(byte[] path, byte[] name) => path.Length == 0 && (name.AsSpan().SequenceEqual(RestoreTarget.StagingName.AsSpan(0, RestoreTarget.StagingName.Length - 1))
        || name.AsSpan().StartsWith(RestoreTarget.KeptPrefix));

    private bool IsBelowBlocked(byte[] path) => _blockedRoot is not null && IsBelow(path, _blockedRoot);

    private static bool IsBelow(ReadOnlySpan<byte> path, ReadOnlySpan<byte> directory) =>
        directory.Length == 0 ? path.Length > 0 : path.Length > directory.Length && path.StartsWith(directory) && path[directory.Length] == '/';
}
