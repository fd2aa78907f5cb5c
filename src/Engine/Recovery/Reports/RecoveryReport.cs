using Hexabase.DrConsole.Engine.Recovery.Drills;

namespace Hexabase.DrConsole.Engine.Recovery.Reports;

/// <summary>What a recovery or a drill was: who asked and approved, what was done, how long it took, what was lost. Written once, at the moment that it names.</summary>
public sealed record RecoveryReport
{
    public const int CurrentVersion = 1;

    public int FormatVersion { get; init; } = CurrentVersion;

    /// <summary>The console that made it.</summary>
    public required string Console { get; init; }

    public required DateTimeOffset MadeAt { get; init; }

    /// <summary>As pages write it: <c>R-17</c>.</summary>
    public required string Run { get; init; }

    public required bool IsDrill { get; init; }

    public required string Source { get; init; }

    public required string Workspace { get; init; }

    /// <summary>The source's when the plan was made; null where the plan does not say.</summary>
    public required string? Class { get; init; }

    public required string RequestedBy { get; init; }

    public required DateTimeOffset AskedAt { get; init; }

    public required DateTimeOffset? EndedAt { get; init; }

    /// <summary>In the catalog's words; null while it is under way.</summary>
    public required string? Outcome { get; init; }

    /// <summary>Why it did not end as planned; null where it did.</summary>
    public required string? Failure { get; init; }

    public required ReportedPlan Plan { get; init; }

    /// <summary>Of a recovery of several sources: each of them; null, and not in the text, for one.</summary>
    [System.Text.Json.Serialization.JsonIgnore(Condition = System.Text.Json.Serialization.JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<ReportedPart>? Parts { get; init; }

    public required ReportedIncident? Incident { get; init; }

    public required IReadOnlyList<ReportedGate> Gates { get; init; }

    public required IReadOnlyList<ReportedStep> Steps { get; init; }

    public required ReportedTargets Targets { get; init; }

    /// <summary>Of a drill: what was looked for when it had ended; null where it was not, and for a recovery.</summary>
    public required DrillCleanup? Cleanup { get; init; }

    public required ReportedAudit Audit { get; init; }
}

/// <summary>The plan that ran.</summary>
/// <param name="Hash">What the approvals are bound to.</param>
/// <param name="RestorePoint">Full id.</param>
/// <param name="Moment">What it was recovered to, or up to which its plan meant to come; null for the end of the WAL or of the backup.</param>
public sealed record ReportedPlan(
    string Name, int Version, string Hash, string Title, string Disaster, string RestorePoint, DateTimeOffset PointCreatedAt, string ManifestHash, DateTimeOffset? Moment,
    DateTimeOffset? ProvenAt, IReadOnlyList<string> Notes)
{
    /// <summary>True where all WAL was replayed that there was; else false, and not in the report's text.</summary>
    [System.Text.Json.Serialization.JsonIgnore(Condition = System.Text.Json.Serialization.JsonIgnoreCondition.WhenWritingDefault)]
    public bool ToEnd { get; init; }
}

/// <summary>One source of a recovery of several.</summary>
/// <param name="BehindSeconds">How much older its content is than the newest part's.</param>
/// <param name="LostAtMostSeconds">Measured; null where nobody knows.</param>
/// <param name="LeftOut">Why no step was about it; null for one that was recovered by itself.</param>
public sealed record ReportedPart(string Source, string? RestorePoint, DateTimeOffset? PointCreatedAt, double? BehindSeconds, double? LostAtMostSeconds, string? LeftOut)
{
    /// <summary>Of one that was left out: the source that it came back with; null where it stayed as it was, and not in the report's text.</summary>
    [System.Text.Json.Serialization.JsonIgnore(Condition = System.Text.Json.Serialization.JsonIgnoreCondition.WhenWritingNull)]
    public string? With { get; init; }
}

/// <summary>The incident that it answered.</summary>
/// <param name="Evidence">The evidence card, as it was when the incident became sure.</param>
public sealed record ReportedIncident(string Incident, string Kind, DateTimeOffset FirstEvidenceAt, DateTimeOffset? ConfirmedAt, System.Text.Json.JsonElement Evidence);

/// <summary>An approval gate with what people said at it.</summary>
/// <param name="Step">Null: the whole plan.</param>
/// <param name="SubjectHash">Of exactly what was to run.</param>
public sealed record ReportedGate(
    long Gate, int? Step, string SubjectHash, string Risk, int Needed, string Requester, string State, DateTimeOffset OpenedAt, DateTimeOffset? GrantedAt, string? ClosedWhy,
    bool IsBreakGlass, string? Review, string? ReviewedBy, IReadOnlyList<ReportedVote> Votes);

/// <summary>What a person said at a gate.</summary>
public sealed record ReportedVote(string Person, bool Approves, string Reason, string Incident, DateTimeOffset At)
{
    /// <summary>False where the account was disabled, or lost its role, before the run came to the gate; else null, and not in the report's text.</summary>
    [System.Text.Json.Serialization.JsonIgnore(Condition = System.Text.Json.Serialization.JsonIgnoreCondition.WhenWritingNull)]
    public bool? Counts { get; init; }
}

/// <summary>A step.</summary>
/// <param name="Seconds">Measured; null where it has no end.</param>
/// <param name="MeasuredFrom">From how many drills and recoveries the estimate was measured; 0: it was the author's guess.</param>
/// <param name="Phases">What its time went into, where it says so.</param>
public sealed record ReportedStep(
    int Position, string Name, string Title, string Action, string State, IReadOnlyList<string> Does, double EstimateSeconds, int MeasuredFrom, DateTimeOffset? StartedAt,
    DateTimeOffset? EndedAt, double? Seconds, string? Effect, string? Verification, string? Error, string? Reason, IReadOnlyList<ReportedPhase> Phases)
{
    /// <summary>When it began to be undone; null where it was not, and not in the report's text.</summary>
    [System.Text.Json.Serialization.JsonIgnore(Condition = System.Text.Json.Serialization.JsonIgnoreCondition.WhenWritingNull)]
    public DateTimeOffset? RollbackStartedAt { get; init; }

    /// <summary>When its way back ended, well or not; null likewise.</summary>
    [System.Text.Json.Serialization.JsonIgnore(Condition = System.Text.Json.Serialization.JsonIgnoreCondition.WhenWritingNull)]
    public DateTimeOffset? RollbackEndedAt { get; init; }

    /// <summary>Why its way back failed; null, and not in the text, where it did not.</summary>
    [System.Text.Json.Serialization.JsonIgnore(Condition = System.Text.Json.Serialization.JsonIgnoreCondition.WhenWritingNull)]
    public string? RollbackError { get; init; }
}

public sealed record ReportedPhase(string Name, double Seconds);

/// <summary>What was promised and what was measured.</summary>
/// <param name="RtoSeconds">The class's promise when the plan was made.</param>
/// <param name="TookSeconds">From the request to the end, waiting for people included; null while it is under way or where it did not succeed.</param>
/// <param name="WorkSeconds">From the first step to the last; null likewise.</param>
/// <param name="RpoSeconds">The class's promise when the plan was made; null where the plan does not say.</param>
/// <param name="LostAtMostSeconds">Measured; null where nobody knows.</param>
/// <param name="RestoredUntil">Everything committed up to here came back.</param>
/// <param name="LostUntil">After here nothing was lost, since nothing was taken.</param>
/// <param name="LossEnd">What happened then.</param>
public sealed record ReportedTargets(
    double RtoSeconds, double? TookSeconds, double? WorkSeconds, double? RpoSeconds, double? LostAtMostSeconds, DateTimeOffset? RestoredUntil, bool IsLastCommit,
    DateTimeOffset? LostUntil, string? LossEnd)
{
    /// <summary>From the incident's confirmation to the end, which is what the promise is about; null, and not in the text, for what answers no confirmed incident.</summary>
    [System.Text.Json.Serialization.JsonIgnore(Condition = System.Text.Json.Serialization.JsonIgnoreCondition.WhenWritingNull)]
    public double? SinceConfirmedSeconds { get; init; }
}

/// <summary>Where it stands in the audit chain.</summary>
/// <param name="Events">All events of the run and of its gates.</param>
/// <param name="HeadSeq">The chain's last event when the report was made.</param>
/// <param name="HeadHash">Its hash, which covers all before it.</param>
public sealed record ReportedAudit(IReadOnlyList<ReportedEvent> Events, long HeadSeq, string HeadHash);

public sealed record ReportedEvent(long Seq, DateTimeOffset At, string Actor, string Action, string Hash);
