using Hexabase.DrConsole.Engine.Catalog;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Clusters;

/// <summary>The parts of a virtual cluster and how old the newest of each is: a control plane that is never captured must not hide behind fresh objects.</summary>
public partial class ClusterParts
{
    /// <summary>The source's restore points, newest first.</summary>
    [Parameter, EditorRequired]
    public IReadOnlyList<RestorePointRow> Points { get; set; } = [];
}
