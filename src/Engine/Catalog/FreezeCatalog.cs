using Npgsql;

namespace Hexabase.DrConsole.Engine.Catalog;

/// <summary>A source whose retention is frozen, and since when the incident that does it is suspected.</summary>
public sealed record FreezeRow(long Incident, DateTimeOffset Since, string Source);

/// <summary>Which sources are frozen, as the incidents say: corruption of them is suspected or confirmed.</summary>
public sealed class FreezeCatalog(NpgsqlDataSource catalog)
{
    /// <summary>The frozen sources that have restore points in a workspace.</summary>
    public Task<IReadOnlyList<FreezeRow>> OpenAsync(string workspace, CancellationToken cancellationToken) =>
        catalog.Command(
            """
            SELECT i.id, i.suspected_at, s FROM incident i, unnest(i.sources) s
            WHERE i.kind = 'DATABASE_CORRUPTION' AND i.state <> 'resolved'
              AND EXISTS (SELECT 1 FROM restore_point p WHERE p.workspace = $1 AND p.source = s AND p.expired_at IS NULL)
            ORDER BY i.id, s
            """, workspace).ListAsync(row => new FreezeRow(row.GetInt64(0), row.Time(1), row.GetString(2)), cancellationToken);

    /// <summary>True where this catalog knows the incident: another catalog's number may be the same, its instant is not.</summary>
    public async Task<bool> KnowsAsync(long incident, long sinceMs, CancellationToken cancellationToken) =>
        (await catalog.Command("SELECT suspected_at FROM incident WHERE id = $1", incident).ListAsync(row => row.Time(0), cancellationToken))
            .Any(at => at.ToUnixTimeMilliseconds() == sinceMs);

    /// <summary>For each workspace of which a source was ever frozen a text that changes whenever one becomes frozen or ceases to be.</summary>
    public async Task<IReadOnlyDictionary<string, string>> StatesAsync(CancellationToken cancellationToken) =>
        (await catalog.Command(
            """
            SELECT p.workspace, string_agg(DISTINCT i.id || ' ' || (i.state = 'resolved') || ' ' || p.source, ';')
            FROM incident i JOIN (SELECT DISTINCT workspace, source FROM restore_point) p ON p.source = ANY (i.sources)
            WHERE i.kind = 'DATABASE_CORRUPTION' GROUP BY p.workspace
            """).ListAsync(row => (row.GetString(0), row.GetString(1)), cancellationToken)).ToDictionary();
}
