using Hexabase.DrConsole.Engine.Audit;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;

namespace Hexabase.DrConsole.Engine.Tests.Runs;

public sealed class RunExecutionTests(CatalogServer server)
{
    private static readonly LeaseTimes Quick = new(TimeSpan.FromSeconds(1.5), TimeSpan.FromSeconds(0.2));

    private readonly RunStore _runs = new(server.Pool);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Advance_completes_with_result_steps_log_and_audit()
    {
        var run = await RequestAsync();
        await Execution(async context =>
        {
            context.Report(new TransferProgress("copy", 1, 2, 10, 20));
            context.Log("copy", "half of it");
            var doubled = await context.StepAsync("double", _ => Task.FromResult(context.Request<Request>().Number * 2));
            return new { doubled };
        }).AdvanceAsync(run.Id, Token);

        var ended = await FindAsync(run.Id);
        Assert.Equal((RunState.Completed, """{"doubled": 42}"""), (ended.State, ended.ResultJson));
        Assert.Equal("done", Assert.Single(await _runs.StepsAsync(run.Id, Token)).State);
        var lines = await _runs.EventsAsync(run.Id, 0, 100, Token);
        Assert.Contains(lines, line => line.Text == "half of it");
        Assert.Equal(Enumerable.Range(1, lines.Count).Select(number => (long)number), lines.Select(line => line.Seq));
        Assert.NotNull(ended.ProgressJson);
        var actions = new List<string>();
        await foreach (var link in AuditLog.ReadAsync(server.Pool, 0, int.MaxValue, Token))
        {
            if (link.Subject == run.Id.ToString())
            {
                actions.Add(link.Action);
            }
        }

        Assert.Equal(["run.requested", "run.completed"], actions);
    }

    [Fact]
    public async Task Advance_a_failure_names_code_hint_and_step()
    {
        var run = await RequestAsync();
        await Execution(context => context.StepAsync<object>("dump", _ =>
            throw new EngineException("disk-full", ErrorKind.OutOfSpace, "no space", "free some"))).AdvanceAsync(run.Id, Token);

        var ended = await FindAsync(run.Id);
        Assert.Equal(RunState.Failed, ended.State);
        Assert.Contains("disk-full", ended.ErrorJson, StringComparison.Ordinal);
        Assert.Contains("\"dump\"", ended.ErrorJson, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Advance_a_run_that_is_let_go_on_while_it_is_being_parked_goes_on_at_once()
    {
        var run = await RequestAsync();
        var calls = 0;
        await Execution(async _ =>
        {
            if (++calls > 1)
            {
                return new { };
            }

            // Somebody approves between its look at the gate and its parking.
            await using var connection = await server.Pool.OpenConnectionAsync(Token);
            await using var transaction = await connection.BeginTransactionAsync(Token);
            await RunStore.WakeAsync(transaction, run.Id, Token);
            await transaction.CommitAsync(Token);
            throw new RunWaitsException("approval");
        }).AdvanceAsync(run.Id, Token);

        Assert.Equal((RunState.Completed, 2), ((await FindAsync(run.Id)).State, calls));
    }

    [Fact]
    public async Task Advance_by_two_at_once_executes_once()
    {
        var run = await RequestAsync();
        var count = 0;
        var execution = Execution(async context =>
        {
            Interlocked.Increment(ref count);
            await Task.Delay(300, context.Cancellation);
            return new { };
        });

        await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => execution.AdvanceAsync(run.Id, Token)));

        Assert.Equal(1, count);
    }

    [Fact]
    public async Task Advance_after_the_holder_died_resumes_and_repeats_no_finished_step()
    {
        var run = await RequestAsync();
        var first = 0;
        var second = 0;
        async Task<object> Work(RunContext context, bool dies)
        {
            await context.StepAsync("first", _ => Task.FromResult(Interlocked.Increment(ref first)));
            await context.StepAsync("second", async handle =>
            {
                await handle.RecordIntentAsync(new { id = "abc" });
                return dies ? throw new DiedException() : Interlocked.Increment(ref second);
            });
            return new { first, second };
        }

        await DieAsync(run, context => Work(context, dies: true));
        await Execution(context => Work(context, dies: false)).AdvanceAsync(run.Id, Token);

        var ended = await FindAsync(run.Id);
        Assert.Equal((RunState.Completed, 2, 1, 1), (ended.State, ended.Attempt, first, second));
    }

    [Fact]
    public async Task Advance_after_a_crash_asks_the_probe_and_believes_it()
    {
        var run = await RequestAsync();
        await DieAsync(run, context => context.StepAsync<object>("make", async handle =>
        {
            await handle.RecordIntentAsync(new { id = "made-before-death" });
            throw new DiedException();
        }));

        string? asked = null;
        await Execution(async context => await context.StepAsync(
            "make",
            _ => throw new InvalidOperationException("must not act again"),
            intent =>
            {
                asked = intent;
                return Task.FromResult<StepProbe<string>>(new StepProbe<string>.Done("found"));
            })).AdvanceAsync(run.Id, Token);

        Assert.Contains("made-before-death", asked, StringComparison.Ordinal);
        Assert.Equal("\"found\"", (await FindAsync(run.Id)).ResultJson);
    }

    [Fact]
    public async Task Advance_when_nobody_can_know_waits_for_a_decision()
    {
        var run = await RequestAsync();
        await DieAsync(run, context => context.StepAsync<object>("switch", _ => throw new DiedException()));
        await Execution(async context => await context.StepAsync(
            "switch", _ => Task.FromResult("again"), _ => Task.FromResult<StepProbe<string>>(new StepProbe<string>.Unknown("the target does not answer")))).AdvanceAsync(run.Id, Token);

        Assert.Equal(RunState.NeedsDecision, (await FindAsync(run.Id)).State);
    }

    [Fact]
    public async Task A_frozen_holder_that_wakes_up_writes_nothing()
    {
        var run = await RequestAsync();
        var frozen = (await RunHold.AcquireAsync(server.Pool, Quick, run.Id, Token))!;
        await Task.Delay(Quick.Duration + TimeSpan.FromMilliseconds(200), Token);
        var successor = (await RunHold.AcquireAsync(server.Pool, Quick, run.Id, Token))!;

        await Assert.ThrowsAsync<LeaseLostException>(() => frozen.RenewAsync(Token));
        await Assert.ThrowsAsync<LeaseLostException>(() => frozen.EndAsync(RunState.Completed, "{}", null, Token));
        await Assert.ThrowsAsync<LeaseLostException>(() => frozen.CommitAsync(_ => throw new InvalidOperationException("must not be reached"), Token));
        await successor.EndAsync(RunState.Completed, """{"by":"successor"}""", null, Token);
        Assert.Contains("successor", (await FindAsync(run.Id)).ResultJson, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_renewal_whose_answer_takes_as_long_as_the_lease_is_none()
    {
        var run = await RequestAsync();
        var hold = (await RunHold.AcquireAsync(server.Pool, Quick, run.Id, Token))!;
        await using var connection = await server.Pool.OpenConnectionAsync(Token);
        await using var locks = await connection.BeginTransactionAsync(Token);
        await locks.Command("SELECT FROM run WHERE id = $1 FOR UPDATE", run.Id.Value).RunAsync(Token);

        var renewal = hold.RenewAsync(Token);
        await Task.Delay(Quick.Duration, Token);
        await locks.RollbackAsync(Token);

        await Assert.ThrowsAsync<LeaseLostException>(() => renewal);
    }

    [Fact]
    public async Task Cancel_stops_a_running_run_and_a_queued_one()
    {
        var running = await RequestAsync();
        var started = new TaskCompletionSource();
        var advance = Execution(async context =>
        {
            started.SetResult();
            await Task.Delay(Timeout.Infinite, context.Cancellation);
            return new { };
        }).AdvanceAsync(running.Id, Token);
        await started.Task;
        Assert.True(await _runs.CancelAsync(running.Id, "anna", Token));
        await advance;
        var queued = await RequestAsync();
        Assert.True(await _runs.CancelAsync(queued.Id, "anna", Token));

        Assert.Equal(RunState.Cancelled, (await FindAsync(running.Id)).State);
        Assert.Equal(RunState.Cancelled, (await FindAsync(queued.Id)).State);
        Assert.False(await _runs.CancelAsync(running.Id, "anna", Token));
    }

    [Fact]
    public async Task Stopping_the_process_leaves_the_run_queued_for_the_next_start()
    {
        var run = await RequestAsync();
        using var stopping = new CancellationTokenSource();
        var started = new TaskCompletionSource();
        var advance = Execution(async context =>
        {
            started.SetResult();
            await Task.Delay(Timeout.Infinite, context.Cancellation);
            return new { };
        }).AdvanceAsync(run.Id, stopping.Token);
        await started.Task;
        await stopping.CancelAsync();
        await advance;

        Assert.Equal(RunState.Queued, (await FindAsync(run.Id)).State);
        await Execution(_ => Task.FromResult<object>(new { })).AdvanceAsync(run.Id, Token);
        Assert.Equal(RunState.Completed, (await FindAsync(run.Id)).State);
    }

    [Fact]
    public async Task Request_a_second_backup_of_a_source_is_refused_while_one_is_open()
    {
        var source = NewSource();
        await _runs.RequestAsync(RunKinds.Backup, source, null, new Request(1), "tester", null, Token);
        var refused = await Assert.ThrowsAsync<EngineException>(() => _runs.RequestAsync(RunKinds.Backup, source, null, new Request(1), "tester", null, Token));
        Assert.Equal("run-already-open", refused.Code);
    }

    [Fact]
    public async Task Reconcile_hands_over_runs_without_a_holder_and_those_of_the_dead_at_once()
    {
        var dead = await RequestAsync();
        var living = await RequestAsync();
        var hold = (await RunHold.AcquireAsync(server.Pool, LeaseTimes.Default, living.Id, Token))!;
        Assert.NotNull(await RunHold.AcquireAsync(server.Pool, LeaseTimes.Default, dead.Id, Token));
        var corpse = string.Join('/', LeaseOwner.Current.Split('/')[..^1]) + "/1";
        await server.Pool.Command("UPDATE run SET lease_owner = $2 WHERE id = $1", dead.Id.Value, corpse).RunAsync(Token);

        var trigger = new RecordingTrigger();
        await new RunReconciler(server.Pool, trigger, TimeProvider.System, NullLogger<RunReconciler>.Instance).ReconcileAsync(isStart: false, Token);

        Assert.Contains(dead.Id, trigger.Runs);
        Assert.DoesNotContain(living.Id, trigger.Runs);
        await hold.ReleaseAsync(Token);
    }

    [Fact]
    public async Task Feed_tells_subscribers_of_changes_by_other_connections()
    {
        var feed = new RunFeed(server.Pool, TimeProvider.System, NullLogger<RunFeed>.Instance);
        var listening = new TaskCompletionSource();
        var run = await RequestAsync();
        var heard = new TaskCompletionSource();
        using var subscription = feed.Subscribe(changed =>
        {
            if (changed is null)
            {
                listening.TrySetResult();
            }
            else if (changed == run.Id)
            {
                heard.TrySetResult();
            }
        });
        await feed.StartAsync(Token);
        await listening.Task.WaitAsync(Token);
        await _runs.CancelAsync(run.Id, "tester", Token);
        await heard.Task.WaitAsync(TimeSpan.FromSeconds(20), Token);
        await feed.StopAsync(Token);
        feed.Dispose();
    }

    private static string NewSource() => $"test-{Guid.NewGuid():n}";

    private Task<Run> RequestAsync() =>
        _runs.RequestAsync(RunKinds.Backup, NewSource(), null, new Request(21), "tester", null, Token);

    private async Task<Run> FindAsync(RunId id) => (await _runs.FindAsync(id, Token))!;

    private RunExecution Execution(Func<RunContext, Task<object>> work) =>
        new(server.Pool, [new Handler(work)], Quick, TimeProvider.System, NullLogger<RunExecution>.Instance);

    /// <summary>Executes as a process would that is killed where <see cref="DiedException"/> is thrown: nothing is written afterwards.</summary>
    private async Task DieAsync(Run run, Func<RunContext, Task<object>> work)
    {
        var hold = (await RunHold.AcquireAsync(server.Pool, Quick, run.Id, Token))!;
        using var journal = new RunJournal(hold, TimeProvider.System);
        await Assert.ThrowsAsync<DiedException>(() => work(new RunContext(hold, journal, Token)));
        await Task.Delay(Quick.Duration + TimeSpan.FromMilliseconds(200), Token);
    }

    private sealed record Request(int Number);

    private sealed class DiedException : Exception;

    private sealed class Handler(Func<RunContext, Task<object>> work) : IRunHandler
    {
        public string Kind => RunKinds.Backup;

        public Task<object> ExecuteAsync(RunContext context) => work(context);
    }

    private sealed class RecordingTrigger : IRunTrigger
    {
        public List<RunId> Runs { get; } = [];

        public Task TriggerAsync(RunId run, CancellationToken cancellationToken)
        {
            Runs.Add(run);
            return Task.CompletedTask;
        }
    }
}
