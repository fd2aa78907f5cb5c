using System.Globalization;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Health.Probes;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Health;

/// <summary>
/// Counters of failures may only stand still. Where one stood when all was well is kept in the catalog, so that a rise is seen
/// also where it came while nobody looked; it stays evidence until the incident is closed.
/// </summary>
internal sealed class FailureCounters
{
    private readonly Dictionary<(string Subject, string Probe), (double Value, DateTimeOffset Since)> _well;
    private readonly List<(string Subject, string Probe, double Value)> _changed = [];

    private FailureCounters(Dictionary<(string, string), (double, DateTimeOffset)> well) => _well = well;

    public static async Task<FailureCounters> ReadAsync(NpgsqlDataSource catalog, CancellationToken ct) => new(
        (await catalog.Command("SELECT subject, probe, value, since FROM health_baseline").ListAsync(row => (row.GetString(0), row.GetString(1), row.GetDouble(2), row.Time(3)), ct))
            .ToDictionary(row => (row.Item1, row.Item2), row => (row.Item3, row.Item4)));

    /// <summary>The answer, as corrupt where its counter has risen.</summary>
    public ProbeResult Judge(Asked asked)
    {
        var (subject, result) = (asked.Probe.Subject.Id, asked.Result);
        if (!asked.IsFailureCount || result.Number is not { } now)
        {
            return result;
        }

        var key = (subject, result.Probe);
        if (!_well.TryGetValue(key, out var before))
        {
            // The first look: what was counted before is no news.
            _changed.Add((subject, result.Probe, now));
            return result;
        }

        var well = before.Value;
        if (now < well)
        {
            // A server that crashed counts from nothing: what it has counted since then is news. Where only old ones went away, as with
            // a database that was dropped, nothing is.
            well = asked.LastFailure > before.Since ? 0 : now;
            _changed.Add((subject, result.Probe, well));
        }

        return now > well
            ? result with
            {
                Answer = ProbeAnswer.Corrupt, Since = asked.LastFailure > before.Since ? asked.LastFailure : null, Detail = string.Create(CultureInfo.InvariantCulture, $"{now - well:0} more than before: {result.Detail}"),
            }
            : result;
    }

    /// <summary>Keeps what was seen for the first time, and what was reset.</summary>
    public async Task WriteAsync(NpgsqlTransaction transaction, DateTimeOffset at, CancellationToken ct)
    {
        foreach (var (subject, probe, value) in _changed)
        {
            await transaction.Command(
                """
                INSERT INTO health_baseline (subject, probe, value, since) VALUES ($1, $2, $3, $4)
                ON CONFLICT (subject, probe) DO UPDATE SET value = $3, since = $4
                """, subject, probe, value, at.ToUniversalTime()).RunAsync(ct);
        }
    }
}
