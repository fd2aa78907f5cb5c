using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Controls;

/// <summary>Four to six figures under a page's title.</summary>
public partial class FigureStrip
{
    /// <summary>From left to right.</summary>
    [Parameter, EditorRequired]
    public IReadOnlyList<Figure> Figures { get; set; } = [];
}
