using Hexabase.DrConsole.Dashboard.Live;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Health.Probes;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Incidents;

/// <summary>The health of one source, read beside its page: what cannot be read here hides nothing else.</summary>
public partial class SourceHealth : LivePage
{
    private SubjectSample? _sample;
    private IReadOnlyList<Incident> _open = [];

    /// <summary>The source's name.</summary>
    [Parameter, EditorRequired]
    public string Source { get; set; } = string.Empty;

    [Inject]
    private HealthHistory History { get; set; } = default!;

    [Inject]
    private IncidentStore Incidents { get; set; } = default!;

    [Inject]
    private IncidentFeed News { get; set; } = default!;

    [Inject]
    private ProtectedEstate Estate { get; set; } = default!;

    /// <inheritdoc/>
    protected override async Task ReadAsync(CancellationToken cancellationToken)
    {
        _sample = await History.LastOfAsync(HealthSubject.IdOf(Source, SubjectKind.Database), cancellationToken);
        _open = [.. (await Incidents.OpenAsync(cancellationToken)).Where(incident => incident.Sources.Contains(Source))];
    }

    /// <inheritdoc/>
    protected override IDisposable Hear(Action changed) => News.Subscribe(_ => changed());
}
