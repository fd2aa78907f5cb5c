using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Repository.Index;
using Hexabase.DrConsole.Engine.Storage;
using Microsoft.Win32.SafeHandles;

namespace Hexabase.DrConsole.Engine.Repository.Trees;

/// <summary>
/// Brings a path to the state of a tree. Directories come first in the order of nodes and get their times last; files are
/// written in batches by their place in the packs; hard links are made when all files are there, deletions come at the end.
/// A restore that was cut off is repeated: what it finished is found right.
/// </summary>
internal sealed class TreeRestorer : IDisposable
{
    private const int BatchFiles = 4096;
    private const long BatchBytes = 32 * 1024 * 1024;

    private readonly RepositoryParts _parts;
    private readonly TreeRestoreOptions _options;
    private readonly ProgressMeter _meter;
    private readonly CancellationToken _ct;
    private readonly RestoreTarget _target;
    private readonly RestoreTarget.DirectoryCursor _cursor;
    private readonly TreeWarnings _warnings = new();
    private readonly RestoredMetadata _metadata;
    private readonly RestoreDifference _difference;
    private readonly FileWriter _writer;
    private readonly FileRanges _ranges;
    private readonly List<TreeNode> _directories = [];
    private readonly List<TreeNode> _links = [];
    private List<SmallFile> _batch = [];
    private long _batchBytes;
    private Task _running = Task.CompletedTask;
    private Task _large = Task.CompletedTask;
    private byte[]? _openDirectory;
    private long _items;

    public TreeRestorer(RepositoryParts parts, string target, TreeRestoreOptions options, ProgressMeter meter, CancellationToken ct)
    {
        (_parts, _options, _meter, _ct) = (parts, options, meter, ct);
        _target = new RestoreTarget(target, options.Held);
        _cursor = _target.Cursor();
        _metadata = new RestoredMetadata(_target, _warnings, !options.Delta && InheritsNothing(target));
        _difference = new RestoreDifference(parts, _target, _metadata, _warnings, options);
        _writer = new FileWriter(parts, _target, _metadata, meter);
        _ranges = new FileRanges(parts, _target, _writer);
    }

    public async Task<TreeRestoreResult> RestoreAsync(StoredArtifact artifact)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(_ct);
        try
        {
            // Another process may have made the restore point after this one loaded the index.
            await _parts.Index.RefreshAsync(stop.Token);
            await foreach (var node in TreeSelection.ReadAsync(_parts, artifact, _options.Path, _warnings, stop.Token))
            {
                await RestoreNodeAsync(node, stop.Token);
            }

            await FlushAsync(stop.Token);
            await _running;
            await _large;
            FinishLinks();
            _difference.Finish();
            if (_options is { Delta: true, DryRun: false })
            {
                _target.RemoveStaging();
            }

            FinishDirectories();
        }
        catch (IOException error)
        {
            throw Translate(error);
        }
        finally
        {
            await stop.CancelAsync();
            await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await _large.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (_options is { Delta: true, DryRun: false })
            {
                RemoveStaging();
            }
        }

        if (!_metadata.IsRoot)
        {
            _warnings.Note("owners were not restored, since this user is not root");
        }

        return _difference.Result(_items, _writer.Bytes);
    }

    public void Dispose()
    {
        _cursor.Dispose();
        _writer.Dispose();
        _target.Dispose();
    }

    private async Task RestoreNodeAsync(TreeNode node, CancellationToken stop)
    {
        CheckParent(node);
        if (_items++ == 0 && node.Path.Length > 0)
        {
            // Several paths side by side have no node for what holds them.
            MakeRoot();
        }

        _meter.Add(1, 0);
        if (node.Kind != TreeNodeKind.Directory && _options.Only?.Invoke(PathText.Of(node.Path)) == false)
        {
            _difference.Expect(node);
            return;
        }

        if (node.Kind == TreeNodeKind.HardLink)
        {
            _links.Add(node);
            _difference.Expect(node);
            return;
        }

        var action = await _difference.DecideAsync(_cursor, node, stop);
        if (node.Kind == TreeNodeKind.Directory && action is not RestoreAction.Blocked && !_options.DryRun)
        {
            EnsureDirectory(node, action);
        }
        else if (!_options.DryRun && action is RestoreAction.Create or RestoreAction.Replace)
        {
            await MakeAsync(node, action == RestoreAction.Replace, stop);
        }
        else if (!_options.DryRun && action is RestoreAction.Adjust)
        {
            var (directory, name) = _cursor.Find(node.Path);
            _metadata.SetOn(directory, name, node, mayHaveOthers: true);
        }

        if (action is RestoreAction.None or RestoreAction.Adjust)
        {
            _meter.Add(0, node.Size);
        }
    }

    private void EnsureDirectory(TreeNode node, RestoreAction action)
    {
        var isMade = action is RestoreAction.Create or RestoreAction.Replace;
        if (isMade)
        {
            var (directory, name) = _cursor.Find(node.Path);
            Posix.MakeDirectoryAt(directory, name);
        }

        _directories.Add(node);
    }

    private void MakeRoot()
    {
        var (directory, name) = _cursor.Find([]);
        if (!_options.DryRun && !_target.IsDirectory)
        {
            Posix.MakeDirectoryAt(directory, name);
        }
    }

    private async Task MakeAsync(TreeNode node, bool replaces, CancellationToken stop)
    {
        if (replaces)
        {
            // Made here, before workers need it.
            _ = _target.Staging;
        }

        if (node.Kind != TreeNodeKind.File)
        {
            MakeOther(node, replaces);
        }
        else if (node.Extents is null && node.Content is { Depth: 0 })
        {
            _batch.Add(new SmallFile(node, replaces, PlaceOf(node.Content.Id)));
            _batchBytes += node.Size;
            if (_batch.Count >= BatchFiles || _batchBytes >= BatchBytes)
            {
                await FlushAsync(stop);
            }
        }
        else
        {
            await _large;
            _large = Task.Run(() => _writer.WriteLargeAsync(node, replaces, stop), CancellationToken.None);
        }
    }

    private BlobLocation PlaceOf(ChunkId? id) =>
        id is { } chunk && _parts.Index.Index.FindNumber(chunk, ObjectType.Stream) is > 0 and var number ? _parts.Index.Index.Place(number) : default;

    /// <summary>Hands the batch over; the next one fills meanwhile.</summary>
    private async Task FlushAsync(CancellationToken stop)
    {
        await _running;
        if (_batch.Count > 0)
        {
            if (_target.Path.Length > 0 && _target.IsDirectory)
            {
                _ = _target.Root;
            }

            var batch = _batch;
            (_batch, _batchBytes) = ([], 0);
            _running = Task.Run(() => _ranges.WriteAsync(batch, stop), CancellationToken.None);
        }
    }

    /// <summary>
    /// Every node must lie in a directory of this tree: a forged tree with a symbolic link where a directory is expected
    /// would otherwise write outside of the target.
    /// </summary>
    private void CheckParent(TreeNode node)
    {
        var slash = Array.LastIndexOf(node.Path, (byte)'/');
        var parent = slash < 0 ? [] : node.Path[..slash];
        if (node.Path.Length > 0 && slash >= 0 && !IsOpen(parent))
        {
            throw new EngineException(
                "tree-invalid", ErrorKind.Damaged, $"'{Posix.Show(node.Path)}' lies in no directory of its tree", "run 'drconsole repository check'");
        }

        if (node.Kind == TreeNodeKind.Directory)
        {
            _openDirectory = node.Path;
        }
    }

    private bool IsOpen(ReadOnlySpan<byte> directory)
    {
        // The order is depth first, so the last directory is this one or lies below it.
        return _openDirectory is { } open && open.AsSpan().StartsWith(directory)
            && (open.Length == directory.Length || directory.Length == 0 || open[directory.Length] == '/');
    }

    /// <summary>Symbolic links and special files.</summary>
    private void MakeOther(TreeNode node, bool replaces)
    {
        const uint FifoType = 0x1000, CharacterType = 0x2000, BlockType = 0x6000, SocketType = 0xC000, OwnerOnly = 0x180;
        var (directory, name) = _cursor.Find(node.Path);
        var (home, first) = replaces ? (_target.Staging, "other\0"u8.ToArray()) : (directory, name);
        try
        {
            if (node.Kind == TreeNodeKind.SymbolicLink)
            {
                Posix.MakeSymbolicLinkAt([.. node.Target, 0], home, first);
            }
            else
            {
                var type = node.Kind switch
                {
                    TreeNodeKind.Fifo => FifoType,
                    TreeNodeKind.CharacterDevice => CharacterType,
                    TreeNodeKind.BlockDevice => BlockType,
                    _ => SocketType,
                };
                Posix.MakeNodeAt(home, first, type | OwnerOnly, node.NodeDevice);
            }

            _metadata.SetOn(home, first, node, mayHaveOthers: false);
            Rename(home, first, directory, name);
        }
        catch (PosixException error) when (node.Kind != TreeNodeKind.SymbolicLink && error.Errno is PosixException.NotPermitted or PosixException.AccessDenied)
        {
            _warnings.Note($"{_target.Show(node.Path)}: {error.Reason} (a special file, not restored)");
        }
    }

    private static void Rename(SafeFileHandle home, byte[] first, SafeFileHandle directory, byte[] name)
    {
        if (!ReferenceEquals(home, directory))
        {
            Posix.MoveAt(home, first, directory, name);
        }
    }

    private void FinishLinks()
    {
        foreach (var link in _links)
        {
            var action = _difference.DecideLink(_cursor, link);
            if (!_options.DryRun && action is RestoreAction.Create or RestoreAction.Replace)
            {
                MakeLink(link, action == RestoreAction.Replace);
            }
        }
    }

    /// <summary>Last, since whatever is made or removed below moves a directory's time.</summary>
    private void FinishDirectories()
    {
        // The deepest first: setting a directory's mode could lock this user out of what lies below.
        for (var i = _directories.Count - 1; i >= 0; i--)
        {
            var (directory, name) = _cursor.Find(_directories[i].Path);
            if (!_options.Delta)
            {
                _metadata.SetOn(directory, name, _directories[i], mayHaveOthers: false);
            }
            else if (Posix.TryStatAt(directory, name) is { } there && !_metadata.IsRight(directory, name, there, _directories[i]))
            {
                // What was made below moved its time; where nothing was, it is not touched.
                _metadata.SetOn(directory, name, _directories[i], mayHaveOthers: true);
            }
        }
    }

    private void RemoveStaging()
    {
        try
        {
            _target.RemoveStaging();
        }
        catch (PosixException error)
        {
            // In a finally: what ended the restore matters more.
            _warnings.Note($"{error.Message} (what was not finished could not be removed)");
        }
    }

    private void MakeLink(TreeNode link, bool replaces)
    {
        using var existing = _target.Cursor();
        try
        {
            var (fromDirectory, from) = existing.Find(link.Target);
            var (directory, name) = _cursor.Find(link.Path);
            var (home, first) = replaces ? (_target.Staging, "link\0"u8.ToArray()) : (directory, name);
            Posix.MakeHardLinkAt(fromDirectory, from, home, first);
            Rename(home, first, directory, name);
        }
        catch (PosixException error) when (error.Errno == PosixException.NoEntry)
        {
            // The backup named the file that it could not read; its other names share that fate.
            _warnings.Note($"{Posix.Show(link.Path)}: not restored, its file {Posix.Show(link.Target)} was unreadable at the backup");
        }
    }

    /// <summary>True where new items get owner, mode and access list from nothing but this process.</summary>
    private static bool InheritsNothing(string target)
    {
        const uint SetGroup = 0x400;
        var home = Posix.ToPath(Directory.Exists(target) ? target : Path.GetDirectoryName(target) ?? "/");
        return (Posix.Stat(home, follow: true).Mode & SetGroup) == 0 && !Posix.Attributes(home).Any(a => a.Name.AsSpan().SequenceEqual("system.posix_acl_default"u8));
    }

    private EngineException Translate(IOException error) => error.HResult is PosixException.NoSpace or PosixException.QuotaExceeded
        ? new EngineException(
            "target-full", ErrorKind.OutOfSpace, $"no space is left in {_target.Path}",
            _options.Delta ? "free space and do it again: what is right already is kept" : "free space and restore into a new directory", error)
        : new EngineException(
            "restore-failed", ErrorKind.Unavailable, $"restoring into {_target.Path} failed: {error.Message}",
            _options.Delta ? "look at the target's file system, then do it again: what is right already is kept" : "look at the target's file system, then restore into a new directory", error);
}
