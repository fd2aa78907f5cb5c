using Hexabase.DrConsole.Engine.Recovery.Plans;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Recovery;

/// <summary>The commands of a plan, step by step, as they will run.</summary>
public partial class ExactSteps
{
    /// <summary>The plan.</summary>
    [Parameter, EditorRequired]
    public RecoveryPlan Plan { get; set; } = default!;

    /// <summary>Only this step; all where null.</summary>
    [Parameter]
    public int? Only { get; set; }

    private IEnumerable<PlannedStep> Steps => Plan.Steps.Where(step => Only is null || step.Position == Only);
}
