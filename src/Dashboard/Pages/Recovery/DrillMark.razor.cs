using Hexabase.DrConsole.Engine.Recovery.Drills;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Recovery;

/// <summary>Says that a run is a drill, that nothing living is touched, and what became of its scratch folders.</summary>
public partial class DrillMark
{
    /// <summary>The drill; null before it was read.</summary>
    [Parameter]
    public PlanDrillRow? Drill { get; set; }

    /// <summary>The living source's name; of several as the recovery of them is called.</summary>
    [Parameter, EditorRequired]
    public string Source { get; set; } = "";

    /// <summary>True where it is of several sources.</summary>
    [Parameter]
    public bool IsOfSeveral { get; set; }
}
