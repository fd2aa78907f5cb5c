using Hexabase.DrConsole.Dashboard.Live;
using Hexabase.DrConsole.Engine.Recovery.Approvals;
using Hexabase.DrConsole.Engine.Runs;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Recovery;

/// <summary>A gate in a list.</summary>
/// <param name="Source">What its run recovers.</param>
/// <param name="Approved">How many have approved.</param>
/// <param name="IsRestore">True for a restore outside of plans.</param>
public sealed record GateRow(ApprovalGate Gate, string Source, int Approved, bool IsRestore);

/// <summary>The gates that wait for somebody, the most urgent first, those whose review is due, and those that are closed.</summary>
public partial class ApprovalsPage : LivePage
{
    private const int ClosedShown = 50;
    private IReadOnlyList<GateRow> _open = [];
    private IReadOnlyList<GateRow> _due = [];
    private IReadOnlyList<GateRow> _closed = [];

    [Inject]
    private ApprovalCatalog Gates { get; set; } = default!;

    [Inject]
    private RunStore Runs { get; set; } = default!;

    /// <inheritdoc/>
    protected override async Task ReadAsync(CancellationToken cancellationToken)
    {
        _open = await RowsAsync(await Gates.OpenAsync(cancellationToken), cancellationToken);
        _due = await RowsAsync(await Gates.ReviewsDueAsync(cancellationToken), cancellationToken);
        _closed = await RowsAsync(await Gates.ClosedAsync(ClosedShown, cancellationToken), cancellationToken);
    }

    private async Task<IReadOnlyList<GateRow>> RowsAsync(IReadOnlyList<ApprovalGate> gates, CancellationToken cancellationToken)
    {
        var rows = new List<GateRow>();
        foreach (var gate in gates)
        {
            var run = await Runs.FindAsync(gate.Run, cancellationToken);
            var votes = await Gates.VotesAsync(gate.Id, cancellationToken);
            rows.Add(new GateRow(gate, run?.Source ?? "", votes.Count(vote => vote.Approves), run?.Kind == RunKinds.Restore));
        }

        return rows;
    }
}
