using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Strategies.Retention;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Points;

/// <summary>The tiers that hold a point, how each copy is known, and why retention keeps it there or lets it go.</summary>
public partial class HeldList
{
    [Parameter, EditorRequired]
    public IReadOnlyList<RestorePointTierRow> Tiers { get; set; } = [];

    [Parameter, EditorRequired]
    public PointKept Kept { get; set; } = default!;

    [Inject]
    private TimeProvider Time { get; set; } = default!;

    private string Verdict(TierDecision decision)
    {
        if (!decision.IsKept)
        {
            return RetentionWords.Of(decision.Expiry!);
        }

        var kept = Figures.Format(KeepingTexts.KeptAs, RetentionWords.Of(decision.Reasons));
        if (decision.Reasons.Any(reason => reason.OutlivesDays))
        {
            return kept;
        }

        return Figures.List(
        [
            kept,
            Kept.Class.TierDays.TryGetValue(decision.Tier, out var days)
                ? Figures.Format(KeepingTexts.KeptUntil, Figures.Moment(decision.Point.CreatedAt + TimeSpan.FromDays(days), Time), days)
                : KeepingTexts.KeptWithoutDays,
        ]);
    }
}
