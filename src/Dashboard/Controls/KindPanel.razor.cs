using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Controls;

/// <summary>What a restore point holds, what it cost its source, and its figures one by one; nothing where nothing is known.</summary>
public partial class KindPanel
{
    /// <summary>What its kind says of it.</summary>
    [Parameter, EditorRequired]
    public KindSheet Sheet { get; set; } = KindSheet.None;

    /// <summary>Of which restore point that is, where the page is about more than one.</summary>
    [Parameter]
    public string? Second { get; set; }
}
