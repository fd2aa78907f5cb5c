using System.Globalization;
using System.Text.Json;
using Hexabase.DrConsole.Engine.Recovery.Plans;

namespace Hexabase.DrConsole.Engine.Recovery.Actions;

/// <summary>
/// Starts the service as it was started before, and waits behind a health gate: of PostgreSQL a query answers and it is out of
/// recovery, of Redis it has loaded its data; then the operators' HTTP and script checks. Undone by stopping it.
/// </summary>
public sealed class RestartServices(ServiceControls controls, OperatorChecks checks, TimeProvider time) : IRecoveryAction
{
    public const string ActionName = "restart_services";

    public string Name => ActionName;

    public StepSafety Safety => StepSafety.Idempotent;

    public WayBack WayBack => WayBack.UntilFirstWrite;

    public bool ActsOn(RecoveryTarget target) => target.Service is not null;

    public string? WhyNotOn(RecoveryTarget scratch) =>
        scratch?.Proof is null ? null : $"what lives would be started; {RestoreInPlace.ActionName} starts what its scratch place needs, and compares what it holds";

    public IReadOnlyList<string> Describe(RecoveryTarget target, RecoveryBasis basis, IReadOnlyDictionary<string, string> parameters) =>
    [
        controls.For(target).StartText,
        .. ServiceAnswer.TextOf(target) is { } text ? [text] : Array.Empty<string>(),
        .. target.Checks.Where(check => check.Sql is null).Select(check => $"check '{check.Name}': {OperatorChecks.Text(check)}"),
    ];

    public Task<ActionOutlook> LookAsync(RecoveryTarget target, CancellationToken cancellationToken) => controls.For(target).LookAsync(cancellationToken);

    public async Task<JsonElement> CaptureAsync(ActionContext context) =>
        ActionContext.Data(new ServiceSnapshot(await controls.For(context.Target, context.Scratch).IsRunningAsync(context.Cancellation), []));

    public async Task<StepEffect> ActAsync(ActionContext context)
    {
        var options = context.SnapshotOf<ServiceSnapshot>(StopDatabaseService.ActionName)?.Options ?? [];
        await controls.For(context.Target, context.Scratch).StartAsync(options, context.Log, context.Cancellation);
        var began = time.GetTimestamp();
        await ServiceAnswer.WaitAsync(context, time);
        return new StepEffect(string.Create(CultureInfo.InvariantCulture, $"the service answers, {time.GetElapsedTime(began).TotalSeconds:0.0} s after its start"));
    }

    public Task<EffectProbe> ProbeAsync(ActionContext context) => Task.FromResult<EffectProbe>(new EffectProbe.NotDone());

    public Task<StepVerification> VerifyAsync(ActionContext context) => ServiceAnswer.VerifyAsync(context, checks, check => check.Sql is null, time);

    public async Task<string> RollBackAsync(ActionContext context)
    {
        var wasStopped = context.Snapshots.ContainsKey(StopDatabaseService.ActionName) || context.ByHand.Contains(StopDatabaseService.ActionName);
        if (!wasStopped && context.SnapshotOf<ServiceSnapshot>(Name) is { WasRunning: true })
        {
            // A plan need not stop it first: then starting it changed nothing.
            return "the service ran before this step: it was left running";
        }

        await controls.For(context.Target, context.Scratch).StopAsync(context.Log, context.Cancellation);
        return "the service is stopped again";
    }
}
