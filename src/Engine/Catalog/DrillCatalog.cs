using System.Text.Json;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Catalog;

/// <summary>A drill to a moment that ended.</summary>
/// <param name="Outcome"><c>passed</c>, <c>failed</c> or <c>not_provable</c>.</param>
/// <param name="Reason">What was found, as a sentence.</param>
/// <param name="HeartbeatAt">The newest heartbeat in the copy; null where none is configured or there was none.</param>
/// <param name="LastCommitAt">The last commit in the copy, where its server said.</param>
/// <param name="NextCommitAt">The first commit that was not replayed, where there was one.</param>
/// <param name="Phases">Seconds by phase, in their order.</param>
/// <param name="Seconds">From the first byte to a server that answers; null where it did not come to that.</param>
public sealed record DrillRow(
    long RunId, string Source, string RestorePoint, string Tier, DateTimeOffset Moment, string Outcome, string Reason, DateTimeOffset? HeartbeatAt,
    DateTimeOffset? LastCommitAt, DateTimeOffset? NextCommitAt, IReadOnlyList<DrillPhase> Phases, double? Seconds, DateTimeOffset DrilledAt);

/// <summary>A phase of a drill and its seconds.</summary>
public sealed record DrillPhase(string Name, double Seconds);

/// <summary>Whether a source's heartbeat is being written.</summary>
/// <param name="Message">Why it is not; null while it is.</param>
/// <param name="Since">Since when.</param>
public sealed record HeartbeatRow(string Source, string? Message, DateTimeOffset Since);

/// <summary>Drills to a moment and the heartbeats that they are checked by, as the catalog knows them.</summary>
public sealed class DrillCatalog(NpgsqlDataSource catalog)
{
    /// <summary>A source's drills, newest first.</summary>
    public Task<IReadOnlyList<DrillRow>> ListAsync(string source, int limit, CancellationToken cancellationToken) => catalog.Command(
        """
        SELECT run_id, source, restore_point, tier, moment, outcome, reason, heartbeat_at, last_commit_at, next_commit_at, phases::text, seconds, drilled_at
        FROM point_in_time_drill WHERE source = $1 ORDER BY id DESC LIMIT $2
        """, source, limit).ListAsync(
        row => new DrillRow(
            row.GetInt64(0), row.GetString(1), row.GetString(2), row.GetString(3), row.Time(4), row.GetString(5), row.GetString(6), row.TimeOrNull(7), row.TimeOrNull(8),
            row.TimeOrNull(9), JsonSerializer.Deserialize<List<DrillPhase>>(row.GetString(10), JsonSerializerOptions.Web) ?? [], row.DoubleOrNull(11), row.Time(12)), cancellationToken);

    /// <summary>How a source's heartbeat stands; null where none was ever written.</summary>
    public Task<HeartbeatRow?> HeartbeatAsync(string source, CancellationToken cancellationToken) =>
        catalog.Command("SELECT source, message, since FROM heartbeat WHERE source = $1", source)
            .FirstAsync(row => new HeartbeatRow(row.GetString(0), row.TextOrNull(1), row.Time(2)), cancellationToken);

    /// <summary>
    /// The last heartbeat before the lapse that a moment lies in; null where heartbeats were written then. Of several the one that
    /// began last: it says most.
    /// </summary>
    public async Task<DateTimeOffset?> LapseAtAsync(string source, DateTimeOffset moment, CancellationToken cancellationToken)
    {
        var from = await catalog.Command("SELECT from_at FROM heartbeat_lapse WHERE source = $1 AND from_at <= $2 AND to_at >= $2 ORDER BY from_at DESC LIMIT 1", source, moment.ToUniversalTime())
            .FirstAsync(row => (object)row.Time(0), cancellationToken);
        return (DateTimeOffset?)from;
    }

    /// <summary>Records a drill, in the transaction that ends its step.</summary>
    public static Task RecordAsync(NpgsqlTransaction transaction, DrillRow drill, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(drill);
        return transaction.Command(
            """
            INSERT INTO point_in_time_drill (run_id, source, restore_point, tier, moment, outcome, reason, heartbeat_at, last_commit_at, next_commit_at, phases, seconds, drilled_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
            """,
            drill.RunId, drill.Source, drill.RestorePoint, drill.Tier, drill.Moment.ToUniversalTime(), drill.Outcome, drill.Reason, drill.HeartbeatAt?.ToUniversalTime(),
            drill.LastCommitAt?.ToUniversalTime(), drill.NextCommitAt?.ToUniversalTime(), new Jsonb(JsonSerializer.Serialize(drill.Phases, JsonSerializerOptions.Web)), drill.Seconds,
            drill.DrilledAt.ToUniversalTime()).RunAsync(cancellationToken);
    }

    /// <summary>Notes that a heartbeat is written, or why it is not.</summary>
    internal static Task RecordHeartbeatAsync(NpgsqlTransaction transaction, string source, string? message, CancellationToken cancellationToken) => transaction.Command(
        """
        INSERT INTO heartbeat AS h (source, message) VALUES ($1, $2)
        ON CONFLICT (source) DO UPDATE SET message = excluded.message, since = CASE WHEN h.message IS NOT DISTINCT FROM excluded.message THEN h.since ELSE clock_timestamp() END
        """, source, message).RunAsync(cancellationToken);

    /// <summary>Notes a time without heartbeats.</summary>
    /// <param name="from">
    /// The last one before it. Null where the source's row says nothing of it: then the last that is known here, and where none is, the Unix
    /// epoch. A row that was lost must not make all that was before a time without heartbeats.
    /// </param>
    internal static Task RecordLapseAsync(NpgsqlTransaction transaction, string source, DateTimeOffset? from, DateTimeOffset to, CancellationToken cancellationToken) => transaction.Command(
        """
        INSERT INTO heartbeat_lapse (source, from_at, to_at)
        VALUES ($1, coalesce($2::timestamptz, (SELECT max(to_at) FROM heartbeat_lapse WHERE source = $1 AND to_at <= $3::timestamptz), to_timestamp(0)), $3::timestamptz)
        ON CONFLICT (source, from_at) DO UPDATE SET to_at = greatest(heartbeat_lapse.to_at, excluded.to_at)
        """, source, from?.ToUniversalTime(), to.ToUniversalTime()).RunAsync(cancellationToken);
}
