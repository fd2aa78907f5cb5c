using System.Text.Json;
using Hexabase.DrConsole.Engine.Repository;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Catalog;

/// <summary>What a check read and found.</summary>
/// <param name="Slice">The share <c>n/t</c> of the packs, or null for all.</param>
/// <param name="Objects">Packs and objects of WAL read now.</param>
/// <param name="Damaged">Names of damaged or missing objects.</param>
/// <param name="Detail">What is worth knowing, or null.</param>
/// <param name="Coverage">What is read back of the whole, or null where that is not known.</param>
public sealed record TierCheckReading(
    CheckLevel Level, string? Slice, long Objects, long Bytes, IReadOnlyList<string> Damaged, string? Detail, ReadCoverage? Coverage);

/// <summary>Writes down what reading a tier's stored bytes back found.</summary>
public static class TierChecks
{
    /// <summary>The last check of a level counts; it replaces the one before.</summary>
    public static Task RecordAsync(NpgsqlTransaction transaction, string tier, string workspace, TierCheckReading reading) =>
        transaction.Command(
            """
            INSERT INTO tier_check (tier, workspace, level, checked_at, objects, bytes, damaged, detail, slice, objects_there, objects_read, oldest_read)
            VALUES ($1, $2, $3, clock_timestamp(), $4, $5, $6, $7, $8, $9, $10, $11)
            ON CONFLICT (tier, workspace, level) DO UPDATE SET checked_at = clock_timestamp(), objects = $4, bytes = $5, damaged = $6, detail = $7,
              slice = $8, objects_there = $9, objects_read = $10, oldest_read = $11
            """, tier, workspace, reading.Level.ToString(), reading.Objects, reading.Bytes, new Jsonb(JsonSerializer.Serialize(reading.Damaged)), reading.Detail,
            reading.Slice, (long?)reading.Coverage?.Objects, (long?)reading.Coverage?.Read, reading.Coverage?.Oldest?.ToUniversalTime()).RunAsync(CancellationToken.None);

    /// <summary>What was found damaged is whole again.</summary>
    /// <param name="detail">By what.</param>
    public static Task ForgetDamageAsync(NpgsqlTransaction transaction, string tier, string workspace, string detail) =>
        transaction.Command("UPDATE tier_check SET damaged = '[]', detail = $3 WHERE tier = $1 AND workspace = $2 AND damaged <> '[]'", tier, workspace, detail)
            .RunAsync(CancellationToken.None);

    /// <summary>True where the last check of some level found damage in one of these workspaces.</summary>
    public static async Task<bool> IsAnyDamagedAsync(NpgsqlDataSource catalog, string tier, string[] workspaces, CancellationToken cancellationToken) =>
        (await catalog.Command("SELECT 1 FROM tier_check WHERE tier = $1 AND workspace = ANY ($2) AND damaged <> '[]' LIMIT 1", tier, workspaces)
            .ListAsync(row => row.GetInt32(0), cancellationToken)).Count > 0;

    /// <summary>Of points that are whole again those to be proven anew: whose last proof failed, and the newest of each source.</summary>
    public static Task<IReadOnlyList<(string Point, string Source)>> ToProveAnewAsync(NpgsqlDataSource catalog, string[] points, CancellationToken cancellationToken) =>
        catalog.Command(
            """
            SELECT p.id, p.source FROM restore_point p WHERE p.id = ANY ($1) AND p.expired_at IS NULL
              AND (NOT coalesce((SELECT v.passed FROM validation v WHERE v.restore_point = p.id ORDER BY v.validated_at DESC, v.id DESC LIMIT 1), true)
                OR p.created_at = (SELECT max(newest.created_at) FROM restore_point newest WHERE newest.id = ANY ($1) AND newest.source = p.source))
            ORDER BY p.created_at
            """, (object)points).ListAsync(row => (row.GetString(0), row.GetString(1)), cancellationToken);

    /// <summary>Notes that restore points lean on damaged objects in a tier; a point that the tier does not hold is left alone.</summary>
    /// <returns>How many the tier holds.</returns>
    public static Task<int> MarkDamagedAsync(NpgsqlTransaction transaction, string tier, string[] points, string detail) =>
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
