using System.Runtime.ExceptionServices;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Engine.Recovery.Execution;

/// <summary>
/// Does the steps of one stage, as many side by side as the plan allows. Where one fails for good, the others are broken off and
/// none is begun any more, so that the way back need not wait for what it will undo.
/// </summary>
internal sealed class StageWork(RecoveryPlan plan, RecoveryJournal journal, StepWork work)
{
    /// <summary>Brings the steps to their ends.</summary>
    /// <returns>False where one has failed for good; its row says how.</returns>
    /// <exception cref="RunWaitsException">A person must act; the steps beside have come to their ends.</exception>
    public async Task<bool> DoAsync(IReadOnlyList<PlannedStep> steps)
    {
        if (steps is [var only])
        {
            try
            {
                return await work.DoAsync(only);
            }
            catch (UndecidedStepException undecided)
            {
                throw await AskAsync(undecided);
            }
        }

        using var halt = new CancellationTokenSource();
        using var room = new SemaphoreSlim(plan.Several?.Parallel ?? 1);
        var lanes = await Task.WhenAll(steps.Select(step => DoAsync(step, work.HaltedBy(halt.Token), room, halt)));
        if (lanes.FirstOrDefault(lane => lane.Fault is not (null or RunWaitsException or UndecidedStepException)).Fault is { } fault)
        {
            ExceptionDispatchInfo.Throw(fault);
        }

        if (lanes.Any(lane => lane is { Passed: false, Fault: null }))
        {
            return false;
        }

        await WaitAsync([.. lanes.Select(lane => lane.Fault).OfType<Exception>()]);
        return true;
    }

    private async Task<(PlannedStep Step, bool Passed, Exception? Fault)> DoAsync(PlannedStep step, StepWork lane, SemaphoreSlim room, CancellationTokenSource halt)
    {
        await room.WaitAsync();
        try
        {
            // A person who paused the run stops what has not begun.
            await RecoveryRun.StopIfPausedAsync(journal);
            var passed = await lane.DoAsync(step);
            if (!passed && plan.OnFailure != FailurePolicy.Ask)
            {
                await halt.CancelAsync();
            }

            return (step, passed, null);
        }
        catch (Exception waits) when (waits is RunWaitsException or UndecidedStepException)
        {
            return (step, false, waits);
        }
        catch (Exception fault)
        {
            // It is thrown again when the steps beside have ended: nothing of the run may go on behind it.
            await halt.CancelAsync();
            return (step, false, fault);
        }
        finally
        {
            room.Release();
        }
    }

    /// <summary>Several may wait; a person decides about the first, and is told of that one.</summary>
    private async Task WaitAsync(IReadOnlyList<Exception> waiting)
    {
        if (waiting.OfType<UndecidedStepException>().FirstOrDefault() is { } undecided)
        {
            throw await AskAsync(undecided);
        }

        if (waiting is [var first, ..])
        {
            ExceptionDispatchInfo.Throw(first);
        }
    }

    private async Task<RunWaitsException> AskAsync(UndecidedStepException undecided)
    {
        await journal.WaitAsync(RecoveryWait.Decision, undecided.Message, undecided.Step.Position);
        return new RunWaitsException($"a decision about {undecided.Step.Name}: {undecided.Message}");
    }
}
