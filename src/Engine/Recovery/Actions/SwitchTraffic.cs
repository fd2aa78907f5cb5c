using System.Text.Json;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Recovery.Actions;

/// <summary>
/// Leads clients to the recovered service: by the selector of a Service of Kubernetes, or by a command of the operators'. The
/// command is never done twice by itself, since nobody knows what it does.
/// </summary>
public sealed class SwitchTraffic(ProcessRegistry registry) : IRecoveryAction
{
    public const string ActionName = "switch_traffic";

    public string Name => ActionName;

    public StepSafety Safety => StepSafety.Unsafe;

    public WayBack WayBack => WayBack.UntilFirstWrite;

    public string? NotInDrills => "it would lead living clients to a scratch server";

    public StepSafety SafetyOn(RecoveryTarget target) => target?.SwitchService is null ? StepSafety.Unsafe : StepSafety.Probeable;

    public bool ActsOn(RecoveryTarget target) => target.Application is null;

    public IReadOnlyList<string> Describe(RecoveryTarget target, RecoveryBasis basis, IReadOnlyDictionary<string, string> parameters) => target switch
    {
        _ when SelectorOf(target) is { } selector => selector.Text,
        { SwitchTraffic: { } words } => [$"run {string.Join(' ', words)}", $"undone by {string.Join(' ', target.SwitchBack!)}"],
        _ => throw new EngineException("no-traffic-switch", ErrorKind.Input, "nothing is configured that switches the clients over",
            "declare Recovery:SwitchService of the source, or Recovery:SwitchTraffic and Recovery:SwitchBack; or leave the step out"),
    };

    public Task<ActionOutlook> LookAsync(RecoveryTarget target, CancellationToken cancellationToken) =>
        SelectorOf(target)?.LookAsync(cancellationToken) ?? Task.FromResult(ActionOutlook.Nothing);

    public async Task<JsonElement> CaptureAsync(ActionContext context) =>
        SelectorOf(context.Target) is { } selector ? ActionContext.Data(await selector.CaptureAsync(context.Cancellation)) : ActionContext.Data(new { });

    public async Task<StepEffect> ActAsync(ActionContext context) => new(SelectorOf(context.Target) is { } selector
        ? await selector.SwitchAsync(Before(context), context.Cancellation)
        : await RunAsync(context.Target.SwitchTraffic!, context.Cancellation));

    public async Task<EffectProbe> ProbeAsync(ActionContext context)
    {
        if (SelectorOf(context.Target) is { } selector)
        {
            return await selector.IsSwitchedAsync(context.Cancellation) ? new EffectProbe.Done(new StepEffect("the selector is the new one")) : new EffectProbe.NotDone();
        }

        return new EffectProbe.Unknown($"the console ended while {string.Join(' ', context.Target.SwitchTraffic!)} ran: nobody knows whether it took effect");
    }

    public async Task<StepVerification> VerifyAsync(ActionContext context)
    {
        if (SelectorOf(context.Target) is { } selector)
        {
            var (passed, found) = await selector.VerifyAsync(context.Log, context.Cancellation);
            return new StepVerification(passed, found);
        }

        return new StepVerification(true, "the command said that it is done");
    }

    public async Task<string> RollBackAsync(ActionContext context) => SelectorOf(context.Target) is { } selector
        ? await selector.SwitchBackAsync(Before(context), context.Cancellation)
        : await RunAsync(context.Target.SwitchBack!, context.Cancellation);

    private KubernetesSwitch? SelectorOf(RecoveryTarget target) => target.SwitchService is { } settings ? new KubernetesSwitch(settings, registry.Time) : null;

    private static SelectorSnapshot Before(ActionContext context) =>
        context.SnapshotOf<SelectorSnapshot>(ActionName) ?? throw new System.Diagnostics.UnreachableException("it was captured before the step acted");

    private async Task<string> RunAsync(IReadOnlyList<string> words, CancellationToken cancellationToken)
    {
        var result = await ToolProcess.RunAsync(new ToolCommand(words[0], [.. words.Skip(1)]) { Purpose = "traffic switch" }, registry, cancellationToken);
        return result.ExitCode == 0
            ? $"{string.Join(' ', words)} ended well"
            : throw new EngineException("traffic-switch", ErrorKind.Unavailable, $"{string.Join(' ', words)} ended with {result.ExitCode}: {result.ErrorTail}", "look at what it switches");
    }
}
