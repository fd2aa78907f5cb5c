using Hexabase.DrConsole.Engine.Repository.Format;

namespace Hexabase.DrConsole.Engine.Repository.Wal;

/// <summary>
/// Deletes pieces of segments that are there whole. A receiver does so itself as soon as the whole one is read back; where its role
/// may write but not delete they stay until the prune role comes.
/// </summary>
internal static class WalLeftovers
{
    /// <summary>Deletes them in all streams; may be killed at any instant and repeated.</summary>
    /// <exception cref="EngineException">Kind Denied where the store refuses to delete.</exception>
    public static async Task<WalExpiry> ClearAsync(WalStore wal, CancellationToken ct)
    {
        var (objects, bytes) = (0, 0L);
        // A listing comes in the order of the keys, so that all objects of a segment follow each other.
        var segment = new List<WalItem>();
        await foreach (var item in wal.ListAsync(WalName.Prefix, ct))
        {
            if (item.Name is not { IsWal: true } name)
            {
                continue;
            }

            if (segment is [{ Name: { } other }, ..] && (other.Stream, other.Timeline, other.Segment) != (name.Stream, name.Timeline, name.Segment))
            {
                await ClearAsync();
            }

            segment.Add(item);
        }

        await ClearAsync();
        return new WalExpiry(objects, bytes);

        async Task ClearAsync()
        {
            // Where two different ones claim to be the whole segment, the pieces may tell which is right; where it does not open, they
            // are all that is left of it.
            var pieces = segment.Where(one => one.Name!.Value.Type == ObjectType.WalPiece).ToList();
            if (pieces.Count > 0 && segment.Where(one => one.Name!.Value.Type == ObjectType.WalSegment).ToList() is [{ Name: { } whole }] && await wal.OpensAsync(whole, ct))
            {
                foreach (var piece in pieces)
                {
                    await wal.Parts.Store.DeleteAsync(piece.Info.Key, ct);
                    (objects, bytes) = (objects + 1, bytes + piece.Info.Length);
                }
            }

            segment.Clear();
        }
    }
}
