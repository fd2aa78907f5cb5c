using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Runs;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Recovery.Plans;

/// <summary>How long an action took on a source.</summary>
/// <param name="Seconds">Median.</param>
/// <param name="Samples">Of how many.</param>
/// <param name="Newest">The newest drill or recovery that measured it.</param>
/// <param name="IsDrill">Whether that was a drill.</param>
/// <param name="At">When it did.</param>
public sealed record MeasuredDuration(double Seconds, int Samples, RunId Newest, bool IsDrill, DateTimeOffset At);

/// <summary>What drills and recoveries measured; it takes the place of the plans' guesses.</summary>
public sealed class StepDurations(NpgsqlDataSource catalog)
{
    private const int NewestOnly = 10;

    /// <summary>By action; those that were never measured are not in it.</summary>
    public async Task<IReadOnlyDictionary<string, MeasuredDuration>> ReadAsync(string source, CancellationToken cancellationToken) =>
        (await ReadAsync([source], cancellationToken))[source];

    /// <summary>The same of several sources, by source; each of them is in it.</summary>
    public async Task<IReadOnlyDictionary<string, IReadOnlyDictionary<string, MeasuredDuration>>> ReadAsync(IReadOnlyCollection<string> sources, CancellationToken cancellationToken)
    {
        var rows = await catalog.Command(
            """
            SELECT source, action, percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds), count(*)::int, (array_agg(run_id ORDER BY age))[1], (array_agg(is_drill ORDER BY age))[1], max(ended_at) FROM (
              SELECT coalesce(s.part, r.source) AS source, s.action, s.run_id, r.is_drill, s.ended_at, extract(epoch FROM s.ended_at - s.started_at)::double precision AS seconds,
                row_number() OVER (PARTITION BY coalesce(s.part, r.source), s.action ORDER BY s.ended_at DESC) AS age
              FROM recovery_step s JOIN recovery r ON r.run_id = s.run_id
              -- A step that failed, was tried again, waited for a person, or for a process to take it up again, measures something else.
              WHERE coalesce(s.part, r.source) = ANY ($1) AND s.state IN ('done', 'rolled_back') AND s.attempt = 1 AND s.ended_at IS NOT NULL AND s.reason IS NULL
                AND s.error IS NULL AND s.effect ->> 'interrupted' IS NULL
            ) recent WHERE age <= $2 GROUP BY source, action
            """, sources.ToArray(), NewestOnly).ListAsync(
            row => (Source: row.GetString(0), Action: row.GetString(1), Duration: new MeasuredDuration(row.GetDouble(2), row.GetInt32(3), new RunId(row.GetInt64(4)), row.GetBoolean(5), row.Time(6))),
            cancellationToken);
        var found = rows.ToLookup(row => row.Source);
        return sources.Distinct().ToDictionary(
            source => source, source => (IReadOnlyDictionary<string, MeasuredDuration>)found[source].ToDictionary(row => row.Action, row => row.Duration));
    }
}
