using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Retention;

/// <summary>The copies that the next retention run gives up, each with the reason, and what a tier's days end after that.</summary>
public partial class RemovalList
{
    private const int MostRows = 50;

    [Parameter, EditorRequired]
    public KeptSource Source { get; set; } = default!;

    [Inject]
    private TimeProvider Time { get; set; } = default!;
}
