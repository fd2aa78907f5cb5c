using Hexabase.DrConsole.Dashboard.Access;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Recovery.Approvals;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Recovery;

/// <summary>A gate's answers, and the form of this reader's: posted over HTTP, with the password.</summary>
public partial class GateDecision
{
    [Parameter, EditorRequired]
    public ApprovalGate Gate { get; set; } = default!;

    [Parameter, EditorRequired]
    public IReadOnlyList<ApprovalVote> Votes { get; set; } = [];

    /// <summary>Who reads the page.</summary>
    [Parameter]
    public string? Person { get; set; }

    /// <summary>The name of that person's role.</summary>
    [Parameter]
    public string? Role { get; set; }

    /// <summary>The incident that the run answers; null where there is none.</summary>
    [Parameter]
    public long? Answers { get; set; }

    /// <summary>The same where one may go alone in it: it is confirmed, and of all that the run changes.</summary>
    [Parameter]
    public long? Incident { get; set; }

    /// <summary>What ties that person to whoever asked.</summary>
    [Parameter]
    public Tie Tie { get; set; }

    /// <summary>How many of a plan's steps are approved; null for a restore outside of plans.</summary>
    [Parameter]
    public int? Steps { get; set; }

    [Inject]
    private TimeProvider Time { get; set; } = default!;

    private bool IsOpen => Gate.State == GateState.Open;

    /// <summary>Then they may still decline, or break the glass.</summary>
    private bool HasApproved => Votes.Any(vote => vote.Person == Person);

    /// <summary>Why this person cannot answer; null where they can. The desk decides again when the answer comes.</summary>
    private string? CannotBecause => Role is not (nameof(ConsoleRole.Approver) or nameof(ConsoleRole.Admin)) ? Figures.Format(RecoveryTexts.YouRole, Role ?? "")
        : HasApproved ? null
        : Incident is not null ? null
        : Person == Gate.Requester ? RecoveryTexts.YouRequester
        : Tie switch
        {
            Tie.None => null,
            Tie.Own => RecoveryTexts.YouRequester,
            Tie.Made => Figures.Format(RecoveryTexts.YouMade, Gate.Requester),
            Tie.MadeLate => RecoveryTexts.YouMadeLate,
            _ => RecoveryTexts.YouChangedLate,
        };
}
