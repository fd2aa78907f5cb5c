using System.Buffers.Binary;

namespace Hexabase.DrConsole.Engine.Repository.Format;

/// <summary>
/// What is encrypted: one byte of encoding (0 as it is, 1 a zstd frame), the length in the clear (u32), then the bytes.
/// Self-describing, so that a blob can be moved between packs without its index entry.
/// </summary>
internal static class Payload
{
    public const int HeaderLength = 5;

    private const byte Raw = 0;
    private const byte Zstd = 1;

    /// <summary>Room that <see cref="Encode"/> needs for <paramref name="length"/> bytes.</summary>
    public static int Bound(int length) => HeaderLength + ZstdCodec.Bound(length);

    /// <summary>Writes the payload and returns its length. Kept as it is where zstd saves under 3 %.</summary>
    public static int Encode(ReadOnlySpan<byte> plain, Span<byte> destination, Compression compression = Compression.Balanced)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(destination[1..], (uint)plain.Length);
        if (plain.Length > 0)
        {
            var packed = ZstdCodec.Compress(plain, destination[HeaderLength..], compression);
            if (packed <= plain.Length - (plain.Length * 3L / 100) - 1)
            {
                destination[0] = Zstd;
                return HeaderLength + packed;
            }
        }

        destination[0] = Raw;
        plain.CopyTo(destination[HeaderLength..]);
        return HeaderLength + plain.Length;
    }

    /// <summary>Length in the clear that the payload declares, or -1 where it is no payload.</summary>
    public static int DeclaredLength(ReadOnlySpan<byte> payload, int limit)
    {
        if (payload.Length < HeaderLength || payload[0] > Zstd)
        {
            return -1;
        }

        var length = BinaryPrimitives.ReadUInt32LittleEndian(payload[1..]);
        return length <= limit ? (int)length : -1;
    }

    /// <summary>Fills <paramref name="destination"/>, which has the declared length; false where the bytes do not give that.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> payload, Span<byte> destination)
    {
        var body = payload[HeaderLength..];
        if (payload[0] == Zstd)
        {
            return ZstdCodec.TryDecompress(body, destination);
        }

        if (body.Length != destination.Length)
        {
            return false;
        }

        body.CopyTo(destination);
        return true;
    }
}
