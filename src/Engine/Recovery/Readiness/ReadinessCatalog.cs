using System.Text.Json;
using System.Text.Json.Serialization;
using Hexabase.DrConsole.Engine.Audit;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Recovery.Actions;
using Hexabase.DrConsole.Engine.Recovery.Drills;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Runs;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Recovery.Readiness;

/// <summary>How a plan stands for a source.</summary>
/// <param name="Proof">The drill or recovery that it was judged by; null where there is none.</param>
/// <param name="Since">Since when it stands so, for these reasons.</param>
/// <param name="LookedAt">When that was last looked at.</param>
public sealed record ReadinessRow(
    string Plan, string Source, int PlanVersion, ReadinessState State, IReadOnlyList<ReadinessReason> Reasons, RunId? Proof, DateTimeOffset Since, DateTimeOffset LookedAt)
{
    /// <summary>Looked at every quarter of an hour; after this long somebody who should look does not.</summary>
    public static readonly TimeSpan LongestSilence = TimeSpan.FromHours(1);

    /// <summary>How it stands now: what nobody looked at for too long is not verified any more.</summary>
    public ReadinessRow AsOf(DateTimeOffset now) => State == ReadinessState.Verified && now - LookedAt > LongestSilence
        ? this with { State = ReadinessState.NeedsVerification, Reasons = [new ReadinessReason(ReadinessCause.NotLookedAt, $"{LookedAt.UtcDateTime:yyyy-MM-dd HH:mm} UTC")] }
        : this;
}

/// <summary>Readiness with its history, and the facts of the catalog that it follows from.</summary>
public sealed class ReadinessCatalog(NpgsqlDataSource catalog, TimeProvider time)
{
    private static readonly JsonSerializerOptions s_form = new(JsonSerializerDefaults.Web) { Converters = { new JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower) } };

    private const string Columns = "plan, source, plan_version, state, reasons::text, proof, since, looked_at";

    /// <summary>How every plan stands for each of its sources.</summary>
    public async Task<IReadOnlyList<ReadinessRow>> ListAsync(CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var rows = await catalog.Command($"SELECT DISTINCT ON (plan, source) {Columns} FROM plan_readiness ORDER BY plan, source, id DESC").ListAsync(Map, cancellationToken);
        return [.. rows.Select(row => row.AsOf(now))];
    }

    /// <summary>How a plan stood for a source, newest first.</summary>
    public Task<IReadOnlyList<ReadinessRow>> HistoryAsync(string plan, string? source, int limit, CancellationToken cancellationToken) =>
        catalog.Command($"SELECT {Columns} FROM plan_readiness WHERE plan = $1 AND ($2::text IS NULL OR source = $2) ORDER BY id DESC LIMIT $3", plan, source, limit).ListAsync(Map, cancellationToken);

    /// <summary>Writes down how a plan stands: a new row where that has changed, else only that it was looked at.</summary>
    /// <returns>True where it has changed.</returns>
    public async Task<bool> RecordAsync(ReadinessRow row, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(row);
        var (state, reasons) = (RecoveryNames.Of(row.State), JsonSerializer.Serialize(row.Reasons, s_form));
        await using var connection = await catalog.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        // Two processes may look at the same time.
        await transaction.Command("SELECT pg_advisory_xact_lock(hashtext($1))", $"readiness {row.Plan} {row.Source}").RunAsync(cancellationToken);
        var same = await transaction.Command(
            """
            UPDATE plan_readiness SET looked_at = clock_timestamp()
            WHERE id = (SELECT max(id) FROM plan_readiness WHERE plan = $1 AND source = $2) AND plan_version = $3 AND state = $4 AND reasons = $5 AND proof IS NOT DISTINCT FROM $6
            """, row.Plan, row.Source, row.PlanVersion, state, new Jsonb(reasons), row.Proof?.Value).RunAsync(cancellationToken);
        if (same == 0)
        {
            await transaction.Command("INSERT INTO plan_readiness (plan, source, plan_version, state, reasons, proof) VALUES ($1, $2, $3, $4, $5, $6)",
                row.Plan, row.Source, row.PlanVersion, state, new Jsonb(reasons), row.Proof?.Value).RunAsync(cancellationToken);
            await AuditLog.AppendAsync(
                transaction, "engine", $"plan.{state.Replace('_', '-')}", $"{row.Plan} of {row.Source}", new { row.PlanVersion, reasons = row.Reasons.Select(reason => $"{reason.Cause}: {reason.Text}") },
                cancellationToken);
        }

        await transaction.CommitAsync(cancellationToken);
        return same == 0;
    }

    /// <summary>Forgets how a plan stands for a source that is declared no longer; its history goes with it.</summary>
    public Task ForgetOthersAsync(IReadOnlyCollection<(string Plan, string Source)> kept, CancellationToken cancellationToken) => catalog.Command(
        "DELETE FROM plan_readiness r WHERE NOT EXISTS (SELECT 1 FROM unnest($1::text[], $2::text[]) AS k (plan, source) WHERE k.plan = r.plan AND k.source = r.source)",
        kept.Select(one => one.Plan).ToArray(), kept.Select(one => one.Source).ToArray()).RunAsync(cancellationToken);

    /// <summary>The newest drill or recovery of a plan for a source that was neither cancelled nor is under way.</summary>
    public Task<ReadinessProof?> LastAsync(string plan, string source, CancellationToken cancellationToken) => catalog.Command(
        $"""
        SELECT c.run_id, c.is_drill, c.plan_version, d.configuration_hash, c.outcome, d.cleanup::text, coalesce(r.ended_at, clock_timestamp()), r.request::text,
          coalesce((SELECT s.name || ': ' || s.error FROM recovery_step s WHERE s.run_id = c.run_id AND s.error IS NOT NULL ORDER BY s.position LIMIT 1), r.error->>'message'),
          -- A drill gives a reason for what it does not do; in a recovery it is a person's.
          (SELECT string_agg(s.name, ', ' ORDER BY s.position) FROM recovery_step s WHERE s.run_id = c.run_id AND NOT c.is_drill AND s.reason IS NOT NULL)
        FROM recovery c JOIN run r ON r.id = c.run_id LEFT JOIN plan_drill d ON d.run_id = c.run_id
        WHERE c.plan = $1 AND c.source = $2 AND c.outcome IS NOT NULL AND c.outcome <> 'cancelled' AND r.state NOT IN ('queued', 'running', 'waiting')
          -- One that came to its end without restoring anything, as older builds allowed, shows nothing.
          AND NOT (c.is_drill AND c.outcome = 'completed' AND NOT EXISTS (
            SELECT 1 FROM recovery_step s WHERE s.run_id = c.run_id AND s.state = 'done' AND s.action IN {RestoringActions.Sql}))
        ORDER BY c.run_id DESC LIMIT 1
        """, plan, source).FirstAsync(MapProof, cancellationToken);

    /// <summary>True where some person may ask, and enough others may approve who are neither that person nor made by them.</summary>
    public async Task<bool> HasApproversAsync(int needed, CancellationToken cancellationToken) => await catalog.Command(
        """
        SELECT 'yes' FROM app_user asks WHERE NOT asks.disabled AND asks.role IN ('Operator', 'Approver', 'Admin')
          AND (SELECT count(*) FROM app_user u WHERE NOT u.disabled AND u.role IN ('Approver', 'Admin') AND u.name <> asks.name AND u.created_by <> asks.name) >= $1
        LIMIT 1
        """, needed).FirstAsync(row => row.GetString(0), cancellationToken) is not null;

    /// <summary>What in the catalog readiness follows from, by source: it changes with that source's validations, backups, ended drills and recoveries; under <see cref="Everybody"/> with plans and accounts.</summary>
    public async Task<IReadOnlyDictionary<string, string>> FingerprintsAsync(CancellationToken cancellationToken) => (await catalog.Command(
        """
        SELECT '', concat_ws(' ', (SELECT string_agg(plan || version, ',' ORDER BY plan, version) FROM plan_version), (SELECT string_agg(name || role || disabled, ',' ORDER BY name) FROM app_user))
        UNION ALL
        SELECT source, string_agg(what, ' ' ORDER BY what) FROM (
          SELECT p.source, 'validation ' || max(v.id) AS what FROM validation v JOIN restore_point p ON p.id = v.restore_point GROUP BY p.source
          UNION ALL SELECT o.source, 'recovery ' || count(*) FROM run r JOIN recovery c ON c.run_id = r.id JOIN run_source o ON o.run_id = r.id WHERE r.ended_at IS NOT NULL GROUP BY o.source
          UNION ALL SELECT p.source, 'damaged ' || count(*) FROM restore_point_tier t JOIN restore_point p ON p.id = t.restore_point WHERE t.state = 'damaged' GROUP BY p.source
          UNION ALL SELECT source, 'backup ' || max(id) FROM run WHERE kind = 'backup' AND state = 'completed' GROUP BY source) facts
        GROUP BY source
        """).ListAsync(row => (Source: row.GetString(0), Facts: row.GetString(1)), cancellationToken)).ToDictionary(one => one.Source, one => one.Facts);

    /// <summary>Stands among the sources for what concerns all of them.</summary>
    public const string Everybody = "";

    private static ReadinessProof MapProof(NpgsqlDataReader row)
    {
        var isDrill = row.GetBoolean(1);
        var cleanup = row.TextOrNull(5) is { } json ? JsonSerializer.Deserialize<DrillCleanup>(json, JsonSerializerOptions.Web) : null;
        return new ReadinessProof(
            new RunId(row.GetInt64(0)), isDrill, row.GetInt32(2), row.TextOrNull(3) ?? LivingHash(row.GetString(7)), RecoveryNames.Parse<RecoveryOutcome>(row.GetString(4)),
            row.TextOrNull(8), !isDrill || cleanup is { IsProven: true }, row.Time(6)) { ByHand = row.TextOrNull(9) };
    }

    /// <summary>A recovery's plan names the living target itself.</summary>
    private static string LivingHash(string request) =>
        DrillPlans.FingerprintOf(RecoveryRequest.PlanOf(request));

    private static ReadinessRow Map(NpgsqlDataReader row) => new(
        row.GetString(0), row.GetString(1), row.GetInt32(2), RecoveryNames.Parse<ReadinessState>(row.GetString(3)),
        JsonSerializer.Deserialize<List<ReadinessReason>>(row.GetString(4), s_form) ?? [], row.LongOrNull(5) is { } run ? new RunId(run) : null, row.Time(6), row.Time(7));
}
