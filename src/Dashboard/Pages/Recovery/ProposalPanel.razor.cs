using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Recovery;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Recovery;

/// <summary>What the engine proposes for a confirmed incident, with the way to the plan that a person may ask for.</summary>
public partial class ProposalPanel
{
    /// <summary>By then the engine has looked whether a plan can be made.</summary>
    private static readonly TimeSpan s_making = TimeSpan.FromMinutes(1);

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

    /// <summary>Why nothing is proposed, and what helps instead.</summary>
    private (string Why, string Then) Nothing => Incident switch
    {
        { Kind: DisasterKind.NetworkPartition } => (RecoveryTexts.ProposalPartition, RecoveryTexts.ProposalPartitionThen),
        { Kind: DisasterKind.Unknown } => (RecoveryTexts.ProposalUnknown, RecoveryTexts.ProposalUnknownThen),
        { IsOnlyFullDisk: true } => (RecoveryTexts.ProposalFullDisk, RecoveryTexts.ProposalFullDiskThen),
        { Sources.Count: 0, Tiers.Count: > 0 } => (Figures.Format(RecoveryTexts.ProposalTier, Figures.List(Incident.Tiers)), RecoveryTexts.ProposalTierThen),
        { ConfirmedAt: { } confirmed } when Time.GetUtcNow() - confirmed < s_making => (RecoveryTexts.ProposalComing, RecoveryTexts.ProposalComingThen),
        _ => (RecoveryTexts.ProposalNone, RecoveryTexts.ProposalNoneThen),
    };

    private string Href(RecoveryProposal one) => FormattableString.Invariant(
        $"{RecoveryWords.PlanHref(one.Plan)}?source={Uri.EscapeDataString(one.Source)}&incident={one.Incident.Value}&disaster={Incident.Kind.ToName()}");
}
