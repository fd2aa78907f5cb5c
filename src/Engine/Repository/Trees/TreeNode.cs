using Hexabase.DrConsole.Engine.Repository.Streams;

namespace Hexabase.DrConsole.Engine.Repository.Trees;

/// <summary>What a node of a tree is. Numbers are part of the format.</summary>
internal enum TreeNodeKind : byte
{
    Directory = 1,
    File = 2,
    SymbolicLink = 3,
    Fifo = 4,
    CharacterDevice = 5,
    BlockDevice = 6,
    Socket = 7,

    /// <summary>Another name of a file that stands earlier in the tree.</summary>
    HardLink = 8,
}

/// <summary>One node of a tree. Paths are bytes, relative to the tree's root (empty for the root itself), without a final null.</summary>
internal sealed record TreeNode
{
    public required TreeNodeKind Kind { get; init; }

    public required byte[] Path { get; init; }

    /// <summary>The permission bits, 12 of them.</summary>
    public uint Mode { get; init; }

    public uint User { get; init; }

    public uint Group { get; init; }

    public FileTime Modified { get; init; }

    public FileTime Changed { get; init; }

    public ulong Inode { get; init; }

    public ulong Device { get; init; }

    public uint Links { get; init; }

    public IReadOnlyList<ExtendedAttribute> Attributes { get; init; } = [];

    /// <summary>Length of a file, holes included.</summary>
    public long Size { get; init; }

    /// <summary>A file's bytes; of a sparse file, its extents one after the other.</summary>
    public ContentRoot Content { get; init; }

    /// <summary>The extents of a sparse file; null where the file has no holes.</summary>
    public IReadOnlyList<Extent>? Extents { get; init; }

    /// <summary>A symbolic link's target, or the path of the file that a hard link means.</summary>
    public byte[] Target { get; init; } = [];

    /// <summary>Major (high half) and minor number of a device node.</summary>
    public ulong NodeDevice { get; init; }

    public static TreeNode From(byte[] path, in FileStat stat) => new()
    {
        Kind = stat.Kind,
        Path = path,
        Mode = stat.Mode,
        User = stat.User,
        Group = stat.Group,
        Modified = stat.Modified,
        Changed = stat.Changed,
        Inode = stat.Inode,
        Device = stat.Device,
        Links = stat.Links,
        Size = stat.Kind == TreeNodeKind.File ? stat.Size : 0,
        NodeDevice = stat.NodeDevice,
    };

    /// <summary>
    /// The order of nodes: depth first, names by their bytes. The separator counts as the smallest byte, so that a directory
    /// stands directly before what it holds.
    /// </summary>
    public static int ComparePaths(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right)
    {
        var common = left.CommonPrefixLength(right);
        if (common == left.Length || common == right.Length)
        {
            return left.Length.CompareTo(right.Length);
        }

        var (a, b) = (left[common], right[common]);
        return a == '/' ? -1 : b == '/' ? 1 : a.CompareTo(b);
    }
}
