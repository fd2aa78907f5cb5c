using Npgsql;

namespace Hexabase.DrConsole.Engine.Catalog;

/// <summary>A recovery set.</summary>
/// <param name="RunId">The run that took it; its name.</param>
/// <param name="SkewSeconds">From the oldest to the newest part's content; null with fewer than two parts.</param>
/// <param name="HeldSeconds">How long the application was held still, or null.</param>
/// <param name="HeldToEnd">False where it went on before every part was captured.</param>
/// <param name="IsComplete">True where every source of the workspace was captured.</param>
/// <param name="TakenAt">When its last part had ended.</param>
public sealed record SetRow(
    long RunId, string Workspace, double? SkewSeconds, double? HeldSeconds, bool? HeldToEnd, bool IsComplete, DateTimeOffset TakenAt, IReadOnlyList<SetPartRow> Parts)
{
    /// <summary>The instant of its newest part: what the workspace would be recovered to. Null where it has none.</summary>
    public DateTimeOffset? MomentAt => Parts.Max(part => part.SnapshotAt);

    /// <summary>True where every source was captured and none of the restore points was given up since.</summary>
    public bool IsWhole => IsComplete && Parts.All(part => part.IsKept);
}

/// <summary>A part of a recovery set.</summary>
/// <param name="IsKept">True while a tier holds its restore point.</param>
/// <param name="ProvenAt">When its restore point was restored and compared last; null where it never was, or failed the last time.</param>
public sealed record SetPartRow(string Source, long? BackupRun, string? RestorePoint, DateTimeOffset? SnapshotAt, string? Fault, bool IsKept, DateTimeOffset? ProvenAt);

/// <summary>Recovery sets as the catalog knows them.</summary>
public sealed class SetCatalog(NpgsqlDataSource catalog)
{
    /// <summary>Newest first; of one workspace, or of all where null.</summary>
    public async Task<IReadOnlyList<SetRow>> ListAsync(string? workspace, int limit, CancellationToken cancellationToken)
    {
        var sets = await catalog.Command(
            $"SELECT {SetColumns} FROM recovery_set WHERE $1::text IS NULL OR workspace = $1 ORDER BY run_id DESC LIMIT $2", workspace, limit)
            .ListAsync(MapSet, cancellationToken);
        return await WithPartsAsync(sets, cancellationToken);
    }

    /// <summary>The set that a run took, or null.</summary>
    public async Task<SetRow?> FindAsync(long run, CancellationToken cancellationToken) =>
        await WithPartsAsync(
            await catalog.Command($"SELECT {SetColumns} FROM recovery_set WHERE run_id = $1", run).ListAsync(MapSet, cancellationToken), cancellationToken) is [var set] ? set : null;

    /// <summary>Records a set, in the transaction that ends its step.</summary>
    internal static Task RecordAsync(
        NpgsqlTransaction transaction, long run, string workspace, double? skewSeconds, double? heldSeconds, bool? heldToEnd, bool isComplete, CancellationToken cancellationToken) =>
        transaction.Command(
            "INSERT INTO recovery_set (run_id, workspace, skew_seconds, held_seconds, held_to_end, is_complete) VALUES ($1, $2, $3, $4, $5, $6)",
            run, workspace, skewSeconds, heldSeconds, heldToEnd, isComplete).RunAsync(cancellationToken);

    /// <summary>Records a part of it.</summary>
    internal static Task RecordPartAsync(
        NpgsqlTransaction transaction, long run, string source, long? backupRun, string? restorePoint, DateTimeOffset? snapshotAt, string? fault, CancellationToken cancellationToken) =>
        transaction.Command(
            "INSERT INTO recovery_set_part (run_id, source, backup_run, restore_point, snapshot_at, fault) VALUES ($1, $2, $3, $4, $5, $6)",
            run, source, backupRun, restorePoint, snapshotAt?.ToUniversalTime(), fault).RunAsync(cancellationToken);

    private const string SetColumns = "run_id, workspace, skew_seconds, held_seconds, held_to_end, is_complete, taken_at";

    private async Task<IReadOnlyList<SetRow>> WithPartsAsync(IReadOnlyList<SetRow> sets, CancellationToken cancellationToken)
    {
        var parts = await catalog.Command(
            """
            SELECT p.run_id, p.source, p.backup_run, p.restore_point, p.snapshot_at, p.fault,
              EXISTS (SELECT 1 FROM restore_point_tier t WHERE t.restore_point = p.restore_point AND t.state IN ('stored', 'verified')),
              CASE WHEN v.passed THEN v.validated_at END
            FROM recovery_set_part p
            LEFT JOIN LATERAL (SELECT passed, validated_at FROM validation WHERE restore_point = p.restore_point ORDER BY validated_at DESC, id DESC LIMIT 1) v ON true
            WHERE p.run_id = ANY($1) ORDER BY p.source
            """, sets.Select(set => set.RunId).ToArray())
            .ListAsync(row => (Run: row.GetInt64(0), Part: new SetPartRow(
                row.GetString(1), row.LongOrNull(2), row.TextOrNull(3), row.TimeOrNull(4), row.TextOrNull(5), row.GetBoolean(6), row.TimeOrNull(7))), cancellationToken);
        return [.. sets.Select(set => set with { Parts = [.. parts.Where(part => part.Run == set.RunId).Select(part => part.Part)] })];
    }

    private static SetRow MapSet(NpgsqlDataReader row) => new(
        row.GetInt64(0), row.GetString(1), row.DoubleOrNull(2), row.DoubleOrNull(3), row.IsDBNull(4) ? null : row.GetBoolean(4), row.GetBoolean(5), row.Time(6), []);
}
