using System.Text.Json;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Health.Probes;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Health;

/// <summary>What was last seen of a subject.</summary>
public sealed record SubjectSample(HealthSubject Subject, DateTimeOffset At, IReadOnlyList<ProbeResult> Results, bool IsMaintained);

/// <summary>How a probe did in one stretch of time.</summary>
/// <param name="Missed">No answer, refused or denied.</param>
/// <param name="Unknown">Could not be told, or lay beyond its bound.</param>
public sealed record ProbeSummary(DateTimeOffset From, string Probe, int Answered, int Missed, int Corrupt, int Unknown, double MeanLatencyMs, double MaxLatencyMs);

/// <summary>The rounds that are kept: each for a day, then by minute for a week, then by hour for 400 days.</summary>
public sealed class HealthHistory(NpgsqlDataSource catalog)
{
    internal static readonly TimeSpan RawKept = TimeSpan.FromHours(24);
    private static readonly TimeSpan MinutesKept = TimeSpan.FromDays(7);
    private static readonly TimeSpan HoursKept = TimeSpan.FromDays(400);

    // Buckets are cut off whole; after days without this job the hours meet minutes that come to them later, and take them in.
    private const string TakeIn =
        """
        ON CONFLICT (resolution, subject, probe, bucket) DO UPDATE SET answered = health_summary.answered + EXCLUDED.answered, missed = health_summary.missed + EXCLUDED.missed,
          corrupt = health_summary.corrupt + EXCLUDED.corrupt, unknown = health_summary.unknown + EXCLUDED.unknown,
          latency_sum = health_summary.latency_sum + EXCLUDED.latency_sum, latency_max = greatest(health_summary.latency_max, EXCLUDED.latency_max)
        """;

    private const string ToMinutes =
        $"""
        WITH old AS (DELETE FROM health_sample WHERE at < date_trunc('minute', $1::timestamptz) RETURNING at, subject, answers)
        INSERT INTO health_summary (resolution, bucket, subject, probe, answered, missed, corrupt, unknown, latency_sum, latency_max)
        SELECT 'minute', date_trunc('minute', at), subject, a->>'probe', count(*) FILTER (WHERE a->>'answer' = 'Answered'),
          count(*) FILTER (WHERE a->>'answer' IN ('NoAnswer', 'Refused', 'Denied')), count(*) FILTER (WHERE a->>'answer' = 'Corrupt'),
          count(*) FILTER (WHERE a->>'answer' IN ('NotDetectable', 'Exceeded')), sum((a->>'latencyMs')::float8), max((a->>'latencyMs')::float8)
        FROM old, jsonb_array_elements(answers->'probes') a GROUP BY 2, 3, 4
        {TakeIn}
        """;

    private const string ToHours =
        $"""
        WITH old AS (DELETE FROM health_summary WHERE resolution = 'minute' AND bucket < date_trunc('hour', $1::timestamptz) RETURNING *)
        INSERT INTO health_summary (resolution, bucket, subject, probe, answered, missed, corrupt, unknown, latency_sum, latency_max)
        SELECT 'hour', date_trunc('hour', bucket), subject, probe, sum(answered), sum(missed), sum(corrupt), sum(unknown), sum(latency_sum), max(latency_max)
        FROM old GROUP BY 2, 3, 4
        {TakeIn}
        """;

    /// <summary>The last sample of every subject that was seen since <paramref name="since"/>.</summary>
    public Task<IReadOnlyList<SubjectSample>> LastAsync(DateTimeOffset since, CancellationToken cancellationToken) =>
        catalog.Command("SELECT DISTINCT ON (subject) subject, at, answers::text, maintained FROM health_sample WHERE at >= $1 ORDER BY subject, at DESC", since.ToUniversalTime())
            .ListAsync(Map, cancellationToken);

    /// <summary>The last sample of one subject; null where it was never seen.</summary>
    public Task<SubjectSample?> LastOfAsync(string subject, CancellationToken cancellationToken) =>
        catalog.Command("SELECT subject, at, answers::text, maintained FROM health_sample WHERE subject = $1 ORDER BY at DESC LIMIT 1", subject).FirstAsync(Map, cancellationToken);

    /// <summary>The rounds of a time, oldest first, with what was dealt with between them.</summary>
    /// <param name="subject">Only what was seen of this one; null for all.</param>
    public async Task<IReadOnlyList<HealthRound>> RoundsAsync(DateTimeOffset from, DateTimeOffset to, CancellationToken cancellationToken, string? subject = null)
    {
        var samples = await catalog.Command(
            "SELECT subject, at, answers::text, maintained FROM health_sample WHERE at >= $1 AND at <= $2 AND ($3::text IS NULL OR subject = $3) ORDER BY at, subject",
            from.ToUniversalTime(), to.ToUniversalTime(), subject)
            .ListAsync(Map, cancellationToken);
        var closed = await catalog.Command(
            "SELECT resolved_at, sources, tiers, kind FROM incident WHERE resolution = 'closed' AND resolved_at >= $1 AND resolved_at <= $2", from.ToUniversalTime(), to.ToUniversalTime())
            .ListAsync(row => (At: row.Time(0), Ids: HealthSubject.IdsOf(row.GetFieldValue<string[]>(1), row.GetFieldValue<string[]>(2)).ToList(), Kind: DisasterKinds.Parse(row.GetString(3))), cancellationToken);
        var rounds = new List<HealthRound>();
        var before = DateTimeOffset.MinValue;
        foreach (var round in samples.GroupBy(sample => sample.At))
        {
            var between = closed.Where(one => one.At > before && one.At <= round.Key).ToLookup(one => one.Kind == DisasterKind.DatabaseCorruption, one => one.Ids);
            rounds.Add(new HealthRound(
                round.Key, [.. round.Select(sample => new SubjectRound(sample.Subject, sample.Results, sample.IsMaintained))], between[true].SelectMany(ids => ids).ToHashSet())
            {
                Settled = between[false].SelectMany(ids => ids).ToHashSet(),
            });
            before = round.Key;
        }

        return rounds;
    }

    /// <summary>How a subject's probes did, by minute or by hour; what is younger than a day is summed up on the way.</summary>
    public Task<IReadOnlyList<ProbeSummary>> SummariesAsync(string subject, bool byHour, DateTimeOffset from, CancellationToken cancellationToken) =>
        catalog.Command(
            """
            SELECT date_trunc($2, bucket), probe, sum(answered)::int, sum(missed)::int, sum(corrupt)::int, sum(unknown)::int,
              sum(latency_sum) / greatest(sum(answered + missed + corrupt + unknown), 1), max(latency_max)
            FROM (
              SELECT bucket, probe, answered, missed, corrupt, unknown, latency_sum, latency_max FROM health_summary WHERE subject = $1 AND bucket >= $3
              UNION ALL
              SELECT s.at, a->>'probe', (a->>'answer' = 'Answered')::int, (a->>'answer' IN ('NoAnswer', 'Refused', 'Denied'))::int, (a->>'answer' = 'Corrupt')::int,
                (a->>'answer' IN ('NotDetectable', 'Exceeded'))::int, (a->>'latencyMs')::float8, (a->>'latencyMs')::float8
              FROM health_sample s, jsonb_array_elements(s.answers->'probes') a WHERE s.subject = $1 AND s.at >= $3) all_of_it
            GROUP BY 1, 2 ORDER BY 1, 2
            """, subject, byHour ? "hour" : "minute", from.ToUniversalTime()).ListAsync(
            row => new ProbeSummary(row.Time(0), row.GetString(1), row.GetInt32(2), row.GetInt32(3), row.GetInt32(4), row.GetInt32(5), row.GetDouble(6), row.GetDouble(7)), cancellationToken);

    /// <summary>Sums up what is old and forgets what is too old. Each step is one statement, so that a crash leaves whole ones.</summary>
    public async Task DownsampleAsync(DateTimeOffset now, CancellationToken cancellationToken)
    {
        await catalog.Command(ToHours, (now - MinutesKept).ToUniversalTime()).RunAsync(cancellationToken);
        await catalog.Command(ToMinutes, (now - RawKept).ToUniversalTime()).RunAsync(cancellationToken);
        await catalog.Command("DELETE FROM health_summary WHERE resolution = 'hour' AND bucket < $1", (now - HoursKept).ToUniversalTime()).RunAsync(cancellationToken);
    }

    internal static async Task WriteAsync(NpgsqlTransaction transaction, HealthRound round, CancellationToken cancellationToken)
    {
        foreach (var one in round.Subjects)
        {
            var document = new SampleDocument(one.Subject.Kind, one.Subject.Endpoint, one.Results);
            await transaction.Command(
                "INSERT INTO health_sample (subject, at, maintained, answers) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
                one.Subject.Id, round.At.ToUniversalTime(), one.IsMaintained, new Jsonb(JsonSerializer.Serialize(document, Evidence.Options))).RunAsync(cancellationToken);
        }
    }

    private static SubjectSample Map(NpgsqlDataReader row)
    {
        var document = JsonSerializer.Deserialize<SampleDocument>(row.GetString(2), Evidence.Options)!;
        var id = row.GetString(0);
        return new SubjectSample(new HealthSubject(id[(id.IndexOf('/') + 1)..], document.Kind, document.Endpoint), row.Time(1), document.Probes, row.GetBoolean(3));
    }

    private sealed record SampleDocument(SubjectKind Kind, string? Endpoint, IReadOnlyList<ProbeResult> Probes);
}
