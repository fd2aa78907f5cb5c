using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Recovery.Approvals;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Recovery;

/// <summary>Beside a run: its gates, who answered at them, and how long an open one waits.</summary>
public partial class GateVotes
{
    [Parameter, EditorRequired]
    public IReadOnlyList<ApprovalGate> Gates { get; set; } = [];

    [Parameter, EditorRequired]
    public IReadOnlyList<ApprovalVote> Votes { get; set; } = [];

    [Inject]
    private TimeProvider Time { get; set; } = default!;

    private IEnumerable<ApprovalVote> VotesAt(ApprovalGate gate) => Votes.Where(vote => vote.Gate == gate.Id);

    private string StateOf(ApprovalGate gate)
    {
        var state = RecoveryWords.Of(gate, VotesAt(gate).Count(vote => vote is { Approves: true, Counts: true }));
        var left = gate.ApproveUntil - Time.GetUtcNow();
        return gate.State == GateState.Open && left > TimeSpan.Zero ? Figures.Format(RecoveryTexts.GateLeft, state, Figures.Duration(left)) : state;
    }
}
