using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Controls;

/// <summary>"3m 06s"; "about 3m 06s" where it is estimated; "Not measured" where it is not.</summary>
public partial class DurationText
{
    /// <summary>The length, or null where it was not measured.</summary>
    [Parameter, EditorRequired]
    public TimeSpan? Value { get; set; }

    /// <summary>True where nobody measured it.</summary>
    [Parameter]
    public bool IsEstimate { get; set; }
}
