using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Recovery;
using Hexabase.DrConsole.Engine.Recovery.Actions;
using Hexabase.DrConsole.Engine.Recovery.Approvals;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Runs;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Recovery;

/// <summary>What a person can do with a recovery that has not ended.</summary>
public enum RecoveryAct
{
    Pause,
    Resume,
    EndKeep,
    EndUndo,
    AskAgain,
    Retry,
    RollBack,
    Abort,
}

/// <summary>A recovery's part of its run's page: what it waits for, the timeline, what is lost, the way back, and what a person can do.</summary>
public partial class RecoveryPanel
{
    private RecoveryPlan? _plan;
    private string _reason = "";

    /// <summary>The run; a new one each time that it changed.</summary>
    [Parameter, EditorRequired]
    public Run Run { get; set; } = default!;

    /// <summary>The run's recovery, read with it.</summary>
    [Parameter, EditorRequired]
    public RecoveryReading Reading { get; set; } = default!;

    /// <summary>Does something for the person, as the page does it: with the role asked for, and faults shown.</summary>
    [Parameter, EditorRequired]
    public Func<Func<string, CancellationToken, Task>, Task> OnAct { get; set; } = default!;

    /// <summary>The same for what only an approver may: a decision changes what others approved.</summary>
    [Parameter, EditorRequired]
    public Func<Func<string, CancellationToken, Task>, Task> OnDecide { get; set; } = default!;

    [Inject]
    private RecoveryRequests Requests { get; set; } = default!;

    [Inject]
    private ApprovalDesk Desk { get; set; } = default!;

    [Inject]
    private RunStore Runs { get; set; } = default!;

    [Inject]
    private TimeProvider Time { get; set; } = default!;

    private bool HasReason => RecoveryRequests.IsReason(_reason);

    private bool HasServed => Reading.Steps.Any(step => step is { Action: RestartServices.ActionName or RestoreInPlace.ActionName, StartedAt: not null });

    /// <summary>What is lost by what was measured; null until the data is restored.</summary>
    private MeasuredLoss? Loss => MeasuredLoss.Of(_plan!, Reading.Steps);

    /// <summary>When the service was stopped: it took no write after that.</summary>
    private DateTimeOffset? StoppedAt => Reading.Steps.FirstOrDefault(step => step.Action == StopDatabaseService.ActionName)?.ActedAt;

    private string? WaitText => Reading.Recovery.WaitsFor switch
    {
        RecoveryWait.Approval => RecoveryTexts.WaitsApproval,
        RecoveryWait.Resume => RecoveryTexts.WaitsResume,
        RecoveryWait.Decision => RecoveryTexts.WaitsDecision,
        _ => null,
    };

    private DateTimeOffset? Forecast => RecoveryForecast.Of(Run, _plan!, Reading.Recovery, Reading.Steps, Time.GetUtcNow());

    private string WayBackText
    {
        get
        {
            var undoable = PositionsOf(step => step.MayHaveActed);
            var undone = PositionsOf(step => step.State == StepState.RolledBack);
            return undoable.Count > 0 ? Figures.Format(Run.IsOpen ? RecoveryTexts.WayBackSteps : RecoveryTexts.WayBackStays, Figures.List(undoable))
                : undone.Count > 0 ? Figures.Format(RecoveryTexts.WayBackGone, Figures.List(undone)) : RecoveryTexts.WayBackNothing;
        }
    }

    private bool MayStillUndo => Run.IsOpen && Reading.Steps.Any(step => step.MayHaveActed);

    /// <summary>In the order of the way back.</summary>
    private List<string> PositionsOf(Func<RecoveryStepRow, bool> which) => [.. Reading.Steps.Where(which).OrderByDescending(step => step.Position).Select(step => Figures.Count(step.Position))];

    private IEnumerable<(RecoveryAct Act, string Text, bool IsDanger)> Acts
    {
        get
        {
            if (Reading.Recovery.WaitsFor == RecoveryWait.Decision)
            {
                yield return (RecoveryAct.Retry, RecoveryTexts.DecideRetry, false);
                yield return (RecoveryAct.RollBack, RecoveryTexts.DecideRollBack, true);
                yield return (RecoveryAct.Abort, RecoveryTexts.DecideAbort, true);
                yield break;
            }

            if (Reading.Recovery.PauseBy is not null)
            {
                yield return (RecoveryAct.Resume, RecoveryTexts.Resume, false);
            }
            else
            {
                yield return (RecoveryAct.Pause, RecoveryTexts.Pause, false);
            }

            yield return (RecoveryAct.EndUndo, RecoveryTexts.EndUndo, true);
            yield return (RecoveryAct.EndKeep, RecoveryTexts.EndKeep, true);
        }
    }

    /// <inheritdoc/>
    protected override void OnParametersSet() => _plan ??= RecoveryRequest.PlanOf(Run);

    private Task Act(RecoveryAct act) => (act >= RecoveryAct.Retry ? OnDecide : OnAct)(async (actor, token) =>
    {
        var run = Run.Id;
        var reason = _reason.Trim();
        await (act switch
        {
            RecoveryAct.Pause => Requests.PauseAsync(run, actor, reason, token),
            RecoveryAct.Resume => Requests.ResumeAsync(run, actor, token),
            RecoveryAct.EndKeep => Requests.CancelAsync(run, rollBack: false, actor, reason, token),
            RecoveryAct.EndUndo => Requests.CancelAsync(run, rollBack: true, actor, reason, token),
            RecoveryAct.AskAgain => Desk.AskAgainAsync(run, actor, token),
            RecoveryAct.Retry => Requests.DecideAsync(run, StepChoice.Retry, actor, reason, token, Reading.Recovery.WaitsStep),
            RecoveryAct.RollBack => Requests.DecideAsync(run, StepChoice.RollBack, actor, reason, token, Reading.Recovery.WaitsStep),
            _ => Requests.DecideAsync(run, StepChoice.Abort, actor, reason, token, Reading.Recovery.WaitsStep),
        });
        _reason = "";
    });
}
