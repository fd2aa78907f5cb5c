using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Pages.Overview;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Dashboard.Pages.Tiers;

/// <summary>One tier with all that was measured of it.</summary>
/// <param name="Index">Its place in the configuration, from 0.</param>
/// <param name="Usage">The last look at its store, or null before the first.</param>
/// <param name="Workspaces">Workspaces of whose restore points it holds any.</param>
/// <param name="Checks">The last check of each level, by workspace.</param>
/// <param name="Days">Its size day by day, oldest first.</param>
/// <param name="Failures">Runs on it that failed and after which none of that kind went well, newest first.</param>
public sealed record TierSight(
    StorageTier Tier, int Index, TierUsage? Usage, TierHoldings Holdings, IReadOnlyList<string> Workspaces, IReadOnlyList<TierCheckRow> Checks,
    IReadOnlyList<TierUsageDay> Days, IReadOnlyList<Run> Failures)
{
    private const double ScrubHoldsDays = 35;

    public string Href => HrefOf(Tier.Name);

    /// <summary>Objects that some check found damaged or missing.</summary>
    public IReadOnlyList<string> DamagedObjects => [.. Checks.SelectMany(check => check.Damaged).Distinct()];

    /// <summary>
    /// Since when everything in it was read, of the workspace where that is longest ago; null where of one only a part was read, or nothing: of
    /// the rest nothing is known.
    /// </summary>
    public DateTimeOffset? ScrubbedAt
    {
        get
        {
            var read = Complete.ToDictionary(check => check.Workspace, check => check.AllReadSince);
            return Workspaces.Count > 0 && Workspaces.All(read.ContainsKey) ? Workspaces.Min(workspace => read[workspace]) : null;
        }
    }

    /// <summary>Of each workspace that was read as a whole, by one check or by several of parts, the level at which that is true since the latest time.</summary>
    private IEnumerable<TierCheckRow> Complete =>
        Checks.Where(check => check.IsComplete).GroupBy(check => check.Workspace).Select(levels => levels.MaxBy(check => check.AllReadSince)!);

    /// <summary>Bytes of all its points in the clear against what is stored; null where either is unknown or nothing.</summary>
    public double? Deduplication => Usage is { UsedBytes: > 0 and var used } && Holdings.ClearBytes > 0 ? (double)Holdings.ClearBytes / used : null;

    /// <summary>Bytes a day over the days on record; null while there are not two.</summary>
    public double? GrowthPerDay =>
        Days is [var first, .., var last] && last.Day > first.Day ? (double)(last.Bytes - first.Bytes) / (last.Day.DayNumber - first.Day.DayNumber) : null;

    /// <summary>When it is full at that rate; null where it does not grow, or where room or rate are unknown.</summary>
    public TimeSpan? FullIn => GrowthPerDay is > 0 and var rate && Usage?.FreeBytes is { } free && free / rate < 36500 ? TimeSpan.FromDays(free / rate) : null;

    /// <summary>What must be known first. Unknown is never green, and neither is what was only written.</summary>
    public Status StatusOf(DateTimeOffset now) => this switch
    {
        { Usage.Fault: not null } => Status.Failed,
        _ when Holdings.Damaged > 0 || DamagedObjects.Count > 0 => Status.Damaged,
        _ when Holdings.Behind > 0 => Status.Behind,
        { Usage: null } => Status.Unproven,
        _ when ScrubbedAt is { } at => (now - at).TotalDays > ScrubHoldsDays ? Status.Stale : Status.ReadBack,
        _ when Workspaces.Count == 0 => Status.NotRun,
        _ => Status.Stored,
    };

    /// <summary>That state with its age.</summary>
    public string StateText(TimeProvider time) => StatusOf(time.GetUtcNow()) switch
    {
        Status.Failed => Figures.Format(PageTexts.TierFailing, Figures.Age(time.GetUtcNow() - Usage!.At)),
        Status.Damaged => Figures.Format(TierTexts.StateDamaged, Holdings.Damaged, DamagedObjects.Count),
        Status.Behind => Figures.Format(TierTexts.StateBehind, Holdings.Behind, Figures.Age(time.GetUtcNow() - Holdings.OldestBehind!.Value)),
        Status.Unproven => PageTexts.TierNotLooked,
        Status.Stale or Status.ReadBack => Figures.Format(TierTexts.StateScrubbed, Figures.Age(time.GetUtcNow() - ScrubbedAt!.Value)),
        Status.NotRun => TierTexts.StateEmpty,
        _ => TierTexts.StateNeverScrubbed,
    };

    /// <summary>The page of a tier.</summary>
    public static string HrefOf(string tier) => $"/tiers/{Uri.EscapeDataString(tier)}";

    /// <summary>The tier's figures, each with how it is known.</summary>
    public IReadOnlyList<Figure> Figured(TimeProvider time)
    {
        var now = time.GetUtcNow();
        var looked = Usage is { Fault: null } usage ? Figures.Format(TierTexts.LookedAt, Figures.Age(now - usage.At)) : Usage?.Fault ?? PageTexts.TierNotLooked;
        return
        [
            new Figure(TierTexts.FigureUsed, Usage?.UsedBytes is { } used ? Figures.Bytes(used) : PageTexts.NotMeasured,
                Usage is { FreeBytes: { } free, CapacityBytes: { } capacity } ? Figures.Format(TierTexts.FreeOf, Figures.Bytes(free), Figures.Bytes(capacity)) : TierTexts.CapacityUnknown),
            new Figure(TierTexts.FigureGrowth, GrowthPerDay is { } rate ? Figures.Format(TierTexts.PerDay, Signed(rate)) : PageTexts.NotMeasured,
                FullIn is { } full ? Figures.Format(TierTexts.FullIn, Figures.Duration(full)) : Days.Count > 1 ? Figures.Format(TierTexts.OverDays, Days.Count) : TierTexts.GrowthSoon),
            new Figure(TierTexts.FigureDedup, Deduplication is { } ratio ? Figures.Format(TierTexts.Times, ratio) : PageTexts.NotMeasured,
                Figures.Format(TierTexts.DedupSecond, Figures.Bytes(Holdings.ClearBytes))),
            new Figure(TierTexts.FigureScrub, ScrubbedAt is { } scrubbed ? Figures.Age(now - scrubbed) : PageTexts.Never, ScrubSecond, null, DamagedObjects.Count > 0 ? Status.Damaged : null),
            new Figure(TierTexts.FigureBehind, Figures.Count(Holdings.Behind),
                Holdings.OldestBehind is { } oldest ? Figures.Format(TierTexts.BehindSecond, Figures.Age(now - oldest)) : TierTexts.BehindNone, null, Holdings.Behind > 0 ? Status.Behind : null),
            new Figure(TierTexts.FigurePoints, Figures.Count(Holdings.Points), Figures.Format(TierTexts.PointsSecond, Holdings.Verified, Holdings.Damaged), null, Holdings.Damaged > 0 ? Status.Damaged : null),
            new Figure(TierTexts.FigureObjects, Usage is { UsedBytes: not null } ? Figures.Count(Usage.Objects) : PageTexts.NotMeasured, looked),
            new Figure(TierTexts.FigureFailures, Figures.Count(Failures.Count),
                Failures is [var newest, ..] ? Figures.Format(TierTexts.FailureSecond, Live.RunTexts.Kind(newest.Kind), newest.Id) : TierTexts.FailureNone, null, Failures.Count > 0 ? Status.Failed : null),
        ];
    }

    private string ScrubSecond => this switch
    {
        _ when DamagedObjects.Count > 0 => Figures.Format(TierTexts.ScrubDamaged, DamagedObjects.Count),
        { ScrubbedAt: null } when Workspaces.Count == 0 => TierTexts.StateEmpty,
        { ScrubbedAt: null } => TierTexts.ScrubNever,
        _ => Figures.Format(TierTexts.ScrubClean, Complete.Sum(check => check.There ?? check.Objects)),
    };

    private static string Signed(double rate) => rate < 0 ? "−" + Figures.Bytes((long)-rate) : Figures.Bytes((long)rate);
}
