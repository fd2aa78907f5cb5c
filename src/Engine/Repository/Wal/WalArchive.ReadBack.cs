namespace Hexabase.DrConsole.Engine.Repository.Wal;

/// <summary>Reading the newest WAL back from the tier.</summary>
public sealed partial class WalArchive
{
    /// <summary>
    /// Reads and opens what is stored of the segment that holds the byte before an LSN. Lists only that segment, so it may be
    /// called often.
    /// </summary>
    /// <returns>Up to where the segment's bytes are there and open, without a hole from its start; at most <paramref name="lsn"/>.</returns>
    public async Task<ulong> ReadBackAsync(uint timeline, ulong lsn, CancellationToken cancellationToken)
    {
        if (lsn == 0)
        {
            return 0;
        }

        var size = new WalSegmentSize(Described().SegmentBytes);
        var segment = size.SegmentOf(lsn - 1);
        var at = 0;
        foreach (var name in (await PlacedAsync(WalName.FolderOf(Stream, timeline, segment), cancellationToken)).OrderBy(name => name.From).ThenByDescending(name => name.To))
        {
            if (name.From <= at && name.To > at && await OpensAsync(name, cancellationToken))
            {
                at = name.To;
            }
        }

        return Math.Min(lsn, size.StartOf(segment) + (ulong)at);
    }

    /// <summary>
    /// When this tier had stored the byte before an LSN: the earliest of the objects that hold it, since each of them was written
    /// after that byte had come. Lists only its segment. Null where the tier does not hold it.
    /// </summary>
    public async Task<DateTimeOffset?> StoredAtAsync(uint timeline, ulong lsn, CancellationToken cancellationToken)
    {
        if (_info is not { } info || lsn == 0)
        {
            return null;
        }

        var size = new WalSegmentSize(info.SegmentBytes);
        DateTimeOffset? earliest = null;
        await foreach (var item in _wal.ListAsync(WalName.FolderOf(Stream, timeline, size.SegmentOf(lsn - 1)), cancellationToken))
        {
            if (item.Name is { IsWal: true } name && WalListing.ExtentOf(name, size, item.Info.LastModified, item.Info.Length) is var extent
                && extent.StartLsn < lsn && lsn <= extent.EndLsn && !(earliest <= extent.StoredAt))
            {
                earliest = extent.StoredAt;
            }
        }

        return earliest;
    }

    private async Task<bool> OpensAsync(WalName name, CancellationToken ct)
    {
        try
        {
            return (await _wal.ReadAsync(name, ct)).Length == name.To - name.From;
        }
        catch (EngineException error) when (error.Kind is ErrorKind.Damaged or ErrorKind.NotFound)
        {
            return false;
        }
    }
}
