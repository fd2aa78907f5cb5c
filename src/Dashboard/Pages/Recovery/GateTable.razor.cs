using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Recovery.Approvals;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Recovery;

/// <summary>Gates in rows: what waits or was decided, by whom it was asked for, and for how long.</summary>
public partial class GateTable
{
    /// <summary>The gates.</summary>
    [Parameter, EditorRequired]
    public IReadOnlyList<GateStanding> Rows { get; set; } = [];

    /// <summary>True: the time left is shown, else why it is closed.</summary>
    [Parameter]
    public bool IsOpen { get; set; }

    [Inject]
    private TimeProvider Time { get; set; } = default!;

    private static string Why(ApprovalGate gate) => gate.IsBreakGlass ? RecoveryTexts.BreakGlassDone : gate.ClosedWhy ?? "";
}
