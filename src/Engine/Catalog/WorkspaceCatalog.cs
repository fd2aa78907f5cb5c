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
    /// <summary>SQL of the kinds of runs whose source is the name of a tier.</summary>
    private const string OfTiers = "('retention', 'verification', 'repair', 'replication')";

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

    /// <summary>The tiers in which a workspace has keys as far as is known, also those that are away now: that hold a restore point of it, or where its keys were ever seen.</summary>
    /// <param name="withBehind">Also those that only miss a restore point: they may have held others.</param>
    public Task<IReadOnlyList<string>> HoldingAsync(string workspace, bool withBehind, CancellationToken cancellationToken) =>
        catalog.Command(
            """
            SELECT t.tier FROM restore_point_tier t JOIN restore_point p ON p.id = t.restore_point WHERE p.workspace = $1 AND ($2 OR t.state <> 'behind')
            UNION SELECT jsonb_array_elements_text(seen_in) FROM workspace_key WHERE workspace = $1 ORDER BY 1
            """, workspace, withBehind).ListAsync(row => row.GetString(0), cancellationToken);

    /// <summary>What still needs a workspace's keys: holds that stand, and runs that are open.</summary>
    public Task<IReadOnlyList<string>> NeedsOfAsync(string workspace, CancellationToken cancellationToken) =>
        catalog.Command(
            $"""
            SELECT 'hold on ' || p.id || ': ' || h.reason FROM hold h JOIN restore_point p ON p.id = h.restore_point
            WHERE p.workspace = $1 AND {HoldCatalog.Standing}
            UNION ALL
            SELECT 'run R-' || r.id || ' is open' FROM run r
            WHERE r.state IN ('queued', 'running', 'waiting', 'needs_decision') AND r.kind NOT IN {OfTiers} AND r.kind <> 'shredding'
              AND EXISTS (SELECT FROM run_source s WHERE s.run_id = r.id AND s.source IN (SELECT source FROM restore_point WHERE workspace = $1))
            """, workspace).ListAsync(row => row.GetString(0), cancellationToken);

    /// <summary>Records what was seen of a workspace's keys.</summary>
    public Task SeeAsync(string workspace, uint epoch, DateTimeOffset rotatedAt, IReadOnlyCollection<string> tiers, CancellationToken cancellationToken) =>
        See(catalog.CreateCommand(), workspace, epoch, rotatedAt, tiers).RunAsync(cancellationToken);

    /// <summary>The same in the transaction of a run's step.</summary>
    public static Task SeeAsync(NpgsqlTransaction transaction, string workspace, uint epoch, DateTimeOffset rotatedAt, IReadOnlyCollection<string> tiers) =>
        See(transaction.Connection!.CreateCommand(), workspace, epoch, rotatedAt, tiers).RunAsync(CancellationToken.None);

    /// <summary>Forgets that a tier holds anything of a workspace: its keys are gone there, and asked again it has nothing to show.</summary>
    public static async Task ForgetTierAsync(NpgsqlTransaction transaction, string workspace, string tier, CancellationToken cancellationToken)
    {
        await transaction.Command(
            "DELETE FROM restore_point_tier WHERE tier = $2 AND restore_point IN (SELECT id FROM restore_point WHERE workspace = $1)", workspace, tier).RunAsync(cancellationToken);
        await transaction.Command("UPDATE workspace_key SET seen_in = seen_in - $2 WHERE workspace = $1", workspace, tier).RunAsync(cancellationToken);
    }

    /// <summary>
    /// Forgets what the catalog knows of the content of a workspace whose keys are gone. What stays says what was done and by whom: that and
    /// when restore points, runs, recoveries and their steps were, the plans that people approved, their votes and reasons, and the audit.
    /// </summary>
    /// <param name="run">The run that deleted the keys; what it says of that stays.</param>
    public static async Task ForgetAsync(NpgsqlTransaction transaction, string workspace, long run, CancellationToken cancellationToken)
    {
        // Of whatever kind: the lines, steps and results of a table's rescue or of a drill hold rows of the tenant.
        const string runs =
            $"""
            (SELECT r.id FROM run r WHERE r.id <> $2 AND r.kind NOT IN {OfTiers} AND (
              (r.kind IN ('rotation', 'shredding', 'recovery-set') AND r.source = $1)
              OR EXISTS (SELECT FROM run_source s WHERE s.run_id = r.id AND s.source IN (SELECT source FROM restore_point WHERE workspace = $1))))
            """;
        foreach (var forget in (string[])
        [
            $"DELETE FROM run_event WHERE run_id IN {runs}",
            $"UPDATE run_step SET intent = NULL, result = NULL WHERE run_id IN {runs}",
            $"UPDATE run SET result = NULL, error = NULL, progress = NULL WHERE id IN {runs}",
            // The notes of a restore name the tenant's files, tables and objects; the hash of what was confirmed stays.
            $$"""UPDATE run SET request = jsonb_set(jsonb_set(request, '{plan,notes}', '[]'), '{plan,remarks}', '[]') WHERE jsonb_typeof(request #> '{plan,notes}') = 'array' AND id IN {{runs}}""",
            // What a step found, kept for its way back, and what it said of it; why a person left one out stays.
            $"UPDATE recovery_step SET snapshot = NULL, effect = NULL, verification = NULL, error = NULL, rollback_error = NULL WHERE run_id IN {runs}",
            $"UPDATE recovery SET waits_why = NULL, decision = NULL WHERE run_id IN {runs}",
            $"UPDATE point_in_time_drill SET reason = '' WHERE run_id IN {runs}",
            $"UPDATE recovery_set_part SET fault = NULL WHERE run_id IN {runs}",
            $"DELETE FROM object_restore o WHERE EXISTS (SELECT FROM run r WHERE o.operation LIKE 'R-' || r.id || ' of %' AND r.id IN {runs})",
        ])
        {
            await transaction.Command(forget, workspace, run).RunAsync(cancellationToken);
        }

        foreach (var forget in (string[])
        [
            "UPDATE validation SET steps = '[]', comparison = NULL WHERE restore_point IN (SELECT id FROM restore_point WHERE workspace = $1)",
            "DELETE FROM restore_point_tier WHERE restore_point IN (SELECT id FROM restore_point WHERE workspace = $1)",
            "UPDATE restore_point SET facts = NULL, artifacts = '[]', properties = '{}', expired_at = coalesce(expired_at, clock_timestamp()) WHERE workspace = $1",
            "UPDATE workspace_key SET shredded_at = clock_timestamp(), tiers = '[]', seen_in = '[]' WHERE workspace = $1",
        ])
        {
            await transaction.Command(forget, workspace).RunAsync(cancellationToken);
        }
    }

    private static NpgsqlCommand See(NpgsqlCommand command, string workspace, uint epoch, DateTimeOffset rotatedAt, IReadOnlyCollection<string> tiers)
    {
        command.CommandText =
            """
            INSERT INTO workspace_key (workspace, epoch, rotated_at, tiers, seen_at, seen_in) VALUES ($1, $2, $3, $4, clock_timestamp(), $4)
            ON CONFLICT (workspace) DO UPDATE SET epoch = $2, rotated_at = $3, tiers = $4, seen_at = clock_timestamp(), shredded_at = NULL,
              seen_in = (SELECT jsonb_agg(DISTINCT tier) FROM jsonb_array_elements(workspace_key.seen_in || $4) tier)
            """;
        return command.With(workspace, (long)epoch, rotatedAt.ToUniversalTime(), new Jsonb(JsonSerializer.Serialize(tiers)));
    }

    private static WorkspaceKeyRow Map(NpgsqlDataReader row) => new(
        row.GetString(0), row.GetInt64(1), row.Time(2), JsonSerializer.Deserialize<List<string>>(row.GetString(3))!, row.Time(4), row.TimeOrNull(5));
}
