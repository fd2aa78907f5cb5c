using Hexabase.DrConsole.Engine.Health;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Incidents;

/// <summary>The open incidents before everything else; nothing where none is open, since the watcher's beat says that it looks.</summary>
public partial class OpenIncidents
{
    private const int Shown = 5;

    /// <summary>In the order of their weight.</summary>
    [Parameter, EditorRequired]
    public IReadOnlyList<Incident> Open { get; set; } = [];
}
