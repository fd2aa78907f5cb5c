using Hexabase.DrConsole.Engine.Health;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Incidents;

/// <summary>Incidents as rows.</summary>
public partial class IncidentTable
{
    /// <summary>In the order in which they are shown.</summary>
    [Parameter, EditorRequired]
    public IReadOnlyList<Incident> Incidents { get; set; } = [];

    [Inject]
    private TimeProvider Time { get; set; } = default!;

    [Inject]
    private NavigationManager Navigation { get; set; } = default!;

    private void Open(Incident incident) => Navigation.NavigateTo(IncidentWords.Href(incident.Id));
}
