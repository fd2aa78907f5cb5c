using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Controls;

/// <summary>A state beside a title: icon and word on its tint; dashed and without fill where nothing was measured.</summary>
public partial class StatusChip
{
    /// <summary>The state.</summary>
    [Parameter, EditorRequired]
    public Status Status { get; set; }

    /// <summary>What to say instead of the state's own word: <c>Passed 5 of 5</c>.</summary>
    [Parameter]
    public string? Text { get; set; }

    /// <summary>As on <see cref="StatusIcon"/>.</summary>
    [Parameter]
    public double? Left { get; set; }
}
