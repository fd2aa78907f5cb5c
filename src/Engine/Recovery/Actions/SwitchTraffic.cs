using System.Text.Json;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Recovery.Actions;

/// <summary>Leads clients to the recovered service by a command of the operators'. Never done twice by itself: nobody knows what it does.</summary>
public sealed class SwitchTraffic(ProcessRegistry registry) : IRecoveryAction
{
    public const string ActionName = "switch_traffic";

    public string Name => ActionName;

    public StepSafety Safety => StepSafety.Unsafe;

    public WayBack WayBack => WayBack.UntilFirstWrite;

    public string? NotInDrills => "it would lead living clients to a scratch server";

    public bool ActsOn(RecoveryTarget target) => target.Application is null;

    public IReadOnlyList<string> Describe(RecoveryTarget target, RecoveryBasis basis, IReadOnlyDictionary<string, string> parameters) =>
        target.SwitchTraffic is { } words
            ? [$"run {string.Join(' ', words)}", $"undone by {string.Join(' ', target.SwitchBack!)}"]
            : throw new EngineException("no-traffic-switch", ErrorKind.Input, "no command is configured that switches the clients over",
                "declare Recovery:SwitchTraffic and Recovery:SwitchBack of the source, or leave the step out");

    public Task<JsonElement> CaptureAsync(ActionContext context) => Task.FromResult(ActionContext.Data(new { }));

    public async Task<StepEffect> ActAsync(ActionContext context) => new(await RunAsync(context.Target.SwitchTraffic!, context.Cancellation));

    public Task<EffectProbe> ProbeAsync(ActionContext context) =>
        Task.FromResult<EffectProbe>(new EffectProbe.Unknown($"the console ended while {string.Join(' ', context.Target.SwitchTraffic!)} ran: nobody knows whether it took effect"));

    public Task<StepVerification> VerifyAsync(ActionContext context) => Task.FromResult(new StepVerification(true, "the command said that it is done"));

    public async Task<string> RollBackAsync(ActionContext context) => await RunAsync(context.Target.SwitchBack!, context.Cancellation);

    private async Task<string> RunAsync(IReadOnlyList<string> words, CancellationToken cancellationToken)
    {
        var result = await ToolProcess.RunAsync(new ToolCommand(words[0], [.. words.Skip(1)]) { Purpose = "traffic switch" }, registry, cancellationToken);
        return result.ExitCode == 0
            ? $"{string.Join(' ', words)} ended well"
            : throw new EngineException("traffic-switch", ErrorKind.Unavailable, $"{string.Join(' ', words)} ended with {result.ExitCode}: {result.ErrorTail}", "look at what it switches");
    }
}
