using Hexabase.DrConsole.Engine.Health;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Incidents;

/// <summary>Says that a source's retention is frozen, since when and why.</summary>
public partial class FreezeNotice
{
    /// <summary>The source.</summary>
    [Parameter, EditorRequired]
    public string Source { get; set; } = string.Empty;

    /// <summary>What freezes it; nothing is drawn where nothing does.</summary>
    [Parameter]
    public Incident? Incident { get; set; }

    [Inject]
    private TimeProvider Time { get; set; } = default!;
}
