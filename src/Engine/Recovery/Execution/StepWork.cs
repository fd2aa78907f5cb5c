using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json;
using Hexabase.DrConsole.Engine.Recovery.Actions;
using Hexabase.DrConsole.Engine.Recovery.Drills;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Runs;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Recovery.Execution;

/// <summary>After a crash nobody can know whether a step took effect. A person is asked once the steps beside it have ended: an answer would else be given to steps that are still at work.</summary>
internal sealed class UndecidedStepException(PlannedStep step, string why) : Exception(why)
{
    public PlannedStep Step => step;
}

/// <summary>
/// Does one step: what its way back needs and its intent are committed before it acts, its effect after it, its verification
/// last. Found half done after a crash it is done again, asked, or parked, as its action allows.
/// </summary>
internal sealed class StepWork(RecoveryActions actions, RecoveryPlan plan, RecoveryJournal journal, TimeProvider time)
{
    private static readonly TimeSpan s_longestPause = TimeSpan.FromSeconds(30);

    private readonly ConcurrentDictionary<int, string?> _waits = new();

    private RunContext Run => journal.Context;

    /// <summary>In a drill: where everything happens.</summary>
    public DrillScratch? Scratch { get; init; }

    /// <summary>Set where a step beside has failed: what is being done is broken off, to be undone.</summary>
    public CancellationToken Halt { get; init; }

    /// <summary>Asked of the step's part before a step begins that restores; what it throws fails the step with nothing restored.</summary>
    public Func<RecoveryPlan, CancellationToken, Task>? BeforeRestoring { get; init; }

    /// <summary>The same, broken off where a token says so.</summary>
    public StepWork HaltedBy(CancellationToken halt) => new(actions, plan, journal, time) { Scratch = Scratch, Halt = halt, BeforeRestoring = BeforeRestoring };

    /// <summary>Brings a step that has not failed to its end.</summary>
    /// <returns>False where it has failed for good, or was broken off; its row says how.</returns>
    /// <exception cref="UndecidedStepException">Nobody can know whether it took effect.</exception>
    public async Task<bool> DoAsync(PlannedStep step)
    {
        Run.Enter(step.Name);
        var action = actions.Named(step.Action);
        // What fails before the intent is written, or while it is verified, does not count in the journal.
        for (var tries = 1; ; tries++)
        {
            if (Halt.IsCancellationRequested)
            {
                return false;
            }

            var row = await journal.StepAsync(step.Position);
            _waits.TryRemove(step.Position, out _);
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(step.TimeoutSeconds), time);
            using var both = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, Run.Cancellation, Halt);
            // Found so it was interrupted, by the end of a process or by a try that failed.
            var wasInterrupted = row.State is StepState.Running or StepState.Acted;
            try
            {
                if (row.State != StepState.Acted)
                {
                    await ActAsync(action, step, row, both.Token);
                    row = await journal.StepAsync(step.Position);
                }

                return await VerifyAsync(action, step, row, wasInterrupted, both.Token);
            }
            catch (Exception fault) when (Halt.IsCancellationRequested && IsOfTheStep(fault) && !Run.Cancellation.IsCancellationRequested)
            {
                Run.Log(step.Name, "broken off, since a step beside it failed");
                return false;
            }
            catch (OperationCanceledException) when (!Run.Cancellation.IsCancellationRequested)
            {
                if (await GiveUpAsync(step, tries, TooLong(step)))
                {
                    return false;
                }
            }
            catch (Exception fault) when (IsOfTheStep(fault) && !Run.Cancellation.IsCancellationRequested)
            {
                if (await GiveUpAsync(step, tries, fault is EngineException { Hint: { } hint } ? $"{fault.Message} → {hint}" : fault.Message))
                {
                    return false;
                }
            }
        }
    }

    /// <summary>What an action gets to work with.</summary>
    public async Task<ActionContext> ContextAsync(PlannedStep step, RecoveryStepRow row, CancellationToken cancellation)
    {
        // Not that of a later step of the same action: the way back of one leads to what was before it, not to what it left to the other.
        var rows = await journal.StepsAsync();
        var snapshots = rows
            .Where(one => one.Snapshot is not null && one.Part == step.Part && (one.Action != step.Action || one.Position <= step.Position)).GroupBy(one => one.Action)
            .ToDictionary(group => group.Key, group => group.Last().Snapshot!.Value);
        // What two parts make at the same time needs two names.
        var (operation, tag) = (Backups.RestoreRun.OperationOf(Run.Run), Scratch is null ? TagOf(Run.Run) : ShortTagOf(Run.Run));
        var number = plan.Sources.ToList().IndexOf(step.Part ?? "") + 1;
        return new ActionContext(
            plan.For(step), step, number == 0 ? operation : string.Create(CultureInfo.InvariantCulture, $"{operation} part {number}"),
            number == 0 ? tag : string.Create(CultureInfo.InvariantCulture, $"{tag}-p{number}"), snapshots, Run.Progress, text => Run.Log(step.Name, text), cancellation)
        {
            Scratch = Scratch?.Of(step.Part),
            Waits = text => _waits[step.Position] = text,
            ByHand = rows.Where(one => one.Reason is not null && one.Part == step.Part).Select(one => one.Action).ToHashSet(),
            Effect = row.Effect is { } effect && effect.TryGetProperty("data", out var data) && data.ValueKind != JsonValueKind.Null ? data : null,
        };
    }

    /// <summary>Names the run in file names: another console counts its runs from 1 too.</summary>
    public static string TagOf(Run run) =>
        string.Create(CultureInfo.InvariantCulture, $"r{run.Id.Value}-{run.CreatedAt.UtcDateTime:yyyyMMddHHmmss}");

    /// <summary>In a folder that is one run's own its number suffices, and the path of a socket has few bytes.</summary>
    private static string ShortTagOf(Run run) => string.Create(CultureInfo.InvariantCulture, $"r{run.Id.Value}");

    private async Task ActAsync(IRecoveryAction action, PlannedStep step, RecoveryStepRow row, CancellationToken cancellation)
    {
        if (row.State == StepState.Running && await FoundDoneAsync(action, step, row, cancellation))
        {
            return;
        }

        if (BeforeRestoring is { } require && row.State == StepState.Pending && RestoringActions.Contains(step.Action))
        {
            await require(plan.For(step), cancellation);
        }

        JsonElement? snapshot = row.Snapshot is null ? await OfTheTargetAsync(action.CaptureAsync, await ContextAsync(step, row, cancellation)) : null;
        Run.Log(step.Name, $"begins: {step.Title}");
        await journal.IntendAsync(step, snapshot);
        await Run.RequireLeaseAsync();
        Run.Report(new TransferProgress(step.Name, 0, null, 0, null));
        var effect = await OfTheTargetAsync(action.ActAsync, await ContextAsync(step, row, cancellation));
        await journal.ActedAsync(step, effect);
        Run.Log(step.Name, effect.Text);
    }

    /// <summary>After a crash between intent and effect.</summary>
    private async Task<bool> FoundDoneAsync(IRecoveryAction action, PlannedStep step, RecoveryStepRow row, CancellationToken cancellation)
    {
        if (step.Safety == StepSafety.Idempotent)
        {
            Run.Log(step.Name, "it was interrupted, and is done again");
            return false;
        }

        switch (await OfTheTargetAsync(action.ProbeAsync, await ContextAsync(step, row, cancellation)))
        {
            case EffectProbe.Done done:
                Run.Log(step.Name, $"it was interrupted, but had taken effect: {done.Effect.Text}");
                await journal.ActedAsync(step, done.Effect);
                return true;
            case EffectProbe.NotDone when step.Safety == StepSafety.Probeable:
                Run.Log(step.Name, "it was interrupted and had not taken effect");
                return false;
            case EffectProbe.Unknown unknown:
                throw new UndecidedStepException(step, unknown.Why);
            default:
                throw new UndecidedStepException(step, "it was interrupted, and doing it twice is not safe");
        }
    }

    private async Task<bool> VerifyAsync(IRecoveryAction action, PlannedStep step, RecoveryStepRow row, bool wasInterrupted, CancellationToken cancellation)
    {
        var found = await OfTheTargetAsync(action.VerifyAsync, await ContextAsync(step, row, cancellation));
        if (found.Passed)
        {
            Run.Log(step.Name, $"verified: {found.Text}");
            await journal.DoneAsync(step, found, wasInterrupted);
            return true;
        }

        Run.Warn(step.Name, $"not verified: {found.Text}");
        await journal.VerificationFailedAsync(step, found.Text);
        return false;
    }

    /// <summary>An action's PostgreSQL is the target; a fault of it must not be taken for one of the catalog.</summary>
    internal static async Task<T> OfTheTargetAsync<T>(Func<ActionContext, Task<T>> part, ActionContext context)
    {
        try
        {
            return await part(context);
        }
        catch (NeedsDecisionException undecided)
        {
            throw new UndecidedStepException(context.Step, undecided.Message);
        }
        catch (NpgsqlException fault)
        {
            throw new EngineException("target-fault", ErrorKind.Unavailable, $"the server of {context.Plan.Source} broke off: {fault.Message}", "look at its log", fault);
        }
    }

    /// <summary>A step whose time ends over a check that says no has not been too slow: what the check said is the reason.</summary>
    private string TooLong(PlannedStep step) =>
        $"it took longer than its {step.TimeoutSeconds} s{(_waits.GetValueOrDefault(step.Position) is { } waited ? $", in which it waited for an answer that did not come: {waited}" : "")}";

    /// <summary>True where no try is left.</summary>
    private async Task<bool> GiveUpAsync(PlannedStep step, int tries, string error)
    {
        var attempt = Math.Max(tries, (await journal.StepAsync(step.Position)).Attempt);
        if (attempt > step.Retries)
        {
            Run.Warn(step.Name, $"failed: {error}");
            await journal.FailedAsync(step, error);
            return true;
        }

        var pause = TimeSpan.FromSeconds(Math.Min(Math.Pow(2, attempt), s_longestPause.TotalSeconds));
        Run.Warn(step.Name, $"try {attempt} of {step.Retries + 1} failed: {error}; again in {pause.TotalSeconds:0} s");
        using var either = CancellationTokenSource.CreateLinkedTokenSource(Run.Cancellation, Halt);
        await Task.Delay(pause, time, either.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Run.Cancellation.ThrowIfCancellationRequested();
        return false;
    }

    /// <summary>Faults of the work itself; those of the catalog and the lease belong to the run.</summary>
    private static bool IsOfTheStep(Exception fault) => fault is not (RunWaitsException or UndecidedStepException or LeaseLostException or NpgsqlException or System.Diagnostics.UnreachableException);
}
