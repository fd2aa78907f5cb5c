using System.Text.Json;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Recovery;
using Hexabase.DrConsole.Engine.Recovery.Actions;
using Hexabase.DrConsole.Engine.Recovery.Approvals;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Tests.Support;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Hexabase.DrConsole.Engine.Tests.Recovery;

/// <summary>The whole engine as the console composes it, on a configuration file that the test writes; runs advance when the test says so, backups at once.</summary>
internal sealed class EngineRig : IAsyncDisposable, IRunTrigger
{
    private readonly CatalogServer _catalog;
    private readonly EngineSetup _setup;
    private readonly ServiceProvider _services;

    private EngineRig(CatalogServer catalog, EngineSetup setup)
    {
        (_catalog, _setup) = (catalog, setup);
        var services = new ServiceCollection();
        services.AddLogging();
        services.AddEngine(setup);
        services.AddSingleton<IRunTrigger>(this);
        // Whatever the engine has for a recovery, with a test's hook around it.
        foreach (var action in services.Where(service => service.ServiceType == typeof(IRecoveryAction)).ToList())
        {
            services.Remove(action);
            services.AddSingleton<IRecoveryAction>(provider => new WatchedAction((IRecoveryAction)ActivatorUtilities.CreateInstance(provider, action.ImplementationType!), this));
        }

        _services = services.BuildServiceProvider();
    }

    public static CancellationToken Ct => TestContext.Current.CancellationToken;

    /// <summary>Called after an action took effect, and before that is written down; what it throws, the step fails of.</summary>
    public Func<ActionContext, Task> AfterAct { get; set; } = _ => Task.CompletedTask;

    /// <summary>Called with what is asked for here and is no backup; nobody takes it up until the test says so.</summary>
    public Func<RunId, CancellationToken, Task> HandOver { get; set; } = (_, _) => Task.CompletedTask;

    public RecoveryRequests Recoveries => Get<RecoveryRequests>();

    public RecoveryCatalog Catalog => Get<RecoveryCatalog>();

    /// <summary>Starts the engine on a file with tiers, sources and workspaces.</summary>
    /// <param name="folder">Gets the file, the key, the tier and the console's data.</param>
    /// <param name="declared">The members of <c>DrConsole</c> beside the tiers, as JSON.</param>
    public static async Task<EngineRig> StartAsync(CatalogServer catalog, ServerFolder folder, string declared)
    {
        LocalFolder.WritePrivateFile(folder.Combine("key"), "a passphrase of the test"u8);
        var file = folder.Combine("drconsole.json");
        await File.WriteAllTextAsync(file, $$"""
            { "ConnectionStrings": { "Console": {{Quoted(catalog.Connection.Application)}}, "ConsoleOwner": {{Quoted(catalog.Connection.Owner)}} },
              "DrConsole": { "Tiers": [ { "Name": "hot", "Store": "{{new Uri(folder.Combine("hot")).AbsoluteUri}}", "KeyFile": "key" } ], {{declared}} } }
            """, Ct);
        var setup = await EngineSetup.StartAsync((IConfigurationRoot)new ConfigurationBuilder().AddJsonFile(file).Build(), folder.Combine("data"), mayBeGuest: false, TimeProvider.System, Ct);
        var rig = new EngineRig(catalog, setup);
        await rig.Get<SourceCatalog>().ReconcileAsync(Ct);
        await rig.Get<PlanLibrary>().SaveBuiltInAsync(Ct);
        await catalog.PersonAsync("olga", "Operator");
        await catalog.PersonAsync("paul", "Approver");
        return rig;
    }

    public T Get<T>()
        where T : notnull => _services.GetRequiredService<T>();

    /// <summary>A backup of a source by itself.</summary>
    public async Task BackUpAsync(string source)
    {
        var run = (await Get<RunStore>().FindAsync((await Get<Hexabase.DrConsole.Engine.Backups.RunRequests>().BackupAsync(source, "tester", Ct)).Id, Ct))!;
        Assert.True(run.State == RunState.Completed, run.ErrorJson);
    }

    /// <summary>Asks for a plan, has it approved by another person, and carries it out.</summary>
    public async Task<Run> RecoverAsync(RecoveryPlan plan)
    {
        var run = await AskAsync(plan);
        await ApproveAsync(run.Id);
        return await AdvanceAsync(run.Id);
    }

    public async Task<Run> AskAsync(RecoveryPlan plan)
    {
        var run = await Recoveries.RequestAsync(plan, plan.Hash, "olga", Ct);
        Assert.Equal(RunState.Waiting, (await AdvanceAsync(run.Id)).State);
        return run;
    }

    public async Task ApproveAsync(RunId run)
    {
        var gate = (await Get<ApprovalCatalog>().OfRunAsync(run, Ct))[^1];
        await Get<ApprovalDesk>().ApproveAsync(new GateAnswer(gate.Id, "paul", gate.SubjectHash, "it is damaged for sure", "INC-1"), Ct);
    }

    public async Task<Run> AdvanceAsync(RunId id)
    {
        await Get<RunExecution>().AdvanceAsync(id, Ct);
        return (await Get<RunStore>().FindAsync(id, Ct))!;
    }

    public Task DieAsync(RunId run) => _catalog.DieAsync(run);

    public Task ExpireLeaseAsync(RunId id) => _catalog.ExpireLeaseAsync(id);

    public Task<string> LogAsync(RunId run) => Get<RunStore>().LogAsync(run);

    public async Task<RecoveryOutcome?> OutcomeAsync(RunId run) => (await Catalog.FindAsync(run, Ct))!.Outcome;

    public async Task TriggerAsync(RunId run, CancellationToken cancellationToken)
    {
        if ((await Get<RunStore>().FindAsync(run, cancellationToken))!.Kind == RunKinds.Backup)
        {
            await Get<RunExecution>().AdvanceAsync(run, cancellationToken);
            return;
        }

        await HandOver(run, cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await _services.DisposeAsync();
        await _setup.DisposeAsync();
    }

    private static string Quoted(string text) => JsonSerializer.Serialize(text);

    private sealed class WatchedAction(IRecoveryAction inner, EngineRig rig) : IRecoveryAction
    {
        public string Name => inner.Name;

        public StepSafety Safety => inner.Safety;

        public WayBack WayBack => inner.WayBack;

        public string? NotInDrills => inner.NotInDrills;

        public string? WhyNotOn(RecoveryTarget scratch) => inner.WhyNotOn(scratch);

        public bool ActsOn(RecoveryTarget target) => inner.ActsOn(target);

        public IReadOnlyList<string> Describe(RecoveryTarget target, RecoveryBasis basis, IReadOnlyDictionary<string, string> parameters) => inner.Describe(target, basis, parameters);

        public Task RequireAsync(RecoveryTarget target, RecoveryBasis basis, CancellationToken cancellationToken) => inner.RequireAsync(target, basis, cancellationToken);

        public Task<JsonElement> CaptureAsync(ActionContext context) => inner.CaptureAsync(context);

        public async Task<StepEffect> ActAsync(ActionContext context)
        {
            var effect = await inner.ActAsync(context);
            await rig.AfterAct(context);
            return effect;
        }

        public Task<EffectProbe> ProbeAsync(ActionContext context) => inner.ProbeAsync(context);

        public Task<StepVerification> VerifyAsync(ActionContext context) => inner.VerifyAsync(context);

        public Task<string> RollBackAsync(ActionContext context) => inner.RollBackAsync(context);
    }
}
