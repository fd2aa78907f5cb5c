using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Recovery;

/// <summary>Chooses the sources that a plan recovers together, at least two.</summary>
public partial class SourcesPicker
{
    private readonly HashSet<string> _chosen = new(StringComparer.Ordinal);

    /// <summary>The plan.</summary>
    [Parameter, EditorRequired]
    public PlanTemplate Template { get; set; } = default!;

    /// <summary>What happened, as the classification names it.</summary>
    [Parameter, EditorRequired]
    public string Disaster { get; set; } = "";

    /// <summary>The sources to begin with, as a proposal names them; null for all.</summary>
    [Parameter]
    public string? Asked { get; set; }

    /// <summary>The incident that it answers, or null.</summary>
    [Parameter]
    public long? Incident { get; set; }

    /// <summary>As <see cref="SeveralRecovery.OnAct"/>.</summary>
    [Parameter, EditorRequired]
    public Func<Func<string, CancellationToken, Task>, Task> OnAct { get; set; } = default!;

    [Inject]
    private ProtectedEstate Estate { get; set; } = default!;

    [Inject]
    private IncidentStore Incidents { get; set; } = default!;

    private IReadOnlyList<string> Sources => [.. Estate.Sources.Where(Template.MayHold).Select(source => source.Name)];

    /// <inheritdoc/>
    protected override void OnInitialized() =>
        _chosen.UnionWith(Asked is null ? Sources : SeveralPlans.SourcesOf(Asked).Intersect(Sources, StringComparer.Ordinal));

    private void Choose(string source, bool isChosen)
    {
        _ = isChosen ? _chosen.Add(source) : _chosen.Remove(source);
    }

    private async Task<SeveralRequest> RequestAsync(IReadOnlyCollection<string> leaveOut, CancellationToken cancellationToken)
    {
        var incident = Incident is { } number ? await Incidents.FindAsync(new IncidentId(number), cancellationToken) : null;
        return new SeveralRequest(Disaster, leaveOut) { Sources = [.. _chosen.Order(StringComparer.Ordinal)], Incident = incident?.Id.Value, FirstEvidence = incident?.FirstEvidenceAt };
    }
}
