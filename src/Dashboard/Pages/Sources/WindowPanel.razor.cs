using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Sources;

/// <summary>What a source can be recovered to, on the line of time, with a lens on the moment that is asked for.</summary>
public partial class WindowPanel
{
    private static readonly TimeSpan s_longest = TimeSpan.FromDays(7);

    /// <summary>What to show.</summary>
    [Parameter, EditorRequired]
    public RecoverableWindow Window { get; set; } = default!;

    /// <summary>The moment that is asked for.</summary>
    [Parameter]
    public DateTimeOffset? Moment { get; set; }

    /// <summary>Restore points whose last validation passed.</summary>
    [Parameter]
    public IReadOnlySet<string> Proven { get; set; } = new HashSet<string>();

    [Inject]
    private TimeProvider Time { get; set; } = default!;

    private DateTimeOffset To => Time.GetUtcNow();

    private DateTimeOffset From
    {
        get
        {
            var oldest = Window.Stretches[0].From - ((To - Window.Stretches[0].From) * 0.04);
            return oldest < To - s_longest ? To - s_longest : To - oldest < TimeSpan.FromMinutes(10) ? To - TimeSpan.FromMinutes(10) : oldest;
        }
    }

    private static TimeSpan Lens => TimeSpan.FromMinutes(5);

    private string Method => Window.Stretches.Count == 0
        ? WindowTexts.MethodNone
        : Figures.Format(WindowTexts.Method, Window.Living!.EndLsn, Window.Tier, Figures.Age(Time.GetUtcNow() - Window.ReadAt));

    private string DamageWords(WindowDamage damage) => damage.Tier == Window.Tier
        ? Figures.Format(WindowTexts.DamageHere, damage.Tier, damage.Timeline, damage.FromLsn, damage.ToLsn)
        : Figures.Format(WindowTexts.DamageElsewhere, damage.Tier, damage.Timeline, damage.FromLsn, damage.ToLsn, Window.Tier);

    private IEnumerable<(DateTimeOffset From, DateTimeOffset To, string What, bool IsHole)> Rows => Window.Stretches
        .Select(one => (one.From, one.To, Figures.Format(WindowTexts.StretchRow, one.Bases.Count, one.Timeline, one.EndLsn), false))
        .Concat(Window.Holes.Select(one => (one.From, one.To, WindowBar.HoleWords(one, Time), true))).OrderBy(row => row.Item1);
}
