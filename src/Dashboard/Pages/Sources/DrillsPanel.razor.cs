using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Validation.Drills;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Sources;

/// <summary>Recoveries to random moments of a source: how long they took, what was found, and one more now.</summary>
public partial class DrillsPanel
{
    private const int RowsShown = 5;

    /// <summary>The last drills, newest first.</summary>
    [Parameter, EditorRequired]
    public IReadOnlyList<DrillRow> Drills { get; set; } = [];

    /// <summary>How the source's heartbeat stands; null where none was written yet.</summary>
    [Parameter]
    public HeartbeatRow? Heartbeat { get; set; }

    /// <summary>True where the configuration asks for a heartbeat.</summary>
    [Parameter]
    public bool HasHeartbeat { get; set; }

    /// <summary>The RTO.</summary>
    [Parameter, EditorRequired]
    public TimeSpan Target { get; set; }

    /// <summary>A drill that is queued or running; null for none.</summary>
    [Parameter]
    public Run? Open { get; set; }

    /// <summary>Told that a drill is wanted.</summary>
    [Parameter]
    public EventCallback OnDrill { get; set; }

    [Inject]
    private TimeProvider Time { get; set; } = default!;

    private IReadOnlyList<DrillColumn> Columns =>
    [
        .. Drills.Where(drill => drill.Outcome != DrillOutcomes.NotProvable).Reverse().Select(drill => drill is { Outcome: DrillOutcomes.Passed, Seconds: { } seconds }
            ? new DrillColumn(TimeSpan.FromSeconds(seconds))
            : new DrillColumn(TimeSpan.Zero, DrillOutcome.Failed)),
    ];

    private Status? Tone => Drills is [{ Outcome: DrillOutcomes.Failed }, ..] ? Status.Failed : null;

    private string Second => Drills is [var newest, ..] ? Figures.Format(WindowTexts.DrillLast, Figures.Age(Time.GetUtcNow() - newest.DrilledAt)) : WindowTexts.DrillNever;

    private string? Warning => !HasHeartbeat ? WindowTexts.HeartbeatNone
        : Heartbeat?.Message is { } message ? Figures.Format(WindowTexts.HeartbeatFails, message)
        : null;

    /// <summary>An outcome in the reader's word.</summary>
    public static string Word(string outcome) => outcome switch
    {
        DrillOutcomes.Passed => WindowTexts.DrillPassed,
        DrillOutcomes.NotProvable => PageTexts.VerdictNotProvable,
        _ => WindowTexts.DrillFailed,
    };

    private static Status StatusOf(string outcome) => outcome switch
    {
        DrillOutcomes.Passed => Status.Passed,
        DrillOutcomes.NotProvable => Status.Unproven,
        _ => Status.Failed,
    };

    private static string Phases(DrillRow drill) => Figures.List(drill.Phases.Select(phase => $"{phase.Name} {Figures.Duration(TimeSpan.FromSeconds(phase.Seconds))}"));
}
