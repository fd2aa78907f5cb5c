using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Resources;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Layout;

/// <summary>
/// The console's own time and zone, in which every page speaks. The browser moves the hands (js/console.js), from the
/// server's time at the start of the circuit: a tick each second is not worth a message each second.
/// </summary>
public partial class ConsoleClock
{
    [Inject]
    private TimeProvider Time { get; set; } = default!;

    private DateTimeOffset Now { get; set; }

    private int OffsetMinutes => (int)Time.LocalTimeZone.GetUtcOffset(Now).TotalMinutes;

    private string Zone => Figures.Zone(Time);

    private string UtcText => Figures.Format(Texts.ClockUtc, Now.ToUniversalTime());

    /// <inheritdoc/>
    protected override void OnInitialized() => Now = Time.GetUtcNow();

    /// <summary>Never again after the first time: the element's text belongs to the script.</summary>
    protected override bool ShouldRender() => false;
}
