using System.Text.Json;
using Hexabase.DrConsole.Engine.Recovery.Plans;

namespace Hexabase.DrConsole.Engine.Recovery.Actions;

/// <summary>
/// Waits until the service answers, then asks all that its operators ask of it. Changes nothing: for plans that lead clients to a
/// place, or that end a time in which nobody could look.
/// </summary>
public sealed class CheckServices(OperatorChecks checks, TimeProvider time) : IRecoveryAction
{
    public const string ActionName = "check_services";

    public string Name => ActionName;

    public StepSafety Safety => StepSafety.Idempotent;

    public WayBack WayBack => WayBack.ChangesNothing;

    public string? NotInDrills => "it asks the living service";

    public bool ActsOn(RecoveryTarget target) => target is { Application: null, Proof: null };

    public IReadOnlyList<string> Describe(RecoveryTarget target, RecoveryBasis basis, IReadOnlyDictionary<string, string> parameters)
    {
        string[] lines = [.. ServiceAnswer.TextOf(target) is { } text ? [text] : Array.Empty<string>(), .. target.Checks.Select(check => $"check '{check.Name}': {OperatorChecks.Text(check)}")];
        return lines.Length > 0
            ? lines
            : throw new EngineException("nothing-to-ask", ErrorKind.Input, "nothing is known that could be asked whether the service does its work", "declare Recovery:Checks of the source, or leave the step out");
    }

    public Task<JsonElement> CaptureAsync(ActionContext context) => Task.FromResult(ActionContext.Data(new { }));

    public async Task<StepEffect> ActAsync(ActionContext context) => new(await ServiceAnswer.WaitAsync(context, time));

    public Task<EffectProbe> ProbeAsync(ActionContext context) => Task.FromResult<EffectProbe>(new EffectProbe.NotDone());

    public Task<StepVerification> VerifyAsync(ActionContext context) => ServiceAnswer.VerifyAsync(context, checks, _ => true, time);

    public Task<string> RollBackAsync(ActionContext context) => Task.FromResult("nothing was changed");
}
