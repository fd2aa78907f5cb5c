using System.Collections.Concurrent;
using ZstdNet;

namespace Hexabase.DrConsole.Engine.Repository.Format;

/// <summary>
/// Standard zstd frames. Contexts cost megabytes to make and are not thread-safe, so a small pool of them is kept.
/// </summary>
internal static class ZstdCodec
{
    /// <summary>Above this, the level's own tables no longer fit a core's cache beside the data.</summary>
    private const int LargeLength = 256 * 1024;

    private static readonly Pool Balanced = new(new CompressionOptions(3));

    /// <summary>Level 3 with tables of half the size: a sixth faster on chunks of megabytes for half a percent of their size.</summary>
    private static readonly Pool BalancedLarge = new(new CompressionOptions(
        null, new Dictionary<ZSTD_cParameter, int> { [ZSTD_cParameter.ZSTD_c_hashLog] = 16, [ZSTD_cParameter.ZSTD_c_chainLog] = 15 }, 3));

    /// <summary>Level 1, whose tables are small anyway.</summary>
    private static readonly Pool Fast = new(new CompressionOptions(1));

    private static readonly ConcurrentBag<Decompressor> Decompressors = [];

    /// <summary>How many bytes a frame of <paramref name="length"/> bytes can need at worst.</summary>
    public static int Bound(int length) => Compressor.GetCompressBound(length);

    /// <summary>Writes one frame and returns its length.</summary>
    public static int Compress(ReadOnlySpan<byte> source, Span<byte> destination, Compression compression)
    {
        var pool = compression == Compression.Fast ? Fast : source.Length > LargeLength ? BalancedLarge : Balanced;
        return pool.Compress(source, destination);
    }

    /// <summary>Reads one frame that must fill <paramref name="destination"/> exactly; false where it does not.</summary>
    public static bool TryDecompress(ReadOnlySpan<byte> frame, Span<byte> destination)
    {
        if (!Decompressors.TryTake(out var decompressor))
        {
            decompressor = new Decompressor();
        }

        try
        {
            return decompressor.Unwrap(frame, destination, bufferSizePrecheck: false) == destination.Length;
        }
        catch (ZstdException)
        {
            return false;
        }
        finally
        {
            Decompressors.Add(decompressor);
        }
    }

    private sealed class Pool(CompressionOptions options)
    {
        private readonly ConcurrentBag<Compressor> _free = [];

        public int Compress(ReadOnlySpan<byte> source, Span<byte> destination)
        {
            if (!_free.TryTake(out var compressor))
            {
                compressor = new Compressor(options);
            }

            try
            {
                return compressor.Wrap(source, destination);
            }
            finally
            {
                _free.Add(compressor);
            }
        }
    }
}
