using System.CommandLine;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Backups.Receiving;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Backups.Volumes.Claims;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Jobs;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Dashboard.Commands;

/// <summary><c>drconsole worker</c>: executes runs of some queues for a console that runs elsewhere, or beside it.</summary>
internal static class WorkerCommand
{
    public static Command Create()
    {
        var options = new ConsoleOptions();
        var queues = new Option<string?>("--queues")
        {
            Description = $"the queues to serve, with commas: {string.Join(", ", JobQueues.Names)} (all but the nodes'), and node-NAME as the agent of that node",
            HelpName = "NAMES",
        };
        var command = new Command("worker", "execute runs of some queues, without the web server") { queues };
        options.AddTo(command);
        command.SetAction((parsed, stopping) => CommandRunner.RunAsync(async () =>
        {
            var served = JobQueues.Parse(parsed.GetValue(queues));
            var configuration = ConsoleConfiguration.Load(parsed.GetValue(options.Config));
            await using var setup = await EngineSetup.StartAsync(
                configuration, parsed.GetValue(options.Data), mayBeGuest: true, TimeProvider.System, stopping, CommandRunner.SayWait);
            if (!setup.IsGuest && setup.CatalogStart is not null)
            {
                // Alone with a private catalog it would keep the console itself from starting, and nobody could ask it for anything.
                throw new EngineException(
                    "worker-alone", ErrorKind.Conflict, $"no console runs on {setup.Data.Root}, and its catalog is the console's own",
                    "Start 'drconsole serve' first, or name a PostgreSQL that both use as ConnectionStrings:Console.");
            }

            await WorkAsync(setup, served, JobQueues.NodesOf(parsed.GetValue(queues)), stopping);
            return ExitCodes.Done;
        }));
        return command;
    }

    private static async Task WorkAsync(EngineSetup setup, string[] queues, ServedNodes nodes, CancellationToken stopping)
    {
        var builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { ContentRootPath = AppContext.BaseDirectory, DisableDefaults = false });
        builder.Logging.AddSimpleConsole(console =>
        {
            console.SingleLine = true;
            console.TimestampFormat = "HH:mm:ss ";
        });
        builder.Services.AddSingleton(nodes);
        builder.Services.AddEngine(setup);
        builder.Services.AddJobClient(setup.Connection);
        builder.Services.AddJobWorker(queues);
        builder.Services.AddHostedService(provider => provider.GetRequiredService<RunReconciler>());
        builder.Services.AddHostedService(provider => provider.GetRequiredService<WalReceivers>());
        builder.Services.AddHostedService<LeftPauses>();
        builder.Services.AddHostedService<LeftSnapshots>();
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromSeconds(25));
        using var host = builder.Build();
        await host.Services.GetRequiredService<SourceCatalog>().ReconcileAsync(stopping);
        await host.StartAsync(stopping);
        await Console.Error.WriteLineAsync($"Worker {Environment.ProcessId} serves {string.Join(", ", queues)}");
        try
        {
            await Task.Delay(Timeout.Infinite, stopping);
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // Asked to stop: runs in work let go of their leases, and another worker goes on with them.
        }

        await host.StopAsync(CancellationToken.None);
    }
}
