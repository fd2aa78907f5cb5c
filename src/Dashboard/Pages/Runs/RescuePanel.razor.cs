using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Backups.Postgres.Rescue;
using Hexabase.DrConsole.Engine.Validation.Rescue;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Runs;

/// <summary>A table as it was beside the living one, and what to do with it.</summary>
public partial class RescuePanel
{
    /// <summary>The difference and where a copy would go.</summary>
    [Parameter, EditorRequired]
    public RescueOffer Offer { get; set; } = default!;

    /// <summary>True while the run waits for a decision.</summary>
    [Parameter]
    public bool IsWaiting { get; set; }

    /// <summary>Told one of <see cref="RescueDecisions"/>.</summary>
    [Parameter]
    public EventCallback<string> OnDecide { get; set; }

    [Inject]
    private TimeProvider Time { get; set; } = default!;

    private string Counts => Offer.Difference.IsEqual
        ? Figures.Format(WindowTexts.RescueEqual, Offer.Difference.PastRows)
        : Figures.Format(WindowTexts.RescueCounts, Offer.Difference.PastRows, Offer.Difference.LiveRows, Offer.Difference.OnlyPast, Offer.Difference.OnlyLive, Offer.Difference.Changed);

    private static string Word(string state) => state switch
    {
        RowStates.OnlyPast => WindowTexts.RescueOnlyPast,
        RowStates.OnlyLive => WindowTexts.RescueOnlyLive,
        _ => WindowTexts.RescueChanged,
    };
}
