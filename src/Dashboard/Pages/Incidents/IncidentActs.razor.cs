using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Health;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Incidents;

/// <summary>What a person does about an incident: see it, close it.</summary>
public partial class IncidentActs
{
    private const int LongestReason = 500;
    private string _note = string.Empty;
    private string _reason = string.Empty;
    private bool _isReasonMissing;
    private bool _isSending;

    [Parameter, EditorRequired]
    public Incident Incident { get; set; } = default!;

    [Parameter, EditorRequired]
    public HealthThresholds Thresholds { get; set; } = default!;

    /// <summary>Takes the note; true where it is done.</summary>
    [Parameter]
    public Func<string, Task<bool>> OnAcknowledge { get; set; } = _ => Task.FromResult(false);

    /// <summary>Takes the reason; true where it is done.</summary>
    [Parameter]
    public Func<string, Task<bool>> OnClose { get; set; } = _ => Task.FromResult(false);

    [Inject]
    private TimeProvider Time { get; set; } = default!;

    // What was typed stays where it could not be done.
    private async Task AcknowledgeAsync()
    {
        _isSending = true;
        await OnAcknowledge(_note);
        _isSending = false;
    }

    private async Task CloseAsync()
    {
        _isReasonMissing = _reason.Trim().Length is 0 or > LongestReason;
        if (!_isReasonMissing)
        {
            _isSending = true;
            await OnClose(_reason);
            _isSending = false;
        }
    }
}
