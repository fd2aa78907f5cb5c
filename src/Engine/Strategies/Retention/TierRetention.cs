namespace Hexabase.DrConsole.Engine.Strategies.Retention;

/// <summary>What retention says of one point in one tier that holds it.</summary>
/// <param name="Point">The point.</param>
/// <param name="Tier">The tier.</param>
/// <param name="Reasons">Why it is kept there; empty where it is given up.</param>
/// <param name="Expiry">Why it is given up there; null where it is kept.</param>
public sealed record TierDecision(RetainedPoint Point, string Tier, IReadOnlyList<KeepReason> Reasons, ExpiryReason? Expiry)
{
    /// <summary>True where it stays in this tier.</summary>
    public bool IsKept => Expiry is null;
}

/// <summary>
/// Retention by tier: the ladder decides what is kept at all, a tier's days are its ceiling. Holds, use, the last proof and the
/// newest point outlive the days; and nothing leaves a tier while another that shall have it has no sound copy.
/// </summary>
public static class TierRetention
{
    /// <summary>Decides for all points of one source in all tiers that hold them; newest point first, tiers in their order.</summary>
    /// <param name="points">All points of the source, with the tiers that hold them.</param>
    /// <param name="policy">The ladder.</param>
    /// <param name="tierDays">Days by tier; a tier without days has no ceiling.</param>
    /// <param name="tiers">The tiers that serve this source, in order.</param>
    /// <param name="now">The time that ages are counted from.</param>
    public static IReadOnlyList<TierDecision> Decide(
        IEnumerable<RetainedPoint> points, RetentionPolicy policy, IReadOnlyDictionary<string, int> tierDays, IReadOnlyList<string> tiers, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(tierDays);
        return
        [
            .. from decision in RetentionPlan.Decide(points, policy, now)
               // A tier that is configured no longer, or not for this class, still holds what it holds.
               from tier in tiers.Concat(decision.Point.Tiers.Except(tiers).Order(StringComparer.Ordinal))
               where decision.Point.Tiers.Contains(tier)
               select In(tier, decision, tierDays, tiers, now),
        ];
    }

    private static TierDecision In(
        string tier, RetentionDecision decision, IReadOnlyDictionary<string, int> tierDays, IReadOnlyList<string> tiers, DateTimeOffset now)
    {
        var point = decision.Point;
        if (!decision.IsKept)
        {
            return new TierDecision(point, tier, [], new ExpiryReason((int?)null));
        }

        if (IsWithin(tier) || decision.Reasons.Any(reason => reason.OutlivesDays))
        {
            return new TierDecision(point, tier, IsWithin(tier) ? decision.Reasons : [.. decision.Reasons.Where(reason => reason.OutlivesDays)], null);
        }

        // A copy that is known to be damaged is none: its repair may need this one, or never come.
        return tiers.FirstOrDefault(other => other != tier && IsWithin(other) && !point.IsSoundIn(other)) is { } missing
            ? new TierDecision(point, tier, [new KeepReason(point.Tiers.Contains(missing) ? KeepCause.AwaitingRepair : KeepCause.AwaitingCopy, Detail: missing)], null)
            : new TierDecision(point, tier, [], new ExpiryReason(tierDays[tier]));

        bool IsWithin(string name) => !tierDays.TryGetValue(name, out var days) || now - point.CreatedAt <= TimeSpan.FromDays(days);
    }
}
