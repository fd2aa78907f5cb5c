namespace Hexabase.DrConsole.Engine.RedisProtocol;

/// <summary>LZF, by which Redis compresses long strings in snapshots.</summary>
internal static class Lzf
{
    /// <summary>Unpacks; false where the bytes are no LZF of exactly that length.</summary>
    public static bool TryUnpack(ReadOnlySpan<byte> packed, Span<byte> into)
    {
        var from = 0;
        var to = 0;
        while (from < packed.Length)
        {
            var control = packed[from++];
            if (control < 32)
            {
                var count = control + 1;
                if (from + count > packed.Length || to + count > into.Length)
                {
                    return false;
                }

                packed.Slice(from, count).CopyTo(into[to..]);
                from += count;
                to += count;
                continue;
            }

            var length = control >> 5;
            if (length == 7)
            {
                if (from >= packed.Length)
                {
                    return false;
                }

                length += packed[from++];
            }

            if (from >= packed.Length)
            {
                return false;
            }

            var source = to - ((control & 0x1F) << 8) - packed[from++] - 1;
            length += 2;
            if (source < 0 || to + length > into.Length)
            {
                return false;
            }

            // One by one: what is copied may be what was copied just before.
            for (; length > 0; length--)
            {
                into[to++] = into[source++];
            }
        }

        return to == into.Length;
    }
}
