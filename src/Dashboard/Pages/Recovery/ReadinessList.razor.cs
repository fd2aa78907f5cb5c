using Hexabase.DrConsole.Engine.Recovery.Readiness;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Recovery;

/// <summary>How plans stand for their sources, with all that stands against them.</summary>
public partial class ReadinessList
{
    [Parameter, EditorRequired]
    public IReadOnlyList<ReadinessRow> Rows { get; set; } = [];

    /// <summary>True where several plans are listed.</summary>
    [Parameter]
    public bool ShowPlan { get; set; }

    /// <summary>True for a line each; the reasons are on the plan's page.</summary>
    [Parameter]
    public bool IsBrief { get; set; }

    /// <summary>True to say since when.</summary>
    [Parameter]
    public bool ShowSince { get; set; }

    [Inject]
    private TimeProvider Time { get; set; } = default!;
}
