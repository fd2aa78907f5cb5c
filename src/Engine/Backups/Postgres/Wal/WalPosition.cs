using Hexabase.DrConsole.Engine.Repository.Wal;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Wal;

/// <summary>A place on a timeline.</summary>
internal readonly record struct WalPoint(uint Timeline, ulong Lsn);

/// <summary>Finds where receiving goes on, along the line of timelines that the server has behind it.</summary>
internal static class WalPosition
{
    /// <summary>The server's line, oldest first, from the history of its timeline.</summary>
    public static IReadOnlyList<LineageStep> LineOf(uint timeline, IReadOnlyList<(uint Timeline, byte[] Text)> histories) =>
        new WalCoverage(0, [], [.. histories.Select(one => TimelineHistory.Parse(one.Timeline, one.Text))]).LineageOf(timeline);

    /// <summary>
    /// Where what is stored of that line ends, in the tier that has most. What a timeline wrote after it was left is no part of
    /// the line; what comes after a hole counts, since the hole was there before.
    /// </summary>
    public static WalPoint? Newest(IEnumerable<WalCoverage?> tiers, IReadOnlyList<LineageStep> line)
    {
        var coverages = tiers.OfType<WalCoverage>().ToList();
        foreach (var step in line.Reverse())
        {
            var ends = coverages.SelectMany(coverage => coverage.Timelines).Where(one => one.Timeline == step.Timeline)
                .SelectMany(one => one.Spans).Where(span => span.StartLsn < step.EndLsn).Select(span => Math.Min(span.EndLsn, step.EndLsn)).ToList();
            if (ends.Count > 0)
            {
                return new WalPoint(step.Timeline, ends.Max());
            }
        }

        return null;
    }

    /// <summary>A place where a timeline was left is one on the next.</summary>
    public static WalPoint Follow(WalPoint point, IReadOnlyList<LineageStep> line)
    {
        foreach (var (step, next) in line.Zip(line.Skip(1)))
        {
            if (step.Timeline == point.Timeline && point.Lsn >= step.EndLsn)
            {
                point = new WalPoint(next.Timeline, step.EndLsn);
            }
        }

        return point;
    }
}
