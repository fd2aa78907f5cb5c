namespace Hexabase.DrConsole.Engine.Strategies.Retention;

/// <summary>
/// The base backups that a point-in-time window begins with. One time judges them everywhere: a base whose copy began before
/// the window and ended within it does not lead to the window's first moments.
/// </summary>
public static class WindowAnchor
{
    /// <summary>
    /// What WAL has to be kept for in one tier: the newest proven base that is as old as the window, or where none was proven the
    /// newest of which nothing bad is known. Null where there is neither: then nobody can say which WAL the window needs.
    /// </summary>
    /// <param name="bases">The base backups of one cluster.</param>
    /// <param name="tier">The tier; a base that is damaged there leads nowhere there.</param>
    /// <param name="begin">Where the window begins.</param>
    public static RetainedPoint? InTier(IEnumerable<RetainedPoint> bases, string tier, DateTimeOffset begin)
    {
        var usable = Older(bases, begin).Where(point => point.IsSoundIn(tier) && !point.HasFailed).ToList();
        return usable.Find(point => point.IsProven) ?? usable.FirstOrDefault();
    }

    /// <summary>
    /// What is kept of all bases: in each tier the newest usable one and the newest proven one, since WAL may have a hole between
    /// them. Where all have failed, the newest of those: it is the best there is.
    /// </summary>
    public static IReadOnlyCollection<RetainedPoint> KeptOf(IEnumerable<RetainedPoint> bases, DateTimeOffset begin)
    {
        var older = Older(bases, begin).ToList();
        var usable = older.Where(point => !point.HasFailed && !point.IsDamaged).ToList();
        var kept = usable.Take(1).Union(usable.Where(point => point.IsProven).Take(1)).ToHashSet();
        foreach (var tier in older.SelectMany(point => point.Tiers).Distinct())
        {
            var there = usable.Where(point => point.IsSoundIn(tier)).ToList();
            kept.UnionWith([.. there.Take(1), .. there.Where(point => point.IsProven).Take(1)]);
        }

        return kept.Count > 0 ? kept : [.. older.Take(1)];
    }

    private static IEnumerable<RetainedPoint> Older(IEnumerable<RetainedPoint> bases, DateTimeOffset begin) =>
        bases.Where(point => point.ConsistentAt <= begin).OrderByDescending(point => point.ConsistentAt).ThenBy(point => point.Id, StringComparer.Ordinal);
}
