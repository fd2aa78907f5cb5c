using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Controls;

/// <summary>A line icon. Hidden from readers of the screen: a word always stands beside it, or names its button.</summary>
public partial class Icon
{
    /// <summary>Path data from <see cref="IconShape"/>.</summary>
    [Parameter, EditorRequired]
    public string Shape { get; set; } = string.Empty;

    /// <summary>Edge in CSS pixels.</summary>
    [Parameter]
    public int Size { get; set; } = 16;

    /// <summary>More CSS classes.</summary>
    [Parameter]
    public string? Class { get; set; }
}
