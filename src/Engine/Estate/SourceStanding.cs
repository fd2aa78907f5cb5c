using System.Text.Json;
using Hexabase.DrConsole.Engine.Strategies;

namespace Hexabase.DrConsole.Engine.Estate;

/// <summary>The answer to "can we recover now?" in one word.</summary>
public enum Standing
{
    /// <summary>A restore really ran and its proof still holds, within RPO and RTO, in as many tiers as the class asks for.</summary>
    Proven,

    /// <summary>Proven, but something weakens it: too few tiers, a damaged one, a newer point that failed.</summary>
    Degraded,

    /// <summary>A restore ran, too long ago.</summary>
    Stale,

    /// <summary>Nothing was ever restored.</summary>
    Unproven,

    /// <summary>More would be lost, or it would take longer, than the class promises.</summary>
    Breached,

    /// <summary>What was validated last does not restore, and nothing older was proven.</summary>
    Failed,
}

/// <summary>Why a source stands as it does, for the second line; pages have the words.</summary>
public enum StandingReason
{
    /// <summary>Nothing to add.</summary>
    None,

    /// <summary>There is no restore point yet.</summary>
    NoRestorePoint,

    /// <summary>This version has no driver for its kind.</summary>
    NoDriver,

    /// <summary>The newest restore point that counts is older than the RPO.</summary>
    RpoExceeded,

    /// <summary>The measured restore takes longer than the RTO.</summary>
    RtoExceeded,

    /// <summary>The last validation failed.</summary>
    ValidationFailed,

    /// <summary>The last validation met a step that cannot be proven on this machine.</summary>
    NotProvable,

    /// <summary>The newest restore point is held by fewer tiers than the class asks for.</summary>
    TooFewTiers,

    /// <summary>A tier's copy of the newest restore point is damaged.</summary>
    TierDamaged,

    /// <summary>Items of the volume could not be read, and are missing in the newest restore point.</summary>
    ItemsMissing,

    /// <summary>Nothing is heard of the agent of its node: nobody will make its next backup.</summary>
    AgentSilent,
}

/// <summary>A restore that really ran, or tried to.</summary>
/// <param name="RestorePoint">The point that was restored.</param>
/// <param name="PointCreatedAt">When its content was true.</param>
/// <param name="At">When the validation ended.</param>
/// <param name="Passed">Whether all five steps passed.</param>
/// <param name="RestoreSeconds">Measured restore time, where a restore ran.</param>
/// <param name="Tier">The tier that it was read from.</param>
/// <param name="NotProvable">True where a step could not be proven on this machine and nothing is known to be wrong.</param>
public sealed record Proof(
    string RestorePoint, DateTimeOffset PointCreatedAt, DateTimeOffset At, bool Passed, double? RestoreSeconds, string Tier, bool NotProvable = false)
{
    /// <summary>True where something was found wrong.</summary>
    public bool Failed => !Passed && !NotProvable;
}

/// <summary>Where a tier stands with the newest restore point.</summary>
public sealed record TierStanding(string Tier, string State, DateTimeOffset StoredAt, DateTimeOffset? VerifiedAt);

/// <summary>How far the WAL of a source is safe.</summary>
/// <param name="Lag">For how long the server had been beyond it when it was looked at.</param>
/// <param name="MeasuredAt">When that was.</param>
public sealed record WalStanding(TimeSpan Lag, DateTimeOffset MeasuredAt);

/// <summary>A recovery to a moment that ran in scratch and passed.</summary>
/// <param name="At">When.</param>
/// <param name="Seconds">From the first byte to a server that answers, its WAL replayed.</param>
public sealed record MeasuredDrill(DateTimeOffset At, double Seconds);

/// <summary>The facts about one source from which its standing follows.</summary>
/// <param name="NewestPoint">Id of the newest restore point, or null.</param>
/// <param name="NewestAt">When the content of the newest point was true.</param>
/// <param name="Tiers">The tiers that hold that point.</param>
/// <param name="CountingAt">When the content of the newest point that enough tiers hold was true.</param>
/// <param name="LastProof">The newest validation that passed, or null.</param>
/// <param name="Recent">The last eight validations, newest first.</param>
public sealed record SourceFacts(
    string? NewestPoint, DateTimeOffset? NewestAt, IReadOnlyList<TierStanding> Tiers, DateTimeOffset? CountingAt, Proof? LastProof, IReadOnlyList<Proof> Recent)
{
    /// <summary>
    /// How much of its WAL would be lost now, where it is received: measured by comparing the server's end of WAL with what as
    /// many tiers as the class asks for hold. Null where none is received, or nobody measured.
    /// </summary>
    public WalStanding? Wal { get; init; }

    /// <summary>The newest drill to a moment that passed, or null.</summary>
    public MeasuredDrill? Drill { get; init; }

    /// <summary>What the newest restore point says of its content, as its driver wrote it; null where it says nothing.</summary>
    public string? NewestFactsJson { get; init; }

    /// <summary>Size of the newest restore point's artifacts; null where there is none.</summary>
    public long? NewestBytes { get; init; }

    /// <summary>What the newest restore point added to the tier that it was captured into.</summary>
    public long? NewestStoredBytes { get; init; }

    /// <summary>When the newest restore point was complete.</summary>
    public DateTimeOffset? NewestCompletedAt { get; init; }

    /// <summary>How the agent of its node stands; null where any process backs it up, or where nobody knows.</summary>
    public NodeAgentStanding? Agent { get; init; }

    /// <summary>Nothing is known.</summary>
    public static SourceFacts None { get; } = new(null, null, [], null, null, []);
}

/// <summary>A source's standing with the figures it follows from.</summary>
/// <param name="RpoNow">What would be lost now: the age of the newest restore point that counts; null where there is none.</param>
/// <param name="RestoreTime">Measured time of the last proven restore or drill; null where none was measured.</param>
/// <param name="ProofAge">How old the last proof is.</param>
public sealed record SourceStanding(
    Source Source, ProtectionClass Protection, SourceFacts Facts, Standing Standing, StandingReason Reason, TimeSpan? RpoNow, TimeSpan? RestoreTime, TimeSpan? ProofAge)
{
    /// <summary>When <see cref="RestoreTime"/> was measured; null where it was not.</summary>
    public DateTimeOffset? RestoreMeasuredAt { get; init; }

    /// <summary>True where the figure for the RPO is the measured lag of the WAL.</summary>
    public bool IsByWal { get; init; }

    /// <summary>The agent of its node, where nothing is heard of it; whatever else is the reason of the standing.</summary>
    public NodeAgentStanding? SilentAgent => Facts.Agent is { IsSilent: true } agent ? agent : null;

    /// <summary>How many items of a volume could not be read, and are missing in its newest restore point; 0 for other kinds.</summary>
    public long MissingItems => MissingItemsOf(Source, Facts);

    /// <summary>Judges a source. Unknown is never <see cref="Standing.Proven"/>.</summary>
    public static SourceStanding Judge(Source source, ProtectionClass protection, SourceFacts facts, DateTimeOffset now)
    {
        // A point that too few tiers hold does not count for the class, but it is still what a person could restore.
        var basis = facts.CountingAt ?? facts.NewestAt;
        TimeSpan? rpo = basis is { } at ? Positive(now - at) : null;
        // WAL alone recovers nothing: it counts from a base backup on. What was measured a while ago has grown by that since.
        var isByWal = false;
        if (rpo is { } points && facts.Wal is { } wal && Positive(now - wal.MeasuredAt) + wal.Lag is var behind && behind < points)
        {
            (rpo, isByWal) = (behind, true);
        }

        var (restore, measuredAt) = Measured(facts);
        TimeSpan? age = facts.LastProof is { } proof ? Positive(now - proof.At) : null;
        var (standing, reason) = Decide(source, protection, facts, rpo, restore, age);
        return new SourceStanding(source, protection, facts, standing, reason, rpo, restore, age) { IsByWal = isByWal, RestoreMeasuredAt = measuredAt };
    }

    /// <summary>The newest of what really ran: a drill is as much a restore as a validation's last step, with WAL on top.</summary>
    private static (TimeSpan? Took, DateTimeOffset? At) Measured(SourceFacts facts)
    {
        var proof = facts.LastProof is { RestoreSeconds: { } seconds } restored ? (TimeSpan.FromSeconds(seconds), restored.At) : ((TimeSpan, DateTimeOffset)?)null;
        return facts.Drill is { } drill && (proof is null || drill.At > proof.Value.Item2) ? (TimeSpan.FromSeconds(drill.Seconds), drill.At)
            : proof is { } measured ? (measured.Item1, measured.Item2) : (null, null);
    }

    private static (Standing, StandingReason) Decide(
        Source source, ProtectionClass protection, SourceFacts facts, TimeSpan? rpo, TimeSpan? restore, TimeSpan? age)
    {
        if (!source.Kind.HasDriver)
        {
            return (Standing.Unproven, StandingReason.NoDriver);
        }

        if (rpo is null)
        {
            return (Standing.Unproven, StandingReason.NoRestorePoint);
        }

        var lastFailed = facts.Recent.Count > 0 && facts.Recent[0].Failed;
        if (lastFailed && facts.LastProof is null)
        {
            return (Standing.Failed, StandingReason.ValidationFailed);
        }

        if (rpo > protection.Rpo)
        {
            return (Standing.Breached, StandingReason.RpoExceeded);
        }

        if (age is null)
        {
            return (Standing.Unproven, facts.Recent.Count > 0 && facts.Recent[0].NotProvable ? StandingReason.NotProvable : StandingReason.None);
        }

        if (restore > protection.Rto)
        {
            return (Standing.Breached, StandingReason.RtoExceeded);
        }

        return (age > protection.ProofLifetime, lastFailed) switch
        {
            (true, _) => (Standing.Stale, StandingReason.None),
            (_, true) => (Standing.Degraded, StandingReason.ValidationFailed),
            _ when facts.Tiers.Any(tier => tier.State == "damaged") => (Standing.Degraded, StandingReason.TierDamaged),
            // What is stored is as good as it was, and grows older: nobody will make the next.
            _ when facts.Agent is { IsSilent: true } => (Standing.Degraded, StandingReason.AgentSilent),
            // What is there was proven; of what is missing nobody can say as much.
            _ when MissingItemsOf(source, facts) > 0 => (Standing.Degraded, StandingReason.ItemsMissing),
            _ when facts.Tiers.Count(tier => tier.State is "stored" or "verified") < protection.MinimumTiers => (Standing.Degraded, StandingReason.TooFewTiers),
            _ => (Standing.Proven, StandingReason.None),
        };
    }

    private static long MissingItemsOf(Source source, SourceFacts facts) =>
        source.Kind == SourceKind.Volume && facts.NewestFactsJson is { } json && JsonElement.Parse(json) is { ValueKind: JsonValueKind.Object } content
            && content.TryGetProperty("unreadable", out var unreadable) && unreadable.ValueKind == JsonValueKind.Number && unreadable.TryGetInt64(out var missing) ? missing : 0;

    private static TimeSpan Positive(TimeSpan span) => span < TimeSpan.Zero ? TimeSpan.Zero : span;
}
