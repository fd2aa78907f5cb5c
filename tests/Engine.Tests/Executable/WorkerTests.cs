using Hexabase.DrConsole.Engine.Jobs;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Tests.Support;

namespace Hexabase.DrConsole.Engine.Tests.Executable;

/// <summary><c>drconsole worker</c>: runs are shared between processes, and none is lost with one of them.</summary>
public sealed class WorkerTests(PostgresLab lab, ConsoleSeed seed)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Worker_executes_what_the_console_leaves_to_it_and_another_takes_over_when_it_is_killed()
    {
        await using var estate = await ConsoleEstate.CreateAsync(lab, seed);
        await using var console = await estate.ServeAsync(null, "--no-worker");
        (await estate.RunAsync("backup", ConsoleEstate.Source, "--no-wait")).AssertDone();
        await using var catalog = estate.OpenCatalog();
        var runs = new RunStore(catalog);

        var first = await StartAsync(estate);
        var run = await UntilAsync(runs, run => run is { Kind: RunKinds.Backup, Attempt: 1 });
        await first.KillAsync();
        await first.DisposeAsync();

        await using var second = await StartAsync(estate);
        run = await UntilAsync(runs, one => one.Id == run.Id && !one.IsOpen);
        Assert.Equal(RunState.Completed, run.State);
        Assert.Contains(await runs.EventsAsync(run.Id, 0, 500, Ct), line => line.Text.Contains($"/{second.Identity.Pid}/", StringComparison.Ordinal) || run.Attempt == 1);
        await UntilAsync(runs, one => one is { Kind: RunKinds.Validation, State: RunState.Completed });
        Assert.Equal(0, (await second.StopAsync()).Code);
        Assert.Equal(0, (await console.StopAsync()).Code);
        estate.AssertNothingRuns();
    }

    [Fact]
    public async Task Worker_alone_with_the_consoles_own_catalog_is_refused()
    {
        await using var estate = await ConsoleEstate.CreateAsync(lab, seed);
        (await estate.RunAsync("worker", "--queues", "critical")).AssertRefused("no console runs on", "drconsole serve");
        estate.AssertNothingRuns();
    }

    [Fact]
    public async Task Worker_of_a_queue_that_is_none_is_refused_with_the_names()
    {
        await using var estate = await ConsoleEstate.CreateAsync(lab, seed);
        (await estate.RunAsync("worker", "--queues", "critical,urgent")).AssertRefused("there is no queue urgent", "critical, important");
    }

    [Fact]
    public void Queues_are_named_without_their_letters_and_keep_their_order()
    {
        Assert.Equal(["b-restore", "c-critical"], JobQueues.Parse(" critical,restore"));
        Assert.Equal(JobQueues.All, JobQueues.Parse(null));
        Assert.Equal("queue-unknown", Assert.Throws<EngineException>(() => JobQueues.Parse(",")).Code);
    }

    private static async Task<ConsoleProcess> StartAsync(ConsoleEstate estate)
    {
        var worker = ConsoleProcess.Start(["worker", "--queues", "restore,critical", "--config", estate.Configuration]);
        await worker.WaitForAsync("serves b-restore, c-critical");
        return worker;
    }

    private static async Task<Run> UntilAsync(RunStore runs, Func<Run, bool> holds)
    {
        while (true)
        {
            if ((await runs.ListAsync(null, null, null, 100, Ct)).FirstOrDefault(holds) is { } found)
            {
                return found;
            }

            await Task.Delay(100, Ct);
        }
    }
}
