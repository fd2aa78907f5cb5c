using System.Text.Json;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Runs;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Recovery.Execution;

/// <summary>A recovery, or a drill, that has ended.</summary>
public sealed record EndedRecovery(RecoveryRow Recovery, string AskedBy, DateTimeOffset AskedAt);

/// <summary>Which of those that have ended to list; what is null does not filter.</summary>
public sealed record EndedFilter(string? Source = null, bool? IsDrill = null, RecoveryOutcome? Outcome = null);

/// <summary>Reads recoveries and their steps.</summary>
public sealed class RecoveryCatalog(NpgsqlDataSource catalog)
{
    private const string Columns =
        "run_id, plan, plan_version, plan_hash, source, disaster, incident, is_drill, outcome, waits_for, waits_why, pause_by, pause_reason, decision::text, on_cancel, waits_step";

    internal const int ColumnCount = 16;

    /// <summary>The columns of a recovery behind an alias.</summary>
    internal static string ColumnsOf(string alias) => string.Join(", ", Columns.Split(", ").Select(column => $"{alias}.{column}"));

    private const string StepColumns =
        "position, name, action, state, attempt, snapshot::text, effect::text, verification, error, reason, started_at, acted_at, ended_at, rollback_started_at, rollback_ended_at, part, rollback_error, attempted_at";

    /// <summary>The recovery of a run, or null.</summary>
    public Task<RecoveryRow?> FindAsync(RunId run, CancellationToken cancellationToken) =>
        catalog.Command($"SELECT {Columns} FROM recovery WHERE run_id = $1", run.Value).FirstAsync(Map, cancellationToken);

    /// <summary>When the incident was confirmed that a recovery answers; null where it answers none, or one that is not sure.</summary>
    public async Task<DateTimeOffset?> ConfirmedAtAsync(RunId run, CancellationToken cancellationToken) => await catalog.Command(
        "SELECT i.confirmed_at FROM recovery c JOIN incident i ON i.id = c.incident WHERE c.run_id = $1 AND i.confirmed_at IS NOT NULL", run.Value)
        .FirstAsync(row => (object)row.Time(0), cancellationToken) as DateTimeOffset?;

    /// <summary>Newest first.</summary>
    public Task<IReadOnlyList<RecoveryRow>> ListAsync(int limit, CancellationToken cancellationToken) =>
        catalog.Command($"SELECT {Columns} FROM recovery ORDER BY run_id DESC LIMIT $1", limit).ListAsync(Map, cancellationToken);

    /// <summary>Recoveries and drills that have ended, newest first.</summary>
    public Task<IReadOnlyList<EndedRecovery>> EndedAsync(EndedFilter filter, int limit, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(filter);
        return catalog.Command(
            $"""
            SELECT {ColumnsOf("c")}, r.requested_by, r.created_at FROM recovery c JOIN run r ON r.id = c.run_id
            WHERE c.outcome IS NOT NULL AND ($1::text IS NULL OR c.source = $1) AND ($2::boolean IS NULL OR c.is_drill = $2) AND ($3::text IS NULL OR c.outcome = $3)
            ORDER BY c.run_id DESC LIMIT $4
            """, filter.Source, filter.IsDrill, filter.Outcome is { } outcome ? RecoveryNames.Of(outcome) : null, limit)
            .ListAsync(row => new EndedRecovery(Map(row), row.GetString(ColumnCount), row.Time(ColumnCount + 1)), cancellationToken);
    }

    /// <summary>A recovery's steps in order.</summary>
    public Task<IReadOnlyList<RecoveryStepRow>> StepsAsync(RunId run, CancellationToken cancellationToken) =>
        catalog.Command($"SELECT {StepColumns} FROM recovery_step WHERE run_id = $1 ORDER BY position", run.Value).ListAsync(MapStep, cancellationToken);

    /// <summary>As <see cref="StepsAsync(RunId, CancellationToken)"/>, with what the transaction has written.</summary>
    internal static Task<IReadOnlyList<RecoveryStepRow>> StepsAsync(NpgsqlTransaction transaction, RunId run) =>
        transaction.Command($"SELECT {StepColumns} FROM recovery_step WHERE run_id = $1 ORDER BY position", run.Value).ListAsync(MapStep, CancellationToken.None);

    internal static RecoveryRow Map(NpgsqlDataReader row) => new(
        new RunId(row.GetInt64(0)), row.GetString(1), row.GetInt32(2), row.GetString(3), row.GetString(4), row.GetString(5), row.LongOrNull(6), row.GetBoolean(7),
        row.TextOrNull(8) is { } outcome ? RecoveryNames.Parse<RecoveryOutcome>(outcome) : null,
        row.TextOrNull(9) is { } wait ? RecoveryNames.Parse<RecoveryWait>(wait) : null,
        row.TextOrNull(10), row.TextOrNull(11), row.TextOrNull(12),
        row.TextOrNull(13) is { } decision ? JsonSerializer.Deserialize<StepDecision>(decision, JsonSerializerOptions.Web) : null,
        row.TextOrNull(14) == "roll_back", (int?)row.LongOrNull(15));

    private static RecoveryStepRow MapStep(NpgsqlDataReader row) =>
        new(row.GetInt32(0), row.GetString(1), row.GetString(2), RecoveryNames.Parse<StepState>(row.GetString(3)), row.GetInt32(4))
        {
            Snapshot = Json(row.TextOrNull(5)),
            Effect = Json(row.TextOrNull(6)),
            Verification = row.TextOrNull(7),
            Error = row.TextOrNull(8),
            Reason = row.TextOrNull(9),
            StartedAt = row.TimeOrNull(10),
            ActedAt = row.TimeOrNull(11),
            EndedAt = row.TimeOrNull(12),
            RollbackStartedAt = row.TimeOrNull(13),
            RollbackEndedAt = row.TimeOrNull(14),
            Part = row.TextOrNull(15),
            RollbackError = row.TextOrNull(16),
            AttemptedAt = row.TimeOrNull(17),
        };

    private static JsonElement? Json(string? text) => text is null ? null : JsonElement.Parse(text);
}
