using System.Globalization;
using Hexabase.DrConsole.Dashboard.Access;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Sources;

/// <summary>"Can I get to that moment?": yes or no at once, and where not, the nearest moments that work.</summary>
public partial class ReachPanel
{
    private const string Shape = "yyyy-MM-ddTHH:mm:ss";

    /// <summary>What can be reached.</summary>
    [Parameter, EditorRequired]
    public RecoverableWindow Window { get; set; } = default!;

    /// <summary>The moment that is asked for; null before the first.</summary>
    [Parameter]
    public DateTimeOffset? Moment { get; set; }

    /// <summary>Told another moment.</summary>
    [Parameter]
    public EventCallback<DateTimeOffset?> MomentChanged { get; set; }

    /// <summary>How long the newest measured restore took; null where none was measured.</summary>
    [Parameter]
    public TimeSpan? Measured { get; set; }

    /// <summary>Restore points whose last validation passed.</summary>
    [Parameter]
    public IReadOnlySet<string> Proven { get; set; } = new HashSet<string>();

    /// <summary>Told a moment that a recovery is to be planned to.</summary>
    [Parameter]
    public EventCallback<DateTimeOffset> OnPlan { get; set; }

    [Inject]
    private TimeProvider Time { get; set; } = default!;

    private string? Entered => Moment is { } moment ? TimeZoneInfo.ConvertTime(moment, Time.LocalTimeZone).ToString(Shape, CultureInfo.InvariantCulture) : null;

    private WindowReach? Reach => Moment is { } moment ? Window.Reach(moment) : null;

    private Task OnInput(ChangeEventArgs change)
    {
        var isTime = DateTime.TryParse(change.Value as string, CultureInfo.InvariantCulture, DateTimeStyles.None, out var local);
        return MomentChanged.InvokeAsync(isTime ? new DateTimeOffset(local, Time.LocalTimeZone.GetUtcOffset(local)) : null);
    }

    private static IEnumerable<DateTimeOffset> Nearest(WindowReach reach) => new[] { reach.Before, reach.After }.OfType<DateTimeOffset>();

    /// <summary>What is in reach from a base backup that was restored still is no restored moment: a check passed, no more.</summary>
    private Status StatusOf(WindowReach reach) =>
        !reach.IsReachable ? Status.Breached : reach.Base is { } basis && Proven.Contains(basis.Id.Value) ? Status.Passed : Status.Unproven;

    private string Verdict(WindowReach reach) => reach switch
    {
        { IsReachable: true } => WindowTexts.ReachYes,
        { Hole: not null } => WindowTexts.ReachHole,
        { Before: null } => WindowTexts.ReachBefore,
        _ when Moment > Time.GetUtcNow() => WindowTexts.ReachFuture,
        _ => WindowTexts.ReachAfter,
    };

    private string Detail(WindowReach reach) => reach switch
    {
        { IsReachable: true, Base: { } basis } => Figures.Format(WindowTexts.ReachFrom, basis.Id.Short, Figures.Moment(basis.At, Time), Figures.Bytes(reach.WalBytes ?? 0)),
        { Hole: { } hole } => WindowBar.HoleWords(hole, Time),
        _ => WindowTexts.ReachNearest,
    };

    /// <summary>Worth saying only where there is more than one.</summary>
    private string? Branch(WindowReach reach) => reach is not { Timeline: { } timeline } || !Window.HasBranches ? null
        : reach.Others.Count == 0 ? Figures.Format(WindowTexts.ReachAlong, timeline)
        : Figures.Format(WindowTexts.ReachAlongOthers, timeline, Figures.List(reach.Others.Select(other => Figures.Format(WindowTexts.Timeline, other))), reach.Others[0]);

    private string Estimate(WindowReach reach) => Measured is { } measured && reach.Base is not null
        ? Figures.Format(WindowTexts.ReachMeasured, Figures.Duration(measured))
        : WindowTexts.ReachUnmeasured;

    private string Distance(DateTimeOffset near) => near < Moment
        ? Figures.Format(WindowTexts.DistanceBefore, Figures.Duration(Moment.Value - near))
        : Figures.Format(WindowTexts.DistanceAfter, Figures.Duration(near - Moment!.Value));
}
