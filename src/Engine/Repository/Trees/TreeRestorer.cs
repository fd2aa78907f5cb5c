using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Storage;
using Microsoft.Win32.SafeHandles;

namespace Hexabase.DrConsole.Engine.Repository.Trees;

/// <summary>
/// Makes a tree anew at a path where nothing is. Directories come first in the order of nodes and get their times last;
/// hard links are made when all files are there.
/// </summary>
internal sealed class TreeRestorer(RepositoryParts parts, string target, ProgressMeter meter, CancellationToken ct) : IDisposable
{
    private readonly byte[] _target = Posix.ToPath(target);
    private readonly TreeWarnings _warnings = new();
    private readonly List<TreeNode> _directories = [];
    private readonly List<TreeNode> _links = [];
    private readonly bool _isRoot = Posix.EffectiveUser == 0;
    private readonly SemaphoreSlim _readers = new(parts.Options.Workers);

    // Large files fetch ahead with all workers; two at once would double the memory for no gain.
    private readonly SemaphoreSlim _large = new(1);
    private byte[]? _openDirectory;
    private long _items;
    private long _bytes;

    public async Task<TreeRestoreResult> RestoreAsync(StoredArtifact artifact)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var running = new List<Task>();
        try
        {
            await foreach (var node in TreeReader.ReadAsync(parts, artifact, stop.Token))
            {
                await RestoreNodeAsync(node, running, stop.Token);
            }

            await Task.WhenAll(running);
        }
        catch (IOException error)
        {
            throw Translate(error);
        }
        finally
        {
            await stop.CancelAsync();
            await Task.WhenAll(running).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        FinishLinksAndDirectories();
        if (!_isRoot)
        {
            _warnings.Note("owners were not restored, since this user is not root");
        }

        return new TreeRestoreResult(_items, _bytes, _warnings.Lines, _warnings.Count);
    }

    public void Dispose()
    {
        _readers.Dispose();
        _large.Dispose();
    }

    private async Task RestoreNodeAsync(TreeNode node, List<Task> running, CancellationToken stop)
    {
        CheckParent(node);
        if (_items++ == 0 && node.Path.Length > 0 && !Directory.Exists(target))
        {
            // Several paths side by side have no node for what holds them.
            Posix.MakeDirectory(_target);
        }

        var path = Posix.Join(_target, node.Path);
        switch (node.Kind)
        {
            case TreeNodeKind.Directory:
                if (node.Path.Length > 0 || !Directory.Exists(target))
                {
                    Posix.MakeDirectory(path);
                }

                _directories.Add(node);
                break;
            case TreeNodeKind.File:
                _bytes += node.Size;
                await _readers.WaitAsync(stop);
                running.RemoveAll(task => task.IsCompletedSuccessfully);
                running.Add(Task.Run(() => RestoreFileAsync(node, path, stop), CancellationToken.None));
                await Task.WhenAll(running.Where(task => task.IsFaulted));
                break;
            case TreeNodeKind.SymbolicLink:
                Posix.MakeSymbolicLink([.. node.Target, 0], path);
                SetMetadata(node, path);
                break;
            case TreeNodeKind.HardLink:
                _links.Add(node);
                break;
            default:
                MakeSpecial(node, path);
                break;
        }

        meter.Add(1, 0);
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

    private async Task RestoreFileAsync(TreeNode node, byte[] path, CancellationToken stop)
    {
        try
        {
            using (var file = Posix.CreateNew(path))
            {
                if (node.Extents is null && node.Content is { Depth: 0, Id: { } id })
                {
                    using var bytes = await parts.Blobs.ReadAsync(id, ObjectType.Stream, stop);
                    RandomAccess.Write(file, bytes.Span, 0);
                    meter.Add(0, bytes.Length);
                }
                else if (node.Content.Id is not null)
                {
                    await RestoreLargeAsync(node, file, stop);
                }

                if (RandomAccess.GetLength(file) != node.Size)
                {
                    RandomAccess.SetLength(file, node.Size);
                }
            }

            SetMetadata(node, path);
        }
        finally
        {
            _readers.Release();
        }
    }

    private async Task RestoreLargeAsync(TreeNode node, SafeFileHandle file, CancellationToken stop)
    {
        await _large.WaitAsync(stop);
        try
        {
            var extents = node.Extents ?? [new Extent(0, node.Content.Length)];
            var (extent, within) = (0, 0L);
            await parts.Contents.ReadAsync(
                node.Content, ObjectType.Stream,
                bytes =>
                {
                    for (var rest = bytes.Span; rest.Length > 0;)
                    {
                        var length = (int)Math.Min(rest.Length, extents[extent].Length - within);
                        RandomAccess.Write(file, rest[..length], extents[extent].Offset + within);
                        rest = rest[length..];
                        within += length;
                        if (within == extents[extent].Length)
                        {
                            (extent, within) = (extent + 1, 0);
                        }
                    }

                    meter.Add(0, bytes.Length);
                    return ValueTask.CompletedTask;
                },
                stop);
        }
        finally
        {
            _large.Release();
        }
    }

    private void MakeSpecial(TreeNode node, byte[] path)
    {
        const uint FifoType = 0x1000, CharacterType = 0x2000, BlockType = 0x6000, SocketType = 0xC000;
        var type = node.Kind switch
        {
            TreeNodeKind.Fifo => FifoType,
            TreeNodeKind.CharacterDevice => CharacterType,
            TreeNodeKind.BlockDevice => BlockType,
            _ => SocketType,
        };
        try
        {
            Posix.MakeNode(path, type | 0x180, (uint)(node.NodeDevice >> 32), (uint)node.NodeDevice);
            SetMetadata(node, path);
        }
        catch (PosixException error) when (error.Errno is PosixException.NotPermitted or PosixException.AccessDenied)
        {
            _warnings.Note($"{error.Message} (a special file, not restored)");
        }
    }

    private void FinishLinksAndDirectories()
    {
        try
        {
            foreach (var link in _links)
            {
                try
                {
                    Posix.MakeHardLink(Posix.Join(_target, link.Target), Posix.Join(_target, link.Path));
                }
                catch (PosixException error) when (error.Errno == PosixException.NoEntry)
                {
                    // The backup named the file that it could not read; its other names share that fate.
                    _warnings.Note($"{Posix.Show(link.Path)}: not restored, its file {Posix.Show(link.Target)} was unreadable at the backup");
                }
            }

            // The deepest first: setting a directory's mode could lock this user out of what lies below.
            for (var i = _directories.Count - 1; i >= 0; i--)
            {
                SetMetadata(_directories[i], Posix.Join(_target, _directories[i].Path));
            }
        }
        catch (IOException error)
        {
            throw Translate(error);
        }
    }

    private void SetMetadata(TreeNode node, byte[] path)
    {
        if (_isRoot)
        {
            Attempt(() => Posix.SetOwner(path, node.User, node.Group));
        }

        foreach (var attribute in node.Attributes)
        {
            Attempt(() => Posix.SetAttribute(path, attribute));
        }

        if (node.Kind != TreeNodeKind.SymbolicLink)
        {
            Attempt(() => Posix.SetMode(path, node.Mode));
        }

        Attempt(() => Posix.SetTime(path, node.Modified));
    }

    /// <summary>Metadata that a file system refuses is a warning: the content is worth more than its attributes.</summary>
    private void Attempt(Action change)
    {
        try
        {
            change();
        }
        catch (PosixException error) when (error.Errno is not (PosixException.NoSpace or PosixException.QuotaExceeded))
        {
            _warnings.Note(error.Message);
        }
    }

    private EngineException Translate(IOException error) => error.HResult is PosixException.NoSpace or PosixException.QuotaExceeded
        ? new EngineException("target-full", ErrorKind.OutOfSpace, $"no space is left in {target}", "free space and restore into a new directory", error)
        : new EngineException(
            "restore-failed", ErrorKind.Unavailable, $"restoring into {target} failed: {error.Message}", "look at the target's file system, then restore into a new directory", error);
}
