using System.Text.Json;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Recovery.Actions;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Catalog;

/// <summary>Reads the facts about every source and judges them.</summary>
/// <param name="agents">Null: nobody knows of the nodes' agents.</param>
public sealed class StandingCatalog(NpgsqlDataSource catalog, ProtectedEstate estate, TimeProvider time, INodeAgents? agents = null)
{
    private const int RecentValidations = 8;

    /// <summary>All sources in the order of the configuration.</summary>
    public async Task<IReadOnlyList<SourceStanding>> ReadAsync(CancellationToken cancellationToken)
    {
        var names = estate.Sources.Select(source => source.Name).ToArray();
        var wanted = estate.Sources.Select(source => estate.ClassOf(source).MinimumTiers).ToArray();
        var rows = await catalog.Command(
            $"""
            SELECT s.name, newest.id, newest.created_at, tiers.json::text, counting.created_at, recent.json::text, proof.json::text, wal.lag, wal.measured_at,
              drill.drilled_at, drill.seconds, newest.facts::text, newest.bytes, newest.stored_bytes, newest.completed_at
            FROM unnest($1::text[], $2::int[]) AS s (name, wanted)
            LEFT JOIN LATERAL (
              SELECT id, created_at, completed_at, facts, bytes, stored_bytes FROM restore_point WHERE source = s.name AND expired_at IS NULL ORDER BY created_at DESC LIMIT 1) newest ON true
            LEFT JOIN LATERAL (
              SELECT json_agg(json_build_object('tier', tier, 'state', state, 'storedAt', stored_at, 'verifiedAt', verified_at) ORDER BY stored_at) AS json
              FROM restore_point_tier WHERE restore_point = newest.id) tiers ON true
            LEFT JOIN LATERAL (
              SELECT p.created_at FROM restore_point p WHERE p.source = s.name AND p.expired_at IS NULL
                AND (SELECT count(*) FROM restore_point_tier t WHERE t.restore_point = p.id AND t.state IN ('stored', 'verified')) >= s.wanted
              ORDER BY p.created_at DESC LIMIT 1) counting ON true
            LEFT JOIN LATERAL (
              SELECT json_agg(one.json) AS json FROM (
                SELECT json_build_object('restorePoint', p.id, 'pointCreatedAt', p.created_at, 'at', v.validated_at, 'passed', v.passed,
                  'restoreSeconds', v.restore_seconds, 'tier', v.tier, 'notProvable', v.not_provable) AS json
                FROM validation v JOIN restore_point p ON p.id = v.restore_point WHERE p.source = s.name
                ORDER BY v.validated_at DESC, v.id DESC LIMIT $3) one) recent ON true
            LEFT JOIN LATERAL (
              SELECT json_build_object('restorePoint', p.id, 'pointCreatedAt', p.created_at, 'at', v.validated_at, 'passed', v.passed,
                'restoreSeconds', v.restore_seconds, 'tier', v.tier, 'notProvable', v.not_provable) AS json
              FROM validation v JOIN restore_point p ON p.id = v.restore_point WHERE p.source = s.name AND v.passed
              ORDER BY v.validated_at DESC, v.id DESC LIMIT 1) proof ON true
            LEFT JOIN LATERAL (
              -- The tier that is the last of as many as the class asks for decides; a gap that no base backup has closed makes it worthless.
              -- What a tier was last seen to lag has grown by the time since, on the catalog's own clock. WAL is worth as much as the base
              -- backup that leads into it: none that failed its proof or is damaged everywhere, and no hole behind it.
              SELECT t.lag_seconds AS lag, t.seen_at AS measured_at FROM wal_receiver r JOIN wal_tier t ON t.source = r.source
              JOIN LATERAL (
                SELECT (p.properties->>'startLsn')::pg_lsn AS start FROM restore_point p
                LEFT JOIN LATERAL ({RestorePointCatalog.Verdict}) last ON true
                WHERE p.source = s.name AND p.expired_at IS NULL AND p.properties->>'systemIdentifier' = r.system_identifier AND coalesce(last.passed, true)
                  AND EXISTS (SELECT 1 FROM restore_point_tier held WHERE held.restore_point = p.id AND held.state IN ('stored', 'verified'))
                ORDER BY p.created_at DESC LIMIT 1) basis ON true
              WHERE r.source = s.name AND t.lag_seconds IS NOT NULL
                AND t.system_identifier = r.system_identifier
                AND NOT EXISTS (SELECT 1 FROM jsonb_array_elements(t.holes) AS hole WHERE (hole->>'to')::pg_lsn > basis.start)
                AND NOT EXISTS (SELECT 1 FROM wal_gap g WHERE g.source = s.name AND g.closed_at IS NULL)
              ORDER BY t.lag_seconds + extract(epoch FROM clock_timestamp() - t.seen_at) OFFSET greatest(s.wanted, 1) - 1 LIMIT 1) wal ON true
            LEFT JOIN LATERAL (
              SELECT drilled_at, seconds FROM (
                SELECT drilled_at, seconds FROM point_in_time_drill WHERE source = s.name AND outcome = 'passed' AND seconds IS NOT NULL
                UNION ALL
                -- A whole plan, in scratch or in earnest, from its first step to its last; of a recovery of several the steps of this part.
                SELECT max(step.ended_at), extract(epoch FROM max(step.ended_at) - min(step.started_at))::double precision
                FROM recovery c JOIN recovery_step step ON step.run_id = c.run_id LEFT JOIN plan_drill d ON d.run_id = c.run_id
                WHERE coalesce(step.part, c.source) = s.name AND c.outcome = 'completed' AND step.state = 'done' AND (NOT c.is_drill OR jsonb_array_length(d.cleanup->'left') = 0)
                  -- Where a person left a step out, or did it, nothing says how long the plan takes.
                  AND (c.is_drill OR NOT EXISTS (SELECT FROM recovery_step o WHERE o.run_id = c.run_id AND o.reason IS NOT NULL))
                GROUP BY c.run_id HAVING bool_or(step.action IN {RestoringActions.Sql})) measured
              ORDER BY drilled_at DESC LIMIT 1) drill ON true
            """, names, wanted, RecentValidations).ListAsync(
                row => (Name: row.GetString(0), Facts: new SourceFacts(
                    row.TextOrNull(1), row.TimeOrNull(2), Parse<List<TierStanding>>(row.TextOrNull(3)) ?? [], row.TimeOrNull(4),
                    Parse<Proof>(row.TextOrNull(6)), Parse<List<Proof>>(row.TextOrNull(5)) ?? [])
                {
                    Wal = row.DoubleOrNull(7) is { } lag && row.TimeOrNull(8) is { } measured ? new WalStanding(TimeSpan.FromSeconds(lag), measured) : null,
                    Drill = row.TimeOrNull(9) is { } drilled ? new MeasuredDrill(drilled, row.GetDouble(10)) : null,
                    NewestFactsJson = row.TextOrNull(11),
                    NewestBytes = row.LongOrNull(12),
                    NewestStoredBytes = row.LongOrNull(13),
                    NewestCompletedAt = row.TimeOrNull(14),
                }), cancellationToken);
        var facts = rows.ToDictionary(row => row.Name, row => row.Facts);
        var now = time.GetUtcNow();
        var silences = await SilencesAsync(cancellationToken);
        return [.. estate.Sources.Select(source => SourceStanding.Judge(source, estate.ClassOf(source), facts.GetValueOrDefault(source.Name, SourceFacts.None) with { Agent = AgentOf(source) }, now))];

        NodeAgentStanding? AgentOf(Source source) =>
            source.Node is { } node && silences is not null ? new(node, silences.TryGetValue(node, out var silence) ? silence : null) : null;
    }

    private async Task<IReadOnlyDictionary<string, TimeSpan>?> SilencesAsync(CancellationToken cancellationToken)
    {
        var nodes = estate.Sources.Select(source => source.Node).OfType<string>().Distinct().ToList();
        return nodes.Count == 0 || agents is null ? null : await agents.SilencesAsync(nodes, cancellationToken);
    }

    private static T? Parse<T>(string? json)
        where T : class => json is null ? null : JsonSerializer.Deserialize<T>(json, JsonSerializerOptions.Web);
}
