using Hexabase.DrConsole.Engine.Recovery.Actions;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Runs;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Recovery.Execution;

/// <summary>
/// Undoes steps, the last one first. Each is marked before it is undone, so that a crash in between goes on with the way back
/// and not with the plan; actions bear to find their way back half gone.
/// </summary>
internal sealed class WayBackWork(RecoveryActions actions, RecoveryPlan plan, RecoveryJournal journal, StepWork steps)
{
    /// <summary>How long one step's way back may take; a person waits for it, and a hung one must end.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromHours(2);

    private RunContext Run => journal.Context;

    /// <summary>Undoes what may have acted.</summary>
    /// <param name="onlyTheFailed">True: only the step that failed.</param>
    /// <returns>What became of it: rolled back, failed, or no way back.</returns>
    public async Task<RecoveryOutcome> GoAsync(bool onlyTheFailed)
    {
        // What is before a step that stays rests on it; the other sources of the recovery do not.
        var stays = new Dictionary<string, RecoveryOutcome>();
        foreach (var row in (await journal.StepsAsync()).Reverse().Where(row => row.MayHaveActed))
        {
            var step = plan.Steps.Single(one => one.Position == row.Position);
            if ((onlyTheFailed && row.State is StepState.Done or StepState.Acted) || stays.ContainsKey(step.Part ?? ""))
            {
                continue;
            }

            if (step.Part is null && stays.Count > 0)
            {
                Run.Warn(step.Name, $"is not undone, since not all of {string.Join(", ", stays.Keys)} is");
            }
            else if (step.WayBack == WayBack.None)
            {
                Run.Warn(step.Name, "has no way back; it and the steps before it stay as they are");
                stays[step.Part ?? ""] = RecoveryOutcome.FailedNoRollback;
            }
            else if (!await UndoAsync(step, row))
            {
                stays[step.Part ?? ""] = RecoveryOutcome.RollbackFailed;
            }

            if (stays.ContainsKey(""))
            {
                break;
            }
        }

        return stays.Count == 0 ? RecoveryOutcome.RolledBack : stays.ContainsValue(RecoveryOutcome.RollbackFailed) ? RecoveryOutcome.RollbackFailed : RecoveryOutcome.FailedNoRollback;
    }

    private async Task<bool> UndoAsync(PlannedStep step, RecoveryStepRow row)
    {
        Run.Enter(step.Name);
        var action = actions.Named(step.Action);
        if (row.State is StepState.RollingBack or StepState.RollbackFailed && !action.BearsSecondRollBack(plan.For(step).Target))
        {
            var open = row.RollbackError ?? "the console ended while it was undone, and doing that twice is not safe: nobody knows whether it took effect";
            Run.Warn(step.Name, $"its way back failed: {open}");
            await journal.RollbackFailedAsync(step, open);
            return false;
        }

        await journal.RollingBackAsync(step);
        await Run.RequireLeaseAsync();
        Run.Log(step.Name, "rolling back");

        // Not the run's own token: a cancel asks for exactly this. But whoever has lost the lease stops, since another undoes it then.
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Run.LeaseLost);
        patience.CancelAfter(s_patience);
        try
        {
            var done = await StepWork.OfTheTargetAsync(
                action.RollBackAsync, await steps.ContextAsync(step, row, patience.Token) with { IsGoneOnWith = row.State is StepState.RollingBack });
            await journal.RolledBackAsync(step);
            Run.Log(step.Name, $"rolled back: {done}");
            return true;
        }
        catch (Exception) when (Run.LeaseLost.IsCancellationRequested)
        {
            throw new LeaseLostException(Run.Run.Id);
        }
        catch (Exception fault) when (fault is not (RunWaitsException or LeaseLostException or NpgsqlException))
        {
            // Whatever went wrong with this one, a bug too: the others are undone all the same, and the end says what is left.
            var text = fault switch
            {
                OperationCanceledException => $"it took longer than {s_patience.TotalHours:0} h",
                EngineException or IOException or UnauthorizedAccessException => fault.Message,
                _ => $"{fault.GetType().Name}: {fault.Message}",
            };
            Run.Warn(step.Name, $"its way back failed: {text}");
            await journal.RollbackFailedAsync(step, text);
            return false;
        }
    }
}
