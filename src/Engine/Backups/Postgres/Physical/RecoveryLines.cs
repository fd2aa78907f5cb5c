using Hexabase.DrConsole.Engine.Repository.Wal;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Physical;

/// <summary>
/// How far a base backup leads along one timeline, and which moments are that timeline's own. What a timeline has in common
/// with its parent is a matter of the parent: between the place where a timeline was left and the next one's beginning the
/// parent may have gone on, and only its own WAL knows how.
/// </summary>
/// <param name="Timeline">The timeline.</param>
/// <param name="IsNewest">True where no younger timeline is stored: the one that lives, as far as anybody knows.</param>
/// <param name="Until">The byte after the last that there is without a hole.</param>
/// <param name="Begin">By then the timeline had begun; null where the base backup is of the timeline itself.</param>
/// <param name="End">When the last of its WAL was stored.</param>
/// <param name="Extents">What is stored on the way, by LSN.</param>
internal sealed record RecoveryLine(uint Timeline, bool IsNewest, ulong Until, DateTimeOffset? Begin, DateTimeOffset End, IReadOnlyList<UsableExtent> Extents)
{
    /// <summary>True where the moment is in the timeline's own time, with so much allowed at its end.</summary>
    public bool Holds(DateTimeOffset moment, TimeSpan slack) => HasBegunAt(moment) && moment <= End + slack;

    /// <summary>True where the timeline had certainly begun by then.</summary>
    public bool HasBegunAt(DateTimeOffset moment) => Begin is not { } begin || begin <= moment;
}

/// <summary>The lines of timelines that are stored of a stream, each read once for all base backups.</summary>
internal sealed class RecoveryLines
{
    /// <summary>Commits become durable in a store a little after they were made, and clocks differ a little.</summary>
    public static readonly TimeSpan Slack = TimeSpan.FromMinutes(1);

    /// <summary>So far the clocks of source, console and store may differ; what lies further behind the last WAL is not stored.</summary>
    public static readonly TimeSpan ClockSlack = TimeSpan.FromSeconds(5);

    private readonly WalCoverage _coverage;
    private readonly List<Line> _lines;
    private readonly uint _newest;

    public RecoveryLines(WalCoverage coverage)
    {
        _coverage = coverage;
        _newest = coverage.Timelines.Select(one => one.Timeline).Concat(coverage.Histories.Select(one => one.Timeline)).DefaultIfEmpty().Max();
        _lines = [.. coverage.Timelines.Where(_ => coverage.SegmentBytes > 0).Select(one => LineOf(one.Timeline)).OrderByDescending(line => line.Timeline)];
    }

    /// <summary>Where a base backup leads, the newest timeline first; none where no WAL continues it.</summary>
    /// <param name="timeline">The base backup's.</param>
    /// <param name="start">Where its replay begins.</param>
    /// <param name="stop">Where it is consistent: a timeline that left its own before that is none of its.</param>
    public IReadOnlyList<RecoveryLine> From(uint timeline, ulong start, ulong stop)
    {
        var found = new List<RecoveryLine>();
        foreach (var line in _lines.Where(line => line.Lineage.Any(step => step.Timeline == timeline && step.StartLsn <= start && stop <= step.EndLsn)))
        {
            var size = new WalSegmentSize(_coverage.SegmentBytes);
            var from = size.StartOf(size.SegmentOf(start));
            if (line.Stretches.FirstOrDefault(one => one.Start <= from && from < one.End) is { End: > 0 } stretch && stretch.End > Math.Max(stop, line.Fork))
            {
                found.Add(new RecoveryLine(
                    line.Timeline, line.Timeline == _newest, stretch.End, line.Timeline == timeline ? null : line.Begin, stretch.StoredAt,
                    [.. line.Extents.Where(extent => extent.StartLsn < stretch.End && extent.EndLsn > start)]));
            }
        }

        return found;
    }

    private Line LineOf(uint timeline)
    {
        var lineage = _coverage.LineageOf(timeline);
        var extents = _coverage.UsableOf(timeline).OrderBy(extent => extent.StartLsn).ToList();
        var fork = lineage[^1].StartLsn;
        return new Line(timeline, lineage, fork, BeginOf(timeline, lineage, extents), extents, StretchesOf(extents));
    }

    /// <summary>
    /// When a timeline had begun for certain: the earliest of what could only be stored after that. Its history says where it
    /// begins in the WAL, not when. Where its parent ended at that very place and little before, there is nothing between the two.
    /// </summary>
    private DateTimeOffset? BeginOf(uint timeline, IReadOnlyList<LineageStep> lineage, List<UsableExtent> extents)
    {
        if (lineage is not [.., var parent, var own])
        {
            return null;
        }

        var begin = extents.Where(extent => extent.Timeline == timeline && extent.EndLsn > own.StartLsn).Select(extent => (DateTimeOffset?)extent.Extent.StoredAt)
            .Append(_coverage.Histories.First(history => history.Timeline == timeline).StoredAt).Min();
        var before = _coverage.Timelines.FirstOrDefault(one => one.Timeline == parent.Timeline)?.Extents ?? [];
        if (begin is not { } at || before.Any(extent => extent.EndLsn > own.StartLsn) || before.Where(extent => extent.EndLsn == own.StartLsn).ToList() is not { Count: > 0 } last)
        {
            return begin;
        }

        var end = last.Min(extent => extent.StoredAt);
        return end < at && at - end <= Slack ? end : begin;
    }

    /// <summary>
    /// The stretches without a hole. When the last of one was stored is told by its last object alone: others may have been
    /// written again since, by a repair or from another tier.
    /// </summary>
    private static List<Stretch> StretchesOf(List<UsableExtent> extents)
    {
        var stretches = new List<Stretch>();
        foreach (var extent in extents)
        {
            var (end, at) = (extent.EndLsn, extent.Extent.StoredAt);
            if (stretches is not [.., var last] || extent.StartLsn > last.End)
            {
                stretches.Add(new Stretch(extent.StartLsn, end, at));
            }
            else if (end > last.End || (end == last.End && at < last.StoredAt))
            {
                stretches[^1] = last with { End = end, StoredAt = at };
            }
        }

        return stretches;
    }

    private readonly record struct Stretch(ulong Start, ulong End, DateTimeOffset StoredAt);

    private sealed record Line(uint Timeline, IReadOnlyList<LineageStep> Lineage, ulong Fork, DateTimeOffset? Begin, List<UsableExtent> Extents, List<Stretch> Stretches);
}
