using Hexabase.DrConsole.Dashboard.Resources;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Controls;

/// <summary>How one restore to scratch went.</summary>
public enum DrillOutcome
{
    /// <summary>It ran and took that long.</summary>
    Measured,

    /// <summary>It failed: there is no duration to draw.</summary>
    Failed,

    /// <summary>Under way; the duration is a forecast.</summary>
    Forecast,
}

/// <summary>One restore to scratch: a drill or a validation's last step.</summary>
/// <param name="Took">How long it took, or will take.</param>
/// <param name="Outcome">How it went.</param>
public sealed record DrillColumn(TimeSpan Took, DrillOutcome Outcome = DrillOutcome.Measured);

/// <summary>The last eight measured restores as columns under a dashed target. No line between them: they are separate events.</summary>
public partial class DrillSpark
{
    private const int MaxColumns = 8;

    /// <summary>Oldest first; more than eight are cut at the old end.</summary>
    [Parameter, EditorRequired]
    public IReadOnlyList<DrillColumn> Drills { get; set; } = [];

    /// <summary>The RTO.</summary>
    [Parameter, EditorRequired]
    public TimeSpan Target { get; set; }

    /// <summary>How and when the newest was measured.</summary>
    [Parameter, EditorRequired]
    public string Second { get; set; } = string.Empty;

    /// <summary>The colour's state of the newest column; by default proven within the target and breached over it.</summary>
    [Parameter]
    public Status? Status { get; set; }

    private IReadOnlyList<(DrillColumn Drill, int Index)> Shown
        => [.. Drills.Skip(Math.Max(0, Drills.Count - MaxColumns)).Select((drill, index) => (drill, index))];

    private DrillColumn? Newest => Drills.LastOrDefault(drill => drill.Outcome != DrillOutcome.Failed);

    private bool IsOver => Newest?.Took > Target;

    private Status Tone => IsOver ? Controls.Status.Breached
        : Status ?? (Newest is null ? Controls.Status.Unproven : Controls.Status.Proven);

    private string ValueText => Newest is { } newest ? Figures.Duration(newest.Took) : Texts.NotMeasured;

    private string Conclusion => Figures.Format(
        Texts.DrillsConclusion,
        Shown.Count,
        Shown.Count(column => column.Drill.Outcome == DrillOutcome.Failed),
        Shown.Count(column => column.Drill.Outcome != DrillOutcome.Failed && column.Drill.Took > Target));

    private string Height(DrillColumn drill) => Figures.Css(Target <= TimeSpan.Zero ? 1 : Math.Max(0.06, drill.Took / Target));
}
