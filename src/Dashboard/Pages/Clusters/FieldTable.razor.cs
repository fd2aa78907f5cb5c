using Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Clusters;

/// <summary>An object's fields that differ, side by side.</summary>
public partial class FieldTable
{
    [Parameter, EditorRequired]
    public IReadOnlyList<FieldDifference> Fields { get; set; } = [];

    /// <summary>Whose values <see cref="FieldDifference.Before"/> are.</summary>
    [Parameter, EditorRequired]
    public string First { get; set; } = "";

    /// <summary>Whose values <see cref="FieldDifference.After"/> are.</summary>
    [Parameter, EditorRequired]
    public string Second { get; set; } = "";
}
