using Hexabase.DrConsole.Engine.Repository.Format;

namespace Hexabase.DrConsole.Engine.Repository.Wal;

/// <summary>
/// How WAL is written: look at what is there of the segment, refuse other bytes, put, read back, look again, and only then
/// delete what the new object supersedes. A crash between any two of them leaves at most pieces beside what supersedes them.
/// </summary>
public sealed partial class WalArchive
{
    private async Task<bool> StoreWalAsync(WalObject item, CancellationToken ct)
    {
        var name = item.Name;
        var folder = WalName.FolderOf(Stream, name.Timeline, name.Segment);
        var there = await PlacedAsync(folder, ct);
        var isCovered = false;
        foreach (var other in there.Where(other => Overlaps(other, name) && other.Key != name.Key))
        {
            isCovered |= await RequireSameAsync(other, item, ct) && other.From <= name.From && other.To >= name.To;
        }

        if (isCovered)
        {
            return false;
        }

        var isNew = !there.Exists(other => other.Key == name.Key) || await _wal.FaultOfAsync(name, ct) is not null;
        if (isNew)
        {
            await _wal.PutAsync(name, item.Seal(_wal.Parts.Keys), ct);
            if (name.Type == ObjectType.WalSegment)
            {
                there = await PlacedAsync(folder, ct);
                await TakeBackWhereOtherCameAsync(there, item, ct);
            }
        }

        foreach (var piece in there.Where(other => Supersedes(item, other)))
        {
            if (!await _wal.TryDeleteAsync(piece.Key, ct))
            {
                break;
            }
        }

        return isNew;
    }

    private async Task<bool> StoreHistoryAsync(WalObject item, CancellationToken ct)
    {
        var there = (await _wal.NamesAsync(WalName.FolderOf(Stream), ct)).Where(other => other.Type == ObjectType.TimelineHistory && other.Timeline == item.Name.Timeline).ToList();
        if (there.Any(other => other.Digest != item.Name.Digest))
        {
            throw Conflict($"the history of timeline {item.Name.Timeline}");
        }

        if (there.Count > 0 && await _wal.FaultOfAsync(item.Name, ct) is null)
        {
            return false;
        }

        await _wal.PutAsync(item.Name, item.Seal(_wal.Parts.Keys), ct);
        return true;
    }

    /// <summary>The objects of a segment, a whole one with its length, which its name does not say.</summary>
    private async Task<List<WalName>> PlacedAsync(string folder, CancellationToken ct) =>
        [.. (await _wal.NamesAsync(folder, ct)).Select(one => one.Type == ObjectType.WalSegment ? one with { To = Described().SegmentBytes } : one)];

    private static bool Overlaps(WalName left, WalName right) => left.From < right.To && right.From < left.To;

    private bool Supersedes(WalObject item, WalName other) =>
        other.Type == ObjectType.WalPiece && other.Key != item.Name.Key && other.From >= item.Name.From && other.To <= item.Name.To && DigestWithin(item, other) == other.Digest;

    private string DigestWithin(WalObject item, WalName other) => _wal.DigestOf(item.Plain.Span[(other.From - item.Name.From)..(other.To - item.Name.From)]);

    /// <summary>Compares what is there with what comes, where they overlap; what is damaged says nothing.</summary>
    /// <returns>False where what is there cannot be read, so that it covers nothing.</returns>
    private async Task<bool> RequireSameAsync(WalName other, WalObject item, CancellationToken ct)
    {
        var name = item.Name;
        if (other.From >= name.From && other.To <= name.To)
        {
            // The digest in its name is enough, also where the object itself is damaged.
            return DigestWithin(item, other) == other.Digest ? true : throw Conflict(Place(name, other));
        }

        byte[] stored;
        try
        {
            stored = await _wal.ReadAsync(other, ct);
        }
        catch (EngineException error) when (error.Kind is ErrorKind.Damaged or ErrorKind.NotFound)
        {
            return false;
        }

        var (from, to) = (Math.Max(other.From, name.From), Math.Min(other.To, name.To));
        return stored.AsSpan()[(from - other.From)..(to - other.From)].SequenceEqual(item.Plain.Span[(from - name.From)..(to - name.From)]) ? true : throw Conflict(Place(name, other));
    }

    /// <summary>Two writers with different bytes at the same instant: neither counts, and both say so.</summary>
    private async Task TakeBackWhereOtherCameAsync(List<WalName> there, WalObject item, CancellationToken ct)
    {
        if (there.Find(other => other.Type == ObjectType.WalSegment && other.Digest != item.Name.Digest) is { Digest: not null } other)
        {
            await _wal.TryDeleteAsync(item.Name.Key, ct);
            throw Conflict(Place(item.Name, other));
        }
    }

    private string Place(WalName name, WalName other)
    {
        var start = new WalSegmentSize(Described().SegmentBytes).StartOf(name.Segment);
        return $"WAL from {new Lsn(start + (ulong)Math.Max(name.From, other.From))} to {new Lsn(start + (ulong)Math.Min(name.To, other.To))} on timeline {name.Timeline}";
    }

    private EngineException Conflict(string what) => new(
        "wal-conflict", ErrorKind.Conflict,
        $"{what} of '{Source}' is stored in {_wal.Parts.Store.Url} already with other bytes: a copy of the cluster, or another server under its identity, wrote it",
        "find out which of the two servers is the source; give the other one a source name of its own; nothing was overwritten");
}
