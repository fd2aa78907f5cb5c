using System.Buffers.Binary;

namespace Hexabase.DrConsole.Engine.RedisProtocol;

/// <summary>The checksum at the end of a Redis snapshot: CRC-64 by Jones, reflected, from 0. Eight tables take eight bytes a step.</summary>
internal static class Crc64
{
    // 0xad93d23594c935a9 with its bits in reverse.
    private const ulong Polynomial = 0x95AC9329AC4BC9B5;
    private static readonly ulong[][] s_tables = MakeTables();

    public static ulong Append(ulong crc, ReadOnlySpan<byte> bytes)
    {
        var tables = s_tables;
        while (bytes.Length >= 8)
        {
            crc ^= BinaryPrimitives.ReadUInt64LittleEndian(bytes);
            crc = tables[7][(byte)crc] ^ tables[6][(byte)(crc >> 8)] ^ tables[5][(byte)(crc >> 16)] ^ tables[4][(byte)(crc >> 24)]
                ^ tables[3][(byte)(crc >> 32)] ^ tables[2][(byte)(crc >> 40)] ^ tables[1][(byte)(crc >> 48)] ^ tables[0][(byte)(crc >> 56)];
            bytes = bytes[8..];
        }

        foreach (var one in bytes)
        {
            crc = tables[0][(byte)(crc ^ one)] ^ (crc >> 8);
        }

        return crc;
    }

    private static ulong[][] MakeTables()
    {
        var tables = Enumerable.Range(0, 8).Select(_ => new ulong[256]).ToArray();
        for (var value = 0; value < 256; value++)
        {
            var crc = (ulong)value;
            for (var bit = 0; bit < 8; bit++)
            {
                crc = (crc & 1) != 0 ? (crc >> 1) ^ Polynomial : crc >> 1;
            }

            tables[0][value] = crc;
        }

        for (var value = 0; value < 256; value++)
        {
            for (var table = 1; table < 8; table++)
            {
                var before = tables[table - 1][value];
                tables[table][value] = tables[0][(byte)before] ^ (before >> 8);
            }
        }

        return tables;
    }
}
