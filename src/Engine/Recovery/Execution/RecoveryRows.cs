using System.Text.Json;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Engine.Recovery.Execution;

/// <summary>How a recovery ended.</summary>
public enum RecoveryOutcome
{
    /// <summary>All steps did their work and were verified.</summary>
    Completed,

    /// <summary>A step failed, and the system is as it was before the recovery, or as the plan says before that step.</summary>
    RolledBack,

    /// <summary>A step failed, and so did its way back: a person must look.</summary>
    RollbackFailed,

    /// <summary>A step failed that has no way back.</summary>
    FailedNoRollback,

    /// <summary>A step did its work, but its aim was not reached.</summary>
    VerificationFailed,

    /// <summary>The engine itself failed.</summary>
    Error,

    /// <summary>A person stopped it.</summary>
    Cancelled,
}

/// <summary>What a recovery waits for.</summary>
public enum RecoveryWait
{
    /// <summary>The approvals of its gate.</summary>
    Approval,

    /// <summary>A person paused it.</summary>
    Resume,

    /// <summary>A person must say what becomes of a step.</summary>
    Decision,
}

/// <summary>Where a step stands.</summary>
public enum StepState
{
    Pending,

    /// <summary>Its intent is written; it is being done, or was when the process ended.</summary>
    Running,

    /// <summary>It took effect, and is not verified yet.</summary>
    Acted,
    Done,
    Failed,
    VerificationFailed,

    /// <summary>A person left it out, with a reason.</summary>
    Skipped,
    RollingBack,
    RolledBack,
    RollbackFailed,
}

/// <summary>What a person decided about a step that cannot go on by itself.</summary>
public enum StepChoice
{
    /// <summary>It is tried again.</summary>
    Retry,

    /// <summary>It took effect, the person has looked.</summary>
    MarkDone,

    /// <summary>It is left out.</summary>
    Skip,

    /// <summary>Everything is undone.</summary>
    RollBack,

    /// <summary>Everything stays as it is, and the recovery ends.</summary>
    Abort,
}

/// <summary>A decision until the run has acted on it.</summary>
public sealed record StepDecision(int Step, StepChoice Choice, string Reason, string By);

/// <summary>A recovery as the catalog holds it.</summary>
/// <param name="WaitsStep">While it waits for a decision: the position of the step that it is about.</param>
public sealed record RecoveryRow(
    RunId Run, string Plan, int PlanVersion, string PlanHash, string Source, string Disaster, long? Incident, bool IsDrill, RecoveryOutcome? Outcome,
    RecoveryWait? WaitsFor, string? WaitsWhy, string? PauseBy, string? PauseReason, StepDecision? Decision, bool RollBackOnCancel, int? WaitsStep);

/// <summary>A step as the catalog holds it.</summary>
public sealed record RecoveryStepRow(int Position, string Name, string Action, StepState State, int Attempt)
{
    public JsonElement? Snapshot { get; init; }

    public JsonElement? Effect { get; init; }

    /// <summary>What the step did, in words.</summary>
    public string? EffectText => Effect is { } effect && effect.TryGetProperty("text", out var text) ? text.GetString() : null;

    public string? Verification { get; init; }

    public string? Error { get; init; }

    /// <summary>In a recovery of several sources: the one that it is about; null for what is about all of them.</summary>
    public string? Part { get; init; }

    /// <summary>Why a person skipped it or marked it done.</summary>
    public string? Reason { get; init; }

    public DateTimeOffset? StartedAt { get; init; }

    /// <summary>When its last attempt began; <see cref="StartedAt"/> is when the first one did.</summary>
    public DateTimeOffset? AttemptedAt { get; init; }

    public DateTimeOffset? ActedAt { get; init; }

    public DateTimeOffset? EndedAt { get; init; }

    public DateTimeOffset? RollbackStartedAt { get; init; }

    public DateTimeOffset? RollbackEndedAt { get; init; }

    /// <summary>Why its way back failed; null where it did not.</summary>
    public string? RollbackError { get; init; }

    /// <summary>Why it failed, and why its way back did; null where neither did.</summary>
    public string? Fault => RollbackError is null ? Error : $"{(Error is null ? "" : $"{Error}; ")}its way back failed: {RollbackError}";

    /// <summary>True where the target may have been changed by it, or by the person who said that it took effect.</summary>
    public bool MayHaveActed => (Attempt > 0 || State is StepState.Done or StepState.RollingBack or StepState.RollbackFailed) && State != StepState.RolledBack;
}

/// <summary>The names of the states in the catalog: lower case with underscores, as the original description has them.</summary>
public static class RecoveryNames
{
    public static string Of<T>(T value)
        where T : struct, Enum => JsonNamingPolicy.SnakeCaseLower.ConvertName(value.ToString());

    public static T Parse<T>(string text)
        where T : struct, Enum => Enum.GetValues<T>().First(value => Of(value) == text);
}
