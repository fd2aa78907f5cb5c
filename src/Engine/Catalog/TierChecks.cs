using System.Text.Json;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Catalog;

/// <summary>Writes down what reading a tier's stored bytes back found.</summary>
public static class TierChecks
{
    /// <summary>The last check of a level counts; it replaces the one before.</summary>
    /// <param name="damaged">Names of damaged or missing objects.</param>
    public static Task RecordAsync(
        NpgsqlTransaction transaction, string tier, string workspace, string level, long objects, long bytes, IEnumerable<string> damaged, string? detail) =>
        transaction.Command(
            """
            INSERT INTO tier_check (tier, workspace, level, checked_at, objects, bytes, damaged, detail) VALUES ($1, $2, $3, clock_timestamp(), $4, $5, $6, $7)
            ON CONFLICT (tier, workspace, level) DO UPDATE SET checked_at = clock_timestamp(), objects = $4, bytes = $5, damaged = $6, detail = $7
            """, tier, workspace, level, objects, bytes, new Jsonb(JsonSerializer.Serialize(damaged)), detail).RunAsync(CancellationToken.None);

    /// <summary>Notes that restore points lean on damaged objects in a tier; a point that the tier does not hold is left alone.</summary>
    public static Task MarkDamagedAsync(NpgsqlTransaction transaction, string tier, string[] points, string detail) =>
        transaction.Command("UPDATE restore_point_tier SET state = 'damaged', detail = $3 WHERE tier = $1 AND restore_point = ANY ($2) AND state <> 'behind'", tier, points, detail)
            .RunAsync(CancellationToken.None);

    /// <summary>The living restore points of a workspace that are known to be damaged in a tier.</summary>
    public static Task<IReadOnlyList<string>> DamagedAsync(NpgsqlDataSource catalog, string tier, string workspace, CancellationToken cancellationToken) =>
        catalog.Command(
            """
            SELECT p.id FROM restore_point p JOIN restore_point_tier t ON t.restore_point = p.id
            WHERE t.tier = $1 AND p.workspace = $2 AND t.state = 'damaged' AND p.expired_at IS NULL ORDER BY p.created_at
            """, tier, workspace).ListAsync(row => row.GetString(0), cancellationToken);
}
