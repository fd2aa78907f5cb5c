using Hexabase.DrConsole.Engine.Repository.Index;

namespace Hexabase.DrConsole.Engine.Repository.Packs;

/// <summary>Cuts blobs that are wanted into ranges, each fetched by one read: neighbours together, never more than a few megabytes.</summary>
internal static class PackRanges
{
    /// <summary>A range is cut where this many bytes of other blobs lie between.</summary>
    private const int MaxGap = 128 * 1024;

    /// <summary>Cuts what is sorted by pack and offset.</summary>
    /// <param name="all">Whatever has a place.</param>
    /// <param name="placeOf">Its place.</param>
    /// <param name="maxBytes">No range of several blobs is longer.</param>
    /// <param name="maxItems">No range has more.</param>
    public static IEnumerable<ArraySegment<T>> Cut<T>(T[] all, Func<T, BlobLocation> placeOf, int maxBytes, int maxItems)
    {
        for (int start = 0, end = 1; start < all.Length; start = end++)
        {
            var first = placeOf(all[start]);
            var reached = End(first);
            while (end < all.Length && end - start < maxItems && placeOf(all[end]) is var next && next.Pack == first.Pack
                && next.Offset <= reached + MaxGap && End(next) - first.Offset <= maxBytes)
            {
                reached = Math.Max(reached, End(next));
                end++;
            }

            yield return new ArraySegment<T>(all, start, end - start);
        }
    }

    /// <summary>The first byte of the pack that is no longer of this blob.</summary>
    public static long End(in BlobLocation place) => place.Offset + (long)place.StoredLength;
}
