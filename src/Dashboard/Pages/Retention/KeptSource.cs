using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Pages.Points;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Strategies;
using Hexabase.DrConsole.Engine.Strategies.Retention;

namespace Hexabase.DrConsole.Dashboard.Pages.Retention;

/// <summary>A living restore point with its copies and its last validation.</summary>
public sealed record KeptPoint(string Id, DateTimeOffset CreatedAt, IReadOnlyList<RestorePointTierRow> Copies, ValidationRow? Last)
{
    public string Href => $"/restore-points/{Id}";

    /// <summary>True where its last validation found it damaged or different.</summary>
    public bool HasFailed => Last is { Passed: false, NotProvable: false };

    /// <summary>What is known of it, and how. A restore says most; a copy that was written says least.</summary>
    /// <param name="lifetime">How long the proof by a restore holds.</param>
    public (Status Status, string Reason) Known(TimeSpan lifetime, TimeProvider time)
    {
        var verified = Copies.Where(copy => copy.State == "verified").Select(copy => copy.Tier).ToList();
        var stored = Copies.Where(copy => copy.State == "stored").Select(copy => copy.Tier).ToList();
        return this switch
        {
            { HasFailed: true } => (Status.Damaged, Figures.Format(RetentionTexts.SlotFailed, Figures.Moment(Last!.ValidatedAt, time))),
            { Last: { Passed: true } proof } => (
                PointProof.OfProof(proof.ValidatedAt, lifetime, time.GetUtcNow()), Figures.Format(RetentionTexts.SlotRestored, proof.Tier, Figures.Moment(proof.ValidatedAt, time))),
            _ when verified.Count > 0 => (Status.ReadBack, Figures.Format(RetentionTexts.SlotReadBack, Figures.List(verified))),
            _ when stored.Count > 0 => (Status.Stored, Figures.Format(RetentionTexts.SlotStored, Figures.List(stored))),
            _ when Copies.FirstOrDefault(copy => copy.State == "damaged") is { } damaged => (Status.Damaged, Figures.Format(RetentionTexts.SlotDamaged, damaged.Tier, damaged.Detail ?? PageTexts.TierDamaged)),
            _ => (Status.Behind, Figures.Format(RetentionTexts.SlotBehind, Figures.List(Copies.Select(copy => copy.Tier)))),
        };
    }
}

/// <summary>A source's restore points as retention sees them now.</summary>
/// <param name="Class">The class whose retention applies.</param>
/// <param name="Tiers">The tiers that serve it, in order.</param>
/// <param name="Points">Living points, newest first.</param>
/// <param name="Decisions">One per copy, newest point first.</param>
/// <param name="Since">Since when the source is known; null where it has neither a declaration nor a point.</param>
/// <param name="Now">When this was read.</param>
public sealed record KeptSource(
    string Name, string Workspace, ProtectionClass Class, IReadOnlyList<StorageTier> Tiers, IReadOnlyList<KeptPoint> Points,
    IReadOnlyList<TierDecision> Decisions, DateTimeOffset? Since, DateTimeOffset Now)
{
    /// <summary>The points that stay in at least one tier.</summary>
    public IReadOnlySet<string> KeptIds { get; } = Decisions.Where(decision => decision.IsKept).Select(decision => decision.Point.Id).ToHashSet();

    /// <summary>Copies that the next retention run gives up.</summary>
    public IReadOnlyList<TierDecision> Leaving => [.. Decisions.Where(decision => !decision.IsKept)];

    /// <summary>The copy that a tier's days end next, and when; null where none does.</summary>
    public (TierDecision Decision, DateTimeOffset At)? NextByDays =>
        Decisions.Where(decision => decision.IsKept && Class.TierDays.ContainsKey(decision.Tier) && !decision.Reasons.Any(reason => reason.OutlivesDays))
            .Select(decision => (Decision: decision, At: decision.Point.CreatedAt + TimeSpan.FromDays(Class.TierDays[decision.Tier])))
            .OrderBy(next => next.At).Select(next => ((TierDecision, DateTimeOffset)?)next).FirstOrDefault();

    /// <summary>
    /// Says of a time without a point whether one is missing: the RPO, counted from the point before it, ended within it. Null
    /// where nothing was due.
    /// </summary>
    /// <param name="from">The time's beginning.</param>
    /// <param name="to">Its end; of a time that goes on, now counts.</param>
    public DateTimeOffset? DueWithin(DateTimeOffset from, DateTimeOffset to)
    {
        var due = DueAfter(from);
        return due < (to < Now ? to : Now) ? due : null;
    }

    /// <summary>When the first point after a moment is due.</summary>
    public DateTimeOffset DueAfter(DateTimeOffset moment)
    {
        var before = Points.FirstOrDefault(point => point.CreatedAt < moment)?.CreatedAt ?? Since ?? Now;
        return before + Class.Rpo;
    }

    /// <summary>True where no tier that serves the source keeps anything from before <paramref name="end"/>.</summary>
    public bool IsBeyondAllDays(DateTimeOffset end) =>
        Tiers.All(tier => Class.TierDays.TryGetValue(tier.Name, out var days) && Now - end > TimeSpan.FromDays(days));
}
