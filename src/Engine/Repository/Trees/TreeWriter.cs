using System.Buffers;
using System.IO.Pipelines;
using System.Security.Cryptography;
using System.Threading.Channels;
using Hexabase.DrConsole.Engine.Repository.Chunking;
using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Repository.Packs;
using Hexabase.DrConsole.Engine.Repository.Streams;

namespace Hexabase.DrConsole.Engine.Repository.Trees;

/// <summary>
/// Stores a file tree: one walker, several file readers, and the nodes written in the walker's order into one stream that is
/// chunked like any other. The parent's nodes come in the same order, so both are merged without holding either in memory.
/// </summary>
internal sealed class TreeWriter(RepositoryParts parts, BlobWriter blobs, ContentWriter contents)
{
    private const int BatchLength = 256;
    private const int BatchesAhead = 8;
    private readonly StoredTally _tally = new();
    private readonly TreeWarnings _warnings = new();
    private readonly TreeTally _counts = new();

    /// <summary>Of each file with several names the path under which its content is in the tree, as soon as that is known; null where it was lost.</summary>
    private readonly Dictionary<LinkedFile, Task<byte[]?>> _linked = [];

    private long _items;
    private long _bytes;

    public async Task<StoredArtifact> WriteAsync(
        string name, IReadOnlyList<string> paths, TreeOptions options, Manifest? parent, IProgress<TransferProgress>? progress, CancellationToken ct)
    {
        var roots = Roots(paths);
        var meter = new ProgressMeter(progress, parts.Options.Time, name);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var counting = ExpectAsync(meter, roots, options, parent, stop.Token);
        var nodes = Channel.CreateBounded<List<PendingNode>>(new BoundedChannelOptions(BatchesAhead) { SingleReader = true, SingleWriter = true });
        var pipe = BoundedPipe.New();
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

        var walking = GuardAsync(Task.Run(() => WalkAsync(roots, options, parent, meter, nodes.Writer, stop.Token), CancellationToken.None), stop);
        var encoding = GuardAsync(Task.Run(() => EncodeAsync(nodes.Reader, pipe.Writer, stop.Token), CancellationToken.None), stop);
        var root = ContentRoot.Empty;
        var storing = GuardAsync(StoreNodesAsync(), stop);
        var all = new[] { walking, encoding, storing };
        await Task.WhenAll(all).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await DrainAsync(nodes.Reader);
        await stop.CancelAsync();
        await counting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        var failed = all.FirstOrDefault(task => task.IsFaulted) ?? all.FirstOrDefault(task => task.IsCanceled);
        if (failed is not null)
        {
            await failed;
        }

        meter.Finish();
        return StoredArtifact.OfTree(name, _items, _bytes, _tally.Bytes, hash, root) with
        {
            Warnings = _warnings.Lines,
            Unreadable = _warnings.UnreadableCount,
            Counts = _counts.ToCounts(),
        };

        async Task StoreNodesAsync() => root = await contents.WriteAsync(
            pipe.Reader.AsStream(), ObjectType.FileTree, ChunkerProfile.Tree, _tally, hash, null, stop.Token);
    }

    /// <summary>
    /// Tells how much there is: the parent's sizes where there is one, else a count that runs beside the backup. Only where
    /// somebody looks.
    /// </summary>
    private static Task ExpectAsync(
        ProgressMeter meter, List<(byte[] Prefix, byte[] FullPath)> roots, TreeOptions options, Manifest? parent, CancellationToken ct)
    {
        if (!meter.IsWatched)
        {
            return Task.CompletedTask;
        }

        if (parent?.Artifacts.FirstOrDefault(a => a.Name == options.ParentArtifact) is { Items: { } known } before)
        {
            meter.Expect(known, before.Length, isEstimate: true);
            return Task.CompletedTask;
        }

        return Task.Run(
            () =>
            {
                var (items, bytes) = (0L, 0L);
                foreach (var item in roots.SelectMany(root => new TreeWalker(new TreeWarnings(), options).Walk(root.Prefix, root.FullPath)))
                {
                    ct.ThrowIfCancellationRequested();
                    items++;
                    bytes += item.Stat.Kind == TreeNodeKind.File ? item.Stat.Size : 0;
                }

                meter.Expect(items, bytes, isEstimate: false);
            },
            ct);
    }

    /// <summary>The first stage to fail stops the others; its fault is the one that the caller sees.</summary>
    private static async Task GuardAsync(Task stage, CancellationTokenSource stop)
    {
        var isDone = false;
        try
        {
            await stage;
            isDone = true;
        }
        finally
        {
            if (!isDone)
            {
                await stop.CancelAsync();
            }
        }
    }

    /// <summary>One path is the tree's root itself; several stand side by side under their last names.</summary>
    private static List<(byte[] Prefix, byte[] FullPath)> Roots(IReadOnlyList<string> paths)
    {
        var roots = new List<(byte[] Prefix, byte[] FullPath)>();
        foreach (var path in paths.Select(Path.GetFullPath))
        {
            var fullPath = Posix.ToPath(path.Length > 1 ? path.TrimEnd('/') : path);
            try
            {
                _ = Posix.Stat(fullPath, follow: true);
            }
            catch (PosixException error)
            {
                throw new EngineException(
                    "path-unreadable", error.Errno == PosixException.NoEntry ? ErrorKind.NotFound : ErrorKind.Denied, $"cannot back up {error.Message}",
                    "check the path and the rights of this user; no restore point was made", error);
            }

            roots.Add((paths.Count == 1 ? [] : Posix.ToPath(Path.GetFileName(path.TrimEnd('/')))[..^1], fullPath));
        }

        roots.Sort((left, right) => TreeNode.ComparePaths(left.Prefix, right.Prefix));
        for (var i = 1; i < roots.Count; i++)
        {
            if (roots[i].Prefix.AsSpan().SequenceEqual(roots[i - 1].Prefix))
            {
                throw new EngineException(
                    "path-name-taken", ErrorKind.Conflict, $"two paths would be restored as '{Posix.Show(roots[i].Prefix)}'",
                    "back them up as separate restore points");
            }
        }

        return roots;
    }

    private async Task WalkAsync(
        List<(byte[] Prefix, byte[] FullPath)> roots, TreeOptions options, Manifest? parent, ProgressMeter meter,
        ChannelWriter<List<PendingNode>> output, CancellationToken ct)
    {
        using var readers = new SemaphoreSlim(parts.Options.Workers);
        var storer = new FileStorer(blobs, contents, parts, _tally, _warnings, meter, options.Inspector, _counts);
        await using var before = ParentNodes.Open(parts, parent, options.ParentArtifact, _warnings, ct);
        var parentSeconds = parent?.CreatedAt.ToUnixTimeSeconds() ?? 0;
        var walker = new TreeWalker(_warnings, options);
        var batch = new List<PendingNode>(BatchLength);
        try
        {
            foreach (var item in roots.SelectMany(root => walker.Walk(root.Prefix, root.FullPath)))
            {
                if (TryDescribe(item, _warnings) is not { } node)
                {
                    continue;
                }

                var earlier = Earlier(node);
                if (node.Kind != TreeNodeKind.File)
                {
                    meter.Add(1, 0);
                    batch.Add(new PendingNode(earlier is null ? node : await LinkAsync(node, earlier), null));
                    Remember(node, earlier ?? Task.FromResult<byte[]?>(node.Path));
                }
                else if (earlier is { IsCompleted: true } && await LinkAsync(node, earlier) is { } link)
                {
                    meter.Add(1, 0);
                    batch.Add(new PendingNode(link, null));
                }
                else
                {
                    TreeNode? known;
                    while (!before.TryFind(item.Path, out known))
                    {
                        await before.ReadOnAsync();
                    }

                    if (earlier is null or { IsCompleted: true } && storer.TryTakeOver(node, known, parentSeconds, out var taken))
                    {
                        batch.Add(new PendingNode(taken, null));
                        Remember(node, Task.FromResult<byte[]?>(node.Path));
                    }
                    else
                    {
                        await readers.WaitAsync(ct);
                        item.Keep();
                        var stored = Task.Run(() => StoreAsync(storer, item, node, known, parentSeconds, earlier, meter, readers, ct), CancellationToken.None);
                        batch.Add(new PendingNode(null, stored));
                        Remember(node, node.Links > 1 ? PathOfAsync(stored) : null);
                    }
                }

                if (batch.Count == BatchLength)
                {
                    ct.ThrowIfCancellationRequested();
                    await output.WriteAsync(batch, ct);
                    batch = new List<PendingNode>(BatchLength);
                }
            }

            await output.WriteAsync(batch, ct);
            walker.NoteLeftOut();
        }
        finally
        {
            // All readers are back before the semaphore goes.
            for (var i = 0; i < parts.Options.Workers; i++)
            {
                await readers.WaitAsync(CancellationToken.None);
            }

            output.TryComplete();
        }
    }

    private static async Task<TreeNode?> StoreAsync(
        FileStorer storer, WalkedItem item, TreeNode node, TreeNode? known, long parentSeconds, Task<byte[]?>? earlier, ProgressMeter meter, SemaphoreSlim readers, CancellationToken ct)
    {
        try
        {
            if (earlier is not null && await LinkAsync(node, earlier) is { } link)
            {
                meter.Add(1, 0);
                return link;
            }

            // Also where the name before it was removed before it was opened: the file is still here under this one.
            return await storer.StoreAsync(item, node, known, parentSeconds, ct);
        }
        finally
        {
            item.LetGo();
            readers.Release();
        }
    }

    /// <summary>What is known of the names of a file that came before this one; null where it is the first, or has but one.</summary>
    private Task<byte[]?>? Earlier(TreeNode node) => HasOtherNames(node) ? _linked.GetValueOrDefault(LinkedFile.Of(node)) : null;

    private void Remember(TreeNode node, Task<byte[]?>? path)
    {
        if (path is not null && HasOtherNames(node))
        {
            _linked[LinkedFile.Of(node)] = path;
        }
    }

    private static bool HasOtherNames(TreeNode node) => node.Links > 1 && node.Kind is not (TreeNodeKind.Directory or TreeNodeKind.SymbolicLink);

    /// <summary>The node as a further name of what an earlier one stored; null where that was lost.</summary>
    private static async Task<TreeNode?> LinkAsync(TreeNode node, Task<byte[]?> earlier) =>
        await earlier is { } target ? node with { Kind = TreeNodeKind.HardLink, Target = target, Size = 0 } : null;

    /// <summary>Where a file's content is in the tree once a name of it was dealt with. A fault is the name's own to tell.</summary>
    private static async Task<byte[]?> PathOfAsync(Task<TreeNode?> stored)
    {
        await ((Task)stored).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return !stored.IsCompletedSuccessfully || await stored is not { } node ? null : node.Kind == TreeNodeKind.HardLink ? node.Target : node.Path;
    }

    /// <summary>The node, of a file without attributes and content, whether it is the first name of it or not; null where it cannot be read.</summary>
    internal static TreeNode? TryDescribe(WalkedItem item, TreeWarnings warnings)
    {
        try
        {
            var node = TreeNode.From(item.Path, item.Stat);
            if (node.Kind == TreeNodeKind.Directory)
            {
                return DescribeDirectory(item, node, warnings);
            }

            if (node.Kind != TreeNodeKind.File)
            {
                node = node with { Attributes = item.Attributes() };
            }

            return node.Kind == TreeNodeKind.SymbolicLink ? node with { Target = item.ReadLink() } : node;
        }
        catch (PosixException error) when (error.Errno == PosixException.NoEntry)
        {
            warnings.Note($"{Posix.Show(item.FullPath)}: removed meanwhile");
        }
        catch (PosixException error)
        {
            warnings.Unreadable(error.Message);
        }

        return null;
    }

    /// <summary>
    /// A directory is never left out for its attributes: the walk goes on into it, or into the one that took its place, and a tree that
    /// holds what is in a directory without holding the directory cannot be restored.
    /// </summary>
    private static TreeNode DescribeDirectory(WalkedItem item, TreeNode node, TreeWarnings warnings)
    {
        try
        {
            return node with { Attributes = item.Attributes() };
        }
        catch (PosixException error)
        {
            warnings.Note($"{error.Message} (a directory's extended attributes; it is stored without them)");
            return node;
        }
    }

    private Task EncodeAsync(ChannelReader<List<PendingNode>> batches, PipeWriter output, CancellationToken ct) => BoundedPipe.FillAsync(output, async () =>
    {
        var record = new ArrayBufferWriter<byte>(1024);
        await foreach (var batch in batches.ReadAllAsync(ct))
        {
            foreach (var pending in batch)
            {
                if ((pending.Ready ?? (pending.Task is null ? null : await pending.Task)) is { } node)
                {
                    _items++;
                    _bytes += node.Size;
                    _counts.Add(node);
                    await TreeNodeCodec.WriteAsync(output, node, record, ct);
                }
            }
        }
    });

    private static async Task DrainAsync(ChannelReader<List<PendingNode>> batches)
    {
        while (batches.TryRead(out var batch))
        {
            foreach (var task in batch.Select(pending => pending.Task).OfType<Task>())
            {
                await task.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    /// <summary>
    /// A file with several names. Not its inode alone: the file may be gone by now and its inode another's, or somebody wrote into it
    /// between two of its names; then the later one is not what was stored under the earlier one.
    /// </summary>
    private readonly record struct LinkedFile(ulong Device, ulong Inode, long Size, FileTime Modified, FileTime Changed)
    {
        public static LinkedFile Of(TreeNode node) => new(node.Device, node.Inode, node.Size, node.Modified, node.Changed);
    }

    /// <summary>A node in the walker's order: known at once, or when its file is stored.</summary>
    private readonly record struct PendingNode(TreeNode? Ready, Task<TreeNode?>? Task);
}
