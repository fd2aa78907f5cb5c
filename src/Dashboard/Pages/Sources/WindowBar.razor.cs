using System.Globalization;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Sources;

/// <summary>
/// A range of time with what can be reached in it: base backups as ticks (tall where restored), stretches of WAL, holes, and
/// timelines. A hole is never rounded away: it is at least two pixels wide.
/// </summary>
public partial class WindowBar
{
    private const int TicksWanted = 6;
    private static readonly TimeSpan[] s_steps =
    [
        TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(30), TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(2), TimeSpan.FromMinutes(5), TimeSpan.FromMinutes(10),
        TimeSpan.FromMinutes(30), TimeSpan.FromHours(1), TimeSpan.FromHours(3), TimeSpan.FromHours(6), TimeSpan.FromHours(12), TimeSpan.FromDays(1), TimeSpan.FromDays(2), TimeSpan.FromDays(7),
    ];

    /// <summary>What to show.</summary>
    [Parameter, EditorRequired]
    public RecoverableWindow Window { get; set; } = default!;

    /// <summary>The left edge.</summary>
    [Parameter, EditorRequired]
    public DateTimeOffset From { get; set; }

    /// <summary>The right edge.</summary>
    [Parameter, EditorRequired]
    public DateTimeOffset To { get; set; }

    /// <summary>A moment to mark.</summary>
    [Parameter]
    public DateTimeOffset? Moment { get; set; }

    /// <summary>Restore points whose last validation passed.</summary>
    [Parameter]
    public IReadOnlySet<string> Proven { get; set; } = new HashSet<string>();

    [Inject]
    private TimeProvider Time { get; set; } = default!;

    private IEnumerable<WindowStretch> Stretches => Window.Stretches.Where(one => one.To >= From && one.From <= To);

    private IEnumerable<WindowHole> Holes => Window.Holes.Where(one => one.To >= From && one.From <= To);

    private IEnumerable<WindowBase> Bases => Window.Stretches.SelectMany(one => one.Bases).DistinctBy(one => one.Id).Where(one => one.At >= From && one.At <= To);

    private IEnumerable<(uint Timeline, DateTimeOffset At)> Timelines =>
        Window.Timelines.Where(one => one.From <= To).Select(one => (one.Timeline, one.From < From ? From : one.From)).GroupBy(one => one.Item2).Select(group => group.Last());

    private string Conclusion
    {
        get
        {
            var holes = Holes.ToList();
            return Window.Stretches.Count == 0 ? WindowTexts.Nothing
                : Figures.Format(WindowTexts.Conclusion, Bases.Count(), Figures.Moment(Window.Stretches[0].From, Time), Figures.Moment(Window.Stretches.Max(one => one.To), Time), holes.Count);
        }
    }

    private IEnumerable<(string Place, string Label)> Ticks
    {
        get
        {
            var length = To - From;
            var step = s_steps.FirstOrDefault(one => length / one <= TicksWanted, s_steps[^1]);
            var zone = Time.LocalTimeZone;
            var local = TimeZoneInfo.ConvertTime(From, zone);
            var first = new DateTimeOffset(local.Ticks - (local.Ticks % step.Ticks), local.Offset) + step;
            var pattern = step >= TimeSpan.FromDays(1) ? Texts.TickDayPattern : step >= TimeSpan.FromMinutes(1) ? "HH:mm" : "HH:mm:ss";
            for (var at = first; at < To; at += step)
            {
                // A label at the very edge would be cut.
                if (at - From > length * 0.03 && To - at > length * 0.05)
                {
                    yield return (Place(at), at.ToString(pattern, CultureInfo.CurrentCulture));
                }
            }
        }
    }

    private bool WasLeft(WindowStretch one) => Window.Living is { } living && (one.Cluster, one.Timeline) != (living.Cluster, living.Timeline);

    private bool IsProven(WindowBase one) => Proven.Contains(one.Id.Value);

    private string HoleText(WindowHole hole) => HoleWords(hole, Time);

    internal static string HoleWords(WindowHole hole, TimeProvider time) =>
        Figures.Format(hole.IsDamaged ? WindowTexts.HoleDamaged : WindowTexts.Hole, Figures.Duration(hole.To - hole.From), Figures.Moment(hole.From, time), Figures.Moment(hole.To, time));

    private string Place(DateTimeOffset at) => Figures.Css((at - From) / (To - From));

    private string Width(DateTimeOffset from, DateTimeOffset to)
    {
        var (left, right) = (from < From ? From : from, to > To ? To : to);
        return $"max(2px, {Figures.Css((right - left) / (To - From))})";
    }
}
