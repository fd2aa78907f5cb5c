using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Controls;

/// <summary>
/// Whether a source or a point can be restored, how that is known and since when. <see cref="Status.Proven"/> is for
/// a restore that ran, and the ring empties as that proof ages.
/// </summary>
public partial class ProofBadge
{
    /// <summary>The state.</summary>
    [Parameter, EditorRequired]
    public Status Status { get; set; }

    /// <summary>Instead of the state's own word: <c>RPO breached</c>.</summary>
    [Parameter]
    public string? Word { get; set; }

    /// <summary>When the restore ran, or null where none did; its age goes on by itself.</summary>
    [Parameter]
    public DateTimeOffset? ProvenAt { get; set; }

    /// <summary>How it is known, or what it means: <c>drill D-318</c>, <c>Never restored. First drill Wed 02:00</c>.</summary>
    [Parameter]
    public string? How { get; set; }

    /// <summary>How much of the proof's validity is left, 0 to 1.</summary>
    [Parameter]
    public double? Left { get; set; }

    /// <inheritdoc/>
    protected override void OnParametersSet()
    {
        if (Status == Status.Proven && ProvenAt is null)
        {
            throw new InvalidOperationException("a proof without the time of its restore must not be shown as proven");
        }
    }
}
