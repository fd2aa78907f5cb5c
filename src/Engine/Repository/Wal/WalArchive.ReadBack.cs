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
