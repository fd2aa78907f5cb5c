using System.Globalization;
using System.Numerics;

namespace Hexabase.DrConsole.Engine.Repository.Wal;

/// <summary>
/// The length of a cluster's WAL segments (<c>wal_segment_size</c>) and the arithmetic that follows from it. Segment numbers
/// count from 0 through the whole log; PostgreSQL's file names split them at every 4 GiB.
/// </summary>
public readonly record struct WalSegmentSize
{
    private const int NameLength = 24;

    /// <param name="bytes">A power of two from 1 MiB to 1 GiB.</param>
    /// <exception cref="EngineException">Kind Input for any other number.</exception>
    public WalSegmentSize(int bytes) => Bytes = bytes is >= 1 << 20 and <= 1 << 30 && BitOperations.IsPow2(bytes) ? bytes : throw new EngineException(
        "wal-segment-size", ErrorKind.Input, $"no PostgreSQL cluster has WAL segments of {bytes} bytes", "a segment is a power of two from 1 MiB to 1 GiB");

    /// <summary>Bytes of one segment.</summary>
    public int Bytes { get; }

    private ulong PerFourGiB => 0x1_0000_0000UL / (ulong)Bytes;

    /// <summary>The segment that holds the byte at an LSN.</summary>
    public ulong SegmentOf(ulong lsn) => lsn / (ulong)Bytes;

    /// <summary>The LSN of a segment's first byte.</summary>
    public ulong StartOf(ulong segment) => segment * (ulong)Bytes;

    /// <summary>Bytes of the segment before an LSN.</summary>
    public int OffsetOf(ulong lsn) => (int)(lsn % (ulong)Bytes);

    /// <summary>PostgreSQL's name of a segment file: 24 hexadecimal digits.</summary>
    public string FileName(uint timeline, ulong segment) =>
        string.Create(CultureInfo.InvariantCulture, $"{timeline:X8}{segment / PerFourGiB:X8}{segment % PerFourGiB:X8}");

    /// <summary>True where a name is that of a segment file of this size.</summary>
    public bool TryParseFileName(string name, out uint timeline, out ulong segment)
    {
        (timeline, segment) = (0, 0);
        if (name is not { Length: NameLength } || !name.All(letter => char.IsAsciiDigit(letter) || letter is >= 'A' and <= 'F'))
        {
            return false;
        }

        var low = uint.Parse(name.AsSpan(16), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
        timeline = uint.Parse(name.AsSpan(0, 8), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
        segment = (uint.Parse(name.AsSpan(8, 8), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture) * PerFourGiB) + low;
        return low < PerFourGiB;
    }
}
