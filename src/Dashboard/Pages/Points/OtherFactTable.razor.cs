using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Points;

/// <summary>Compared objects that are no tables.</summary>
public partial class OtherFactTable
{
    [Parameter, EditorRequired]
    public IReadOnlyList<OtherFact> Facts { get; set; } = [];
}
