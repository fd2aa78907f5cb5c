using System.Buffers.Binary;
using System.Globalization;

namespace Hexabase.DrConsole.Engine.RedisProtocol;

/// <summary>Gets one element of a packed value, as its owners know it.</summary>
internal delegate void ElementConsumer(ReadOnlySpan<byte> element);

/// <summary>Small collections are stored as one packed string; this takes them apart. Damage ends in an exception of ranges.</summary>
internal static class PackedValues
{
    /// <summary>Sorted integers of one width.</summary>
    public static void Intset(ReadOnlySpan<byte> blob, ElementConsumer consume)
    {
        Span<byte> text = stackalloc byte[24];
        var width = BinaryPrimitives.ReadInt32LittleEndian(blob);
        var count = BinaryPrimitives.ReadInt32LittleEndian(blob[4..]);
        for (var index = 0; index < count; index++)
        {
            var at = blob.Slice(8 + (index * width), width);
            Number(width switch
            {
                2 => BinaryPrimitives.ReadInt16LittleEndian(at),
                4 => BinaryPrimitives.ReadInt32LittleEndian(at),
                _ => BinaryPrimitives.ReadInt64LittleEndian(at),
            }, text, consume);
        }
    }

    /// <summary>Since Redis 7.</summary>
    public static void Listpack(ReadOnlySpan<byte> blob, ElementConsumer consume)
    {
        Span<byte> text = stackalloc byte[24];
        var at = 6;
        while (blob[at] != 0xFF)
        {
            var size = ListpackEntry(blob[at..], text, consume);
            at += size + BackLengthSize(size);
        }
    }

    /// <summary>Before Redis 7.</summary>
    public static void Ziplist(ReadOnlySpan<byte> blob, ElementConsumer consume)
    {
        Span<byte> text = stackalloc byte[24];
        var at = 10;
        while (blob[at] != 0xFF)
        {
            at += blob[at] < 254 ? 1 : 5;
            at += ZiplistEntry(blob[at..], text, consume);
        }
    }

    /// <summary>Hashes before Redis 2.6.</summary>
    public static void Zipmap(ReadOnlySpan<byte> blob, ElementConsumer consume)
    {
        var at = 1;
        while (blob[at] != 0xFF)
        {
            var key = ZipmapLength(blob, ref at);
            consume(blob.Slice(at, key));
            at += key;
            var value = ZipmapLength(blob, ref at);
            var free = blob[at++];
            consume(blob.Slice(at, value));
            at += value + free;
        }
    }

    private static int ZipmapLength(ReadOnlySpan<byte> blob, ref int at)
    {
        var first = blob[at++];
        if (first < 254)
        {
            return first;
        }

        var length = BinaryPrimitives.ReadInt32LittleEndian(blob[at..]);
        at += 4;
        return length;
    }

    private static int ListpackEntry(ReadOnlySpan<byte> entry, Span<byte> text, ElementConsumer consume)
    {
        var first = entry[0];
        switch (first)
        {
            case < 0x80:
                Number(first, text, consume);
                return 1;
            case < 0xC0:
                consume(entry.Slice(1, first & 0x3F));
                return 1 + (first & 0x3F);
            case < 0xE0:
                // 13 bits with sign.
                Number((((first & 0x1F) << 8) | entry[1]) << 19 >> 19, text, consume);
                return 2;
            case < 0xF0:
                var length = ((first & 0x0F) << 8) | entry[1];
                consume(entry.Slice(2, length));
                return 2 + length;
            case 0xF0:
                var large = BinaryPrimitives.ReadInt32LittleEndian(entry[1..]);
                consume(entry.Slice(5, large));
                return 5 + large;
            case 0xF1:
                Number(BinaryPrimitives.ReadInt16LittleEndian(entry[1..]), text, consume);
                return 3;
            case 0xF2:
                Number(Int24(entry[1..]), text, consume);
                return 4;
            case 0xF3:
                Number(BinaryPrimitives.ReadInt32LittleEndian(entry[1..]), text, consume);
                return 5;
            case 0xF4:
                Number(BinaryPrimitives.ReadInt64LittleEndian(entry[1..]), text, consume);
                return 9;
            default:
                throw new ArgumentOutOfRangeException(nameof(entry), "no listpack entry begins so");
        }
    }

    private static int BackLengthSize(int size) => size switch
    {
        < 128 => 1,
        < 16384 => 2,
        < 2097152 => 3,
        < 268435456 => 4,
        _ => 5,
    };

    private static int ZiplistEntry(ReadOnlySpan<byte> entry, Span<byte> text, ElementConsumer consume)
    {
        var first = entry[0];
        int length;
        switch (first)
        {
            case < 0x40:
                consume(entry.Slice(1, first));
                return 1 + first;
            case < 0x80:
                length = ((first & 0x3F) << 8) | entry[1];
                consume(entry.Slice(2, length));
                return 2 + length;
            case 0x80:
                length = BinaryPrimitives.ReadInt32BigEndian(entry[1..]);
                consume(entry.Slice(5, length));
                return 5 + length;
            case 0xC0:
                Number(BinaryPrimitives.ReadInt16LittleEndian(entry[1..]), text, consume);
                return 3;
            case 0xD0:
                Number(BinaryPrimitives.ReadInt32LittleEndian(entry[1..]), text, consume);
                return 5;
            case 0xE0:
                Number(BinaryPrimitives.ReadInt64LittleEndian(entry[1..]), text, consume);
                return 9;
            case 0xF0:
                Number(Int24(entry[1..]), text, consume);
                return 4;
            case 0xFE:
                Number((sbyte)entry[1], text, consume);
                return 2;
            case > 0xF0 and < 0xFE:
                Number((first & 0x0F) - 1, text, consume);
                return 1;
            default:
                throw new ArgumentOutOfRangeException(nameof(entry), "no ziplist entry begins so");
        }
    }

    private static int Int24(ReadOnlySpan<byte> bytes) => ((bytes[0] << 8) | (bytes[1] << 16) | (bytes[2] << 24)) >> 8;

    private static void Number(long number, Span<byte> text, ElementConsumer consume)
    {
        number.TryFormat(text, out var written, default, CultureInfo.InvariantCulture);
        consume(text[..written]);
    }
}
