using System.CommandLine;
using System.Text.Json;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Jobs;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Dashboard.Commands;

/// <summary>
/// One command on the console's catalog and engine. Beside a running console it asks that one to execute the run; without one
/// it takes the data folder and executes the run itself. What follows from a run is left to the console.
/// </summary>
internal sealed class CatalogSession : IAsyncDisposable
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(300);
    private readonly EngineSetup _setup;
    private readonly ServiceProvider _services;

    private CatalogSession(EngineSetup setup, ServiceProvider services) => (_setup, _services) = (setup, services);

    /// <summary>True where a console beside this command executes the runs.</summary>
    public bool IsGuest => _setup.IsGuest;

    /// <summary>Opens the catalog that the command's options name.</summary>
    public static async Task<CatalogSession> OpenAsync(ParseResult parsed, ConsoleOptions options, CancellationToken stopping)
    {
        var configuration = ConsoleConfiguration.Load(parsed.GetValue(options.Config));
        var setup = await EngineSetup.StartAsync(configuration, parsed.GetValue(options.Data), mayBeGuest: true, TimeProvider.System, stopping, CommandRunner.SayWait);
        var services = new ServiceCollection();
        services.AddLogging(logging => logging.AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace).SetMinimumLevel(LogLevel.Warning));
        services.AddEngine(setup);
        if (setup.IsGuest)
        {
            services.AddJobClient(setup.Connection);
        }
        else
        {
            services.AddSingleton<IRunTrigger, LeftToTheConsole>();
        }

        var session = new CatalogSession(setup, services.BuildServiceProvider());
        if (!setup.IsGuest)
        {
            await session.Get<SourceCatalog>().ReconcileAsync(stopping);
        }

        return session;
    }

    /// <summary>A service of the engine.</summary>
    public T Get<T>()
        where T : notnull => _services.GetRequiredService<T>();

    /// <summary>
    /// Asks for a backup. Where no console runs and one of the source is still open, its process died: that one is gone on with,
    /// since otherwise nobody would until a console starts.
    /// </summary>
    public async Task<Run> BackupAsync(string source, string actor, CancellationToken stopping)
    {
        try
        {
            return await Get<RunRequests>().BackupAsync(source, actor, stopping);
        }
        catch (EngineException busy) when (busy.Code == "run-already-open" && !IsGuest)
        {
            var open = (await Get<RunStore>().ListAsync(source, RunKinds.Backup, null, 50, stopping)).FirstOrDefault(run => run.IsOpen);
            if (open is null)
            {
                throw;
            }

            await Get<RunReconciler>().EndLeasesOfTheDeadAsync(stopping);
            await Console.Error.WriteLineAsync($"{open.Id} of {source} was interrupted; going on with it.");
            return open;
        }
    }

    /// <summary>
    /// Waits for a run, or executes it; progress and log go to standard error. Ctrl-C cancels the run. One that waits for a person
    /// is waited for only beside a console: without one nobody could answer while this command has the data folder.
    /// </summary>
    /// <returns>The run that has ended; or one that waits.</returns>
    public async Task<Run> FinishAsync(RunId id, CancellationToken stopping)
    {
        var store = Get<RunStore>();
        var execution = IsGuest ? Task.CompletedTask : Get<RunExecution>().AdvanceAsync(id, CancellationToken.None);
        Task cancelling = Task.CompletedTask;
        await using var cancel = stopping.Register(() => cancelling = store.CancelAsync(id, SourceCommands.Actor, CancellationToken.None));
        var report = new RunReport();
        while (true)
        {
            var run = await store.FindAsync(id, CancellationToken.None)
                ?? throw new EngineException("run-gone", ErrorKind.NotFound, $"{id} is no longer in the catalog");
            report.Show(run, await store.EventsAsync(id, report.LastSeq, 500, CancellationToken.None));
            if (!run.IsOpen || (run.State == RunState.Waiting && !IsGuest && execution.IsCompleted))
            {
                await execution;
                return run;
            }

            // What this process executes itself is known to have ended without waiting for the next look.
            var look = Task.Delay(LookEvery, TimeProvider.System, CancellationToken.None);
            await (execution.IsCompleted ? look : Task.WhenAny(look, execution));
            foreach (var failed in new[] { execution, cancelling }.Where(task => task.IsFaulted))
            {
                await failed;
            }
        }
    }

    /// <summary>The exit code that a run's end asks for; its error goes to standard error.</summary>
    public static int ExitCodeOf(Run run)
    {
        if (run.State == RunState.Completed)
        {
            return ExitCodes.Done;
        }

        var error = run.ErrorJson is null ? null : JsonSerializer.Deserialize<RunError>(run.ErrorJson, JsonSerializerOptions.Web);
        Console.Error.WriteLine(error is null ? $"drconsole: {run.Id} ended as {run.State}" : $"drconsole: {error.Message}{(error.Hint is null ? "" : $"\n  → {error.Hint}")}");
        return error?.Kind == nameof(ErrorKind.Damaged) ? ExitCodes.Damaged : ExitCodes.Failed;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _services.DisposeAsync();
        await _setup.DisposeAsync();
    }

    /// <summary>The command executes its own run; others wait in the catalog for a console.</summary>
    private sealed class LeftToTheConsole : IRunTrigger
    {
        public Task TriggerAsync(RunId run, CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
