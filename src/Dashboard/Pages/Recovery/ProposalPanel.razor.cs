using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Recovery;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Recovery;

/// <summary>What the engine proposes for a confirmed incident, with the way to the plan that a person may ask for.</summary>
public partial class ProposalPanel
{
    private IReadOnlyList<RecoveryProposal>? _proposals;

    [Parameter, EditorRequired]
    public Incident Incident { get; set; } = default!;

    [Inject]
    private RecoveryProposals Proposals { get; set; } = default!;

    [Inject]
    private TimeProvider Time { get; set; } = default!;

    /// <inheritdoc/>
    protected override async Task OnParametersSetAsync() =>
        _proposals = Incident.State == IncidentState.Confirmed ? await Proposals.ListAsync(Incident.Id, CancellationToken.None) : null;

    private string Href(RecoveryProposal one) => FormattableString.Invariant(
        $"{RecoveryWords.PlanHref(one.Plan)}?source={Uri.EscapeDataString(one.Source)}&incident={one.Incident.Value}&disaster={Incident.Kind.ToName()}");
}
