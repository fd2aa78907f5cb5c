namespace Hexabase.DrConsole.Engine.Strategies.Retention;

/// <summary>A stretch of time in which no kept point lies.</summary>
/// <param name="From">The kept point before it, or null where there is none.</param>
/// <param name="To">The kept point after it.</param>
public sealed record RetentionGap(DateTimeOffset? From, DateTimeOffset To)
{
    /// <summary>Its length; null where it has no beginning.</summary>
    public TimeSpan? Length => To - From;
}

/// <summary>What a changed policy would do to the points that exist.</summary>
/// <param name="Kept">Points that stay in at least one tier.</param>
/// <param name="Lost">Points that are kept now and would leave their last tier.</param>
/// <param name="Freed">Copies by tier that would be given up and are kept now.</param>
/// <param name="WidestGaps">The longest stretches between kept points under the changed policy, longest first, at most five.</param>
/// <param name="Oldest">The oldest moment that stays reachable, or null where none does.</param>
public sealed record RetentionSimulation(
    IReadOnlyList<RetainedPoint> Kept, IReadOnlyList<RetainedPoint> Lost, IReadOnlyDictionary<string, int> Freed, IReadOnlyList<RetentionGap> WidestGaps,
    DateTimeOffset? Oldest)
{
    private const int Gaps = 5;

    /// <summary>Compares what two policies say of the points of one source; nothing is changed.</summary>
    /// <param name="points">All of them.</param>
    /// <param name="present">What the present policy says.</param>
    /// <param name="changed">What the changed one would say.</param>
    public static RetentionSimulation Compare(IReadOnlyCollection<RetainedPoint> points, IReadOnlyList<TierDecision> present, IReadOnlyList<TierDecision> changed)
    {
        var before = present.Where(decision => decision.IsKept).ToList();
        var after = changed.Where(decision => decision.IsKept).ToList();
        var stays = after.Select(decision => decision.Point.Id).ToHashSet();
        var copies = after.Select(decision => (decision.Point.Id, decision.Tier)).ToHashSet();
        var kept = points.Where(point => stays.Contains(point.Id)).OrderByDescending(point => point.CreatedAt).ToList();
        return new RetentionSimulation(
            kept,
            [.. before.Select(decision => decision.Point).DistinctBy(point => point.Id).Where(point => !stays.Contains(point.Id)).OrderByDescending(point => point.CreatedAt)],
            before.Where(decision => !copies.Contains((decision.Point.Id, decision.Tier))).GroupBy(decision => decision.Tier).ToDictionary(group => group.Key, group => group.Count()),
            [.. kept.Zip(kept.Skip(1), (newer, older) => new RetentionGap(older.CreatedAt, newer.CreatedAt)).OrderByDescending(gap => gap.Length).Take(Gaps)],
            kept.Count == 0 ? null : kept[^1].CreatedAt);
    }
}
