using System.Text.Json;
using Hexabase.DrConsole.Engine.Catalog;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Runs;

/// <summary>What a probe says of a step whose intent was written but whose end was not.</summary>
/// <typeparam name="T">The step's result.</typeparam>
public abstract record StepProbe<T>
{
    private StepProbe()
    {
    }

    /// <summary>It took effect; this is its result, and what else its commit would have written.</summary>
    public sealed record Done(T Result, Action<StepHandle>? Attach = null) : StepProbe<T>;

    /// <summary>It did not, or it is safe to do again.</summary>
    public sealed record NotDone : StepProbe<T>;

    /// <summary>Nobody can know: a person decides.</summary>
    public sealed record Unknown(string Why) : StepProbe<T>;
}

/// <summary>A step whose effect cannot be known after a crash.</summary>
public sealed class NeedsDecisionException(string step, string why) : Exception(why)
{
    public string Step { get; } = step;
}

/// <summary>Thrown by a handler whose run can go on only after a person's act: the run waits, and nobody holds its lease meanwhile.</summary>
/// <param name="why">What it waits for, for the log.</param>
public sealed class RunWaitsException(string why) : Exception(why);

/// <summary>What a kind's handler gets while it executes a run: the request, the journal, progress, log and cancel.</summary>
public sealed class RunContext
{
    private readonly RunHold _hold;
    private readonly RunJournal _journal;
    private int _position;

    internal RunContext(RunHold hold, RunJournal journal, CancellationToken cancellation) =>
        (_hold, _journal, Cancellation) = (hold, journal, cancellation);

    public Run Run => _hold.Run;

    /// <summary>Set when somebody cancels the run, the process stops, or the lease is lost.</summary>
    public CancellationToken Cancellation { get; }

    /// <summary>Set when the lease is lost, and by nothing else: for what a cancel must not break off.</summary>
    internal CancellationToken LeaseLost => _hold.LeaseLost;

    /// <summary>Asks the catalog whether somebody has cancelled the run; <see cref="Cancellation"/> says it then.</summary>
    internal Func<Task>? LookForCancel { get; init; }

    /// <summary>The step being executed, for error messages.</summary>
    public string? CurrentStep { get; private set; }

    /// <summary>Progress sink for drivers.</summary>
    public IProgress<TransferProgress> Progress => new Sink(this);

    /// <summary>The request as the kind's record.</summary>
    public T Request<T>() => JsonSerializer.Deserialize<T>(Run.RequestJson, JsonSerializerOptions.Web)!;

    public void Report(TransferProgress progress) => _journal.Report(progress);

    public void Log(string phase, string text) => _journal.Log("information", phase, text);

    public void Warn(string phase, string text) => _journal.Log("warning", phase, text);

    /// <summary>
    /// Executes a step once. Intent is committed before <paramref name="act"/>, its result after it, together with what
    /// <see cref="StepHandle.OnCommit"/> adds. A step that is done already gives its stored result; one whose intent alone was
    /// found is asked through <paramref name="probe"/> (without one it is idempotent and done again).
    /// </summary>
    /// <param name="keepsIntent">True where doing it again must not forget what the attempt before it said that it was about to make.</param>
    public async Task<T> StepAsync<T>(string name, Func<StepHandle, Task<T>> act, Func<string?, Task<StepProbe<T>>>? probe = null, bool keepsIntent = false)
    {
        CurrentStep = name;
        var position = ++_position;
        var known = await FindStepAsync(name);
        if (known is { State: "done" })
        {
            return JsonSerializer.Deserialize<T>(known.ResultJson!, JsonSerializerOptions.Web)!;
        }

        var handle = new StepHandle(this, name);
        if (known is { State: "intended" } && probe is not null)
        {
            switch (await probe(known.IntentJson))
            {
                case StepProbe<T>.Done done:
                    Log(name, "done before the interruption; its effect was found");
                    done.Attach?.Invoke(handle);
                    await CompleteAsync(name, handle, done.Result);
                    return done.Result;
                case StepProbe<T>.Unknown unknown:
                    throw new NeedsDecisionException(name, unknown.Why);
            }
        }

        await IntendAsync(name, position, keepsIntent);
        await RequireLeaseAsync();
        var result = await act(handle);
        await CompleteAsync(name, handle, result);
        return result;
    }

    /// <summary>Goes no further where somebody has cancelled the run, also since the lease was last renewed: short steps would be done meanwhile.</summary>
    /// <exception cref="OperationCanceledException">It was cancelled, the process stops, or the lease is lost.</exception>
    internal async Task StopIfCancelledAsync()
    {
        await (LookForCancel?.Invoke() ?? Task.CompletedTask);
        Cancellation.ThrowIfCancellationRequested();
    }

    /// <summary>
    /// Called between a step's intent and its effect. The fence guards what is written into the catalog; a process that was frozen
    /// here for longer than its lease, while another did the step, must not do it a second time.
    /// </summary>
    /// <exception cref="LeaseLostException">The lease has run out, or another holds it.</exception>
    internal Task RequireLeaseAsync() => _hold.RenewAsync(CancellationToken.None);

    /// <summary>True where a step's intent is on record: it may have had an effect.</summary>
    internal async Task<bool> HasBegunAsync(string step) => await FindStepAsync(step) is not null;

    /// <summary>A step as it is on record; null where it has not begun.</summary>
    internal Task<RunStep?> FindStepAsync(string name) =>
        _hold.Catalog.Command(
            "SELECT name, position, state, attempt, intent::text, intent_at, result::text, ended_at FROM run_step WHERE run_id = $1 AND name = $2",
            Run.Id.Value, name).FirstAsync(RunStore.MapStep, Cancellation);

    /// <summary>Runs <paramref name="write"/> in one transaction behind the run's fence. Not cancellable: what it records has happened.</summary>
    /// <exception cref="LeaseLostException">The fence is no longer ours; nothing was written.</exception>
    internal Task CommitAsync(Func<NpgsqlTransaction, Task> write) => _hold.CommitAsync(write, CancellationToken.None);

    /// <summary>The catalog, for reads.</summary>
    internal NpgsqlDataSource Catalog => _hold.Catalog;

    /// <summary>Names the step being executed, for handlers that keep their steps in tables of their own.</summary>
    internal void Enter(string step) => CurrentStep = step;

    internal Task WriteIntentAsync(string step, object intent) =>
        _hold.CommitAsync(
            transaction => transaction.Command("UPDATE run_step SET intent = $3 WHERE run_id = $1 AND name = $2",
                Run.Id.Value, step, new Jsonb(JsonSerializer.Serialize(intent, JsonSerializerOptions.Web))).RunAsync(Cancellation),
            Cancellation);

    private Task IntendAsync(string name, int position, bool keepsIntent) =>
        _hold.CommitAsync(
            transaction => transaction.Command(
                """
                INSERT INTO run_step (run_id, name, position, state, intent_at) VALUES ($1, $2, $3, 'intended', clock_timestamp())
                ON CONFLICT (run_id, name) DO UPDATE SET state = 'intended', attempt = run_step.attempt + 1,
                  intent = CASE WHEN $4 THEN run_step.intent END, intent_at = clock_timestamp(), ended_at = NULL
                """, Run.Id.Value, name, position, keepsIntent).RunAsync(Cancellation),
            Cancellation);

    private async Task CompleteAsync<T>(string name, StepHandle handle, T result)
    {
        // Not cancellable: the step took effect, and what is not written down now would be found only by the next start, or,
        // where a person cancels just here, by nobody.
        await _journal.FlushAsync(CancellationToken.None);
        await _hold.CommitAsync(async transaction =>
        {
            await transaction.Command(
                "UPDATE run_step SET state = 'done', result = $3, ended_at = clock_timestamp() WHERE run_id = $1 AND name = $2",
                Run.Id.Value, name, new Jsonb(JsonSerializer.Serialize(result, JsonSerializerOptions.Web))).RunAsync(CancellationToken.None);
            foreach (var write in handle.Writes)
            {
                await write(transaction);
            }
        }, CancellationToken.None);
        Cancellation.ThrowIfCancellationRequested();
    }

    private sealed class Sink(RunContext context) : IProgress<TransferProgress>
    {
        public void Report(TransferProgress value) => context.Report(value);
    }
}

/// <summary>A step while it is being executed.</summary>
public sealed class StepHandle
{
    private readonly RunContext _context;
    private readonly string _step;

    internal StepHandle(RunContext context, string step) => (_context, _step) = (context, step);

    internal List<Func<NpgsqlTransaction, Task>> Writes { get; } = [];

    /// <summary>Adds detail to the intent (the id of what is about to be made), committed before this returns, so that a probe can look for it.</summary>
    public Task RecordIntentAsync(object intent) => _context.WriteIntentAsync(_step, intent);

    /// <summary>Adds a write to the very transaction that marks the step done.</summary>
    public void OnCommit(Func<NpgsqlTransaction, Task> write) => Writes.Add(write);
}
