using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Physical;

/// <summary>What a page of a relation file is worth.</summary>
internal enum PageState
{
    /// <summary>Its checksum is right, or it was never written.</summary>
    Sound,

    /// <summary>It was written since the backup began; replaying WAL replaces it, torn or not.</summary>
    Replayed,

    /// <summary>Its checksum is wrong.</summary>
    Damaged,
}

/// <summary>PostgreSQL's page checksum (storage/checksum_impl.h): FNV-1a over 32 columns of a page, folded to 16 bits.</summary>
internal static class PageChecksum
{
    /// <summary>The block size that all packaged servers are built with.</summary>
    public const int PageBytes = 8192;

    private const uint Prime = 16777619;
    private const int Columns = 32;
    private const int ChecksumOffset = 8;
    private const int UpperOffset = 14;

    private static readonly uint[] s_bases =
    [
        0x5B1F36E9, 0xB8525960, 0x02AB50AA, 0x1DE66D2A, 0x79FF467A, 0x9BB9F8A3, 0x217E7CD2, 0x83E13D2C,
        0xF8D4474F, 0xE39EB970, 0x42C6AE16, 0x993216FA, 0x7B093B5D, 0x98DAFF3C, 0xF718902A, 0x0B1C9CDB,
        0xE58F764B, 0x187636BC, 0x5D7B3BB1, 0xE73DE7DE, 0x92BEC979, 0xCCA6C0B2, 0x304A0979, 0x85AA43D4,
        0x783125BB, 0x6CA8EAA2, 0xE407EAC6, 0x4B5CFC3E, 0x9FBF8C76, 0x15CA20BE, 0xF2CA9FD3, 0x959BD756,
    ];

    /// <summary>Judges a page.</summary>
    /// <param name="page">8,192 bytes.</param>
    /// <param name="block">Its number in the relation, over all segment files.</param>
    /// <param name="backupStart">Where the backup's WAL begins.</param>
    public static PageState Judge(ReadOnlySpan<byte> page, uint block, ulong backupStart)
    {
        if (BinaryPrimitives.ReadUInt16LittleEndian(page[UpperOffset..]) == 0)
        {
            // Extended and not filled yet; its bytes are zero, and nothing reads others.
            return PageState.Sound;
        }

        var written = ((ulong)BinaryPrimitives.ReadUInt32LittleEndian(page) << 32) | BinaryPrimitives.ReadUInt32LittleEndian(page[4..]);
        return written >= backupStart ? PageState.Replayed
            : Of(page, block) == BinaryPrimitives.ReadUInt16LittleEndian(page[ChecksumOffset..]) ? PageState.Sound
            : PageState.Damaged;
    }

    /// <summary>The checksum that the page should carry.</summary>
    public static ushort Of(ReadOnlySpan<byte> page, uint block)
    {
        var words = MemoryMarshal.Cast<byte, uint>(page);
        var bases = s_bases.AsSpan();
        var a = Vector256.Create<uint>(bases);
        var b = Vector256.Create<uint>(bases[8..]);
        var c = Vector256.Create<uint>(bases[16..]);
        var d = Vector256.Create<uint>(bases[24..]);
        for (var row = 0; row < words.Length; row += Columns)
        {
            var first = Vector256.Create<uint>(words[row..]);
            if (row == 0)
            {
                // The checksum itself counts as zero: the low half of the third word.
                first = first.WithElement(2, first.GetElement(2) & 0xFFFF0000);
            }

            a = Mix(a, first);
            b = Mix(b, Vector256.Create<uint>(words[(row + 8)..]));
            c = Mix(c, Vector256.Create<uint>(words[(row + 16)..]));
            d = Mix(d, Vector256.Create<uint>(words[(row + 24)..]));
        }

        for (var round = 0; round < 2; round++)
        {
            (a, b, c, d) = (Mix(a, default), Mix(b, default), Mix(c, default), Mix(d, default));
        }

        var folded = a ^ b ^ c ^ d;
        var sum = block;
        for (var i = 0; i < Vector256<uint>.Count; i++)
        {
            sum ^= folded.GetElement(i);
        }

        return (ushort)((sum % 65535) + 1);
    }

    private static Vector256<uint> Mix(Vector256<uint> sum, Vector256<uint> value)
    {
        var mixed = sum ^ value;
        return (mixed * Prime) ^ (mixed >> 17);
    }
}
