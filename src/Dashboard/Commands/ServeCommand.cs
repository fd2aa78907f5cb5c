using System.CommandLine;
using Hexabase.DrConsole.Dashboard.Access;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Jobs;

namespace Hexabase.DrConsole.Dashboard.Commands;

/// <summary><c>drconsole serve</c>: the console itself.</summary>
internal static class ServeCommand
{
    private const string DefaultUrls = "http://127.0.0.1:5080";

    public static Command Create()
    {
        var options = new ConsoleOptions();
        var urls = new Option<string>("--urls") { Description = $"addresses to listen on ({DefaultUrls})", DefaultValueFactory = _ => DefaultUrls, HelpName = "URLS" };
        var noWorker = new Option<bool>("--no-worker") { Description = "execute no runs: 'drconsole worker' processes do" };
        var command = new Command("serve", "start the console");
        options.AddTo(command);
        command.Options.Add(urls);
        command.Options.Add(noWorker);
        command.SetAction((parsed, stopping) => CommandRunner.RunAsync(async () =>
        {
            var configuration = ConsoleConfiguration.Load(parsed.GetValue(options.Config));
            ListenAddresses.RequireFree(parsed.GetValue(urls)!);
            await using var setup = await EngineSetup.StartAsync(
                configuration, parsed.GetValue(options.Data), mayBeGuest: false, TimeProvider.System, stopping, CommandRunner.SayWait);
            await ServeAsync(setup, configuration, parsed.GetValue(urls)!, !parsed.GetValue(noWorker), stopping);
            return ExitCodes.Done;
        }));
        return command;
    }

    private static async Task ServeAsync(EngineSetup setup, IConfigurationRoot configuration, string urls, bool withWorker, CancellationToken stopping)
    {
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
        builder.WebHost.UseUrls(urls);
        builder.Logging.AddSimpleConsole(console =>
        {
            console.SingleLine = true;
            console.TimestampFormat = "HH:mm:ss ";
        });
        builder.Services.AddConsole(setup, configuration, withWorker);
        await using var app = builder.Build();
        app.MapConsole();
        Report(setup);
        await app.Services.GetRequiredService<SourceCatalog>().ReconcileAsync(stopping);
        await app.Services.GetRequiredService<RecurringBackups>().ReconcileAsync(stopping);
        app.Services.GetRequiredService<RecurringMaintenance>().Reconcile();
        var password = await FirstAdmin.EnsureAsync(
            app.Services.GetRequiredService<CatalogUserDirectory>(), app.Services.GetRequiredService<PasswordHasher>(), setup.Data, stopping);
        try
        {
            await app.StartAsync(stopping);
        }
        catch (IOException fault)
        {
            throw ListenAddresses.Taken(urls, fault);
        }

        Announce(app.Urls, password);
        await app.WaitForShutdownAsync(stopping);
    }

    private static void Announce(IEnumerable<string> urls, string? passwordFile)
    {
        foreach (var url in urls)
        {
            Console.Error.WriteLine($"Console: {url}");
        }

        if (passwordFile is not null)
        {
            Console.Error.WriteLine($"First sign-in: user {FirstAdmin.Name}, its password is in {passwordFile}");
        }
    }

    private static void Report(EngineSetup setup)
    {
        Console.Error.WriteLine($"Data folder: {setup.Data.Root}");
        if (setup.NewKeyFile is { } key)
        {
            Console.Error.WriteLine($"Made the repository key {key}. Keep a copy elsewhere: without it no restore point can be read.");
        }

        foreach (var warning in setup.Estate.Warnings)
        {
            Console.Error.WriteLine($"warning: {warning}");
        }

        if (setup.Settled is { } settled && settled.Ended.Count + settled.Adoptable.Count > 0)
        {
            Console.Error.WriteLine($"Left by an earlier start: {settled.Adoptable.Count} taken over, {settled.Ended.Count} ended.");
        }
    }
}
