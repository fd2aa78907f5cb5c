using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Controls;

/// <summary>Nothing to show: why, and what fills it.</summary>
public partial class EmptyState
{
    /// <summary>Why there is nothing: <c>No source is declared yet.</c></summary>
    [Parameter, EditorRequired]
    public string Why { get; set; } = string.Empty;

    /// <summary>What fills it: the first step.</summary>
    [Parameter, EditorRequired]
    public string Then { get; set; } = string.Empty;

    /// <summary>Actions or an example, where there are any.</summary>
    [Parameter]
    public RenderFragment? ChildContent { get; set; }
}
