using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Live;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Health;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Incidents;

/// <summary>The incidents, open ones first; the filters are the page's address.</summary>
public partial class IncidentsPage : LivePage
{
    private const int MostRows = 200;
    private IReadOnlyList<Incident>? _incidents;
    private IReadOnlyList<Incident> _open = [];

    [SupplyParameterFromQuery]
    public string? State { get; set; }

    [SupplyParameterFromQuery]
    public string? Kind { get; set; }

    [SupplyParameterFromQuery]
    public string? Source { get; set; }

    [Inject]
    private IncidentStore Incidents { get; set; } = default!;

    [Inject]
    private IncidentFeed News { get; set; } = default!;

    [Inject]
    private ProtectedEstate Estate { get; set; } = default!;

    [Inject]
    private QueryFilters Filters { get; set; } = default!;

    private bool IsFiltered => !string.IsNullOrEmpty(State) || !string.IsNullOrEmpty(Kind) || !string.IsNullOrEmpty(Source);

    private string Verdict => _open.Count == 0
        ? HealthTexts.VerdictNone
        : Figures.Format(HealthTexts.VerdictOpen, _open.Count, _open.Count(incident => incident.State == IncidentState.Confirmed));

    /// <inheritdoc/>
    protected override async Task ReadAsync(CancellationToken cancellationToken)
    {
        IncidentState? state = Enum.TryParse<IncidentState>(State, ignoreCase: true, out var one) ? one : null;
        var filter = new IncidentFilter(string.IsNullOrEmpty(Source) ? null : Source, DisasterKinds.Parse(Kind), state);
        _open = await Incidents.OpenAsync(cancellationToken);
        _incidents = [.. (await Incidents.ListAsync(filter, MostRows, cancellationToken)).OrderByDescending(incident => incident.IsOpen)];
    }

    /// <inheritdoc/>
    protected override IDisposable Hear(Action changed) => News.Subscribe(_ => changed());

    private void Filter(string name, ChangeEventArgs args) =>
        Filters.Set(name.ToLowerInvariant(), args.Value as string);
}
