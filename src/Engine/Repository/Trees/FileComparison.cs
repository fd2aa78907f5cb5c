using Hexabase.DrConsole.Engine.Repository.Format;
using Microsoft.Win32.SafeHandles;

namespace Hexabase.DrConsole.Engine.Repository.Trees;

/// <summary>Compares a file on disk with the chunks of a restore point by their ids; nothing is fetched but chunk lists.</summary>
internal static class FileComparison
{
    /// <summary>True where the file holds exactly the node's content; its size was compared before.</summary>
    public static async Task<bool> HasContentAsync(RepositoryParts parts, SafeFileHandle file, TreeNode node, CancellationToken ct)
    {
        var buffer = new byte[Math.Min(Math.Max(node.Content.Length, 1), RepositoryFormat.MaxBlobLength)];
        var extents = node.Extents ?? [new Extent(0, node.Content.Length)];
        if (!HolesAreEmpty(file, node, extents))
        {
            return false;
        }

        var (extent, within) = (0, 0L);
        await foreach (var chunk in parts.Contents.StretchesAsync(node.Content, ct))
        {
            if (chunk.Length > buffer.Length)
            {
                return false;
            }

            var own = buffer.AsMemory(0, (int)chunk.Length);
            for (var filled = 0; filled < own.Length;)
            {
                var length = (int)Math.Min(own.Length - filled, extents[extent].Length - within);
                if (!TryFill(file, own.Span.Slice(filled, length), extents[extent].Offset + within, node.Path))
                {
                    return false;
                }

                filled += length;
                within += length;
                if (within == extents[extent].Length && extent + 1 < extents.Count)
                {
                    (extent, within) = (extent + 1, 0);
                }
            }

            if (parts.Keys.IdentityOf(own.Span) != chunk.Id)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Fills the buffer from an offset; false where the file ends before.</summary>
    public static bool TryFill(SafeFileHandle file, Span<byte> buffer, long offset, byte[] path)
    {
        while (buffer.Length > 0)
        {
            var read = Posix.Read(file, buffer, offset, path);
            if (read == 0)
            {
                return false;
            }

            offset += read;
            buffer = buffer[read..];
        }

        return true;
    }

    /// <summary>Between its extents a sparse file must read as zeros, whether there are holes or not.</summary>
    private static bool HolesAreEmpty(SafeFileHandle file, TreeNode node, IReadOnlyList<Extent> extents)
    {
        if (node.Extents is null)
        {
            return true;
        }

        var buffer = new byte[256 * 1024];
        foreach (var data in Posix.DataExtents(file, node.Size, node.Path))
        {
            for (var at = data.Offset; at < data.Offset + data.Length;)
            {
                var within = extents.FirstOrDefault(e => at >= e.Offset && at < e.Offset + e.Length);
                if (within.Length > 0)
                {
                    at = within.Offset + within.Length;
                    continue;
                }

                var next = extents.Where(e => e.Offset > at).Select(e => e.Offset).DefaultIfEmpty(node.Size).Min();
                var gap = buffer.AsSpan(0, (int)Math.Min(buffer.Length, Math.Min(next, data.Offset + data.Length) - at));
                if (!TryFill(file, gap, at, node.Path) || gap.ContainsAnyExcept((byte)0))
                {
                    return false;
                }

                at += gap.Length;
            }
        }

        return true;
    }
}
