using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Resources;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Incidents;

/// <summary>What each probe of a source said over a time, as strips. Where nobody looked, the strip is empty.</summary>
public partial class HealthHistoryPanel
{
    /// <summary>As many stretches as a strip has.</summary>
    public const int Stretches = 96;

    /// <summary>What can be looked at.</summary>
    public static IReadOnlyList<TimeSpan> Spans { get; } = [TimeSpan.FromHours(24), TimeSpan.FromDays(7), TimeSpan.FromDays(90)];

    /// <summary>One for each probe.</summary>
    [Parameter, EditorRequired]
    public IReadOnlyList<HealthStrip> Strips { get; set; } = [];

    /// <summary>One of <see cref="Spans"/>.</summary>
    [Parameter, EditorRequired]
    public TimeSpan Span { get; set; }

    /// <summary>The left end.</summary>
    [Parameter, EditorRequired]
    public DateTimeOffset From { get; set; }

    /// <summary>Another one was chosen.</summary>
    [Parameter]
    public EventCallback<TimeSpan> SpanChanged { get; set; }

    [Inject]
    private TimeProvider Time { get; set; } = default!;

    private static bool IsBad(Status state) => state is Status.Damaged or Status.Failed or Status.Degraded;

    private static string Label(HealthStrip strip) => Figures.Format(
        HealthTexts.HistoryLabel, IncidentWords.Probe(strip.Probe), Figures.Count(strip.Looks), Figures.Count(strip.Missed), Figures.Format(HealthTexts.Milliseconds, strip.SlowestMs));
}
