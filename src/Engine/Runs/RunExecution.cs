using System.Text.Json;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Runs;

/// <summary>Executes one kind of run.</summary>
public interface IRunHandler
{
    /// <summary>One of <see cref="RunKinds"/>.</summary>
    string Kind { get; }

    /// <summary>Executes or resumes the run; returns its result, which is stored as JSON. Failures are thrown.</summary>
    Task<object> ExecuteAsync(RunContext context);

    /// <summary>
    /// Removes what an attempt left outside the catalog. Called before a run that was taken up again ends cancelled or failed,
    /// since no later attempt will do it. What cannot be removed is warned of, not thrown.
    /// </summary>
    /// <exception cref="NeedsDecisionException">What is left must be looked at by a person: the run ends so that one does.</exception>
    Task AbandonAsync(RunContext context) => Task.CompletedTask;

    /// <summary>
    /// True where a first attempt is abandoned too: its work does not tidy up after itself, so that a crash while it tidies up
    /// is met by the same means as a crash while it works.
    /// </summary>
    bool AbandonsFirstAttempt => false;

    /// <summary>How long that may take: it talks to servers that may not answer, and the run's end must not wait for them for ever.</summary>
    TimeSpan AbandonPatience => TimeSpan.FromMinutes(1);
}

/// <summary>
/// Takes a run's lease and advances it to its end. May be called any number of times, by any process, for any run: who does
/// not get the lease does nothing.
/// </summary>
public sealed class RunExecution(
    NpgsqlDataSource catalog, IEnumerable<IRunHandler> handlers, LeaseTimes times, TimeProvider time, ILogger<RunExecution> log)
{
    /// <summary>PostgreSQL's <c>idle_in_transaction_session_timeout</c>.</summary>
    private const string IdleInTransactionEnded = "25P03";

    private readonly Dictionary<string, IRunHandler> _handlers = handlers.ToDictionary(handler => handler.Kind);

    /// <summary>Advances the run until it ends, is cancelled, or <paramref name="stopping"/> is set (then it goes on later).</summary>
    public async Task AdvanceAsync(RunId id, CancellationToken stopping)
    {
        // A run that was let go on while it was being parked goes on here: whoever let it go on handed it over while it was still
        // held, which did nothing, and the reconciler would find it only a minute later.
        while (!stopping.IsCancellationRequested && await RunHold.AcquireAsync(catalog, times, id, stopping) is { } hold
            && await AdvanceAsync(hold, stopping))
        {
            log.LogDebug("{Run} goes on at once", id);
        }
    }

    /// <summary>Advances a run that is held.</summary>
    /// <returns>True where it was parked and is queued again already.</returns>
    private async Task<bool> AdvanceAsync(RunHold hold, CancellationToken stopping)
    {
        using var held = hold;
        using var journal = new RunJournal(hold, time);
        using var work = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        using var care = new CancellationTokenSource();
        var keeper = new LeaseKeeper(hold, times, time, log);
        var lease = keeper.KeepAsync(work, care.Token);
        var flush = KeepFlushingAsync(journal, hold.Run.Id, care.Token);
        try
        {
            return await ExecuteAsync(hold, journal, keeper, work, stopping);
        }
        catch (LeaseLostException lost)
        {
            log.LogWarning("{Lost}; another process goes on with it", lost.Message);
            return false;
        }
        finally
        {
            await care.CancelAsync();
            await Task.WhenAll(lease, flush);
        }
    }

    /// <returns>True where it was parked and is queued again already.</returns>
    private async Task<bool> ExecuteAsync(RunHold hold, RunJournal journal, LeaseKeeper keeper, CancellationTokenSource work, CancellationToken stopping)
    {
        var context = new RunContext(hold, journal, work.Token) { LookForCancel = () => keeper.LookAsync(work, stopping) };
        journal.Log("information", "engine", hold.Run.Attempt == 1
            ? $"taken up, fence {hold.Run.Fence}, holder {LeaseOwner.Current}"
            : $"taken up again, attempt {hold.Run.Attempt}, fence {hold.Run.Fence}, holder {LeaseOwner.Current}");
        try
        {
            if (hold.Run.CancelRequestedBy is not null)
            {
                await EndCancelledAsync(hold, journal);
                return false;
            }

            var result = await _handlers[hold.Run.Kind].ExecuteAsync(context);
            await EndAsync(hold, journal, RunState.Completed, result, null);
        }
        catch (OperationCanceledException) when (work.IsCancellationRequested)
        {
            await SettleCancelledAsync(hold, journal, keeper, stopping);
        }
        catch (RunWaitsException waits)
        {
            journal.Log("information", "engine", $"waits: {waits.Message}");
            await journal.FlushAsync(CancellationToken.None);
            return await hold.ParkAsync(CancellationToken.None);
        }
        catch (NeedsDecisionException unknown)
        {
            await EndUndecidedAsync(hold, journal, unknown, null);
        }
        catch (EngineException) when (work.IsCancellationRequested)
        {
            // A tool or a connection that was ended by the cancel says so in its own words: an echo, not a failure.
            await SettleCancelledAsync(hold, journal, keeper, stopping);
        }
        catch (EngineException fault)
        {
            await AbandonAndFailAsync(hold, journal, new RunError(fault.Code, fault.Message, fault.Hint, context.CurrentStep, fault.Kind.ToString()));
        }
        catch (NpgsqlException fault) when (IsCatalogAway(fault))
        {
            // Drivers speak of their servers in engine exceptions, so this is the catalog. Nothing can be written down now; the
            // lease runs out, and whoever takes the run up asks the interrupted step what became of it.
            log.LogWarning(fault, "{Run} lost the catalog; it is taken up again when the catalog is back", hold.Run.Id);
        }
        catch (Exception fault) when (fault is not LeaseLostException)
        {
            // The edge of a run: whatever else went wrong is a bug or a broken server; it is logged whole and shown by its message.
            log.LogError(fault, "{Run} failed unexpectedly", hold.Run.Id);
            await AbandonAndFailAsync(hold, journal, new RunError("unexpected", $"{fault.GetType().Name}: {fault.Message}", "The console's log holds the whole trace.", context.CurrentStep));
        }

        return false;
    }

    private async Task SettleCancelledAsync(RunHold hold, RunJournal journal, LeaseKeeper keeper, CancellationToken stopping)
    {
        if (stopping.IsCancellationRequested)
        {
            journal.Log("information", "engine", "the console stops; the run goes on at its next start");
            await journal.FlushAsync(CancellationToken.None);
            await hold.ReleaseAsync(CancellationToken.None);
            return;
        }

        if (keeper.IsLost)
        {
            throw new LeaseLostException(hold.Run.Id);
        }

        journal.Log("warning", "engine", "cancelled on request");
        await EndCancelledAsync(hold, journal);
    }

    private async Task EndCancelledAsync(RunHold hold, RunJournal journal)
    {
        if (await AbandonAsync(hold, journal) is { } undecided)
        {
            await EndUndecidedAsync(hold, journal, undecided, "cancelled on request");
            return;
        }

        await EndAsync(hold, journal, RunState.Cancelled, null, null);
    }

    private async Task AbandonAndFailAsync(RunHold hold, RunJournal journal, RunError error)
    {
        if (await AbandonAsync(hold, journal) is { } undecided)
        {
            await EndUndecidedAsync(hold, journal, undecided, error.Message);
            return;
        }

        await FailAsync(hold, journal, error);
    }

    /// <summary>A first attempt tidies up after itself where its handler does not say otherwise; an interrupted one leaves what the next did not get to.</summary>
    /// <returns>What a person has to look at before anything else is done; null where there is nothing.</returns>
    private async Task<NeedsDecisionException?> AbandonAsync(RunHold hold, RunJournal journal)
    {
        var handler = _handlers[hold.Run.Kind];
        if (hold.Run.Attempt == 1 && !handler.AbandonsFirstAttempt)
        {
            return null;
        }

        using var patience = new CancellationTokenSource(handler.AbandonPatience, time);
        try
        {
            await handler.AbandonAsync(new RunContext(hold, journal, patience.Token));
        }
        catch (NeedsDecisionException undecided)
        {
            return undecided;
        }
        catch (Exception fault) when (fault is not LeaseLostException)
        {
            // The run ends for a reason of its own, which this must not hide.
            log.LogWarning(fault, "what {Run} left could not be removed", hold.Run.Id);
            journal.Log("warning", "cleanup", $"what its attempts left could not be removed: {fault.Message}");
        }

        return null;
    }

    /// <summary>
    /// True for a lost connection, a server that stops or starts, and a session that it ended because this process was frozen inside
    /// a transaction; false for a statement that the server refused.
    /// </summary>
    public static bool IsCatalogAway(NpgsqlException fault) =>
        fault is not PostgresException refused || refused.SqlState[..2] is "08" or "57" or "53" || refused.SqlState == IdleInTransactionEnded;

    private static Task FailAsync(RunHold hold, RunJournal journal, RunError error)
    {
        journal.Log("error", error.Step ?? "engine", error.Hint is null ? error.Message : $"{error.Message} → {error.Hint}");
        return EndAsync(hold, journal, RunState.Failed, null, error);
    }

    /// <param name="because">What the run would have ended with otherwise; null for nothing.</param>
    private static Task EndUndecidedAsync(RunHold hold, RunJournal journal, NeedsDecisionException unknown, string? because)
    {
        var message = because is null ? unknown.Message : $"{because}; {unknown.Message}";
        journal.Log("warning", unknown.Step, message);
        return EndAsync(hold, journal, RunState.NeedsDecision, null, new RunError("needs-decision", message, "Look at the target, then start a new run.", unknown.Step));
    }

    private static async Task EndAsync(RunHold hold, RunJournal journal, RunState state, object? result, RunError? error)
    {
        // Not cancellable: the work is over, what remains is to say so.
        journal.Log(state == RunState.Failed ? "error" : "information", "engine", $"ended: {RunStore.Text(state)}");
        await journal.FlushAsync(CancellationToken.None);
        await hold.EndAsync(state, Json(result), Json(error), CancellationToken.None);
    }

    private static string? Json(object? value) => value is null ? null : JsonSerializer.Serialize(value, JsonSerializerOptions.Web);

    private async Task KeepFlushingAsync(RunJournal journal, RunId id, CancellationToken over)
    {
        while (!over.IsCancellationRequested)
        {
            try
            {
                await journal.FlushContinuouslyAsync(over);
            }
            catch (OperationCanceledException) when (over.IsCancellationRequested)
            {
                return;
            }
            catch (LeaseLostException)
            {
                return;
            }
            catch (NpgsqlException fault)
            {
                log.LogWarning(fault, "progress of {Run} could not be written; trying again", id);
            }
        }
    }
}
