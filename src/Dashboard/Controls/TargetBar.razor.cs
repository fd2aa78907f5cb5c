using Hexabase.DrConsole.Dashboard.Resources;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Controls;

/// <summary>
/// A duration against its target. The target's tick always stands at 62 %, so that the bars of a table compare by eye
/// whatever their targets are; the number is always beside the bar.
/// </summary>
public partial class TargetBar
{
    /// <summary>Where the tick of the target stands.</summary>
    public const double TickAt = 0.62;

    /// <summary>The value, or null where it was not measured.</summary>
    [Parameter, EditorRequired]
    public TimeSpan? Value { get; set; }

    /// <summary>What was promised.</summary>
    [Parameter, EditorRequired]
    public TimeSpan Target { get; set; }

    /// <summary>How and when it was measured.</summary>
    [Parameter, EditorRequired]
    public string Second { get; set; } = string.Empty;

    /// <summary>How the value is known.</summary>
    [Parameter]
    public Measure Measure { get; set; }

    /// <summary>The colour's state; by default proven within the target and breached over it.</summary>
    [Parameter]
    public Status? Status { get; set; }

    private bool IsKnown => Value is not null && Measure != Measure.None;

    private bool IsOver => IsKnown && Value > Target;

    private Status Tone => IsOver ? Controls.Status.Breached
        : Status ?? (Measure == Measure.Measured ? Controls.Status.Proven : Controls.Status.Unproven);

    private string Fill => Figures.Css(Target <= TimeSpan.Zero ? 1 : Value.GetValueOrDefault() / Target * TickAt);

    private string ValueText => IsKnown ? Figures.Duration(Value.GetValueOrDefault()) : Texts.NotMeasured;
}
