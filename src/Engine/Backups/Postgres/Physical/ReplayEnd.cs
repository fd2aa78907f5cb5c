using Hexabase.DrConsole.Engine.Repository.Wal;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Physical;

/// <summary>
/// What can be said of a replay that ended with its WAL instead of before a commit after the moment. When WAL was stored says
/// nothing of the time of its commits: one that is stored behind the moment may have been made long before it.
/// </summary>
internal static class ReplayEnd
{
    /// <summary>Why replay ended before the WAL did; null where it did not. A server takes a file that it is not given, or cannot read, for the end.</summary>
    public static string? FaultOf(ReplayLog log, RecoveryPath path)
    {
        if (log.Done is not { } done || path.SegmentBytes == 0)
        {
            return null;
        }

        // The last record may lie in the segment before the last: it reaches into the next one, or the server switched behind it.
        var size = new WalSegmentSize(path.SegmentBytes);
        return size.SegmentOf(done.Value) + 1 < size.SegmentOf(path.Until - 1)
            ? $"replay ended at {done}, though WAL is stored up to {new Lsn(path.Until)}: what lies between could not be read"
            : null;
    }

    /// <summary>What a person has to know where no commit after the moment is stored.</summary>
    public static string Warning(ReplayLog log, DateTimeOffset moment) =>
        $"no commit after {moment.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC is stored, so the end of the WAL was taken for that moment: "
        + (log.Last is { } last ? $"the last commit in it is of {last.UtcDateTime:yyyy-MM-dd HH:mm:ss.fff} UTC" : "no commit is in it since the base backup")
        + (log.Done is { } done ? $", replay ended at {done}" : "")
        + "; commits from then up to that moment may be missing";
}
