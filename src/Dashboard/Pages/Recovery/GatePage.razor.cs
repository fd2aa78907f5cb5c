using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Live;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Recovery.Approvals;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Runs;
using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Authorization;
using Microsoft.AspNetCore.DataProtection;

namespace Hexabase.DrConsole.Dashboard.Pages.Recovery;

/// <summary>One gate: what will run, what is lost, why it should work, who has answered, and the form of the answer, which is posted with the password.</summary>
public partial class GatePage : LivePage
{
    private ApprovalGate? _gate;
    private RecoveryPlan? _plan;
    private PlanGateReading _beside = PlanGateReading.Nothing;
    private RestorePlan? _restore;
    private RestorePointRow? _point;
    private ValidationRow? _proof;
    private long? _alone;
    private IReadOnlyList<ApprovalVote> _votes = [];
    private string? _person;
    private string? _role;
    private Tie _tie;

    /// <summary>The gate's number.</summary>
    [Parameter]
    public long Number { get; set; }

    /// <summary>What became of an answer that was just posted.</summary>
    [SupplyParameterFromQuery]
    public string? Said { get; set; }

    [Inject]
    private ApprovalCatalog Gates { get; set; } = default!;

    [Inject]
    private PlanGateReader Beside { get; set; } = default!;

    [Inject]
    private IDataProtectionProvider Protection { get; set; } = default!;

    [Inject]
    private RunStore Runs { get; set; } = default!;

    [Inject]
    private RestorePointCatalog Points { get; set; } = default!;

    [CascadingParameter]
    private Task<AuthenticationState> Person { get; set; } = default!;

    private PlannedStep? Step => _plan?.Steps.FirstOrDefault(step => step.Position == _gate!.Step);

    private string Title => (Step?.Title ?? _plan?.Title) is { } title ? PlanWords.Of(title) : Figures.Format(RecoveryTexts.OverOf, _restore?.Source ?? "");

    /// <summary>Whoever asked or voted reviews nothing. What else forbids it is told when a review is written.</summary>
    private bool HasPart => _person == _gate!.Requester || _votes.Any(vote => vote.Person == _person);

    private int Approved => _votes.Count(vote => vote is { Approves: true, Counts: true });

    private IReadOnlyList<Crumb> Crumbs =>
        [new Crumb(RecoveryTexts.NavApprovals, "/approvals"), new Crumb(_gate!.Run.ToString(), RunTexts.Href(_gate.Run)), new Crumb(Figures.Format(RecoveryTexts.GateBeside, _gate.Id))];

    private string Sentence => _plan is not { } plan ? RecoveryTexts.GateSentenceRestore
        : Step is { } step ? Figures.Format(RecoveryTexts.GateSentenceStep, step.Position, plan.Steps.Count, plan.Source)
        : Figures.Format(RecoveryTexts.GateSentencePlan, plan.Source);

    private string? SaidText => GateEndpoint.TextOf(Said, _plan is null, Protection);

    /// <inheritdoc/>
    protected override bool Concerns(RunId? changed) => changed is null || _gate is null || changed == _gate.Run;

    /// <inheritdoc/>
    protected override async Task ReadAsync(CancellationToken cancellationToken)
    {
        var user = (await Person).User;
        (_person, _role) = (user.Identity?.Name, user.FindFirst(System.Security.Claims.ClaimTypes.Role)?.Value);
        var gate = await Gates.FindAsync(Number, cancellationToken)
            ?? throw new EngineException("gate-unknown", ErrorKind.NotFound, $"there is no gate G-{Number}", "All gates are on the Approvals page.");
        var run = (await Runs.FindAsync(gate.Run, cancellationToken))!;
        _votes = await Gates.VotesAsync(gate.Id, cancellationToken);
        await (run.Kind == RunKinds.Restore ? ReadRestoreAsync(run, cancellationToken) : ReadPlanAsync(run, cancellationToken));
        _alone = await Gates.IncidentOfAsync(run.Id, cancellationToken);
        _tie = _person is { } person ? await Gates.TieAsync(run.Id, gate.Requester, person, cancellationToken) : Tie.None;
        _gate = gate;
    }

    private async Task ReadRestoreAsync(Run run, CancellationToken cancellationToken)
    {
        (_plan, _restore) = (null, RestoreRequest.Of(run).Plan);
        var point = _restore.RestorePointId;
        _point = await Points.FindAsync(point, cancellationToken);
        _proof = await Points.ValidationsAsync(point, cancellationToken) is [var last, ..] ? last : null;
    }

    private async Task ReadPlanAsync(Run run, CancellationToken cancellationToken)
    {
        (_plan, _restore) = (_plan is not null && _gate?.Run == run.Id ? _plan : RecoveryRequest.PlanOf(run), null);
        _beside = await Beside.ReadAsync(run, _plan, cancellationToken);
    }
}
