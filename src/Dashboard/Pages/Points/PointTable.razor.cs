using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Pages.Overview;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Strategies.Retention;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Points;

/// <summary>Restore points as rows.</summary>
public partial class PointTable
{
    /// <summary>Newest first.</summary>
    [Parameter, EditorRequired]
    public IReadOnlyList<PointRow> Points { get; set; } = [];

    /// <summary>The configured tiers, in their order.</summary>
    [Parameter, EditorRequired]
    public IReadOnlyList<StorageTier> Tiers { get; set; } = [];

    /// <summary>Why there may be none.</summary>
    [Parameter, EditorRequired]
    public string Empty { get; set; } = string.Empty;

    /// <summary>False on the page of one source.</summary>
    [Parameter]
    public bool ShowSource { get; set; }

    [Inject]
    private TimeProvider Time { get; set; } = default!;

    [Inject]
    private NavigationManager Navigation { get; set; } = default!;

    private IReadOnlyList<TierMark> Marks(PointRow row) =>
        [.. Tiers.Select(tier => SourceRows.Mark(tier.Name, row.Tiers.FirstOrDefault(held => held.Tier == tier.Name)?.State))];

    /// <summary><c>hourly 3 of 24, last proven</c>; or that nothing keeps it.</summary>
    private static string KeptAs(PointRow row) => row.Kept.Count == 0
        ? PageTexts.KeptNot
        : string.Join(", ", row.Kept.Select(reason => reason.Rung is { } rung ? Figures.Format(PageTexts.KeptRung, Word(rung), reason.Position, reason.Of) : PageTexts.KeptLastProven));

    private static string Word(Rung rung) => rung switch
    {
        Rung.Hourly => PageTexts.RungHourly,
        Rung.Daily => PageTexts.RungDaily,
        Rung.Weekly => PageTexts.RungWeekly,
        Rung.Monthly => PageTexts.RungMonthly,
        _ => PageTexts.RungYearly,
    };

    private void Open(PointRow row) => Navigation.NavigateTo(row.Href);
}
