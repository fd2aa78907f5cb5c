using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Runs;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Recovery.Approvals;

/// <summary>Where a gate stands.</summary>
public enum GateState
{
    /// <summary>It waits for approvals.</summary>
    Open,

    /// <summary>It has them; the run may begin while they hold.</summary>
    Granted,

    /// <summary>The run went through it.</summary>
    Used,

    /// <summary>Somebody said no. The run waits.</summary>
    Declined,

    /// <summary>The time to approve, or to begin after the approval, is over. The run waits.</summary>
    Expired,

    /// <summary>What was to be approved has changed. The run waits.</summary>
    Void,
}

/// <summary>A gate before a recovery, or before one of its steps.</summary>
/// <param name="Step">Null: the whole plan, before its first step.</param>
/// <param name="SubjectHash">Of exactly what will run.</param>
/// <param name="Needed">How many different people must approve.</param>
/// <param name="ApproveUntil">Then it expires.</param>
/// <param name="ExecuteWithin">How long after the last approval the run may begin.</param>
public sealed record ApprovalGate(
    long Id, RunId Run, int? Step, string SubjectHash, string Risk, int Needed, string Requester, GateState State, DateTimeOffset OpenedAt,
    DateTimeOffset ApproveUntil, TimeSpan ExecuteWithin, DateTimeOffset? GrantedAt, DateTimeOffset? ClosedAt, string? ClosedWhy, bool IsBreakGlass)
{
    /// <summary>The review that must follow a break-glass; null while it is due.</summary>
    public string? Review { get; init; }

    public string? ReviewedBy { get; init; }

    /// <summary>Until when the run may begin, once granted.</summary>
    public DateTimeOffset? ExecuteUntil => GrantedAt + ExecuteWithin;
}

/// <summary>What a person said at a gate.</summary>
public sealed record ApprovalVote(long Gate, string Person, bool Approves, string Reason, string Incident, DateTimeOffset At);

/// <summary>Reads gates and votes.</summary>
public sealed class ApprovalCatalog(NpgsqlDataSource catalog)
{
    internal const string Columns =
        "id, run_id, step, subject_hash, risk, needed, requester, state, opened_at, approve_until, execute_within, granted_at, closed_at, closed_why, is_break_glass, review, reviewed_by";

    public Task<ApprovalGate?> FindAsync(long gate, CancellationToken cancellationToken) =>
        catalog.Command($"SELECT {Columns} FROM approval_gate WHERE id = $1", gate).FirstAsync(Map, cancellationToken);

    /// <summary>Those that wait for somebody, the one that expires first first.</summary>
    public Task<IReadOnlyList<ApprovalGate>> OpenAsync(CancellationToken cancellationToken) =>
        catalog.Command($"SELECT {Columns} FROM approval_gate WHERE state = 'open' ORDER BY approve_until").ListAsync(Map, cancellationToken);

    /// <summary>Those that are closed, newest first.</summary>
    public Task<IReadOnlyList<ApprovalGate>> ClosedAsync(int limit, CancellationToken cancellationToken) =>
        catalog.Command($"SELECT {Columns} FROM approval_gate WHERE state <> 'open' ORDER BY id DESC LIMIT $1", limit).ListAsync(Map, cancellationToken);

    /// <summary>The gates of a run, oldest first.</summary>
    public Task<IReadOnlyList<ApprovalGate>> OfRunAsync(RunId run, CancellationToken cancellationToken) =>
        catalog.Command($"SELECT {Columns} FROM approval_gate WHERE run_id = $1 ORDER BY id", run.Value).ListAsync(Map, cancellationToken);

    public Task<IReadOnlyList<ApprovalVote>> VotesAsync(long gate, CancellationToken cancellationToken) =>
        catalog.Command("SELECT gate, person, vote = 'approve', reason, incident, at FROM approval_vote WHERE gate = $1 ORDER BY at", gate)
            .ListAsync(row => new ApprovalVote(row.GetInt64(0), row.GetString(1), row.GetBoolean(2), row.GetString(3), row.GetString(4), row.Time(5)), cancellationToken);

    internal static ApprovalGate Map(NpgsqlDataReader row) => new(
        row.GetInt64(0), new RunId(row.GetInt64(1)), row.IsDBNull(2) ? null : row.GetInt32(2), row.GetString(3), row.GetString(4), row.GetInt32(5), row.GetString(6),
        RecoveryNames.Parse<GateState>(row.GetString(7)), row.Time(8), row.Time(9), row.GetFieldValue<TimeSpan>(10), row.TimeOrNull(11), row.TimeOrNull(12), row.TextOrNull(13),
        row.GetBoolean(14))
    {
        Review = row.TextOrNull(15),
        ReviewedBy = row.TextOrNull(16),
    };
}
