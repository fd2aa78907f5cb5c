using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Jobs;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Tests.Executable;
using Hexabase.DrConsole.Engine.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Hexabase.DrConsole.Engine.Tests.Recovery;

/// <summary>
/// A catalog of a test's own, the engine composed on it by which the test asks and looks, and consoles beside it: processes that may
/// be killed or frozen. What the test asks for is handed over to nobody, as if the process that asked had died, unless it says so.
/// </summary>
internal sealed class RecoveryConsoles : IAsyncDisposable
{
    private const string Password = "a password of the test";

    private readonly List<ConsoleProcess> _started = [];
    private readonly ServerFolder _folder;
    private readonly CatalogServer _catalog;
    private readonly string _configuration;
    private ServiceProvider? _jobs;

    private RecoveryConsoles(ServerFolder folder, CatalogServer catalog, EngineRig engine, string configuration) =>
        (_folder, _catalog, Engine, _configuration) = (folder, catalog, engine, configuration);

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public EngineRig Engine { get; }

    public CatalogServer Catalog => _catalog;

    /// <summary>Starts the catalog and the engine on it. An approver, petra, may sign in.</summary>
    /// <param name="folder">Gets all files.</param>
    /// <param name="declared">The members of <c>DrConsole</c> beside the tiers, as JSON.</param>
    /// <param name="options">For the sessions of the consoles, as PostgreSQL takes them.</param>
    public static async Task<RecoveryConsoles> StartAsync(ServerFolder folder, string declared, string options = "")
    {
        folder.Hold();
        var catalog = new CatalogServer();
        await catalog.InitializeAsync();
        var engine = await EngineRig.StartAsync(catalog, folder, declared);
        var json = JsonNode.Parse(await File.ReadAllTextAsync(folder.Combine("drconsole.json"), Ct))!;
        json["ConnectionStrings"]!["Console"] = $"{catalog.Connection.Application};Options={options}";
        var configuration = folder.Combine("consoles.json");
        await File.WriteAllTextAsync(configuration, json.ToJsonString(), Ct);
        var consoles = new RecoveryConsoles(folder, catalog, engine, configuration);
        LocalFolder.WritePrivateFile(folder.Combine("petra.pw"), Encoding.ASCII.GetBytes(Password));
        (await ConsoleProcess.RunAsync(["user", "add", "petra", "--role", "Approver", "--password-file", folder.Combine("petra.pw"), "--config", configuration, "--data", folder.Combine("console")])).AssertDone();
        return consoles;
    }

    /// <summary>A console, once it listens.</summary>
    /// <param name="name">Names its data folder.</param>
    public async Task<ConsoleProcess> ServeAsync(string name = "console")
    {
        var console = ConsoleProcess.Start(["serve", "--config", _configuration, "--data", _folder.Combine(name), "--urls", "http://127.0.0.1:0"]);
        _started.Add(console);
        await console.WaitForAsync("Console: http");
        return console;
    }

    /// <summary>From now on what the test asks for is handed over to the consoles, as by a page.</summary>
    public void HandOver()
    {
        var services = new ServiceCollection();
        services.AddLastingLogging();
        services.AddSingleton(Engine.Get<RunStore>());
        services.AddSingleton(Engine.Get<ProtectedEstate>());
        services.AddJobClient(_catalog.Connection);
        _jobs = services.BuildServiceProvider();
        Engine.HandOver = _jobs.GetRequiredService<IRunTrigger>().TriggerAsync;
    }

    /// <summary>Petra approves at the run's gate, over HTTP with her password.</summary>
    public static async Task ApproveAsync(ConsoleProcess console, RunId run)
    {
        using var petra = await ConsoleBrowser.SignInAsync(ConsoleBrowser.AddressOf(console), "petra", Password, Ct);
        var open = JsonElement.Parse(await petra.GetStringAsync(new Uri("/api/v1/approvals", UriKind.Relative), Ct)).EnumerateArray().Single(gate => gate.GetProperty("run").GetInt64() == run.Value);
        var answer = await petra.PostAsJsonAsync(
            $"/api/v1/approvals/{open.GetProperty("id").GetInt64()}/answer",
            new { act = "approve", subjectHash = open.GetProperty("subjectHash").GetString(), reason = "it is damaged for sure", incident = "INC-1", password = Password }, Ct);
        Assert.True(answer.StatusCode == HttpStatusCode.OK, await answer.Content.ReadAsStringAsync(Ct));
    }

    /// <summary>Waits until the run stands so, in the catalog.</summary>
    public async Task<Run> UntilAsync(RunId id, Func<Run, bool> holds)
    {
        while (true)
        {
            var run = (await Engine.Get<RunStore>().FindAsync(id, Ct))!;
            if (holds(run))
            {
                return run;
            }

            Assert.True(run.IsOpen, $"{run.State} {run.ErrorJson}\n{await Engine.LogAsync(id)}");
            await Task.Delay(50, Ct);
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var console in _started)
        {
            await console.DisposeAsync();
        }

        // A killed console leaves what it had started.
        foreach (var records in Directory.EnumerateDirectories(_folder.Path).Select(data => Path.Combine(data, "processes")).Where(Directory.Exists))
        {
            await ServerFolder.EndAsync(new ProcessRegistry(records).List());
        }

        await (_jobs?.DisposeAsync() ?? ValueTask.CompletedTask);
        await Engine.DisposeAsync();
        await _catalog.DisposeAsync();
    }
}
