namespace Hexabase.DrConsole.Engine.Strategies.Retention;

/// <summary>A restore point as retention sees it.</summary>
/// <param name="Id">Its id.</param>
/// <param name="CreatedAt">When its content was true.</param>
/// <param name="IsProven">True where its last validation passed.</param>
public sealed record RetainedPoint(string Id, DateTimeOffset CreatedAt, bool IsProven)
{
    /// <summary>True where a person holds it.</summary>
    public bool IsHeld { get; init; }

    /// <summary>True where something that is not finished uses it.</summary>
    public bool IsInUse { get; init; }

    /// <summary>The runs that need it, and of a base backup the WAL behind it, as <c>R-5</c>; without those that never began and may not any more.</summary>
    public IReadOnlyCollection<string> UsedBy { get; init; } = [];

    /// <summary>True while corruption of its source is suspected or confirmed: the point from before it may be any of them.</summary>
    public bool IsFrozen { get; init; }

    /// <summary>True for a base backup, which WAL leads on from.</summary>
    public bool IsBase { get; init; }

    /// <summary>How it was taken; points that were taken otherwise fill no slots for one another. Null where it does not say.</summary>
    public string? Strategy { get; init; }

    /// <summary>True where its last validation failed, other than for want of a machine that could prove it.</summary>
    public bool HasFailed { get; init; }

    /// <summary>The earliest moment that a base backup leads to: its end, which is later than its beginning.</summary>
    public DateTimeOffset ConsistentAt { get => field == default ? CreatedAt : field; init; }

    /// <summary>Where a base backup stands in the WAL; null for other points, and where it does not say.</summary>
    public TimelinePlace? Place { get; init; }

    /// <summary>The tiers that hold it, also those whose copy is damaged: there is something to give up.</summary>
    public IReadOnlyCollection<string> Tiers { get; init; } = [];

    /// <summary>Those of <see cref="Tiers"/> whose copy is known to be damaged: nobody may rely on it.</summary>
    public IReadOnlyCollection<string> DamagedIn { get; init; } = [];

    /// <summary>True where every copy is known to be damaged.</summary>
    public bool IsDamaged => Tiers.Count > 0 && Tiers.All(DamagedIn.Contains);

    /// <summary>True where a tier holds a copy that is not known to be damaged.</summary>
    public bool IsSoundIn(string tier) => Tiers.Contains(tier) && !DamagedIn.Contains(tier);
}

/// <summary>What retention says of one point, before any tier's days.</summary>
/// <param name="Reasons">Why it is kept; empty where nothing keeps it.</param>
public sealed record RetentionDecision(RetainedPoint Point, IReadOnlyList<KeepReason> Reasons)
{
    /// <summary>True where at least one reason keeps it.</summary>
    public bool IsKept => Reasons.Count > 0;
}

/// <summary>
/// Grandfather-father-son with a reason per point. In UTC; weeks begin on Monday. A rung keeps the newest point of each of its
/// last N periods that have one, so that a missed slot never costs an older point; a damaged one only where its period has no
/// other. Each strategy has a ladder of its own: a dump leads to no moment, and a base backup shows no single table.
/// </summary>
public static class RetentionPlan
{
    /// <summary>Decides for all points of one source; newest first.</summary>
    /// <param name="points">All of them, in any order.</param>
    /// <param name="policy">The ladder.</param>
    /// <param name="now">The time that ages are counted from.</param>
    public static IReadOnlyList<RetentionDecision> Decide(IEnumerable<RetainedPoint> points, RetentionPolicy policy, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(policy);
        var all = points.OrderByDescending(point => point.CreatedAt).ThenBy(point => point.Id, StringComparer.Ordinal).ToList();
        // A point of a clock that ran ahead would fill slots in front of all others, for as long as that clock was wrong.
        var ordered = all.Where(point => point.CreatedAt <= now).ToList();
        var reasons = all.ToDictionary(point => point.Id, _ => new List<KeepReason>());
        AddFixed(all, ordered, reasons, policy, now);
        foreach (var alike in ordered.GroupBy(point => point.Strategy))
        {
            FillRungs(alike, reasons, policy);
        }

        return [.. all.Select(point => new RetentionDecision(point, reasons[point.Id]))];
    }

    /// <summary>The rungs of a policy with the number of slots of each.</summary>
    public static IReadOnlyList<(Rung Rung, int Count)> Ladder(RetentionPolicy policy)
    {
        ArgumentNullException.ThrowIfNull(policy);
        return
        [
            (Rung.Hourly, policy.Hourly), (Rung.Daily, policy.Daily), (Rung.Weekly, policy.Weekly),
            (Rung.Monthly, policy.Monthly), (Rung.Yearly, policy.Yearly),
        ];
    }

    /// <summary>The beginning, in UTC, of the period of a rung that a moment falls into.</summary>
    public static DateTime PeriodOf(Rung rung, DateTimeOffset at)
    {
        var utc = at.UtcDateTime;
        return rung switch
        {
            Rung.Hourly => new DateTime(utc.Year, utc.Month, utc.Day, utc.Hour, 0, 0, DateTimeKind.Utc),
            Rung.Daily => utc.Date,
            Rung.Weekly => utc.Date.AddDays(-(((int)utc.DayOfWeek + 6) % 7)),
            Rung.Monthly => new DateTime(utc.Year, utc.Month, 1, 0, 0, 0, DateTimeKind.Utc),
            _ => new DateTime(utc.Year, 1, 1, 0, 0, 0, DateTimeKind.Utc),
        };
    }

    /// <summary>How far back the ladder of a policy reaches at least when no slot is missed: months of 30 days, years of 365.</summary>
    public static TimeSpan ReachOf(RetentionPolicy policy)
    {
        ArgumentNullException.ThrowIfNull(policy);
        return new[]
        {
            TimeSpan.FromHours(policy.Hourly), TimeSpan.FromHours(policy.KeepAllHours), TimeSpan.FromDays(policy.Daily), TimeSpan.FromDays(7 * policy.Weekly),
            TimeSpan.FromDays(30 * policy.Monthly), TimeSpan.FromDays(365 * policy.Yearly),
        }.Max();
    }

    private static void FillRungs(IEnumerable<RetainedPoint> alike, Dictionary<string, List<KeepReason>> reasons, RetentionPolicy policy)
    {
        foreach (var (rung, count) in Ladder(policy))
        {
            var position = 0;
            foreach (var newest in alike.GroupBy(point => PeriodOf(rung, point.CreatedAt)).Select(period => period.FirstOrDefault(point => !point.IsDamaged) ?? period.First()).Take(count))
            {
                reasons[newest.Id].Add(new KeepReason(KeepCause.Rung, rung, ++position, count));
            }
        }
    }

    private static void AddFixed(
        List<RetainedPoint> all, List<RetainedPoint> ordered, Dictionary<string, List<KeepReason>> reasons, RetentionPolicy policy, DateTimeOffset now)
    {
        foreach (var point in all)
        {
            if (point.CreatedAt > now)
            {
                reasons[point.Id].Add(new KeepReason(KeepCause.FromTheFuture));
            }
            else if (now - point.CreatedAt < TimeSpan.FromHours(policy.KeepAllHours))
            {
                reasons[point.Id].Add(new KeepReason(KeepCause.Recent, Of: policy.KeepAllHours));
            }

            if (point.IsHeld)
            {
                reasons[point.Id].Add(new KeepReason(KeepCause.Hold));
            }

            if (point.IsFrozen)
            {
                reasons[point.Id].Add(new KeepReason(KeepCause.Frozen));
            }

            if (point.IsInUse)
            {
                reasons[point.Id].Add(new KeepReason(KeepCause.InUse, Detail: point.UsedBy.Count == 0 ? null : string.Join(", ", point.UsedBy)));
            }
        }

        // Where the newest is damaged it may come back by a repair, or not: the newest that can be read stays beside it.
        foreach (var newest in ordered.Take(1).Union(ordered.Where(point => !point.IsDamaged).Take(1)))
        {
            reasons[newest.Id].Add(new KeepReason(KeepCause.Newest));
        }

        if (policy.PointInTimeDays > 0)
        {
            foreach (var basis in WindowAnchor.KeptOf(ordered.Where(point => point.IsBase), now.AddDays(-policy.PointInTimeDays)))
            {
                reasons[basis.Id].Add(new KeepReason(KeepCause.WindowBase));
            }
        }

        // A proof is of what was read then. Where all copies have rotted since, an older one that still stands is the last proven.
        foreach (var proven in all.Where(point => point.IsProven).GroupBy(point => point.Strategy).Select(alike => alike.FirstOrDefault(point => !point.IsDamaged) ?? alike.First()))
        {
            reasons[proven.Id].Add(new KeepReason(KeepCause.LastProven));
        }
    }
}
