namespace Hexabase.DrConsole.Engine.Strategies.Retention;

/// <summary>A rung of the ladder.</summary>
public enum Rung
{
    Hourly,
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

/// <summary>A restore point as retention sees it.</summary>
/// <param name="Id">Its id.</param>
/// <param name="CreatedAt">When its content was true.</param>
/// <param name="IsProven">True where its last validation passed.</param>
public sealed record RetainedPoint(string Id, DateTimeOffset CreatedAt, bool IsProven);

/// <summary>One reason to keep a point.</summary>
/// <param name="Rung">The rung that it fills, or null where another reason keeps it.</param>
/// <param name="Position">Its place on that rung, from 1 (newest).</param>
/// <param name="Of">How many the rung keeps.</param>
public sealed record KeepReason(Rung? Rung, int Position, int Of)
{
    /// <summary>The newest point whose restore really ran: never given up, whatever the ladder says.</summary>
    public static KeepReason LastProven { get; } = new(null, 0, 0);
}

/// <summary>What the ladder says of one point.</summary>
/// <param name="Reasons">Why it is kept; empty where nothing keeps it.</param>
public sealed record RetentionDecision(RetainedPoint Point, IReadOnlyList<KeepReason> Reasons)
{
    /// <summary>True where at least one reason keeps it.</summary>
    public bool IsKept => Reasons.Count > 0;
}

/// <summary>
/// Grandfather-father-son with a reason per point. In UTC; weeks begin on Monday. A rung keeps the newest point of each of its
/// last N periods that have one, so that a missed slot never costs an older point.
/// </summary>
public static class RetentionPlan
{
    /// <summary>Decides for all points of one source; newest first.</summary>
    public static IReadOnlyList<RetentionDecision> Decide(IEnumerable<RetainedPoint> points, RetentionPolicy policy)
    {
        var ordered = points.OrderByDescending(point => point.CreatedAt).ThenBy(point => point.Id, StringComparer.Ordinal).ToList();
        var reasons = ordered.ToDictionary(point => point.Id, _ => new List<KeepReason>());
        foreach (var (rung, count) in Ladder(policy))
        {
            var position = 0;
            foreach (var newest in ordered.GroupBy(point => Period(rung, point.CreatedAt.UtcDateTime)).Select(period => period.First()).Take(count))
            {
                reasons[newest.Id].Add(new KeepReason(rung, ++position, count));
            }
        }

        if (ordered.FirstOrDefault(point => point.IsProven) is { } proven)
        {
            reasons[proven.Id].Add(KeepReason.LastProven);
        }

        return [.. ordered.Select(point => new RetentionDecision(point, reasons[point.Id]))];
    }

    private static IEnumerable<(Rung Rung, int Count)> Ladder(RetentionPolicy policy) =>
    [
        (Rung.Hourly, policy.Hourly), (Rung.Daily, policy.Daily), (Rung.Weekly, policy.Weekly),
        (Rung.Monthly, policy.Monthly), (Rung.Yearly, policy.Yearly),
    ];

    private static DateTime Period(Rung rung, DateTime utc) => rung switch
    {
        Rung.Hourly => new DateTime(utc.Year, utc.Month, utc.Day, utc.Hour, 0, 0, DateTimeKind.Utc),
        Rung.Daily => utc.Date,
        Rung.Weekly => utc.Date.AddDays(-(((int)utc.DayOfWeek + 6) % 7)),
        Rung.Monthly => new DateTime(utc.Year, utc.Month, 1, 0, 0, 0, DateTimeKind.Utc),
        _ => new DateTime(utc.Year, 1, 1, 0, 0, 0, DateTimeKind.Utc),
    };
}
