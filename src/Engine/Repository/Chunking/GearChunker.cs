using System.Buffers.Binary;
using System.Numerics;

namespace Hexabase.DrConsole.Engine.Repository.Chunking;

/// <summary>
/// FastCDC over a 64-bit gear hash, normalised by two bits each way: a stricter mask before the normal length, a laxer one
/// after it. Fed piecewise: a chunk's bytes lie in one span that grows until a cut is found.
/// </summary>
internal sealed class GearChunker
{
    private const int NormalisationBits = 2;
    private readonly ulong[] _gear;
    private readonly ChunkerProfile _profile;
    private readonly ulong _strict;
    private readonly ulong _lax;
    private ulong _hash;
    private int _position;

    /// <param name="seed">2,048 bytes: the gear table as little-endian words.</param>
    /// <param name="profile">The bounds.</param>
    public GearChunker(ReadOnlySpan<byte> seed, ChunkerProfile profile)
    {
        _gear = new ulong[256];
        for (var i = 0; i < _gear.Length; i++)
        {
            _gear[i] = BinaryPrimitives.ReadUInt64LittleEndian(seed[(i * sizeof(ulong))..]);
        }

        _profile = profile;
        var bits = BitOperations.Log2((uint)profile.Normal);
        _strict = HighBits(bits + NormalisationBits);
        _lax = HighBits(bits - NormalisationBits);
        _position = profile.Minimum;
    }

    /// <summary>How many bytes the next look needs at least before it can find anything.</summary>
    public int Wanted => Math.Max(_position + 1, _profile.Minimum + 1);

    /// <summary>
    /// Looks on for a cut in the bytes of the current chunk.
    /// </summary>
    /// <param name="chunk">All bytes since the last cut that are known; longer at each call for the same chunk.</param>
    /// <returns>The chunk's length, after which the next chunk begins; 0 where more bytes are needed.</returns>
    public int FindCut(ReadOnlySpan<byte> chunk)
    {
        var end = Math.Min(chunk.Length, _profile.Maximum);
        var position = _position;
        if (end > position)
        {
            var cut = Scan(chunk, ref position, Math.Min(end, _profile.Normal), _strict);
            if (cut == 0)
            {
                cut = Scan(chunk, ref position, end, _lax);
            }

            _position = position;
            if (cut > 0)
            {
                Restart();
                return cut;
            }
        }

        if (chunk.Length < _profile.Maximum)
        {
            return 0;
        }

        Restart();
        return _profile.Maximum;
    }

    /// <summary>Begins a new chunk.</summary>
    public void Restart()
    {
        _hash = 0;
        // Nothing before the minimum can be a cut, so nothing there is hashed.
        _position = _profile.Minimum;
    }

    private int Scan(ReadOnlySpan<byte> chunk, ref int position, int end, ulong mask)
    {
        // Locals, not fields, in the loop: this is the one place that sees every byte of a backup.
        var hash = _hash;
        var gear = _gear.AsSpan(0, 256);
        for (var i = position; i < end; i++)
        {
            hash = (hash << 1) + gear[chunk[i]];
            if ((hash & mask) == 0)
            {
                position = i + 1;
                return i + 1;
            }
        }

        _hash = hash;
        position = Math.Max(position, end);
        return 0;
    }

    // The high bits of a gear hash depend on the last 64 bytes, the low ones only on the last few.
    private static ulong HighBits(int count) => ulong.MaxValue << (64 - count);
}
