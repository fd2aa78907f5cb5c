using System.Text.Json;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Recovery.Actions;
using Hexabase.DrConsole.Engine.Recovery.Approvals;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Runs;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Recovery.Execution;

/// <summary>What a recovery run is asked for: the plan, word for word, and the hash that its approvals are bound to.</summary>
public sealed record RecoveryRequest(string Plan, string PlanHash)
{
    /// <summary>The plan of a recovery's, or a drill's, run.</summary>
    /// <exception cref="EngineException">As <see cref="RecoveryPlan.Parse"/>.</exception>
    public static RecoveryPlan PlanOf(Run run)
    {
        ArgumentNullException.ThrowIfNull(run);
        return PlanOf(run.RequestJson);
    }

    /// <summary>The same of its request's text.</summary>
    /// <exception cref="EngineException">As <see cref="RecoveryPlan.Parse"/>.</exception>
    public static RecoveryPlan PlanOf(string requestJson) => RecoveryPlan.Parse(JsonSerializer.Deserialize<RecoveryRequest>(requestJson, JsonSerializerOptions.Web)!.Plan);
}

/// <summary>What a recovery run ends with.</summary>
/// <param name="Outcome">In the catalog's words.</param>
/// <param name="Seconds">From its first step to its last.</param>
public sealed record RecoveryResult(string Outcome, double Seconds);

/// <summary>
/// Carries a recovery plan out as a durable run: gates, steps in order, and after a failure the way back. All of its state is in
/// the catalog, so that any process can go on with it from any instant.
/// </summary>
public sealed class RecoveryRun(RecoveryActions actions, RecoveryCatalog catalog, IncidentStore incidents, LastLook lastLook, TimeProvider time) : IRunHandler
{
    /// <inheritdoc/>
    public string Kind => RunKinds.Recovery;

    /// <inheritdoc/>
    public TimeSpan AbandonPatience => TimeSpan.FromHours(4);

    /// <inheritdoc/>
    public async Task<object> ExecuteAsync(RunContext context)
    {
        var journal = new RecoveryJournal(context, catalog);
        RecoveryPlan? plan = null;
        try
        {
            plan = ReadPlan(context);
            var work = new StepWork(actions, plan, journal, time) { BeforeRestoring = (part, token) => LastLook.RequireNoNewCorruptionOfAsync(incidents, part, token) };
            var back = new WayBackWork(actions, plan, journal, work);
            if (plan.IsDrill)
            {
                throw new EngineException("drill-as-recovery", ErrorKind.Denied, "a drill's plan is no recovery's", "ask for a drill");
            }

            var result = await SayAsync(journal, (await journal.ReadAsync()).Outcome ?? await WalkAsync(context, plan, journal, work, back, () => lastLook.RequireAsync(context, plan)));
            await CloseIncidentAsync(context, plan, await journal.StepsAsync());
            return result;
        }
        catch (Exception echo) when (context.Cancellation.IsCancellationRequested && echo is OperationCanceledException or EngineException)
        {
            await EndCancelledAsync(context, journal);
            throw;
        }
        catch (Exception fault) when (fault is not (RunWaitsException or LeaseLostException or OperationCanceledException) && !(fault is NpgsqlException away && RunExecution.IsCatalogAway(away)))
        {
            if ((await journal.ReadAsync()).Outcome is null)
            {
                await (plan is null ? journal.EndAsync(RecoveryOutcome.Error, fault.Message) : EndAsync(plan, journal, RecoveryOutcome.Error, fault.Message));
            }

            throw;
        }
    }

    /// <summary>Called for a run that was cancelled while it waited, among others: then its way back is gone here.</summary>
    public async Task AbandonAsync(RunContext context)
    {
        try
        {
            await EndCancelledAsync(context, new RecoveryJournal(context, catalog));
        }
        catch (NpgsqlException)
        {
            // The catalog is away in the middle of the way back. The run must not end so: it is left to whoever takes it up next.
            throw new LeaseLostException(context.Run.Id);
        }
    }

    /// <summary>Goes through the plan, and back where a step fails.</summary>
    /// <returns>How it ended, which is written down.</returns>
    /// <param name="beforeFirstStep">Asked once the plan is approved, while no step has begun; what it throws ends the recovery with nothing touched.</param>
    internal static async Task<RecoveryOutcome> WalkAsync(RunContext context, RecoveryPlan plan, RecoveryJournal journal, StepWork work, WayBackWork back, Func<Task>? beforeFirstStep = null)
    {
        // A person who asked for the whole way back gets it, also where a crash came between.
        var isUndoing = (await journal.ReadAsync()).Decision is { Choice: StepChoice.RollBack };
        if (!isUndoing && await IsOnWayBackAsync(journal))
        {
            return await FailAsync(plan, journal, back);
        }

        await ActOnDecisionAsync(plan, journal, back);
        await StopIfPausedAsync(journal);
        if (!plan.IsDrill)
        {
            var begun = (await journal.StepsAsync()).Where(step => step.Attempt > 0).ToList();
            await ApprovalGates.RequireAsync(context, plan, null, begun.Count > 0, journal);
            if (beforeFirstStep is not null && begun.Count == 0)
            {
                await beforeFirstStep();
            }
            else if (beforeFirstStep is not null && plan.Steps.Any(step => SourceClaims.ChangesSource(step.Action)) && !begun.Any(step => SourceClaims.ChangesSource(step.Action)))
            {
                // While it waited it was at work on nothing, so that a restore or a backup may have begun.
                await LookAgainAsync(plan, journal, back, beforeFirstStep);
            }
        }

        var stages = new StageWork(plan, journal, work);
        foreach (var stage in PlanStages.Of(plan))
        {
            var states = (await journal.StepsAsync()).ToDictionary(row => row.Position, row => row.State);
            var open = stage.Where(step => states[step.Position] is not (StepState.Done or StepState.Skipped)).ToList();
            if (open.Count == 0)
            {
                continue;
            }

            await StopIfPausedAsync(journal);
            await context.StopIfCancelledAsync();
            foreach (var step in open.Where(step => step.NeedsApproval && states[step.Position] == StepState.Pending && !plan.IsDrill))
            {
                await ApprovalGates.RequireAsync(context, plan, step, hasBegun: false, journal);
            }

            await journal.GoOnAsync();
            if (open.Any(step => states[step.Position] is StepState.Failed or StepState.VerificationFailed) || !await stages.DoAsync(open))
            {
                return await FailAsync(plan, journal, back);
            }
        }

        await journal.EndAsync(RecoveryOutcome.Completed, plan.IsDrill ? RecoveryEnding.AllDone : RecoveryEnding.DoneText(await journal.StepsAsync()));
        return RecoveryOutcome.Completed;
    }

    /// <summary>What stands in the way after the first step is no reason to leave that as it is.</summary>
    private static async Task LookAgainAsync(RecoveryPlan plan, RecoveryJournal journal, WayBackWork back, Func<Task> look)
    {
        try
        {
            await look();
        }
        catch (EngineException fault) when (!journal.Context.Cancellation.IsCancellationRequested)
        {
            var way = await back.GoAsync(onlyTheFailed: false);
            await EndAsync(plan, journal, way, fault.Message);
            throw RecoveryEnding.Of(way, fault.Message);
        }
    }

    /// <summary>True where an earlier attempt was on its way back already.</summary>
    private static async Task<bool> IsOnWayBackAsync(RecoveryJournal journal) =>
        (await journal.StepsAsync()).Any(step => step.State is StepState.RollingBack or StepState.RolledBack or StepState.RollbackFailed);

    private static async Task<RecoveryOutcome> FailAsync(RecoveryPlan plan, RecoveryJournal journal, WayBackWork back)
    {
        var failed = (await journal.StepsAsync()).FirstOrDefault(step => step.Error is not null);
        if (failed is not null && plan.OnFailure == FailurePolicy.Ask && !await IsOnWayBackAsync(journal))
        {
            var why = $"{failed.Name} failed: {failed.Error}";
            await journal.WaitAsync(RecoveryWait.Decision, why, failed.Position);
            throw new RunWaitsException($"a decision: {why}");
        }

        var isVerification = failed?.State == StepState.VerificationFailed || (failed is { Verification: not null } && failed.Verification == failed.Error);
        // A pause may have been written down by a step beside the one that failed; nothing waits for it now.
        await journal.GoOnAsync();
        var way = await back.GoAsync(plan.OnFailure == FailurePolicy.RollBackStep);
        var outcome = way == RecoveryOutcome.RolledBack && isVerification ? RecoveryOutcome.VerificationFailed : way;
        await EndAsync(plan, journal, outcome, RecoveryEnding.WhyOf(await journal.StepsAsync()) ?? "undone on request");
        return outcome;
    }

    private static async Task ActOnDecisionAsync(RecoveryPlan plan, RecoveryJournal journal, WayBackWork back)
    {
        if ((await journal.ReadAsync()).Decision is not { } decision)
        {
            return;
        }

        var step = plan.Steps.Single(one => one.Position == decision.Step);
        journal.Context.Log(step.Name, $"{decision.By} decided: {RecoveryNames.Of(decision.Choice)} ({decision.Reason})");
        switch (decision.Choice)
        {
            case StepChoice.Retry:
                await journal.DecidedAsync(step, StepState.Pending, decision);
                break;
            case StepChoice.MarkDone:
                await journal.DecidedAsync(step, StepState.Done, decision);
                break;
            case StepChoice.Skip:
                await journal.DecidedAsync(step, StepState.Skipped, decision);
                break;
            case StepChoice.RollBack:
                var way = await back.GoAsync(onlyTheFailed: false);
                await EndAsync(plan, journal, way, $"undone as {decision.By} decided: {decision.Reason}");
                await SayAsync(journal, way);
                break;
            default:
                await EndAsync(plan, journal, RecoveryOutcome.FailedNoRollback, $"left as it is, as {decision.By} decided: {decision.Reason}");
                await SayAsync(journal, RecoveryOutcome.FailedNoRollback);
                break;
        }
    }

    /// <summary>Writes down how it ended other than as planned; an application that still stands still is an outage, and whoever hears of the end hears of that.</summary>
    private static async Task EndAsync(RecoveryPlan plan, RecoveryJournal journal, RecoveryOutcome outcome, string text)
    {
        if (HoldApplication.StillHeld(plan, await journal.StepsAsync()) is { } held)
        {
            journal.Context.Warn("recovery", held);
            text = $"{text}; {held}";
        }

        await journal.EndAsync(outcome, text);
    }

    /// <exception cref="RunWaitsException">A person paused it.</exception>
    internal static async Task StopIfPausedAsync(RecoveryJournal journal)
    {
        if (await journal.ReadAsync() is { PauseBy: { } who } row)
        {
            var why = $"{who} paused it: {row.PauseReason}";
            await journal.WaitAsync(RecoveryWait.Resume, why);
            throw new RunWaitsException($"a person to resume it; {why}");
        }
    }

    private async Task EndCancelledAsync(RunContext context, RecoveryJournal journal)
    {
        var row = await journal.ReadAsync();
        if (row.Outcome is not null || !await journal.IsCancelRequestedAsync())
        {
            return;
        }

        var text = "ended on request; what was done stays";
        var plan = ReadPlan(context);
        // A way back that was begun is gone to its end, whatever the person who ends it asked for: half of it is neither the one nor the other.
        if (row.RollBackOnCancel || row.Decision is { Choice: StepChoice.RollBack } || await IsOnWayBackAsync(journal))
        {
            var way = await new WayBackWork(actions, plan, journal, new StepWork(actions, plan, journal, time))
                .GoAsync(onlyTheFailed: plan.OnFailure == FailurePolicy.RollBackStep && !row.RollBackOnCancel && row.Decision is not { Choice: StepChoice.RollBack });
            if (way != RecoveryOutcome.RolledBack)
            {
                await EndAsync(plan, journal, way, $"ended on request, and not undone: {RecoveryEnding.WhyOf(await journal.StepsAsync()) ?? "a step has no way back"}");
                return;
            }

            text = "ended on request and undone";
        }

        await EndAsync(plan, journal, RecoveryOutcome.Cancelled, text);
    }

    /// <summary>What the incident was about has been recovered: retention goes on, and a new sign is a new incident.</summary>
    private async Task CloseIncidentAsync(RunContext context, RecoveryPlan plan, IReadOnlyList<RecoveryStepRow> steps)
    {
        if (plan is not { Incident: { } incident, IsDrill: false })
        {
            return;
        }

        try
        {
            if (await incidents.FindAsync(new IncidentId(incident), CancellationToken.None) is { } found && WhyItStays(found, plan, steps) is { } why)
            {
                context.Log("incident", $"{found.Id} stays open: {why}");
                return;
            }

            await incidents.CloseAsync(new IncidentId(incident), $"recovered by {context.Run.Id}, plan {plan.Template} v{plan.TemplateVersion}", "engine", CancellationToken.None);
        }
        catch (EngineException known) when (known.Kind is ErrorKind.Conflict or ErrorKind.NotFound)
        {
            context.Log("incident", known.Message);
        }
    }

    /// <summary>Why a recovery does not end the incident that it answered; null where it does.</summary>
    private static string? WhyItStays(Incident incident, RecoveryPlan plan, IReadOnlyList<RecoveryStepRow> steps)
    {
        var leftOut = steps.Where(step => RestoringActions.Contains(step.Action) && step.State != StepState.Done).Select(step => step.Name).ToList();
        var others = incident.Sources.Except(plan.Sources).ToList();
        return others.Count > 0 ? $"it is about {string.Join(", ", others)} too, which this did not recover"
            : leftOut.Count > 0 ? $"{string.Join(", ", leftOut)} was left out"
            : incident.Kind == DisasterKind.DatabaseCorruption && LastLook.BringsBack(plan, incident) ? "its first evidence is older by now than what was restored"
            : incident.Kind == DisasterKind.DatabaseCorruption && !plan.Restores ? "this plan restores nothing, so that what is corrupt still is"
            : null;
    }

    /// <summary>A run that ended otherwise than as planned is a failed run, with the outcome as its code.</summary>
    internal static async Task<object> SayAsync(RecoveryJournal journal, RecoveryOutcome outcome)
    {
        var steps = await journal.StepsAsync();
        if (outcome == RecoveryOutcome.Completed)
        {
            return new RecoveryResult(RecoveryNames.Of(outcome), (steps.Max(step => step.EndedAt) - steps.Min(step => step.StartedAt))?.TotalSeconds ?? 0);
        }

        var failed = steps.FirstOrDefault(step => step.Error is not null);
        journal.Context.Enter(failed?.Name ?? "recovery");
        throw RecoveryEnding.Of(outcome, RecoveryEnding.WhyOf(steps) ?? "it was ended by a person");
    }

    internal static RecoveryPlan ReadPlan(RunContext context)
    {
        var request = context.Request<RecoveryRequest>();
        var plan = RecoveryPlan.Parse(request.Plan);
        return plan.Hash == request.PlanHash
            ? plan
            : throw new EngineException("plan-changed", ErrorKind.Conflict, $"the plan's hash is {plan.Hash[..12]}, asked for was {request.PlanHash[..12]}", "make the plan again");
    }
}

/// <summary>The fault that a run ends with whose recovery ended otherwise than as planned.</summary>
internal static class RecoveryEnding
{
    internal const string AllDone = "all steps are done and verified";

    /// <summary>How a recovery came to its end as planned; where people helped, what they took upon themselves.</summary>
    public static string DoneText(IReadOnlyList<RecoveryStepRow> steps)
    {
        var leftOut = steps.Where(step => step.State == StepState.Skipped).Select(step => step.Name).ToList();
        var byHand = steps.Where(step => step is { State: StepState.Done, Reason: not null }).Select(step => step.Name).ToList();
        return (leftOut, byHand) is ([], []) ? AllDone
            : string.Join("; ", new[]
            {
                "the other steps are done and verified",
                leftOut.Count > 0 ? $"left out by a person: {string.Join(", ", leftOut)}" : null,
                byHand.Count > 0 ? $"done by what a person said: {string.Join(", ", byHand)}" : null,
            }.OfType<string>());
    }

    /// <summary>Which step failed and why, and whose way back failed then; null where neither did.</summary>
    public static string? WhyOf(IReadOnlyList<RecoveryStepRow> steps)
    {
        var failed = steps.Where(step => step.Error is not null).Take(1).Select(step => $"{step.Name}: {step.Error}");
        var stuck = steps.Where(step => step.RollbackError is not null).Select(step => $"the way back of {step.Name} failed: {step.RollbackError}");
        var all = string.Join("; ", failed.Concat(stuck));
        return all.Length == 0 ? null : all;
    }

    public static EngineException Of(RecoveryOutcome outcome, string why) => new(
        $"recovery-{RecoveryNames.Of(outcome).Replace('_', '-')}", ErrorKind.Conflict, why, outcome switch
        {
            RecoveryOutcome.RolledBack => "What the plan undoes is undone; the steps say what. Mend the cause, then make a new plan.",
            RecoveryOutcome.VerificationFailed => "What the plan undoes is undone; the steps say what. Choose another restore point, then make a new plan.",
            RecoveryOutcome.RollbackFailed => "The way back did not end: look at the step's log, and put the rest right by hand.",
            RecoveryOutcome.FailedNoRollback => "What was done stays. Look at the steps, and decide how to go on.",
            _ => "Look at the steps.",
        });
}
