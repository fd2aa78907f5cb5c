using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Hexabase.DrConsole.Engine.Audit;
using Hexabase.DrConsole.Engine.Catalog;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Runs;

/// <summary>The runs in the catalog: asking for one, finding them, asking to stop one.</summary>
public sealed class RunStore(NpgsqlDataSource catalog)
{
    internal const string Columns =
        "id, kind, source, restore_point, request::text, request_hash, state, fence, attempt, requested_by, cancel_by, parent, created_at, started_at, ended_at, progress::text, result::text, error::text";

    private static readonly RunState[] States = Enum.GetValues<RunState>();

    /// <summary>
    /// Asks for a run: one row and its audit event in one transaction. Whoever triggers it afterwards may be lost; the
    /// reconciler finds a queued run without a holder.
    /// </summary>
    /// <exception cref="EngineException">Code <c>run-already-open</c>: one of that kind is queued or running for that source or tier.</exception>
    public async Task<Run> RequestAsync(
        string kind, string source, string? restorePoint, object request, string requestedBy, RunId? parent, CancellationToken cancellationToken)
    {
        await using var connection = await catalog.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        try
        {
            var run = await InsertAsync(transaction, kind, source, restorePoint, request, requestedBy, parent, cancellationToken);
            await transaction.CommitAsync(cancellationToken);
            return run;
        }
        catch (PostgresException fault) when (fault.SqlState == PostgresErrorCodes.UniqueViolation
            && fault.ConstraintName is "run_one_backup_at_a_time" or "run_one_of_a_tier_at_a_time" or "run_one_replication_of_a_tier_at_a_time" or "run_one_of_a_workspace_at_a_time" or "run_one_drill_at_a_time" or "run_one_set_at_a_time")
        {
            throw new EngineException("run-already-open", ErrorKind.Conflict, $"a {kind} of {source} is already queued or running",
                "Wait for it or cancel it; its run is on the Runs page.", fault);
        }
    }

    /// <summary>The same inside the caller's transaction, so that a step and the run that follows from it are one change.</summary>
    public static async Task<Run> InsertAsync(
        NpgsqlTransaction transaction, string kind, string source, string? restorePoint, object request, string requestedBy, RunId? parent, CancellationToken cancellationToken)
    {
        var json = JsonSerializer.Serialize(request, JsonSerializerOptions.Web);
        var hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(json)));
        var run = await transaction.Command(
            $"INSERT INTO run (kind, source, restore_point, request, request_hash, requested_by, parent) VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING {Columns}",
            kind, source, restorePoint, new Jsonb(json), hash, requestedBy, parent?.Value).FirstAsync(Map, cancellationToken);
        await transaction.Command("SELECT pg_notify($1, $2)", RunFeed.Channel, Invariant(run!.Id.Value)).RunAsync(cancellationToken);
        await AuditLog.AppendAsync(transaction, requestedBy, "run.requested", run.Id.ToString(), new { kind, source, restorePoint, hash }, cancellationToken);
        return run;
    }

    /// <summary>The run, or null.</summary>
    public Task<Run?> FindAsync(RunId id, CancellationToken cancellationToken) =>
        catalog.Command($"SELECT {Columns} FROM run WHERE id = $1", id.Value).FirstAsync(Map, cancellationToken);

    /// <summary>Newest first; the filters that are null do not filter.</summary>
    public Task<IReadOnlyList<Run>> ListAsync(string? source, string? kind, RunState? state, int limit, CancellationToken cancellationToken) =>
        catalog.Command(
            $"""
            SELECT {Columns} FROM run
            WHERE ($1::text IS NULL OR source = $1) AND ($2::text IS NULL OR kind = $2) AND ($3::text IS NULL OR state = $3)
            ORDER BY id DESC LIMIT $4
            """, source, kind, state is { } one ? Text(one) : null, limit).ListAsync(Map, cancellationToken);

    /// <summary>The runs of a kind that a run caused, oldest first.</summary>
    public Task<IReadOnlyList<Run>> OfParentAsync(RunId parent, string kind, CancellationToken cancellationToken) =>
        catalog.Command($"SELECT {Columns} FROM run WHERE parent = $1 AND kind = $2 ORDER BY id", parent.Value, kind).ListAsync(Map, cancellationToken);

    /// <summary>Those of the runs that have ended.</summary>
    public Task<IReadOnlyList<RunId>> EndedAsync(IReadOnlyCollection<RunId> ids, CancellationToken cancellationToken) =>
        ids.Count == 0
            ? Task.FromResult<IReadOnlyList<RunId>>([])
            : catalog.Command("SELECT id FROM run WHERE id = ANY($1) AND state NOT IN ('queued', 'running', 'waiting')", ids.Select(id => id.Value).ToArray())
                .ListAsync(row => new RunId(row.GetInt64(0)), cancellationToken);

    /// <summary>Log lines after <paramref name="afterSeq"/>, oldest first.</summary>
    public Task<IReadOnlyList<RunEvent>> EventsAsync(RunId id, long afterSeq, int limit, CancellationToken cancellationToken) =>
        catalog.Command("SELECT seq, at, level, phase, text FROM run_event WHERE run_id = $1 AND seq > $2 ORDER BY seq LIMIT $3", id.Value, afterSeq, limit)
            .ListAsync(row => new RunEvent(row.GetInt64(0), row.Time(1), row.GetString(2), row.GetString(3), row.GetString(4)), cancellationToken);

    /// <summary>Where the lines of each phase stand in a run's log; a step of a plan writes its own under its name.</summary>
    public async Task<IReadOnlyDictionary<string, LogStretch>> LogStretchesAsync(RunId id, CancellationToken cancellationToken) =>
        (await catalog.Command("SELECT phase, min(seq), max(seq) FROM run_event WHERE run_id = $1 GROUP BY phase", id.Value)
            .ListAsync(row => (Phase: row.GetString(0), Stretch: new LogStretch(row.GetInt64(1), row.GetInt64(2))), cancellationToken)).ToDictionary(one => one.Phase, one => one.Stretch);

    /// <summary>The journal's steps in order.</summary>
    public Task<IReadOnlyList<RunStep>> StepsAsync(RunId id, CancellationToken cancellationToken) =>
        catalog.Command("SELECT name, position, state, attempt, intent::text, intent_at, result::text, ended_at FROM run_step WHERE run_id = $1 ORDER BY position", id.Value)
            .ListAsync(MapStep, cancellationToken);

    /// <summary>
    /// Asks to stop a run. One that nobody has begun, or that waits and has done nothing, is cancelled at once, a running one when
    /// its holder hears of it (within seconds); one that was begun and waits for its next attempt is first tidied up by whoever
    /// takes it up.
    /// </summary>
    /// <returns>False where it has already ended.</returns>
    public async Task<bool> CancelAsync(RunId id, string actor, CancellationToken cancellationToken)
    {
        await using var connection = await catalog.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        if (await CancelAsync(transaction, id, actor, cancellationToken) is null)
        {
            return false;
        }

        await transaction.CommitAsync(cancellationToken);
        return true;
    }

    /// <summary>
    /// The same inside the caller's transaction. A recovery or drill that is over with it gets its outcome here: nobody will take
    /// it up to say so.
    /// </summary>
    /// <returns>The state that it is in now; null where it had ended, or was asked to before.</returns>
    public static async Task<RunState?> CancelAsync(NpgsqlTransaction transaction, RunId id, string actor, CancellationToken cancellationToken)
    {
        const string isIdle =
            "((state = 'queued' AND attempt = 0) OR (state = 'waiting' AND NOT EXISTS (SELECT FROM run_step WHERE run_id = $1) AND NOT EXISTS (SELECT FROM recovery WHERE run_id = $1)))";
        var left = await transaction.Command(
            $"""
            UPDATE run SET cancel_by = $2, cancel_at = clock_timestamp(),
              state = CASE WHEN {isIdle} THEN 'cancelled' WHEN state = 'waiting' THEN 'queued' ELSE state END,
              handed_over_at = CASE WHEN state = 'waiting' THEN NULL ELSE handed_over_at END,
              ended_at = CASE WHEN {isIdle} THEN clock_timestamp() ELSE ended_at END
            WHERE id = $1 AND state IN ('queued', 'running', 'waiting') AND cancel_at IS NULL
            RETURNING state
            """, id.Value, actor).FirstAsync(row => row.GetString(0), cancellationToken);
        if (left is null)
        {
            return null;
        }

        await transaction.Command(
            "UPDATE recovery c SET outcome = 'cancelled', waits_for = NULL, waits_why = NULL FROM run r WHERE r.id = c.run_id AND r.id = $1 AND r.state = 'cancelled' AND c.outcome IS NULL", id.Value)
            .RunAsync(cancellationToken);
        if (Parse(left) == RunState.Cancelled)
        {
            await CloseGatesAsync(transaction, id);
        }

        await transaction.Command("SELECT pg_notify($1, $2)", RunFeed.Channel, Invariant(id.Value)).RunAsync(cancellationToken);
        await AuditLog.AppendAsync(transaction, actor, "run.cancel-requested", id.ToString(), new { }, cancellationToken);
        return Parse(left);
    }

    /// <summary>Gates that nobody will go through any more take no answer. Called in the transaction in which their run ends.</summary>
    internal static Task CloseGatesAsync(NpgsqlTransaction transaction, RunId id) => transaction.Command(
        "UPDATE approval_gate SET state = 'void', closed_at = clock_timestamp(), closed_why = 'the run has ended' WHERE run_id = $1 AND state IN ('open', 'granted')", id.Value)
        .RunAsync(CancellationToken.None);

    /// <summary>Writes a warning into the log of a run that nobody holds, inside the caller's transaction.</summary>
    internal static Task SayAsync(NpgsqlTransaction transaction, RunId id, string text, CancellationToken cancellationToken) => transaction.Command(
        """
        WITH numbered AS (UPDATE run SET event_seq = event_seq + 1 WHERE id = $1 RETURNING event_seq)
        INSERT INTO run_event (run_id, seq, at, level, phase, text) SELECT $1, event_seq, clock_timestamp(), 'warning', 'engine', $2 FROM numbered
        """, id.Value, text).RunAsync(cancellationToken);

    /// <summary>
    /// Lets a waiting run go on, inside the transaction of the act that it waited for. One that is still being parked is queued
    /// when that ends. Hand it over after the commit.
    /// </summary>
    internal static async Task WakeAsync(NpgsqlTransaction transaction, RunId id, CancellationToken cancellationToken)
    {
        await transaction.Command(
            """
            UPDATE run SET handed_over_at = NULL, wake = (state = 'running'), state = CASE WHEN state = 'waiting' THEN 'queued' ELSE state END
            WHERE id = $1 AND state IN ('waiting', 'running')
            """, id.Value).RunAsync(cancellationToken);
        await transaction.Command("SELECT pg_notify($1, $2)", RunFeed.Channel, Invariant(id.Value)).RunAsync(cancellationToken);
    }

    internal static Run Map(NpgsqlDataReader row) => new(
        new RunId(row.GetInt64(0)), row.GetString(1), row.GetString(2), row.TextOrNull(3), row.GetString(4), row.GetString(5),
        Parse(row.GetString(6)), row.GetInt64(7), row.GetInt32(8), row.GetString(9), row.TextOrNull(10),
        row.LongOrNull(11) is { } parent ? new RunId(parent) : null)
    {
        CreatedAt = row.Time(12),
        StartedAt = row.TimeOrNull(13),
        EndedAt = row.TimeOrNull(14),
        ProgressJson = row.TextOrNull(15),
        ResultJson = row.TextOrNull(16),
        ErrorJson = row.TextOrNull(17),
    };

    internal static RunStep MapStep(NpgsqlDataReader row) => new(
        row.GetString(0), row.GetInt32(1), row.GetString(2), row.GetInt32(3), row.TextOrNull(4), row.Time(5), row.TextOrNull(6), row.TimeOrNull(7));

    internal static string Text(RunState state) => state == RunState.NeedsDecision ? "needs_decision" : state.ToString().ToLowerInvariant();

    internal static string Invariant(long value) => value.ToString(System.Globalization.CultureInfo.InvariantCulture);

    internal static RunState Parse(string text) => States.First(state => Text(state) == text);
}
