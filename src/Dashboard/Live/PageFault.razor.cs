using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Live;

/// <summary>What stands above a page whose reading failed: why, what to do, and how old the figures below are.</summary>
public partial class PageFault
{
    [Parameter, EditorRequired]
    public Exception? Fault { get; set; }

    /// <summary>When the figures on the page were read; null where there are none.</summary>
    [Parameter, EditorRequired]
    public DateTimeOffset? ReadAt { get; set; }

    /// <summary>Reads again.</summary>
    [Parameter]
    public EventCallback OnRetry { get; set; }

    [Inject]
    private TimeProvider Time { get; set; } = default!;
}
