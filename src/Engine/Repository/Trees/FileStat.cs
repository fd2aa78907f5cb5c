using System.Buffers.Binary;

namespace Hexabase.DrConsole.Engine.Repository.Trees;

/// <summary>Seconds since 1970 and nanoseconds.</summary>
internal readonly record struct FileTime(long Seconds, uint Nanoseconds)
{
    private const int NanosecondsPerTick = 100;

    public static FileTime From(DateTimeOffset time)
    {
        var seconds = time.ToUnixTimeSeconds();
        return new FileTime(seconds, (uint)((time - DateTimeOffset.FromUnixTimeSeconds(seconds)).Ticks * NanosecondsPerTick));
    }

    /// <summary>The same to 100 nanoseconds.</summary>
    public DateTimeOffset ToTime() => DateTimeOffset.FromUnixTimeSeconds(Seconds).AddTicks(Nanoseconds / NanosecondsPerTick);
}

/// <summary>A run of data in a sparse file, in bytes.</summary>
internal readonly record struct Extent(long Offset, long Length);

/// <summary>An extended attribute; name and value are bytes.</summary>
internal sealed record ExtendedAttribute(byte[] Name, byte[] Value);

/// <summary>What the system knows of a file.</summary>
internal readonly record struct FileStat
{
    /// <summary>The basic fields of <c>statx</c>.</summary>
    public const uint Mask = 0x7FF;

    private const uint TypeMask = 0xF000;

    public uint ModeWithType { get; private init; }

    public uint Links { get; private init; }

    public uint User { get; private init; }

    public uint Group { get; private init; }

    public ulong Inode { get; private init; }

    public long Size { get; private init; }

    /// <summary>Space taken, in 512-byte blocks.</summary>
    public long Blocks { get; private init; }

    public FileTime Changed { get; private init; }

    public FileTime Modified { get; private init; }

    /// <summary>Major and minor number of the file system.</summary>
    public ulong Device { get; private init; }

    /// <summary>Major and minor number of a device node.</summary>
    public ulong NodeDevice { get; private init; }

    public uint Mode => ModeWithType & 0xFFF;

    /// <summary>True where the file takes less space than it is long.</summary>
    public bool MayHaveHoles => Blocks * 512 < Size;

    public TreeNodeKind Kind => (ModeWithType & TypeMask) switch
    {
        0x4000 => TreeNodeKind.Directory,
        0xA000 => TreeNodeKind.SymbolicLink,
        0x1000 => TreeNodeKind.Fifo,
        0x2000 => TreeNodeKind.CharacterDevice,
        0x6000 => TreeNodeKind.BlockDevice,
        0xC000 => TreeNodeKind.Socket,
        _ => TreeNodeKind.File,
    };

    /// <summary>Reads <c>struct statx</c>, whose layout is the same on every architecture.</summary>
    public static FileStat From(ReadOnlySpan<byte> statx) => new()
    {
        Links = BinaryPrimitives.ReadUInt32LittleEndian(statx[16..]),
        User = BinaryPrimitives.ReadUInt32LittleEndian(statx[20..]),
        Group = BinaryPrimitives.ReadUInt32LittleEndian(statx[24..]),
        ModeWithType = BinaryPrimitives.ReadUInt16LittleEndian(statx[28..]),
        Inode = BinaryPrimitives.ReadUInt64LittleEndian(statx[32..]),
        Size = BinaryPrimitives.ReadInt64LittleEndian(statx[40..]),
        Blocks = BinaryPrimitives.ReadInt64LittleEndian(statx[48..]),
        Changed = TimeAt(statx[96..]),
        Modified = TimeAt(statx[112..]),
        NodeDevice = DeviceAt(statx[128..]),
        Device = DeviceAt(statx[136..]),
    };

    private static FileTime TimeAt(ReadOnlySpan<byte> at) =>
        new(BinaryPrimitives.ReadInt64LittleEndian(at), BinaryPrimitives.ReadUInt32LittleEndian(at[8..]));

    private static ulong DeviceAt(ReadOnlySpan<byte> at) =>
        ((ulong)BinaryPrimitives.ReadUInt32LittleEndian(at) << 32) | BinaryPrimitives.ReadUInt32LittleEndian(at[4..]);
}
