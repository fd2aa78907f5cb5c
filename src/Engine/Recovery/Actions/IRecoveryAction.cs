using System.Text.Json;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Recovery.Actions;

/// <summary>What an action says of a step whose intent was written but whose effect was not.</summary>
public abstract record EffectProbe
{
    private EffectProbe()
    {
    }

    /// <summary>It took effect.</summary>
    /// <param name="Effect">What it did, as its own end would have said.</param>
    public sealed record Done(StepEffect Effect) : EffectProbe;

    /// <summary>It did not, or doing it again is safe.</summary>
    public sealed record NotDone : EffectProbe;

    /// <summary>Nobody can know: a person decides.</summary>
    public sealed record Unknown(string Why) : EffectProbe;
}

/// <summary>What a step did.</summary>
/// <param name="Text">For people.</param>
/// <param name="Data">What its verification, its way back or later steps need; null for nothing.</param>
public sealed record StepEffect(string Text, JsonElement? Data = null);

/// <summary>What a step's verification found.</summary>
/// <param name="Passed">Whether the step's aim is reached.</param>
/// <param name="Text">What was looked at, and what was found.</param>
public sealed record StepVerification(bool Passed, string Text);

/// <summary>How what an action is for stands now.</summary>
/// <param name="Notes">What a person should know before.</param>
/// <param name="Obstacles">What would make it fail if it were done now.</param>
public sealed record ActionOutlook(IReadOnlyList<string> Notes, IReadOnlyList<string> Obstacles)
{
    /// <summary>Nothing is to be said.</summary>
    public static ActionOutlook Nothing { get; } = new([], []);
}

/// <summary>
/// Something that a recovery can do. Each of its parts may be called again after a crash: <see cref="RollBackAsync"/> must bear
/// to find its work half done, or done.
/// </summary>
public interface IRecoveryAction
{
    /// <summary>As plans name it: lower case with underscores.</summary>
    string Name { get; }

    StepSafety Safety { get; }

    /// <summary>The same for a target, where it depends on how that is declared.</summary>
    StepSafety SafetyOn(RecoveryTarget target) => Safety;

    WayBack WayBack { get; }

    /// <summary>Why a drill leaves it out, since it could only be done to what lives; null for an action that a drill does.</summary>
    string? NotInDrills => null;

    /// <summary>The same for a drill's target.</summary>
    string? WhyNotOn(RecoveryTarget scratch) => NotInDrills;

    /// <summary>Whether it is for such a target: most act on a PostgreSQL cluster. A plan with an action that is not for its target is not made.</summary>
    bool ActsOn(RecoveryTarget target) => target is { InPlace: null, Application: null, Proof: null };

    /// <summary>Exactly what it will do to that target, one line each: what the approver reads, and what the hash covers.</summary>
    /// <exception cref="EngineException">It cannot be done to that target; with what is missing.</exception>
    IReadOnlyList<string> Describe(RecoveryTarget target, RecoveryBasis basis, IReadOnlyDictionary<string, string> parameters);

    /// <summary>How what it would act on stands now: for plans that somebody may carry out, and for their readiness. Changes nothing, and ends soon.</summary>
    Task<ActionOutlook> LookAsync(RecoveryTarget target, CancellationToken cancellationToken) => Task.FromResult(ActionOutlook.Nothing);

    /// <summary>Whether it could be done now as it was approved: asked before the first step of the plan begins. Changes nothing.</summary>
    /// <exception cref="EngineException">It could not, and why.</exception>
    Task RequireAsync(RecoveryTarget target, RecoveryBasis basis, CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Looks at what its way back needs; changes nothing. Committed before <see cref="ActAsync"/>.</summary>
    Task<JsonElement> CaptureAsync(ActionContext context);

    /// <summary>Does it.</summary>
    /// <exception cref="EngineException">It failed.</exception>
    Task<StepEffect> ActAsync(ActionContext context);

    /// <summary>After a crash: whether it took effect.</summary>
    Task<EffectProbe> ProbeAsync(ActionContext context);

    /// <summary>Whether its aim is reached.</summary>
    Task<StepVerification> VerifyAsync(ActionContext context);

    /// <summary>True where its way back may be gone again after a crash in it; false where nobody knows what a second time does.</summary>
    bool BearsSecondRollBack(RecoveryTarget target) => true;

    /// <summary>Brings the captured state back; what it did for the log.</summary>
    /// <exception cref="EngineException">It cannot be brought back.</exception>
    Task<string> RollBackAsync(ActionContext context);
}

/// <summary>What an action gets while it works on one step.</summary>
/// <param name="Plan">The approved plan; of a recovery of several sources as it is for this step's.</param>
/// <param name="Step">The step.</param>
/// <param name="Operation">Names the run for ever: <c>R-17 2026-11-24T…</c>.</param>
/// <param name="Tag">The same, fit for a file's name: <c>r17-20261124101500</c>.</param>
/// <param name="Snapshots">What was captured before the steps of its source that have begun, by action; of this step's own action before this one or an earlier one.</param>
/// <param name="Progress">Gets the progress of long work.</param>
/// <param name="Log">Gets lines for the run's log.</param>
/// <param name="Cancellation">Set when the step's time is over, somebody cancels, or the process stops.</param>
public sealed record ActionContext(
    RecoveryPlan Plan, PlannedStep Step, string Operation, string Tag, IReadOnlyDictionary<string, JsonElement> Snapshots,
    IProgress<TransferProgress> Progress, Action<string> Log, CancellationToken Cancellation)
{
    /// <summary>What the step's effect said, once it acted.</summary>
    public JsonElement? Effect { get; init; }

    /// <summary>Gets what the action waits for, and what it last heard, and null when that is over: where the step's time ends over it, that is why.</summary>
    public Action<string?> Waits { get; init; } = _ => { };

    /// <summary>True where an earlier attempt has begun the way back: what it looks for may have been brought back by it.</summary>
    public bool IsGoneOnWith { get; init; }

    /// <summary>The actions of steps that a person left out or said to have taken effect: what they did instead nobody here knows.</summary>
    public IReadOnlySet<string> ByHand { get; init; } = new HashSet<string>();

    /// <summary>In a drill: the folder that everything happens in, of a drill of several sources that of this step's; null in a real recovery.</summary>
    public ScratchFolder? Scratch { get; init; }

    /// <summary>Who runs the recovered cluster's servers and programs, and apart from what.</summary>
    internal ServerPlace Servers => Scratch?.Servers ?? ServerPlace.InPlace();

    /// <summary>The server that is recovered.</summary>
    public RecoveryTarget Target => Plan.Target;

    /// <summary>What was captured before a step of that action; null where there was none.</summary>
    public T? SnapshotOf<T>(string action)
        where T : class => Snapshots.TryGetValue(action, out var snapshot) ? snapshot.Deserialize<T>(JsonSerializerOptions.Web) : null;

    /// <summary>A snapshot or an effect's data.</summary>
    public static JsonElement Data(object value) => JsonSerializer.SerializeToElement(value, JsonSerializerOptions.Web);
}
