using System.Text.Json;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Recovery.Actions;

/// <summary>
/// Leads clients to the recovered service: by the selector of a Service of Kubernetes, or by a command of the operators'. The
/// command is never done twice by itself, since nobody knows what it does. With the parameter <c>to</c> = <c>back</c> it leads them
/// back to the place that they came from, once that is repaired.
/// </summary>
public sealed class SwitchTraffic(ProcessRegistry registry) : IRecoveryAction
{
    public const string ActionName = "switch_traffic";

    private const string Direction = "to";

    private const string Back = "back";

    public string Name => ActionName;

    public StepSafety Safety => StepSafety.Unsafe;

    public WayBack WayBack => WayBack.UntilFirstWrite;

    public string? NotInDrills => "it would lead living clients to a scratch server";

    public StepSafety SafetyOn(RecoveryTarget target) => target?.SwitchService is null ? StepSafety.Unsafe : StepSafety.Probeable;

    public bool BearsSecondRollBack(RecoveryTarget target) => target?.SwitchService is not null;

    public bool ActsOn(RecoveryTarget target) => target.Application is null;

    public IReadOnlyList<string> Describe(RecoveryTarget target, RecoveryBasis basis, IReadOnlyDictionary<string, string> parameters) => target switch
    {
        _ when parameters.GetValueOrDefault(Direction, Back) != Back => throw new EngineException("plan-invalid", ErrorKind.Input,
            $"parameter {Direction} of {ActionName} is '{parameters[Direction]}'", $"write {Back}, or leave it out"),
        _ when SelectorOf(target, parameters) is { } selector => selector.Text,
        { SwitchTraffic: not null } => [$"run {string.Join(' ', Commands(target, parameters).There)}", $"undone by {string.Join(' ', Commands(target, parameters).Back)}"],
        _ => throw new EngineException("no-traffic-switch", ErrorKind.Input, "nothing is configured that switches the clients over",
            "declare Recovery:SwitchService of the source, or Recovery:SwitchTraffic and Recovery:SwitchBack; or leave the step out"),
    };

    public Task<ActionOutlook> LookAsync(RecoveryTarget target, CancellationToken cancellationToken) =>
        target?.SwitchService is { } settings ? new KubernetesSwitch(settings, registry.Time).LookAsync(cancellationToken) : Task.FromResult(ActionOutlook.Nothing);

    public async Task<JsonElement> CaptureAsync(ActionContext context) =>
        SelectorOf(context) is { } selector ? ActionContext.Data(await selector.CaptureAsync(context.Cancellation)) : ActionContext.Data(new { });

    public async Task<StepEffect> ActAsync(ActionContext context) => new(SelectorOf(context) is { } selector
        ? await selector.SwitchAsync(Before(context), context.Cancellation)
        : await RunAsync(Commands(context).There, context.Cancellation));

    public async Task<EffectProbe> ProbeAsync(ActionContext context)
    {
        if (SelectorOf(context) is { } selector)
        {
            return await selector.IsSwitchedAsync(context.Cancellation) ? new EffectProbe.Done(new StepEffect("the selector is the new one")) : new EffectProbe.NotDone();
        }

        return new EffectProbe.Unknown($"the console ended while {string.Join(' ', Commands(context).There)} ran: nobody knows whether it took effect");
    }

    public async Task<StepVerification> VerifyAsync(ActionContext context)
    {
        if (SelectorOf(context) is { } selector)
        {
            var (passed, found) = await selector.VerifyAsync(context.Log, context.Cancellation);
            return new StepVerification(passed, found);
        }

        return new StepVerification(true, "the command said that it is done");
    }

    public async Task<string> RollBackAsync(ActionContext context) => SelectorOf(context) is { } selector
        ? await selector.SwitchBackAsync(Before(context), context.Cancellation)
        : await RunAsync(Commands(context).Back, context.Cancellation);

    private static (IReadOnlyList<string> There, IReadOnlyList<string> Back) Commands(ActionContext context) => Commands(context.Target, context.Step.Parameters);

    /// <summary>The command that is done, and the one that undoes it.</summary>
    private static (IReadOnlyList<string> There, IReadOnlyList<string> Back) Commands(RecoveryTarget target, IReadOnlyDictionary<string, string> parameters) =>
        parameters.ContainsKey(Direction) ? (target.SwitchBack!, target.SwitchTraffic!) : (target.SwitchTraffic!, target.SwitchBack!);

    private KubernetesSwitch? SelectorOf(ActionContext context) => SelectorOf(context.Target, context.Step.Parameters);

    private KubernetesSwitch? SelectorOf(RecoveryTarget target, IReadOnlyDictionary<string, string> parameters) => (target.SwitchService, parameters.ContainsKey(Direction)) switch
    {
        (null, _) => null,
        ({ } settings, false) => new KubernetesSwitch(settings, registry.Time),
        ({ SelectorBack: { } selector } settings, true) => new KubernetesSwitch(settings with { Selector = selector }, registry.Time),
        _ => throw new EngineException("no-traffic-switch", ErrorKind.Input, "nothing says which Pods clients are led back to",
            "declare Recovery:SwitchService:SelectorBack, the labels of the Pods of the place that they came from"),
    };

    private static SelectorSnapshot Before(ActionContext context) =>
        context.SnapshotOf<SelectorSnapshot>(ActionName) ?? throw new EngineException(
            "traffic-by-hand", ErrorKind.Conflict, "a person led the clients over in place of this step, and nobody looked where they went before", "lead them back by hand, then undo the rest");

    private async Task<string> RunAsync(IReadOnlyList<string> words, CancellationToken cancellationToken)
    {
        var result = await ToolProcess.RunAsync(new ToolCommand(words[0], [.. words.Skip(1)]) { Purpose = "traffic switch" }, registry, cancellationToken);
        return result.ExitCode == 0
            ? $"{string.Join(' ', words)} ended well"
            : throw new EngineException("traffic-switch", ErrorKind.Unavailable, $"{string.Join(' ', words)} ended with {result.ExitCode}: {result.ErrorTail}", "look at what it switches");
    }
}
