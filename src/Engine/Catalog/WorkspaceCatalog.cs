using System.Text.Json;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Catalog;

/// <summary>What was last seen of a workspace's keys.</summary>
/// <param name="Epoch">The encryption epoch.</param>
/// <param name="RotatedAt">When the newest key slots were made.</param>
/// <param name="Tiers">The tiers that have these keys.</param>
/// <param name="SeenAt">When that was looked at.</param>
/// <param name="ShreddedAt">When all keys were deleted, or null.</param>
public sealed record WorkspaceKeyRow(
    string Workspace, long Epoch, DateTimeOffset RotatedAt, IReadOnlyList<string> Tiers, DateTimeOffset SeenAt, DateTimeOffset? ShreddedAt);

/// <summary>Workspaces as the catalog knows them.</summary>
public sealed class WorkspaceCatalog(NpgsqlDataSource catalog)
{
    private const string Columns = "workspace, epoch, rotated_at, tiers::text, seen_at, shredded_at";

    /// <summary>The keys' state of every workspace that has been looked at.</summary>
    public Task<IReadOnlyList<WorkspaceKeyRow>> KeysAsync(CancellationToken cancellationToken) =>
        catalog.Command($"SELECT {Columns} FROM workspace_key ORDER BY workspace").ListAsync(Map, cancellationToken);

    /// <summary>Workspaces that have living restore points.</summary>
    public Task<IReadOnlyList<string>> LivingAsync(CancellationToken cancellationToken) =>
        catalog.Command("SELECT DISTINCT workspace FROM restore_point WHERE expired_at IS NULL ORDER BY 1").ListAsync(row => row.GetString(0), cancellationToken);

    /// <summary>The tiers that hold, as far as is known, restore points of a workspace.</summary>
    public Task<IReadOnlyList<string>> TiersAsync(string workspace, CancellationToken cancellationToken) =>
        catalog.Command(
            "SELECT DISTINCT t.tier FROM restore_point_tier t JOIN restore_point p ON p.id = t.restore_point WHERE p.workspace = $1 AND t.state <> 'behind'", workspace)
            .ListAsync(row => row.GetString(0), cancellationToken);

    /// <summary>What still needs a workspace's keys: holds that stand, and runs that are open.</summary>
    public Task<IReadOnlyList<string>> NeedsOfAsync(string workspace, CancellationToken cancellationToken) =>
        catalog.Command(
            $"""
            SELECT 'hold on ' || p.id || ': ' || h.reason FROM hold h JOIN restore_point p ON p.id = h.restore_point
            WHERE p.workspace = $1 AND {HoldCatalog.Standing}
            UNION ALL
            SELECT 'run R-' || r.id || ' is open' FROM run r
            WHERE r.state IN ('queued', 'running', 'waiting', 'needs_decision') AND r.kind IN ('backup', 'validation', 'restore', 'recovery')
              AND EXISTS (SELECT FROM run_source s WHERE s.run_id = r.id AND s.source IN (SELECT source FROM restore_point WHERE workspace = $1))
            """, workspace).ListAsync(row => row.GetString(0), cancellationToken);

    /// <summary>Records what was seen of a workspace's keys.</summary>
    public Task SeeAsync(string workspace, uint epoch, DateTimeOffset rotatedAt, IReadOnlyCollection<string> tiers, CancellationToken cancellationToken) =>
        See(catalog.CreateCommand(), workspace, epoch, rotatedAt, tiers).RunAsync(cancellationToken);

    /// <summary>The same in the transaction of a run's step.</summary>
    public static Task SeeAsync(NpgsqlTransaction transaction, string workspace, uint epoch, DateTimeOffset rotatedAt, IReadOnlyCollection<string> tiers) =>
        See(transaction.Connection!.CreateCommand(), workspace, epoch, rotatedAt, tiers).RunAsync(CancellationToken.None);

    /// <summary>Forgets what the catalog knows of the content of a workspace whose keys are gone; only that and when it existed stays.</summary>
    public static async Task ForgetAsync(NpgsqlTransaction transaction, string workspace, CancellationToken cancellationToken)
    {
        foreach (var forget in (string[])
        [
            "DELETE FROM run_event WHERE run_id IN (SELECT id FROM run WHERE kind IN ('backup', 'validation', 'restore') AND source IN (SELECT source FROM restore_point WHERE workspace = $1))",
            "UPDATE run_step SET intent = NULL, result = NULL WHERE run_id IN (SELECT id FROM run WHERE kind IN ('backup', 'validation', 'restore') AND source IN (SELECT source FROM restore_point WHERE workspace = $1))",
            "UPDATE run SET result = NULL, error = NULL, progress = NULL WHERE kind IN ('backup', 'validation', 'restore') AND source IN (SELECT source FROM restore_point WHERE workspace = $1)",
            "UPDATE validation SET steps = '[]', comparison = NULL WHERE restore_point IN (SELECT id FROM restore_point WHERE workspace = $1)",
            "DELETE FROM restore_point_tier WHERE restore_point IN (SELECT id FROM restore_point WHERE workspace = $1)",
            "UPDATE restore_point SET facts = NULL, artifacts = '[]', properties = '{}', expired_at = coalesce(expired_at, clock_timestamp()) WHERE workspace = $1",
            "UPDATE workspace_key SET shredded_at = clock_timestamp(), tiers = '[]' WHERE workspace = $1",
        ])
        {
            await transaction.Command(forget, workspace).RunAsync(cancellationToken);
        }
    }

    private static NpgsqlCommand See(NpgsqlCommand command, string workspace, uint epoch, DateTimeOffset rotatedAt, IReadOnlyCollection<string> tiers)
    {
        command.CommandText =
            """
            INSERT INTO workspace_key (workspace, epoch, rotated_at, tiers, seen_at) VALUES ($1, $2, $3, $4, clock_timestamp())
            ON CONFLICT (workspace) DO UPDATE SET epoch = $2, rotated_at = $3, tiers = $4, seen_at = clock_timestamp(), shredded_at = NULL
            """;
        return command.With(workspace, (long)epoch, rotatedAt.ToUniversalTime(), new Jsonb(JsonSerializer.Serialize(tiers)));
    }

    private static WorkspaceKeyRow Map(NpgsqlDataReader row) => new(
        row.GetString(0), row.GetInt64(1), row.Time(2), JsonSerializer.Deserialize<List<string>>(row.GetString(3))!, row.Time(4), row.TimeOrNull(5));
}
