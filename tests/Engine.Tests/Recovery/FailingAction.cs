using System.Text.Json;
using Hexabase.DrConsole.Engine.Recovery.Actions;
using Hexabase.DrConsole.Engine.Recovery.Plans;

namespace Hexabase.DrConsole.Engine.Tests.Recovery;

/// <summary>Where an action fails.</summary>
public enum Fault
{
    /// <summary>Before it acts: what its way back needs cannot be looked at.</summary>
    Capture,

    /// <summary>After it took effect.</summary>
    Act,

    /// <summary>Its verification says no.</summary>
    Verify,

    /// <summary>It fails, and so does its way back.</summary>
    RollBack,

    /// <summary>It fails, and its way back has a bug.</summary>
    RollBackBug,

    /// <summary>It fails, and has no way back.</summary>
    NoWayBack,

    /// <summary>The engine has a bug there.</summary>
    Bug,
}

/// <summary>Lets a test do something after an action took effect, and before its effect is written down.</summary>
internal class HookedAction(IRecoveryAction inner, Func<Task>? afterAct = null, Func<Task>? beforeAct = null, Func<Task>? beforeVerify = null, Func<Task>? afterVerify = null) : IRecoveryAction
{
    /// <summary>Called when the action took effect.</summary>
    public Action? OnEffect { get; init; }

    /// <summary>Called before and after the way back.</summary>
    public Func<string, Task>? AroundRollBack { get; init; }

    public string Name => inner.Name;

    public StepSafety Safety => inner.Safety;

    public virtual WayBack WayBack => inner.WayBack;

    public IReadOnlyList<string> Describe(RecoveryTarget target, RecoveryBasis basis, IReadOnlyDictionary<string, string> parameters) => inner.Describe(target, basis, parameters);

    public Task RequireAsync(RecoveryTarget target, RecoveryBasis basis, CancellationToken cancellationToken) => inner.RequireAsync(target, basis, cancellationToken);

    public virtual Task<JsonElement> CaptureAsync(ActionContext context) => inner.CaptureAsync(context);

    public async Task<StepEffect> ActAsync(ActionContext context)
    {
        await (beforeAct?.Invoke() ?? Task.CompletedTask);
        var effect = await inner.ActAsync(context);
        OnEffect?.Invoke();
        await (afterAct?.Invoke() ?? Task.CompletedTask);
        return effect;
    }

    public Task<EffectProbe> ProbeAsync(ActionContext context) => inner.ProbeAsync(context);

    public virtual async Task<StepVerification> VerifyAsync(ActionContext context)
    {
        await (beforeVerify?.Invoke() ?? Task.CompletedTask);
        var found = await inner.VerifyAsync(context);
        await (afterVerify?.Invoke() ?? Task.CompletedTask);
        return found;
    }

    public bool BearsSecondRollBack(RecoveryTarget target) => inner.BearsSecondRollBack(target);

    public virtual async Task<string> RollBackAsync(ActionContext context)
    {
        await (AroundRollBack?.Invoke("begins") ?? Task.CompletedTask);
        var done = await inner.RollBackAsync(context);
        await (AroundRollBack?.Invoke("is done") ?? Task.CompletedTask);
        return done;
    }
}

/// <summary>An action that fails in one way, mostly after it really took effect.</summary>
internal sealed class FailingAction(IRecoveryAction inner, Fault fault) : HookedAction(inner, afterAct: () => fault switch
{
    Fault.Verify => Task.CompletedTask,
    Fault.Bug => throw new System.Diagnostics.UnreachableException("a bug of the test"),
    _ => throw new EngineException("test-fault", ErrorKind.Unavailable, "the test made it fail"),
})
{
    public override WayBack WayBack => fault == Fault.NoWayBack ? WayBack.None : base.WayBack;

    public override Task<JsonElement> CaptureAsync(ActionContext context) =>
        fault == Fault.Capture ? throw new EngineException("test-fault", ErrorKind.Unavailable, "the test lets nobody look") : base.CaptureAsync(context);

    public override async Task<StepVerification> VerifyAsync(ActionContext context) =>
        fault == Fault.Verify ? new StepVerification(false, "the test says no") : await base.VerifyAsync(context);

    public override Task<string> RollBackAsync(ActionContext context) => fault switch
    {
        Fault.RollBack => throw new EngineException("test-fault", ErrorKind.Unavailable, "the test made the way back fail"),
        Fault.RollBackBug => throw new InvalidOperationException("a bug of the test's way back"),
        _ => base.RollBackAsync(context),
    };
}
