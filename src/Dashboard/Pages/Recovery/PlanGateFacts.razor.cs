using Hexabase.DrConsole.Engine.Recovery.Approvals;
using Hexabase.DrConsole.Engine.Recovery.Drills;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Recovery.Readiness;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Recovery;

/// <summary>What a plan's gate stands before: what it touches, exactly what will run, what is lost, and why it should work.</summary>
public partial class PlanGateFacts
{
    [Parameter, EditorRequired]
    public ApprovalGate Gate { get; set; } = default!;

    [Parameter, EditorRequired]
    public RecoveryPlan Plan { get; set; } = default!;

    /// <summary>The plan's last recovery of the source that has ended, or null.</summary>
    [Parameter]
    public RecoveryRow? Last { get; set; }

    /// <summary>The plan's last drill of the source, or null.</summary>
    [Parameter]
    public PlanDrillRow? Drill { get; set; }

    [Parameter]
    public ReadinessRow? Readiness { get; set; }

    [Inject]
    private TimeProvider Time { get; set; } = default!;
}
