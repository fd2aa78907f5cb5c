using Hexabase.DrConsole.Dashboard.Live;
using Hexabase.DrConsole.Engine.Recovery.Approvals;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Recovery;

/// <summary>The gates that wait for somebody, the most urgent first, those that will open, those whose review is due, and those that are closed.</summary>
public partial class ApprovalsPage : LivePage
{
    private const int OpenShown = 1000;
    private const int ClosedShown = 50;
    private IReadOnlyList<GateStanding> _open = [];
    private IReadOnlyList<ComingGate> _coming = [];
    private IReadOnlyList<GateStanding> _due = [];
    private IReadOnlyList<GateStanding> _closed = [];

    [Inject]
    private SharedReading Shared { get; set; } = default!;

    [Inject]
    private ApprovalCatalog Gates { get; set; } = default!;

    /// <inheritdoc/>
    protected override async Task ReadAsync(CancellationToken cancellationToken)
    {
        (_open, _coming, _due, _closed) = await Shared.ReadAsync("approvals", async token => (
            await Gates.StandingsAsync([GateState.Open], OpenShown, token), await Gates.ComingAsync(null, ComingGates.Most, token), await Gates.ReviewsDueAsync(token),
            await Gates.StandingsAsync(Enum.GetValues<GateState>().Except([GateState.Open]), ClosedShown, token)), cancellationToken);
    }
}
