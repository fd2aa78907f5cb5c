namespace Hexabase.DrConsole.Engine.Runs;

/// <summary>Names a run; pages write it as R-12.</summary>
public readonly record struct RunId(long Value)
{
    /// <inheritdoc/>
    public override string ToString() => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"R-{Value}");

    /// <summary>Reads <c>R-12</c>, or the number alone; null where it is neither.</summary>
    public static RunId? TryParse(string? text) =>
        long.TryParse(text is ['R' or 'r', '-', .. var digits] ? digits : text, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var value) ? new RunId(value) : null;
}

/// <summary>
/// The states of a run. <see cref="Queued"/>, <see cref="Running"/> and <see cref="Waiting"/> are open; a running one never stays
/// so without a holder of its lease.
/// </summary>
public enum RunState
{
    /// <summary>Nobody holds it yet, or its holder stopped in good order and it goes on at the next start.</summary>
    Queued,

    /// <summary>A process holds its lease.</summary>
    Running,

    /// <summary>It ended as it should.</summary>
    Completed,

    /// <summary>It ended with an error; nothing half-done shows.</summary>
    Failed,

    /// <summary>A person stopped it.</summary>
    Cancelled,

    /// <summary>After a crash nobody can know whether a step took effect: a person decides.</summary>
    NeedsDecision,

    /// <summary>It goes on only after a person's act (an approval, a resume, a decision). Nobody holds its lease meanwhile.</summary>
    Waiting,
}

/// <summary>The kinds of run, as the catalog writes them.</summary>
public static class RunKinds
{
    public const string Backup = "backup";
    public const string Validation = "validation";
    public const string Restore = "restore";

    /// <summary>Recovers a source to a moment in scratch and looks whether it is that moment.</summary>
    public const string PointInTimeDrill = "point-in-time-drill";

    /// <summary>Shows how a table was at a moment, and copies it beside the living one where a person wants that.</summary>
    public const string TableRescue = "table-rescue";

    /// <summary>Gives up what retention keeps no longer, and frees its space; of a tier.</summary>
    public const string Retention = "retention";

    /// <summary>Reads stored bytes back; of a tier.</summary>
    public const string Verification = "verification";

    /// <summary>Fetches what is damaged from another tier; of a tier.</summary>
    public const string Repair = "repair";

    /// <summary>Copies into a tier what it shall have and has not; of a tier.</summary>
    public const string Replication = "replication";

    /// <summary>Gives a workspace new keys in all its tiers.</summary>
    public const string Rotation = "rotation";

    /// <summary>Deletes a workspace's keys for ever.</summary>
    public const string Shredding = "shredding";

    /// <summary>Backs up all sources of a workspace together.</summary>
    public const string RecoverySet = "recovery-set";

    /// <summary>Carries out a recovery plan.</summary>
    public const string Recovery = "recovery";

    /// <summary>Carries out a recovery plan in a scratch place.</summary>
    public const string Drill = "drill";

    /// <summary>True for the runs that walk through a plan.</summary>
    public static bool IsOfPlan(string kind) => kind is Recovery or Drill;

    /// <summary>True where a run's source is the name of a workspace.</summary>
    public static bool IsOfWorkspace(string kind) => kind is Rotation or Shredding or RecoverySet;

    /// <summary>True where a run's source is the name of a tier.</summary>
    public static bool IsOfTier(string kind) => kind is Retention or Verification or Repair or Replication;
}

/// <summary>A run as the catalog holds it.</summary>
/// <param name="Id">Its name.</param>
/// <param name="Kind">One of <see cref="RunKinds"/>.</param>
/// <param name="Source">The source that it serves.</param>
/// <param name="RestorePoint">The restore point that it made or works on, or null.</param>
/// <param name="RequestJson">What was asked for; its shape is the kind's.</param>
/// <param name="RequestHash">SHA-256 of that request, lower-case hex.</param>
/// <param name="State">Where it stands.</param>
/// <param name="Fence">Counts the holders of its lease.</param>
/// <param name="Attempt">How often it was taken up; above 1 after a crash or a restart.</param>
/// <param name="RequestedBy">A user's name, <c>schedule</c>, <c>engine</c> or <c>command line</c>.</param>
/// <param name="CancelRequestedBy">Who asked to stop it, or null.</param>
/// <param name="Parent">The run that caused it, or null.</param>
public sealed record Run(
    RunId Id, string Kind, string Source, string? RestorePoint, string RequestJson, string RequestHash, RunState State,
    long Fence, int Attempt, string RequestedBy, string? CancelRequestedBy, RunId? Parent)
{
    public required DateTimeOffset CreatedAt { get; init; }

    public DateTimeOffset? StartedAt { get; init; }

    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>Last progress as JSON of <see cref="RunProgressReport"/>, or null.</summary>
    public string? ProgressJson { get; init; }

    /// <summary>The kind's result as JSON, once completed.</summary>
    public string? ResultJson { get; init; }

    /// <summary>JSON of <see cref="RunError"/>, once failed.</summary>
    public string? ErrorJson { get; init; }

    /// <summary>True until it has ended.</summary>
    public bool IsOpen => State is RunState.Queued or RunState.Running or RunState.Waiting;
}

/// <summary>Progress as pages show it.</summary>
/// <param name="Phase">What is being done.</param>
/// <param name="ItemsDone">Items finished in this phase.</param>
/// <param name="ItemsTotal">Items in all, or null.</param>
/// <param name="BytesDone">Bytes of the source handled in this phase.</param>
/// <param name="BytesTotal">Bytes in all, or null.</param>
/// <param name="IsEstimate">True where totals are estimates.</param>
/// <param name="BytesPerSecond">Rate over the last seconds, or null while it cannot be told.</param>
/// <param name="PhaseStartedAt">When this phase began.</param>
/// <param name="At">When this was measured.</param>
public sealed record RunProgressReport(
    string Phase, long ItemsDone, long? ItemsTotal, long BytesDone, long? BytesTotal, bool IsEstimate,
    double? BytesPerSecond, DateTimeOffset PhaseStartedAt, DateTimeOffset At)
{
    /// <summary>Time left at the present rate, or null while total or rate are unknown.</summary>
    public TimeSpan? Remaining => BytesTotal is { } total && BytesPerSecond is > 0 and var rate && total > BytesDone
        ? TimeSpan.FromSeconds((total - BytesDone) / rate)
        : null;
}

/// <summary>Why a run failed.</summary>
/// <param name="Code">The engine's code for it, or <c>unexpected</c>.</param>
/// <param name="Message">What happened.</param>
/// <param name="Hint">What to do.</param>
/// <param name="Step">The step in which it happened, or null.</param>
/// <param name="Kind">The engine's kind for it, or null where it was unexpected.</param>
public sealed record RunError(string Code, string Message, string? Hint, string? Step, string? Kind = null);

/// <summary>One line of a run's log.</summary>
public sealed record RunEvent(long Seq, DateTimeOffset At, string Level, string Phase, string Text);

/// <summary>Where some lines stand in a run's log, by their sequence numbers; others may stand in between.</summary>
public sealed record LogStretch(long First, long Last);

/// <summary>A step of a run as its journal holds it.</summary>
public sealed record RunStep(
    string Name, int Position, string State, int Attempt, string? IntentJson, DateTimeOffset IntentAt, string? ResultJson, DateTimeOffset? EndedAt);
