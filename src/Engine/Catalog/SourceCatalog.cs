using System.Text.Json;
using System.Text.Json.Serialization;
using Hexabase.DrConsole.Engine.Audit;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Strategies;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Catalog;

/// <summary>Keeps the catalog's sources what the configuration declares, and what was measured of them.</summary>
public sealed class SourceCatalog(NpgsqlDataSource catalog, ProtectedEstate estate)
{
    private static readonly JsonSerializerOptions DefinitionJson = new(JsonSerializerDefaults.Web)
    {
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
    };

    /// <summary>Declares new and changed sources and withdraws those that the configuration no longer names; each an audit event.</summary>
    public async Task ReconcileAsync(CancellationToken cancellationToken)
    {
        await using var connection = await catalog.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        foreach (var source in estate.Sources)
        {
            var kind = source.Kind.ToString().ToLowerInvariant();
            var changed = await transaction.Command(
                """
                INSERT INTO source (name, kind, class, workspace, definition) VALUES ($1, $2, $3, $4, $5)
                ON CONFLICT (name) DO UPDATE SET kind = $2, class = $3, workspace = $4, definition = $5, withdrawn_at = NULL
                WHERE (source.kind, source.class, source.workspace, source.definition) IS DISTINCT FROM ($2, $3, $4, $5::jsonb) OR source.withdrawn_at IS NOT NULL
                """, source.Name, kind, source.Class, source.Workspace, new Jsonb(JsonSerializer.Serialize(source, DefinitionJson))).RunAsync(cancellationToken);
            if (changed > 0)
            {
                await AuditLog.AppendAsync(transaction, "configuration", "source.declared", source.Name, new { kind, source.Class, source.Workspace }, cancellationToken);
            }
        }

        var withdrawn = await transaction.Command(
            "UPDATE source SET withdrawn_at = clock_timestamp() WHERE withdrawn_at IS NULL AND NOT name = ANY ($1) RETURNING name",
            (object)estate.Sources.Select(source => source.Name).ToArray()).ListAsync(row => row.GetString(0), cancellationToken);
        foreach (var name in withdrawn)
        {
            await AuditLog.AppendAsync(transaction, "configuration", "source.withdrawn", name, new { }, cancellationToken);
        }

        await transaction.CommitAsync(cancellationToken);
    }

    /// <summary>The slowest of the last ten backups of each source, to plan its schedule with.</summary>
    public async Task<IReadOnlyDictionary<string, TimeSpan>> BackupDurationsAsync(CancellationToken cancellationToken)
    {
        var rows = await catalog.Command(
            """
            SELECT s.name, max(r.seconds) FROM source s CROSS JOIN LATERAL (
              SELECT (result ->> 'seconds')::float8 AS seconds FROM run
              WHERE source = s.name AND kind = 'backup' AND state = 'completed' ORDER BY id DESC LIMIT 10) r
            GROUP BY s.name
            """).ListAsync(row => (Source: row.GetString(0), Seconds: row.DoubleOrNull(1)), cancellationToken);
        return rows.Where(row => row.Seconds is not null).ToDictionary(row => row.Source, row => TimeSpan.FromSeconds(row.Seconds!.Value));
    }

    /// <summary>Measured time of the last restore of a source that passed its validation; null while there is none.</summary>
    public async Task<TimeSpan?> MeasuredRestoreTimeAsync(string source, CancellationToken cancellationToken)
    {
        var seconds = await catalog.Command(
            """
            SELECT v.restore_seconds FROM validation v JOIN restore_point p ON p.id = v.restore_point
            WHERE p.source = $1 AND v.passed AND v.restore_seconds IS NOT NULL ORDER BY v.validated_at DESC LIMIT 1
            """, source).FirstAsync(row => (object)row.GetDouble(0), cancellationToken);
        return seconds is double measured ? TimeSpan.FromSeconds(measured) : null;
    }

    /// <summary>Since when a source is known: declared, or with a first restore point, expired ones too; null where neither.</summary>
    public async Task<DateTimeOffset?> KnownSinceAsync(string source, CancellationToken cancellationToken)
    {
        var since = await catalog.Command(
            """
            SELECT since FROM (SELECT least((SELECT declared_at FROM source WHERE name = $1), (SELECT min(created_at) FROM restore_point WHERE source = $1)) AS since) known
            WHERE since IS NOT NULL
            """, source).FirstAsync(row => (object)row.Time(0), cancellationToken);
        return since as DateTimeOffset?;
    }

    /// <summary>When the newest restore point of a source was true; null where there is none.</summary>
    public async Task<DateTimeOffset?> NewestPointAsync(string source, CancellationToken cancellationToken)
    {
        var newest = await catalog.Command("SELECT max(created_at) FROM restore_point WHERE source = $1 HAVING max(created_at) IS NOT NULL", source)
            .FirstAsync(row => (object)row.Time(0), cancellationToken);
        return newest as DateTimeOffset?;
    }

    /// <summary>
    /// True where a new restore point should be restored to prove it: always for critical sources, for others when the newest
    /// proof is older than half its lifetime. False while a validation of the source is still open: it would only pile up.
    /// </summary>
    public async Task<bool> NeedsValidationAsync(Source source, ProtectionClass protection, CancellationToken cancellationToken)
    {
        var open = await catalog.Command("SELECT 1 FROM run WHERE kind = 'validation' AND source = $1 AND state IN ('queued', 'running') LIMIT 1", source.Name)
            .FirstAsync(_ => "open", cancellationToken);
        if (open is not null)
        {
            return false;
        }

        // A failed validation is a reason to look again soon, whatever was proven before it.
        var last = await catalog.Command(
            """
            SELECT v.passed AND v.validated_at > clock_timestamp() - $2 FROM validation v JOIN restore_point p ON p.id = v.restore_point
            WHERE p.source = $1 ORDER BY v.validated_at DESC, v.id DESC LIMIT 1
            """, source.Name, protection.ProofLifetime / 2).FirstAsync(row => (object)row.GetBoolean(0), cancellationToken);
        return last is not true || protection.Name == "critical";
    }

    /// <summary>
    /// The restore point of a source whose turn it is to be restored again: not the newest, not proven within the proof's lifetime,
    /// never restored before restored long ago. Null where all are proven, or a validation of the source is still open.
    /// </summary>
    public async Task<string?> NextToProveAgainAsync(Source source, ProtectionClass protection, CancellationToken cancellationToken) =>
        await catalog.Command(
            """
            SELECT p.id FROM restore_point p
            LEFT JOIN LATERAL (SELECT max(v.validated_at) AS at FROM validation v WHERE v.restore_point = p.id) last ON true
            WHERE p.source = $1 AND p.expired_at IS NULL
              AND p.id <> (SELECT n.id FROM restore_point n WHERE n.source = $1 AND n.expired_at IS NULL ORDER BY n.created_at DESC LIMIT 1)
              AND (last.at IS NULL OR last.at < clock_timestamp() - $2)
              AND NOT EXISTS (SELECT 1 FROM run WHERE kind = 'validation' AND source = $1 AND state IN ('queued', 'running'))
            ORDER BY last.at NULLS FIRST, p.created_at LIMIT 1
            """, source.Name, protection.ProofLifetime).FirstAsync(row => row.GetString(0), cancellationToken);
}
