using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Kinds;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Dashboard.Pages.Overview;

/// <summary>A source's standing in the reader's words. The one place that maps standings to states.</summary>
internal static class SourceRows
{
    /// <summary>The row of the overview's table.</summary>
    public static SourceRow From(SourceStanding standing, IReadOnlyList<StorageTier> tiers, TimeProvider time) => new(
        standing.Source.Workspace, standing.Source.Name, What(standing.Source), KindWords.Of(standing.Source.Kind).Icon, Href(standing.Source.Name),
        StatusOf(standing.Standing), How(standing), Rpo(standing, time), standing.Protection.Rto, Drills(standing), RestoreSecond(standing, time), Tiers(standing, tiers))
    {
        Word = Word(standing),
        ProvenAt = standing.Standing is Standing.Proven or Standing.Stale ? standing.Facts.LastProof?.At : null,
        ProofLeft = ProofLeft(standing),
        Content = KindWords.SheetOf(standing, time),
    };

    public static Status StatusOf(Standing standing) => standing switch
    {
        Standing.Proven => Status.Proven,
        Standing.Degraded => Status.Degraded,
        Standing.Stale => Status.Stale,
        Standing.Breached => Status.Breached,
        Standing.Failed => Status.Failed,
        _ => Status.Unproven,
    };

    public static string Href(string source) => $"/sources/{Uri.EscapeDataString(source)}";

    /// <summary>Kind and class.</summary>
    public static string What(Source source) => Figures.Format(PageTexts.SourceWhat, KindWords.Of(source.Kind).Name, source.Class);

    /// <summary>Instead of the state's word, where a sharper one is known.</summary>
    public static string? Word(SourceStanding standing) => standing.Reason switch
    {
        StandingReason.RpoExceeded => PageTexts.WordRpoBreached,
        StandingReason.RtoExceeded => PageTexts.WordRtoBreached,
        StandingReason.AgentSilent => PageTexts.WordAgentSilent,
        _ => null,
    };

    /// <summary>Fact, number, consequence. That nobody will make the next backup is said whatever else is the reason.</summary>
    public static string? How(SourceStanding standing) => (Why(standing), standing.SilentAgent) switch
    {
        (var why, null) => why,
        (null, { } agent) => Silent(agent),
        ({ } why, { } agent) => Figures.Format(PageTexts.HowAlso, why, Silent(agent)),
    };

    /// <summary>The same where it stands alone, under a title.</summary>
    public static string? Sentence(SourceStanding standing) => standing.Standing == Standing.Proven ? PageTexts.SentenceProven : How(standing);

    /// <summary>Which node's agent is silent, since when, and what is to start there.</summary>
    public static string Silent(NodeAgentStanding agent) => agent.Silence is { } silence
        ? Figures.Format(PageTexts.HowAgentSilent, agent.Node, Figures.Duration(silence), agent.Command)
        : Figures.Format(PageTexts.HowAgentMissing, agent.Node, agent.Command);

    private static string? Why(SourceStanding standing) => standing switch
    {
        { Reason: StandingReason.NoDriver } => Figures.Format(PageTexts.HowNoDriver, KindWords.Of(standing.Source.Kind).Name),
        { Reason: StandingReason.NoRestorePoint } => PageTexts.HowNoPoint,
        { Reason: StandingReason.RpoExceeded, ProofAge: null } => Figures.Format(PageTexts.HowRpoUnproven, Figures.Duration(standing.RpoNow!.Value)),
        { Reason: StandingReason.RpoExceeded } => Figures.Format(PageTexts.HowRpo, Figures.Duration(standing.RpoNow!.Value)),
        { Reason: StandingReason.RtoExceeded } => Figures.Format(PageTexts.HowRto, Figures.Duration(standing.RestoreTime!.Value), Figures.Target(standing.Protection.Rto)),
        { Reason: StandingReason.ValidationFailed, Standing: Standing.Failed } => PageTexts.HowFailed,
        { Reason: StandingReason.ValidationFailed } => Figures.Format(PageTexts.HowFailedNewer, Short(standing.Facts.Recent[0].RestorePoint)),
        { Reason: StandingReason.TierDamaged } => Figures.Format(PageTexts.HowDamaged, Figures.List(standing.Facts.Tiers.Where(tier => tier.State == "damaged").Select(tier => tier.Tier))),
        { Reason: StandingReason.ItemsMissing } => Figures.Format(PageTexts.HowItemsMissing, standing.MissingItems),
        { Reason: StandingReason.TooFewTiers } => Figures.Format(PageTexts.HowTiers, Held(standing), standing.Protection.MinimumTiers),
        { Reason: StandingReason.NotProvable } => PageTexts.HowNotProvable,
        { Reason: StandingReason.AgentSilent } => null,
        { Standing: Standing.Unproven } => PageTexts.HowNeverRestored,
        { Standing: Standing.Stale } => Figures.Format(PageTexts.HowStale, Figures.Target(standing.Protection.ProofLifetime)),
        { Standing: Standing.Proven } => PageTexts.HowProven,
        _ => null,
    };

    /// <summary>Measured where the newest point was read back in a tier; hatched where it is only stored.</summary>
    public static TargetFigure Rpo(SourceStanding standing, TimeProvider time)
    {
        if (standing.RpoNow is not { } now)
        {
            return new TargetFigure(null, standing.Protection.Rpo, Measure.None, PageTexts.RpoNone);
        }

        if (standing.IsByWal)
        {
            return new TargetFigure(now, standing.Protection.Rpo, Measure.Measured, Figures.Format(PageTexts.RpoWal, Figures.Moment(standing.Facts.Wal!.MeasuredAt, time)));
        }

        var at = standing.Facts.CountingAt ?? standing.Facts.NewestAt!.Value;
        var isReadBack = standing.Facts.Tiers.Any(tier => tier.State == "verified");
        return new TargetFigure(now, standing.Protection.Rpo, isReadBack ? Measure.Measured : Measure.Estimated,
            Figures.Format(isReadBack ? PageTexts.RpoReadBack : PageTexts.RpoStored, Figures.Moment(at, time)));
    }

    /// <summary>The last validations as columns, oldest first.</summary>
    public static IReadOnlyList<DrillColumn> Drills(SourceStanding standing) =>
    [
        .. standing.Facts.Recent.Where(proof => !proof.NotProvable).Reverse().Select(proof => proof is { Passed: true, RestoreSeconds: { } seconds }
            ? new DrillColumn(TimeSpan.FromSeconds(seconds))
            : new DrillColumn(TimeSpan.Zero, DrillOutcome.Failed)),
        // A drill that is newer than all of them is the figure that stands beside the columns.
        .. standing.Facts.Drill is { } drill && standing.RestoreMeasuredAt == drill.At ? [new DrillColumn(TimeSpan.FromSeconds(drill.Seconds))] : Array.Empty<DrillColumn>(),
    ];

    public static string RestoreSecond(SourceStanding standing, TimeProvider time) => standing.RestoreMeasuredAt is { } measured
        ? Figures.Format(PageTexts.RestoreMeasured, Figures.Age(time.GetUtcNow() - measured))
        : PageTexts.RestoreNotMeasured;

    public static IReadOnlyList<TierMark> Tiers(SourceStanding standing, IReadOnlyList<StorageTier> tiers) =>
        [.. tiers.Select(tier => Mark(tier.Name, standing.Facts.Tiers.FirstOrDefault(held => held.Tier == tier.Name)?.State))];

    public static TierMark Mark(string tier, string? state) => state switch
    {
        "verified" => new TierMark(tier, Status.ReadBack, PageTexts.TierReadBack),
        "stored" => new TierMark(tier, Status.Stored, PageTexts.TierStored),
        "damaged" => new TierMark(tier, Status.Damaged, PageTexts.TierDamaged),
        "behind" => new TierMark(tier, Status.Behind, PageTexts.TierBehind),
        _ => new TierMark(tier, Status.NotKept, PageTexts.TierNotKept),
    };

    public static double? ProofLeft(SourceStanding standing) =>
        standing.ProofAge is { } age ? Math.Clamp(1 - (age / standing.Protection.ProofLifetime), 0, 1) : null;

    public static string Short(string id) => RestorePointId.ShortOf(id);

    private static int Held(SourceStanding standing) => standing.Facts.Tiers.Count(tier => tier.State is "stored" or "verified");
}
