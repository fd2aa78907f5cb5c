using Hexabase.DrConsole.Engine.Audit;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Recovery.Actions;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Runs;

/// <summary>A run that changes a source at this moment.</summary>
public sealed record SourceClaim(RunId Run, string Source);

/// <summary>Which runs have begun to change a source. Two of them would undo each other's work, and a backup beside one would hold a mixture.</summary>
internal static class SourceClaims
{
    /// <summary>True of a step <c>s</c> that changes its source: to look whether services answer, and to lead clients elsewhere, does not.</summary>
    internal const string Changes = "s.action NOT IN ('check_services', 'switch_traffic')";

    private const string IsOpen = "r.state IN ('queued', 'running', 'waiting')";

    private const string Recoveries =
        $"""
        SELECT r.id, o.source FROM run r JOIN recovery c ON c.run_id = r.id JOIN run_source o ON o.run_id = r.id
        WHERE {IsOpen} AND NOT c.is_drill AND o.source = ANY ($1)
          AND (EXISTS (SELECT FROM recovery_step s WHERE s.run_id = r.id AND s.attempt > 0 AND {Changes})
            -- One that restores is at work from when it went through its gate: what begins before its first step would be in its way.
            OR ((SELECT g.state FROM approval_gate g WHERE g.run_id = r.id AND g.step IS NULL ORDER BY g.id DESC LIMIT 1) = 'used'
              AND EXISTS (SELECT FROM recovery_step s WHERE s.run_id = r.id AND s.action IN {RestoringActions.Sql})
              -- One that waits has begun with nothing, and looks again when it goes on.
              AND r.state <> 'waiting'))
        ORDER BY r.id LIMIT 1
        """;

    private const string Restores =
        $$"""
        SELECT r.id, o.source FROM run r JOIN run_source o ON o.run_id = r.id
        WHERE r.kind = 'restore' AND {{IsOpen}} AND o.source = ANY ($1)
          AND (EXISTS (SELECT FROM run_step s WHERE s.run_id = r.id)
            -- From when it went through its gate, as a recovery is.
            OR ((SELECT g.state FROM approval_gate g WHERE g.run_id = r.id ORDER BY g.id DESC LIMIT 1) = 'used' AND r.state <> 'waiting'))
          AND r.request #>> '{plan,difference}' IS NOT NULL AND coalesce(r.request #>> '{plan,fillsEmpty}', 'false') = 'false'
        ORDER BY r.id LIMIT 1
        """;

    /// <summary>The recovery that has begun with one of the sources, and has not ended; null where there is none.</summary>
    public static Task<SourceClaim?> RecoveryAtWorkAsync(NpgsqlDataSource catalog, IEnumerable<string> sources, CancellationToken cancellationToken) =>
        catalog.Command(Recoveries, (object)sources.ToArray()).FirstAsync(Map, cancellationToken);

    /// <summary>The restore over what lives that has begun with one of the sources, and has not ended; null where there is none.</summary>
    public static Task<SourceClaim?> RestoreAtWorkAsync(NpgsqlDataSource catalog, IEnumerable<string> sources, CancellationToken cancellationToken) =>
        catalog.Command(Restores, (object)sources.ToArray()).FirstAsync(Map, cancellationToken);

    /// <summary>The same inside the caller's transaction.</summary>
    public static Task<SourceClaim?> RestoreAtWorkAsync(NpgsqlTransaction transaction, IEnumerable<string> sources, CancellationToken cancellationToken) =>
        transaction.Command(Restores, (object)sources.ToArray()).FirstAsync(Map, cancellationToken);

    /// <summary>Asks the open backups of the sources that <paramref name="context"/> is about to change to end.</summary>
    /// <returns>All that were open: they end soon, and not at once.</returns>
    public static async Task<IReadOnlyList<RunId>> EndBackupsAsync(RunContext context, IEnumerable<string> sources)
    {
        IReadOnlyList<RunId> open = [];
        await context.CommitAsync(async transaction =>
        {
            open = await transaction.Command(
                $"SELECT r.id FROM run r WHERE r.kind = 'backup' AND {IsOpen} AND EXISTS (SELECT FROM run_source o WHERE o.run_id = r.id AND o.source = ANY ($1)) ORDER BY r.id FOR UPDATE OF r",
                (object)sources.ToArray()).ListAsync(row => new RunId(row.GetInt64(0)), CancellationToken.None);
            foreach (var backup in open)
            {
                await RunStore.CancelAsync(transaction, backup, "engine", CancellationToken.None);
            }
        });
        return open;
    }

    /// <summary>Those of some runs that somebody may still be at work on. One that is asked to end and whose lease nobody has writes nothing any more: who takes it up ends it.</summary>
    public static Task<IReadOnlyList<RunId>> AtWorkAsync(NpgsqlDataSource catalog, IReadOnlyList<RunId> runs, CancellationToken cancellationToken) => catalog.Command(
        $"SELECT r.id FROM run r WHERE r.id = ANY ($1) AND {IsOpen} AND (r.cancel_at IS NULL OR r.lease_until >= clock_timestamp()) ORDER BY r.id", runs.Select(run => run.Value).ToArray())
        .ListAsync(row => new RunId(row.GetInt64(0)), cancellationToken);

    /// <summary>Ends runs whose holders do not: their fence is passed, so that whatever they do from now on is written down nowhere.</summary>
    public static Task TakeAwayAsync(RunContext context, IReadOnlyList<RunId> runs) => context.CommitAsync(async transaction =>
    {
        var taken = await transaction.Command(
            $"""
            UPDATE run r SET state = 'cancelled', fence = fence + 1, lease_owner = NULL, lease_until = NULL, ended_at = clock_timestamp() WHERE r.id = ANY ($1) AND {IsOpen} RETURNING r.id
            """, runs.Select(run => run.Value).Order().ToArray()).ListAsync(row => row.GetInt64(0), CancellationToken.None);
        foreach (var run in taken)
        {
            await transaction.Command("SELECT pg_notify($1, $2)", RunFeed.Channel, RunStore.Invariant(run)).RunAsync(CancellationToken.None);
            await AuditLog.AppendAsync(transaction, "engine", "run.taken-away", new RunId(run).ToString(), new { by = context.Run.Id.ToString() }, CancellationToken.None);
        }
    });

    private static SourceClaim Map(NpgsqlDataReader row) => new(new RunId(row.GetInt64(0)), row.GetString(1));
}
