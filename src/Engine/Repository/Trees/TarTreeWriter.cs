using System.Buffers;
using System.Formats.Tar;
using System.IO.Pipelines;
using System.Security.Cryptography;
using Hexabase.DrConsole.Engine.Repository.Chunking;
using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Repository.Packs;
using Hexabase.DrConsole.Engine.Repository.Streams;

namespace Hexabase.DrConsole.Engine.Repository.Trees;

/// <summary>
/// Stores what a tar archive holds as a file tree, while it comes: a server that sends its files as tar is browsed, compared
/// and restored in parts like any directory. Contents go on at once; the nodes, a few hundred bytes each, wait for the end,
/// since an archive has no order.
/// </summary>
internal sealed class TarTreeWriter(BlobWriter blobs, ContentWriter contents, ProgressMeter meter, ITreeInspector? inspector)
{
    private const uint DirectoryMode = 0x1C0;
    private readonly StoredTally _tally = new();
    private readonly Dictionary<string, TreeNode> _nodes = new(StringComparer.Ordinal);
    private long _bytes;

    /// <summary>Reads the archive to its end. Entries of other types than files, directories and symbolic links are refused.</summary>
    /// <exception cref="EngineException">Kind Damaged where it is no tar archive or ends too early; whatever the store says.</exception>
    public async Task<StoredArtifact> WriteAsync(string name, Stream archive, CancellationToken ct)
    {
        try
        {
            await using var tar = new TarReader(archive, leaveOpen: true);
            while (await tar.GetNextEntryAsync(copyData: false, ct) is { } entry)
            {
                await AddAsync(entry, ct);
            }
        }
        catch (Exception error) when (error is InvalidDataException or EndOfStreamException)
        {
            throw new EngineException("tar-damaged", ErrorKind.Damaged, $"artifact '{name}' is no whole tar archive: {error.Message}", "run the backup again", error);
        }

        AddDirectories();
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var root = await StoreNodesAsync(hash, ct);
        meter.Finish();
        return StoredArtifact.OfTree(name, _nodes.Count, _bytes, _tally.Bytes, hash, root);
    }

    private async Task AddAsync(TarEntry entry, CancellationToken ct)
    {
        var path = PathOf(entry.Name);
        if (entry.Name.StartsWith('/') || path.Split('/').Any(part => part is ".." or "."))
        {
            throw new EngineException("tar-path", ErrorKind.Damaged, $"the archive names '{entry.Name}', which leads out of it", "do not trust what sent it");
        }

        var kind = entry.EntryType switch
        {
            TarEntryType.Directory => TreeNodeKind.Directory,
            TarEntryType.RegularFile or TarEntryType.V7RegularFile or TarEntryType.ContiguousFile => TreeNodeKind.File,
            TarEntryType.SymbolicLink => TreeNodeKind.SymbolicLink,
            _ => throw new EngineException("tar-entry", ErrorKind.Unsupported, $"'{entry.Name}' is a {entry.EntryType} in the archive", "only files, directories and symbolic links can be stored"),
        };
        var node = Node(kind, path, (uint)entry.Mode, (uint)entry.Uid, (uint)entry.Gid, entry.ModificationTime);
        if (kind == TreeNodeKind.SymbolicLink)
        {
            node = node with { Target = System.Text.Encoding.UTF8.GetBytes(entry.LinkName) };
        }
        else if (kind == TreeNodeKind.File)
        {
            var content = await StoreAsync(path, entry, ct);
            node = node with { Content = content, Size = content.Length };
            _bytes += content.Length;
        }

        _nodes[path] = node;
        meter.Add(1, 0);
    }

    private async Task<ContentRoot> StoreAsync(string path, TarEntry entry, CancellationToken ct)
    {
        var look = inspector?.Open(path);
        ContentRoot content;
        if (entry.DataStream is null)
        {
            content = ContentRoot.Empty;
        }
        else if (entry.Length <= ChunkerProfile.Content.Minimum)
        {
            content = await StoreWholeAsync(entry.DataStream, (int)entry.Length, look, ct);
        }
        else
        {
            await using var inspected = new InspectedStream(entry.DataStream, look);
            content = await contents.WriteAsync(
                inspected, ObjectType.Stream, InspectedStream.ProfileFor(look), _tally, null, read => meter.Add(0, read), ct);
        }

        if (content.Length != entry.Length)
        {
            throw new EndOfStreamException($"{path} has {content.Length} of {entry.Length} bytes");
        }

        look?.Complete(content.Length, entry.ModificationTime);
        return content;
    }

    private async Task<ContentRoot> StoreWholeAsync(Stream data, int length, IFileInspector? look, CancellationToken ct)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(Math.Max(length, 1));
        try
        {
            await data.ReadExactlyAsync(buffer.AsMemory(0, length), ct);
            meter.Add(0, length);
            look?.Append(buffer.AsSpan(0, length));
            return length == 0
                ? ContentRoot.Empty
                : new ContentRoot(0, await blobs.StoreAsync(ObjectType.Stream, buffer.AsMemory(0, length), _tally, ct), length);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>A tree names every directory; archives leave some out, the root among them.</summary>
    private void AddDirectories()
    {
        var like = _nodes.Values.FirstOrDefault(node => node.Kind == TreeNodeKind.Directory) ?? _nodes.Values.FirstOrDefault();
        foreach (var path in _nodes.Keys.Append("").ToList())
        {
            for (var parent = path; ; parent = parent.LastIndexOf('/') is var slash and >= 0 ? parent[..slash] : "")
            {
                if (!_nodes.ContainsKey(parent))
                {
                    _nodes[parent] = Node(TreeNodeKind.Directory, parent, DirectoryMode, like?.User ?? 0, like?.Group ?? 0, like?.Modified.ToTime() ?? default);
                }

                if (parent.Length == 0)
                {
                    break;
                }
            }
        }
    }

    private Task<ContentRoot> StoreNodesAsync(IncrementalHash hash, CancellationToken ct) => BoundedPipe.ThroughAsync(
        EncodeAsync, (nodes, token) => contents.WriteAsync(nodes, ObjectType.FileTree, ChunkerProfile.Tree, _tally, hash, null, token), ct);

    private async Task EncodeAsync(PipeWriter output, CancellationToken ct)
    {
        var nodes = _nodes.Values.ToList();
        nodes.Sort((left, right) => TreeNode.ComparePaths(left.Path, right.Path));
        var record = new ArrayBufferWriter<byte>(1024);
        foreach (var node in nodes)
        {
            await TreeNodeCodec.WriteAsync(output, node, record, ct);
        }
    }

    private static TreeNode Node(TreeNodeKind kind, string path, uint mode, uint user, uint group, DateTimeOffset modified) => new()
    {
        Kind = kind,
        Path = System.Text.Encoding.UTF8.GetBytes(path),
        Mode = mode & 0xFFF,
        User = user,
        Group = group,
        Modified = FileTime.From(modified),
        Changed = FileTime.From(modified),
        Links = 1,
    };

    private static string PathOf(string name)
    {
        var path = name.TrimEnd('/');
        return path.StartsWith("./", StringComparison.Ordinal) ? path[2..] : path is "." ? "" : path;
    }
}
