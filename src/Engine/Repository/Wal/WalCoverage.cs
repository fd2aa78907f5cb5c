namespace Hexabase.DrConsole.Engine.Repository.Wal;

/// <summary>WAL that is stored without a hole.</summary>
/// <param name="StartLsn">Its first byte.</param>
/// <param name="EndLsn">The byte after its last.</param>
/// <param name="FirstStoredAt">When the store took the earliest part.</param>
/// <param name="LastStoredAt">When it took the latest part.</param>
public sealed record WalSpan(ulong StartLsn, ulong EndLsn, DateTimeOffset FirstStoredAt, DateTimeOffset LastStoredAt);

/// <summary>One stored object of WAL.</summary>
/// <param name="StartLsn">Its first byte.</param>
/// <param name="EndLsn">The byte after its last.</param>
/// <param name="StoredAt">When the store took it. A whole segment replaces its pieces, so this is when the last of it was written.</param>
/// <param name="StoredBytes">Its size in the store.</param>
/// <param name="IsWhole">True for a whole segment.</param>
public sealed record WalExtent(ulong StartLsn, ulong EndLsn, DateTimeOffset StoredAt, long StoredBytes, bool IsWhole)
{
    internal WalName Name { get; init; }
}

/// <summary>What is stored of one timeline.</summary>
/// <param name="Timeline">The timeline.</param>
/// <param name="Spans">By LSN; between two of them is a hole.</param>
/// <param name="Extents">The objects, by LSN; pieces of a segment may lie within one another.</param>
public sealed record TimelineCoverage(uint Timeline, IReadOnlyList<WalSpan> Spans, IReadOnlyList<WalExtent> Extents)
{
    /// <summary>Objects that are there and are known to be damaged, by LSN: they count for nothing.</summary>
    public IReadOnlyList<WalExtent> Damaged { get; init; } = [];
}

/// <summary>A part of a line of timelines: this one counts from <paramref name="StartLsn"/> up to <paramref name="EndLsn"/>.</summary>
/// <param name="Timeline">The timeline.</param>
/// <param name="StartLsn">Where it was made; 0 for the first.</param>
/// <param name="EndLsn">Where the next one leaves it; the largest number for the last.</param>
public readonly record struct LineageStep(uint Timeline, ulong StartLsn, ulong EndLsn);

/// <summary>What a tier holds of a stream of WAL.</summary>
/// <param name="SegmentBytes">The cluster's segment size; 0 where nothing is stored.</param>
/// <param name="Timelines">By number.</param>
/// <param name="Histories">By number; the first timeline has none.</param>
public sealed record WalCoverage(int SegmentBytes, IReadOnlyList<TimelineCoverage> Timelines, IReadOnlyList<TimelineHistory> Histories)
{
    /// <summary>A timeline with its ancestors, oldest first. Without a stored history it stands alone.</summary>
    public IReadOnlyList<LineageStep> LineageOf(uint timeline)
    {
        var steps = new List<LineageStep>();
        var start = 0UL;
        foreach (var ancestor in Histories.FirstOrDefault(history => history.Timeline == timeline)?.Ancestors ?? [])
        {
            steps.Add(new LineageStep(ancestor.Timeline, start, ancestor.SwitchLsn));
            start = ancestor.SwitchLsn;
        }

        steps.Add(new LineageStep(timeline, start, ulong.MaxValue));
        return steps;
    }

    /// <summary>
    /// How far a timeline, with its ancestors, can be read without a hole from an LSN on: the first byte that is not stored.
    /// Reading begins with the segment that holds <paramref name="fromLsn"/>, since PostgreSQL reads each from its start.
    /// </summary>
    /// <returns><paramref name="fromLsn"/> rounded down to its segment where not even that is there.</returns>
    public ulong ReadableUntil(uint timeline, ulong fromLsn)
    {
        if (SegmentBytes == 0)
        {
            return fromLsn;
        }

        var size = new WalSegmentSize(SegmentBytes);
        var at = size.StartOf(size.SegmentOf(fromLsn));
        var usable = UsableOf(timeline).OrderBy(extent => extent.StartLsn).ToList();
        foreach (var extent in usable)
        {
            if (extent.StartLsn > at)
            {
                break;
            }

            at = Math.Max(at, extent.EndLsn);
        }

        return at;
    }

    /// <summary>
    /// What is missing of a timeline and its ancestors between the first byte that is stored and the last, by LSN. What is damaged is
    /// missing, also at the beginning and at the end.
    /// </summary>
    public IReadOnlyList<WalHole> HolesOf(uint timeline)
    {
        var holes = new List<WalHole>();
        if (SegmentBytes == 0)
        {
            return holes;
        }

        var line = LineageOf(timeline);
        var damaged = UsableOf(timeline, one => one.Damaged).ToList();
        var sound = UsableOf(timeline).OrderBy(extent => extent.StartLsn).ToList();
        if (sound.Concat(damaged).ToList() is not { Count: > 0 } all)
        {
            return holes;
        }

        var at = all.Min(extent => extent.StartLsn);
        foreach (var (start, end) in sound.Select(extent => (extent.StartLsn, extent.EndLsn)).Append((all.Max(extent => extent.EndLsn), 0UL)))
        {
            if (start > at)
            {
                var (from, to) = (at, start);
                holes.Add(new WalHole(line.Last(step => step.StartLsn <= from).Timeline, from, to) { IsDamaged = damaged.Exists(one => one.StartLsn < to && from < one.EndLsn) });
            }

            at = Math.Max(at, end);
        }

        return holes;
    }

    /// <summary>The first byte stored at or after an LSN on a timeline or its ancestors; null where there is none.</summary>
    public ulong? NextStored(uint timeline, ulong lsn)
    {
        var later = UsableOf(timeline).Where(extent => extent.EndLsn > lsn).ToList();
        return later.Count == 0 ? null : Math.Max(lsn, later.Min(extent => extent.StartLsn));
    }

    /// <summary>
    /// The extents of a timeline and its ancestors where they count. A timeline's first segment begins with a copy of what its
    /// parent wrote before the switch, which counts as well.
    /// </summary>
    internal IEnumerable<UsableExtent> UsableOf(uint timeline) => UsableOf(timeline, one => one.Extents);

    private IEnumerable<UsableExtent> UsableOf(uint timeline, Func<TimelineCoverage, IReadOnlyList<WalExtent>> which)
    {
        var size = new WalSegmentSize(SegmentBytes);
        foreach (var step in LineageOf(timeline))
        {
            var begin = size.StartOf(size.SegmentOf(step.StartLsn));
            foreach (var extent in Timelines.FirstOrDefault(one => one.Timeline == step.Timeline) is { } there ? which(there) : [])
            {
                var (start, end) = (Math.Max(extent.StartLsn, begin), Math.Min(extent.EndLsn, step.EndLsn));
                if (start < end)
                {
                    yield return new UsableExtent(step.Timeline, start, end, extent);
                }
            }
        }
    }

    /// <summary>Joins extents, which are sorted by their start, into spans.</summary>
    internal static IReadOnlyList<WalSpan> SpansOf(IReadOnlyList<WalExtent> extents)
    {
        var spans = new List<WalSpan>();
        foreach (var extent in extents)
        {
            if (spans is [.., var last] && extent.StartLsn <= last.EndLsn)
            {
                spans[^1] = last with
                {
                    EndLsn = Math.Max(last.EndLsn, extent.EndLsn),
                    FirstStoredAt = last.FirstStoredAt < extent.StoredAt ? last.FirstStoredAt : extent.StoredAt,
                    LastStoredAt = last.LastStoredAt > extent.StoredAt ? last.LastStoredAt : extent.StoredAt,
                };
            }
            else
            {
                spans.Add(new WalSpan(extent.StartLsn, extent.EndLsn, extent.StoredAt, extent.StoredAt));
            }
        }

        return spans;
    }
}

/// <summary>The part of an extent that counts for a line of timelines.</summary>
internal readonly record struct UsableExtent(uint Timeline, ulong StartLsn, ulong EndLsn, WalExtent Extent);
