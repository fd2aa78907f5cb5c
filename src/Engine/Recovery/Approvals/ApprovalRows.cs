using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Health;
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

    /// <summary>Somebody said no. A plan's run waits, a restore ends; so in the two states below.</summary>
    Declined,

    /// <summary>The time to approve, or to begin after the approval, is over.</summary>
    Expired,

    /// <summary>What was to be approved has changed, or its run has ended.</summary>
    Void,
}

/// <summary>A gate before a recovery, or one of its steps, or before a restore over what lives.</summary>
/// <param name="Step">Null: all that the run does, before its first step.</param>
/// <param name="SubjectHash">Of exactly what will run.</param>
/// <param name="Needed">How many different people must approve; 0 where the configuration asks for none.</param>
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
public sealed record ApprovalVote(long Gate, string Person, bool Approves, string Reason, string Incident, DateTimeOffset At)
{
    /// <summary>False where the account was disabled, or lost its role, before the run went through the gate.</summary>
    public bool Counts { get; init; } = true;
}

/// <summary>A gate with what it stands before, and how far it has come.</summary>
/// <param name="Source">What its run is about.</param>
/// <param name="RunKind">One of <see cref="RunKinds"/>.</param>
/// <param name="Approved">How many have approved.</param>
public sealed record GateStanding(ApprovalGate Gate, string Source, string RunKind, int Approved)
{
    /// <summary>True before a restore outside of plans.</summary>
    public bool IsRestore => RunKind == RunKinds.Restore;

    /// <summary>True while somebody may still answer, or its run still go through it.</summary>
    public bool IsLive => Gate.State is GateState.Open or GateState.Granted;
}

/// <summary>A gate that has not opened yet: before a step that people approve by itself, of a recovery that has not come to it.</summary>
/// <param name="Source">What its run is about.</param>
/// <param name="Step">The step's position: its gate opens just before it begins.</param>
/// <param name="Name">The step's name.</param>
/// <param name="Needed">How many different people will have to approve.</param>
/// <param name="Requester">Who asked for the recovery, and cannot approve it.</param>
public sealed record ComingGate(RunId Run, string Source, int Step, string Name, int Needed, string Requester);

/// <summary>Reads gates and votes.</summary>
public sealed class ApprovalCatalog(NpgsqlDataSource catalog)
{
    internal const string Columns =
        "id, run_id, step, subject_hash, risk, needed, requester, state, opened_at, approve_until, execute_within, granted_at, closed_at, closed_why, is_break_glass, review, reviewed_by";

    /// <summary>
    /// SQL that is true of an incident in which one person may go alone. What only this console cannot see, or is not let in to, may be
    /// well for everybody else; and where nothing but a disk is full, nothing is lost (<see cref="Evidence.IsOnlyFullDisk"/>).
    /// </summary>
    internal const string IsDisaster =
        """
        i.kind NOT IN ('NETWORK_PARTITION', 'UNKNOWN') AND NOT (i.kind = 'STORAGE_FAILURE'
          AND jsonb_path_exists(i.evidence, '$.subjects[*].probes[*] ? (@.missesInARow > 0 && @.kind == "Disk")')
          AND NOT jsonb_path_exists(i.evidence, '$.subjects[*].probes[*] ? (@.missesInARow > 1 && @.kind != "Disk")'))
        """;

    /// <summary>True of a vote <c>v</c> whose person may approve at this moment.</summary>
    internal const string MayApprove = "EXISTS (SELECT FROM app_user u WHERE u.name = v.person AND NOT u.disabled AND u.role IN ('Approver', 'Admin'))";

    /// <summary>How many approvals of a gate <c>g</c> count at this moment.</summary>
    internal const string CountingVotes = $"(SELECT count(*)::integer FROM approval_vote v WHERE v.gate = g.id AND v.vote = 'approve' AND {MayApprove})";

    /// <summary>True of a vote <c>v</c> at a gate <c>g</c> that counts, or did when its run went through.</summary>
    private const string Counts = $"coalesce(v.counted, g.state IN ('used', 'declined', 'expired') OR {MayApprove})";

    /// <remarks>An incident of some of a recovery's sources is a reason for it, but none for one person to write over the others alone.</remarks>
    private const string IncidentOfRun =
        $"""
        SELECT i.id FROM run r LEFT JOIN recovery c ON c.run_id = r.id
        JOIN incident i ON i.state = 'confirmed' AND {IsDisaster} AND ARRAY (SELECT s.source FROM run_source s WHERE s.run_id = r.id) <@ i.sources AND (i.id = c.incident OR (c.run_id IS NULL AND r.kind = 'restore'))
        WHERE r.id = $1 ORDER BY i.id DESC LIMIT 1
        """;

    public Task<ApprovalGate?> FindAsync(long gate, CancellationToken cancellationToken) =>
        catalog.Command($"SELECT {Columns} FROM approval_gate WHERE id = $1", gate).FirstAsync(Map, cancellationToken);

    /// <summary>Those that wait for somebody, the one that expires first first.</summary>
    public Task<IReadOnlyList<ApprovalGate>> OpenAsync(CancellationToken cancellationToken) =>
        catalog.Command($"SELECT {Columns} FROM approval_gate WHERE state = 'open' ORDER BY approve_until").ListAsync(Map, cancellationToken);

    /// <summary>Those in one of the states: of the open ones the one that expires first first, then the others, newest first.</summary>
    public Task<IReadOnlyList<GateStanding>> StandingsAsync(IEnumerable<GateState> states, int limit, CancellationToken cancellationToken) => catalog.Command(
        $"{Standings} WHERE g.state = ANY ($1) ORDER BY CASE WHEN g.state = 'open' THEN g.approve_until END, g.id DESC LIMIT $2", states.Select(RecoveryNames.Of).ToArray(), limit)
        .ListAsync(MapStanding, cancellationToken);

    /// <summary>Those of these numbers, oldest first.</summary>
    public Task<IReadOnlyList<GateStanding>> StandingsAsync(IReadOnlyCollection<long> gates, CancellationToken cancellationToken) =>
        catalog.Command($"{Standings} WHERE g.id = ANY ($1) ORDER BY g.id", (object)gates.ToArray()).ListAsync(MapStanding, cancellationToken);

    /// <summary>Those of a run, oldest first.</summary>
    public Task<IReadOnlyList<GateStanding>> StandingsAsync(RunId run, CancellationToken cancellationToken) =>
        catalog.Command($"{Standings} WHERE g.run_id = $1 ORDER BY g.id", run.Value).ListAsync(MapStanding, cancellationToken);

    /// <summary>Where one person went through alone and nobody has written the review yet, oldest first.</summary>
    public Task<IReadOnlyList<GateStanding>> ReviewsDueAsync(CancellationToken cancellationToken) =>
        catalog.Command($"{Standings} WHERE g.is_break_glass AND g.review IS NULL ORDER BY g.granted_at").ListAsync(MapStanding, cancellationToken);

    /// <summary>
    /// Gates that will open, so that whoever is to approve can be ready: those before the steps that an open recovery has not come to. Of one
    /// that is being undone or ended none opens any more.
    /// </summary>
    /// <param name="run">Null: of all recoveries.</param>
    public Task<IReadOnlyList<ComingGate>> ComingAsync(RunId? run, int limit, CancellationToken cancellationToken) => catalog.Command(
        """
        SELECT r.id, r.source, s.position, s.name, (p.plan #>> '{gate,approvals}')::integer, r.requested_by
        FROM run r JOIN recovery c ON c.run_id = r.id JOIN recovery_step s ON s.run_id = r.id AND s.state = 'pending'
          CROSS JOIN LATERAL (SELECT (r.request ->> 'plan')::jsonb AS plan) p
        WHERE r.state IN ('queued', 'running', 'waiting') AND NOT c.is_drill AND c.outcome IS NULL AND r.cancel_at IS NULL AND ($1 = 0 OR r.id = $1)
          AND EXISTS (SELECT FROM jsonb_array_elements(p.plan -> 'steps') o WHERE (o ->> 'position')::integer = s.position AND (o ->> 'needsApproval')::boolean)
          AND NOT EXISTS (SELECT FROM approval_gate g WHERE g.run_id = r.id AND g.step = s.position AND g.state <> 'void')
          AND NOT EXISTS (SELECT FROM recovery_step u WHERE u.run_id = r.id AND u.rollback_started_at IS NOT NULL)
        ORDER BY r.id, s.position LIMIT $2
        """, run?.Value ?? 0, limit)
        .ListAsync(row => new ComingGate(new RunId(row.GetInt64(0)), row.GetString(1), row.GetInt32(2), row.GetString(3), row.GetInt32(4), row.GetString(5)), cancellationToken);

    /// <summary>The gates of a run, oldest first.</summary>
    public Task<IReadOnlyList<ApprovalGate>> OfRunAsync(RunId run, CancellationToken cancellationToken) =>
        catalog.Command($"SELECT {Columns} FROM approval_gate WHERE run_id = $1 ORDER BY id", run.Value).ListAsync(Map, cancellationToken);

    public Task<IReadOnlyList<ApprovalVote>> VotesAsync(long gate, CancellationToken cancellationToken) => VotesAsync([gate], cancellationToken);

    /// <summary>What people said at these gates, in its order.</summary>
    public Task<IReadOnlyList<ApprovalVote>> VotesAsync(IReadOnlyCollection<long> gates, CancellationToken cancellationToken) => catalog.Command(
        $"SELECT v.gate, v.person, v.vote = 'approve', v.reason, v.incident, v.at, {Counts} FROM approval_vote v JOIN approval_gate g ON g.id = v.gate WHERE v.gate = ANY ($1) ORDER BY v.at",
        (object)gates.ToArray()).ListAsync(
        row => new ApprovalVote(row.GetInt64(0), row.GetString(1), row.GetBoolean(2), row.GetString(3), row.GetString(4), row.Time(5)) { Counts = row.GetBoolean(6) }, cancellationToken);

    /// <summary>What ties somebody to whoever asked for the run: then they cannot approve it.</summary>
    public Task<Tie> TieAsync(RunId run, string requester, string person, CancellationToken cancellationToken) => Independence.OfAsync(catalog, run, requester, person, cancellationToken);

    /// <summary>How many people could approve what somebody asks for: neither that person, nor made by them.</summary>
    public async Task<int> CountApproversAsync(string requester, CancellationToken cancellationToken) => await catalog.Command(
        """
        SELECT count(*)::integer FROM app_user
        WHERE NOT disabled AND role IN ('Approver', 'Admin') AND name <> $1 AND (created_by <> $1 OR $1 = $2)
        """, requester, RestoreAsker.CommandLine).FirstAsync(row => (object)row.GetInt32(0), cancellationToken) as int? ?? 0;

    /// <summary>The confirmed incident that a run answers, in which one approver may go alone: the one that a plan names, or any of a restore's source. It names every source that the run changes.</summary>
    public async Task<long?> IncidentOfAsync(RunId run, CancellationToken cancellationToken) =>
        await catalog.Command(IncidentOfRun, run.Value).FirstAsync(row => (object)row.GetInt64(0), cancellationToken) as long?;

    /// <summary>The same inside the caller's transaction.</summary>
    internal static async Task<long?> IncidentOfAsync(NpgsqlTransaction transaction, RunId run, CancellationToken cancellationToken) =>
        await transaction.Command(IncidentOfRun, run.Value).FirstAsync(row => (object)row.GetInt64(0), cancellationToken) as long?;

    private static string Standings { get; } =
        $"""
        SELECT {string.Join(", ", Columns.Split(", ").Select(column => $"g.{column}"))}, r.source, r.kind,
          (SELECT count(*)::integer FROM approval_vote v WHERE v.gate = g.id AND v.vote = 'approve' AND {Counts}) FROM approval_gate g JOIN run r ON r.id = g.run_id
        """;

    private static GateStanding MapStanding(NpgsqlDataReader row) => new(Map(row), row.GetString(17), row.GetString(18), row.GetInt32(19));

    internal static ApprovalGate Map(NpgsqlDataReader row) => new(
        row.GetInt64(0), new RunId(row.GetInt64(1)), row.IsDBNull(2) ? null : row.GetInt32(2), row.GetString(3), row.GetString(4), row.GetInt32(5), row.GetString(6),
        RecoveryNames.Parse<GateState>(row.GetString(7)), row.Time(8), row.Time(9), row.GetFieldValue<TimeSpan>(10), row.TimeOrNull(11), row.TimeOrNull(12), row.TextOrNull(13),
        row.GetBoolean(14))
    {
        Review = row.TextOrNull(15),
        ReviewedBy = row.TextOrNull(16),
    };
}
