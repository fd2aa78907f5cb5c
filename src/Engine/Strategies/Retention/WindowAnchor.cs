namespace Hexabase.DrConsole.Engine.Strategies.Retention;

/// <summary>
/// The base backups that a point-in-time window begins with. One time judges them everywhere: a base whose copy began before
/// the window and ended within it does not lead to the window's first moments. Each timeline has a beginning of its own: what lives
/// on it within the window is reached from a base of its own that is as old as the window, or where there is none from one of the
/// timelines before it, taken before they parted. A newer base of the other branch leads to none of it.
/// </summary>
public static class WindowAnchor
{
    /// <summary>
    /// What WAL along one line of timelines has to be kept for in one tier: the newest proven base that leads to all of the window's
    /// moments on it, or where none was proven the newest of which nothing bad is known. Null where there is neither.
    /// </summary>
    /// <param name="bases">The base backups of one cluster.</param>
    /// <param name="tier">The tier; a base that is damaged there leads nowhere there.</param>
    /// <param name="begin">Where the window begins.</param>
    /// <param name="line">The timeline with those before it, oldest first.</param>
    public static RetainedPoint? InTier(IEnumerable<RetainedPoint> bases, string tier, DateTimeOffset begin, IReadOnlyList<TimelinePart> line)
    {
        var usable = Leading(bases, begin, line).Where(point => point.IsSoundIn(tier) && !point.HasFailed).ToList();
        return usable.Find(point => point.IsProven) ?? usable.FirstOrDefault();
    }

    /// <summary>
    /// The bases that lead to all of the window's moments on a line, newest first. One of a timeline before it ended before the line's
    /// own time began, so it needs no age.
    /// </summary>
    public static IEnumerable<RetainedPoint> Leading(IEnumerable<RetainedPoint> bases, DateTimeOffset begin, IReadOnlyList<TimelinePart> line) =>
        Newest(bases.Where(point => point.Place is { } place && place.LeadsAlong(line) && (place.Timeline != line[^1].Timeline || point.ConsistentAt <= begin)));

    /// <summary>
    /// What is kept of all bases: on each line of timelines, in each tier the newest usable one and the newest proven one, since WAL may
    /// have a hole between them. Where all have failed, the newest of those: it is the best there is.
    /// </summary>
    public static IReadOnlyCollection<RetainedPoint> KeptOf(IEnumerable<RetainedPoint> bases, DateTimeOffset begin)
    {
        var all = bases.ToList();
        var older = Newest(all.Where(point => point.ConsistentAt <= begin)).ToList();
        var kept = UsableOf(older);
        foreach (var line in LinesOf(all, begin))
        {
            kept.UnionWith(UsableOf([.. Leading(all, begin, line)]));
        }

        return kept.Count > 0 ? kept : [.. older.Take(1)];
    }

    /// <summary>
    /// The lines that may have moments within the window: of a timeline that was left nobody knows here when it ended, but it did before
    /// the first base of one that came out of it.
    /// </summary>
    private static IEnumerable<IReadOnlyList<TimelinePart>> LinesOf(List<RetainedPoint> bases, DateTimeOffset begin)
    {
        var placed = bases.Where(point => point.Place is not null).ToList();
        foreach (var line in placed.GroupBy(point => point.Place!.Timeline).Select(one => one.OrderByDescending(point => point.Place!.Line.Count).First().Place!.Line))
        {
            var after = placed.Where(point => point.Place!.Timeline > line[^1].Timeline && point.Place.Line.Any(part => part.Timeline == line[^1].Timeline)).ToList();
            if (after.Count == 0 || after.Min(point => point.ConsistentAt) >= begin)
            {
                yield return line;
            }
        }
    }

    private static HashSet<RetainedPoint> UsableOf(List<RetainedPoint> candidates)
    {
        var usable = candidates.Where(point => !point.HasFailed && !point.IsDamaged).ToList();
        var kept = usable.Take(1).Union(usable.Where(point => point.IsProven).Take(1)).ToHashSet();
        foreach (var tier in candidates.SelectMany(point => point.Tiers).Distinct())
        {
            var there = usable.Where(point => point.IsSoundIn(tier)).ToList();
            kept.UnionWith([.. there.Take(1), .. there.Where(point => point.IsProven).Take(1)]);
        }

        return kept;
    }

    private static IEnumerable<RetainedPoint> Newest(IEnumerable<RetainedPoint> bases) =>
        bases.OrderByDescending(point => point.ConsistentAt).ThenBy(point => point.Id, StringComparer.Ordinal);
}
