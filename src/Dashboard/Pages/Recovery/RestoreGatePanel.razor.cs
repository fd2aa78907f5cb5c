using Hexabase.DrConsole.Engine.Recovery.Approvals;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Recovery;

/// <summary>On the page of a restore over what lives: how its gate stands, and the way there.</summary>
public partial class RestoreGatePanel
{
    [Parameter, EditorRequired]
    public ApprovalGate Gate { get; set; } = default!;
}
