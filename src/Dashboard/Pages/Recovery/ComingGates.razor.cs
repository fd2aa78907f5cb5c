using Hexabase.DrConsole.Engine.Recovery.Approvals;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Recovery;

/// <summary>Gates that open later, each just before its step: whoever is to approve can be ready for them.</summary>
public partial class ComingGates
{
    /// <summary>So many are shown.</summary>
    internal const int Most = 200;

    /// <summary>The gates.</summary>
    [Parameter, EditorRequired]
    public IReadOnlyList<ComingGate> Rows { get; set; } = [];

    /// <summary>True where the rows are of several recoveries.</summary>
    [Parameter]
    public bool ShowsRun { get; set; }
}
