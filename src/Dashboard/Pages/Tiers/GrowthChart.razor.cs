using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Catalog;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Tiers;

/// <summary>A tier's size day by day. A day without a look is a hole, never a line drawn across.</summary>
public partial class GrowthChart
{
    /// <summary>Oldest first; days without a look are left out.</summary>
    [Parameter, EditorRequired]
    public IReadOnlyList<TierUsageDay> Days { get; set; } = [];

    private long Top => Math.Max(1, Days.Max(day => day.Bytes));

    private IReadOnlyList<(DateOnly Day, TierUsageDay? Usage)> Filled =>
        [.. Enumerable.Range(0, Days[^1].Day.DayNumber - Days[0].Day.DayNumber + 1).Select(Days[0].Day.AddDays).Select(day => (day, Days.FirstOrDefault(one => one.Day == day)))];

    private string Conclusion => Figures.Format(TierTexts.GrowthConclusion, Figures.Bytes(Days[0].Bytes), Name(Days[0].Day), Figures.Bytes(Days[^1].Bytes), Name(Days[^1].Day));

    private double Share(long bytes) => (double)bytes / Top;

    private static string Say((DateOnly Day, TierUsageDay? Usage) day) =>
        Figures.Format(Texts.Labelled, Name(day.Day), day.Usage is { } usage ? Figures.Bytes(usage.Bytes) : PageTexts.NotMeasured);

    private static string Name(DateOnly day) => Figures.Named(day.ToDateTime(TimeOnly.MinValue), Texts.DayPattern);
}
