using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Incidents;

/// <summary>What probes said, as rows.</summary>
public partial class ProbeTable
{
    [Parameter, EditorRequired]
    public IReadOnlyList<ProbeRow> Rows { get; set; } = [];

    /// <summary>True where misses in a row are counted.</summary>
    [Parameter]
    public bool ShowMisses { get; set; }
}
