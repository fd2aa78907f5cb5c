using System.Globalization;
using System.Text.Json;
using Hexabase.DrConsole.Engine.Audit;
using Hexabase.DrConsole.Engine.Backups.Postgres.Wal;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Notifications.Outbox;
using Hexabase.DrConsole.Engine.Repository.Wal;
using Npgsql;
using NpgsqlTypes;

namespace Hexabase.DrConsole.Engine.Backups.Receiving;

/// <summary>Writes what a receiver finds into the catalog, behind the fence of its lease.</summary>
internal sealed class CatalogWalJournal(NpgsqlDataSource catalog, ReceiverLease lease) : IWalJournal
{
    /// <inheritdoc/>
    public async Task<WalKnown> KnownAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await catalog.Command(
                """
                SELECT r.system_identifier, t.timeline, t.durable_lsn, basis.system, basis.start FROM wal_receiver r
                LEFT JOIN wal_tier t ON t.source = r.source AND t.system_identifier = r.system_identifier AND t.durable_lsn IS NOT NULL
                LEFT JOIN LATERAL (
                  SELECT p.properties->>'systemIdentifier' AS system, (p.properties->>'startLsn')::pg_lsn AS start FROM restore_point p
                  WHERE p.source = r.source AND p.expired_at IS NULL AND p.properties->>'startLsn' IS NOT NULL ORDER BY p.created_at DESC LIMIT 1) basis ON true
                WHERE r.source = $1 ORDER BY t.timeline DESC NULLS LAST, t.durable_lsn DESC NULLS LAST LIMIT 1
                """, lease.Source).FirstAsync(
                row => new WalKnown(
                    row.TextOrNull(0) is { } text ? ulong.Parse(text, CultureInfo.InvariantCulture) : null, (uint)(row.LongOrNull(1) ?? 0),
                    row.IsDBNull(2) ? default : new Lsn((ulong)row.GetFieldValue<NpgsqlLogSequenceNumber>(2)))
                {
                    NewestBase = row.TextOrNull(3) is { } system ? new WalBase(ulong.Parse(system, CultureInfo.InvariantCulture), new Lsn((ulong)row.GetFieldValue<NpgsqlLogSequenceNumber>(4))) : null,
                }, cancellationToken)
                ?? new WalKnown(null, 0, default);
        }
        catch (NpgsqlException fault)
        {
            throw new WalFenceException($"the catalog does not answer: {fault.Message}", fault);
        }
    }

    /// <inheritdoc/>
    public Task ReportAsync(WalReport report, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(report);
        return lease.CommitAsync(async transaction =>
        {
            await transaction.Command(
                """
                UPDATE wal_receiver SET
                  confirmed_lsn = CASE WHEN $5::pg_lsn IS NULL AND system_identifier = $2 THEN confirmed_lsn ELSE $5 END,
                  system_identifier = $2, timeline = $3, server_lsn = $4, measured_at = $6, notices = $7, commits_wait_since = $8, message = NULL,
                  state_since = CASE WHEN state = 'streaming' THEN state_since ELSE clock_timestamp() END, state = 'streaming'
                WHERE source = $1
                """, lease.Source, WalCatalog.Text(report.SystemIdentifier), (long)report.Timeline, Number(report.ServerLsn), Number(report.ConfirmedLsn), report.MeasuredAt,
                new Jsonb(JsonSerializer.Serialize(report.Notices)), report.CommitsWaitSince).RunAsync(cancellationToken);
            foreach (var tier in report.Tiers)
            {
                await WriteAsync(transaction, report, tier, cancellationToken);
            }

            // Tiers that the configuration no longer names.
            await transaction.Command("DELETE FROM wal_tier WHERE source = $1 AND NOT tier = ANY($2)", lease.Source, report.Tiers.Select(tier => tier.Tier).ToArray()).RunAsync(cancellationToken);
        }, cancellationToken);
    }

    /// <inheritdoc/>
    public Task RecordGapAsync(WalGap gap, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(gap);
        return lease.CommitAsync(async transaction =>
        {
            var isNew = await transaction.Command(
                """
                -- What a base backup begins behind already is no hole in what is promised.
                INSERT INTO wal_gap (source, system_identifier, timeline, from_lsn, to_lsn, reason, closed_at, closed_by)
                SELECT $1, $2, $3, $4, $5, $6, CASE WHEN b.id IS NOT NULL THEN clock_timestamp() END, b.id FROM (SELECT 1) one LEFT JOIN LATERAL (
                  SELECT p.id FROM restore_point p
                  WHERE p.source = $1 AND p.expired_at IS NULL AND p.properties->>'systemIdentifier' = $2 AND (p.properties->>'timeline')::bigint >= $3 AND (p.properties->>'startLsn')::pg_lsn >= $5
                  ORDER BY p.created_at LIMIT 1) b ON true
                ON CONFLICT (source, system_identifier, timeline, from_lsn) DO UPDATE
                  SET to_lsn = greatest(wal_gap.to_lsn, excluded.to_lsn), closed_at = excluded.closed_at, closed_by = excluded.closed_by
                  WHERE excluded.to_lsn > wal_gap.to_lsn
                RETURNING xmax = 0 AND closed_at IS NULL
                """, lease.Source, WalCatalog.Text(gap.SystemIdentifier), (long)gap.Timeline, Number(gap.FromLsn), Number(gap.ToLsn), gap.Reason)
                .FirstAsync(row => (object)row.GetBoolean(0), cancellationToken);
            if (isNew is not null)
            {
                // One that only grows was told of when it opened; where receiving begins nobody has to act.
                if (isNew is true && !gap.IsBeginning)
                {
                    await NotificationOutbox.WriteAsync(transaction, new Notice(
                        NotificationEvent.WalGapFound, NotificationSeverity.Critical, lease.Source, $"/sources/{Uri.EscapeDataString(lease.Source)}",
                        new NotificationFacts { Sources = [lease.Source], Reason = $"{gap.Reason} ({gap.FromLsn} to {gap.ToLsn}, timeline {gap.Timeline})" }), cancellationToken);
                }

                await AuditLog.AppendAsync(
                    transaction, "engine", "wal.gap", lease.Source,
                    new { gap.Timeline, from = gap.FromLsn.ToString(), to = gap.ToLsn.ToString(), gap.Reason }, cancellationToken);
            }
        }, cancellationToken);
    }

    /// <summary>Writes down what a look through a tier's WAL found, and audits holes that were not there before.</summary>
    public Task LookedThroughAsync(string tier, IReadOnlyList<WalHole> holes, CancellationToken cancellationToken) => lease.CommitAsync(async transaction =>
    {
        var found = new Jsonb(JsonSerializer.Serialize(holes.Select(WalHoleRow.Of), JsonSerializerOptions.Web));
        var isNew = await transaction.Command(
            """
            UPDATE wal_tier t SET looked_at = clock_timestamp(), holes = $3 FROM (SELECT holes FROM wal_tier WHERE source = $1 AND tier = $2 FOR UPDATE) AS before
            WHERE t.source = $1 AND t.tier = $2 RETURNING before.holes IS DISTINCT FROM t.holes
            """, lease.Source, tier, found).FirstAsync(row => row.GetBoolean(0) ? "new" : "known", cancellationToken);
        if (isNew == "new" && holes.Count > 0)
        {
            await AuditLog.AppendAsync(
                transaction, "engine", "wal.hole", lease.Source,
                new { tier, holes = holes.Select(hole => $"timeline {hole.Timeline}, {new Lsn(hole.StartLsn)} to {new Lsn(hole.EndLsn)}{(hole.IsDamaged ? ", damaged" : "")}").Take(10) }, cancellationToken);
        }
    }, cancellationToken);

    /// <summary>Returns where this process still receives.</summary>
    /// <exception cref="WalFenceException">Another one does, or nobody can tell.</exception>
    public Task RequireAsync(CancellationToken cancellationToken) => lease.RequireAsync(cancellationToken);

    /// <summary>Writes down which slot will be on a server from now on, before it is made.</summary>
    public Task RememberSlotAsync(WalSlotRow slot, CancellationToken cancellationToken) => lease.CommitAsync(
        transaction => transaction.Command("INSERT INTO wal_slot (source, server, slot) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", slot.Source, slot.Server, slot.Slot).RunAsync(cancellationToken),
        cancellationToken);

    /// <summary>Writes down that receiving failed, and why.</summary>
    /// <param name="commitsWait">True where the server may make commits wait for this receiver.</param>
    public Task FailedAsync(string message, IReadOnlyList<string> notices, bool commitsWait, CancellationToken cancellationToken) => lease.CommitAsync(
        transaction => transaction.Command(
            """
            UPDATE wal_receiver SET message = $2, notices = $3, commits_wait_since = CASE WHEN $4 THEN coalesce(commits_wait_since, clock_timestamp()) END, state_since = CASE WHEN state = 'failed' THEN state_since ELSE clock_timestamp() END, state = 'failed'
            WHERE source = $1
            """, lease.Source, message, new Jsonb(JsonSerializer.Serialize(notices)), commitsWait).RunAsync(cancellationToken), cancellationToken);

    private Task WriteAsync(NpgsqlTransaction transaction, WalReport report, WalTierReport tier, CancellationToken ct) => transaction.Command(
        """
        INSERT INTO wal_tier AS t (source, tier, state, system_identifier, timeline, durable_lsn, durable_at, lag_bytes, lag_seconds, read_back_lsn, read_back_at, message)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        ON CONFLICT (source, tier) DO UPDATE SET state = excluded.state,
          system_identifier = CASE WHEN excluded.durable_lsn IS NULL THEN t.system_identifier ELSE excluded.system_identifier END,
          timeline = CASE WHEN excluded.durable_lsn IS NULL THEN t.timeline ELSE excluded.timeline END,
          durable_lsn = coalesce(excluded.durable_lsn, t.durable_lsn), durable_at = coalesce(excluded.durable_at, t.durable_at),
          lag_bytes = CASE WHEN excluded.durable_lsn IS NULL AND t.system_identifier = excluded.system_identifier THEN ($13::pg_lsn - t.durable_lsn)::bigint ELSE excluded.lag_bytes END,
          lag_seconds = CASE WHEN excluded.durable_lsn IS NULL THEN extract(epoch FROM clock_timestamp() - t.durable_at) ELSE excluded.lag_seconds END,
          -- What was read back of another timeline says nothing of this one.
          read_back_lsn = CASE WHEN excluded.read_back_lsn IS NULL AND (excluded.durable_lsn IS NULL OR (t.system_identifier, t.timeline) = (excluded.system_identifier, excluded.timeline))
            THEN t.read_back_lsn ELSE excluded.read_back_lsn END,
          read_back_at = CASE WHEN excluded.read_back_lsn IS NULL AND (excluded.durable_lsn IS NULL OR (t.system_identifier, t.timeline) = (excluded.system_identifier, excluded.timeline))
            THEN t.read_back_at ELSE excluded.read_back_at END,
          message = excluded.message, seen_at = clock_timestamp()
        """,
        lease.Source, tier.Tier, StateText(tier.State), WalCatalog.Text(report.SystemIdentifier), (long)tier.Timeline, Number(tier.DurableLsn), tier.DurableAt, tier.LagBytes, tier.LagSeconds,
        Number(tier.ReadBackLsn), tier.ReadBackAt, tier.Message, Number(report.ServerLsn)).RunAsync(ct);

    private static string StateText(WalTierState state) => state switch
    {
        WalTierState.Streaming => "streaming",
        WalTierState.CatchingUp => "catching_up",
        _ => "down",
    };

    private static object? Number(Lsn? lsn) => lsn is { } known ? new NpgsqlLogSequenceNumber(known.Value) : null;
}
