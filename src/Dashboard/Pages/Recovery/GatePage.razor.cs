using System.Text.Json;
using Hexabase.DrConsole.Dashboard.Access;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Live;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Recovery.Approvals;
using Hexabase.DrConsole.Engine.Recovery.Drills;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Recovery.Readiness;
using Hexabase.DrConsole.Engine.Runs;
using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Authorization;
using Microsoft.AspNetCore.DataProtection;

namespace Hexabase.DrConsole.Dashboard.Pages.Recovery;

/// <summary>One gate: what will run, what is lost, why it should work, who has answered, and the form of the answer, which is posted with the password.</summary>
public partial class GatePage : LivePage
{
    private const int RecoveriesLookedThrough = 200;
    private ApprovalGate? _gate;
    private RecoveryPlan? _plan;
    private const int DrillsLookedThrough = 20;
    private RecoveryRow? _last;
    private PlanDrillRow? _drill;
    private ReadinessRow? _readiness;
    private IReadOnlyList<ApprovalVote> _votes = [];
    private string? _person;
    private string? _role;
    private string _review = "";

    /// <summary>The gate's number.</summary>
    [Parameter]
    public long Number { get; set; }

    /// <summary>What became of an answer that was just posted.</summary>
    [SupplyParameterFromQuery]
    public string? Said { get; set; }

    [Inject]
    private ApprovalCatalog Gates { get; set; } = default!;

    [Inject]
    private RecoveryCatalog Recoveries { get; set; } = default!;

    [Inject]
    private PlanDrillCatalog Drills { get; set; } = default!;

    [Inject]
    private ReadinessCatalog Readiness { get; set; } = default!;

    [Inject]
    private IDataProtectionProvider Protection { get; set; } = default!;

    [Inject]
    private ApprovalDesk Desk { get; set; } = default!;

    [Inject]
    private RunStore Runs { get; set; } = default!;

    [CascadingParameter]
    private Task<AuthenticationState> Person { get; set; } = default!;

    private PlannedStep? Step => _plan!.Steps.FirstOrDefault(step => step.Position == _gate!.Step);

    private int Approved => _votes.Count(vote => vote.Approves);

    private IReadOnlyList<Crumb> Crumbs =>
        [new Crumb(RecoveryTexts.NavApprovals, "/approvals"), new Crumb(_gate!.Run.ToString(), RunTexts.Href(_gate.Run)), new Crumb(Figures.Format(RecoveryTexts.GateBeside, _gate.Id))];

    private string Sentence => Step is { } step
        ? Figures.Format(RecoveryTexts.GateSentenceStep, step.Position, _plan!.Steps.Count, _plan.Source)
        : Figures.Format(RecoveryTexts.GateSentencePlan, _plan!.Source);

    /// <summary>Why this person cannot answer; null where they can. The desk decides again when the answer comes.</summary>
    private string? CannotBecause => _role is not (nameof(ConsoleRole.Approver) or nameof(ConsoleRole.Admin)) ? Figures.Format(RecoveryTexts.YouRole, _role ?? "")
        : _person == _gate!.Requester && _plan!.Incident is null ? RecoveryTexts.YouRequester
        : _votes.Any(vote => vote.Person == _person) ? RecoveryTexts.YouAnswered
        : null;

    private string? SaidText => GateEndpoint.TextOf(Said, Protection);

    /// <inheritdoc/>
    protected override bool Concerns(RunId? changed) => changed is null || _gate is null || changed == _gate.Run;

    /// <inheritdoc/>
    protected override async Task ReadAsync(CancellationToken cancellationToken)
    {
        var user = (await Person).User;
        (_person, _role) = (user.Identity?.Name, user.FindFirst(System.Security.Claims.ClaimTypes.Role)?.Value);
        var gate = await Gates.FindAsync(Number, cancellationToken)
            ?? throw new EngineException("gate-unknown", ErrorKind.NotFound, $"there is no gate G-{Number}", "All gates are on the Approvals page.");
        var run = await Runs.FindAsync(gate.Run, cancellationToken);
        _plan = _plan is not null && _gate?.Run == gate.Run ? _plan : RecoveryRequest.PlanOf(run!);
        _votes = await Gates.VotesAsync(gate.Id, cancellationToken);
        _last = (await Recoveries.ListAsync(RecoveriesLookedThrough, cancellationToken))
            .FirstOrDefault(one => one.Plan == _plan.Template && one.Source == _plan.Source && one.Run != gate.Run && !one.IsDrill && one.Outcome is not null);
        _drill = (await Drills.ListAsync(_plan.Source, _plan.Template, DrillsLookedThrough, cancellationToken)).FirstOrDefault(one => one.Recovery.Outcome is { } outcome and not RecoveryOutcome.Cancelled);
        _readiness = (await Readiness.ListAsync(cancellationToken)).FirstOrDefault(row => row.Plan == _plan.Template && row.Source == _plan.Source);
        _gate = gate;
    }

    private Task ReviewAsync() => ApproverActAsync(async (actor, token) =>
    {
        await Desk.ReviewAsync(Number, actor, _review, token);
        _review = "";
        await RefreshAsync(token);
    });
}
