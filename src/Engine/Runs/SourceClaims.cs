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
    internal const string Changes = $"s.action NOT IN ('{CheckServices.ActionName}', '{SwitchTraffic.ActionName}')";

    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(100);

    private const string IsOpen = "r.state IN ('queued', 'running', 'waiting')";

    /// <summary>True of a backup that may have written a manifest which the catalog does not know yet.</summary>
    private const string HasBegunCommit = "EXISTS (SELECT FROM run_step s WHERE s.run_id = r.id AND s.state = 'intended' AND jsonb_path_exists(s.intent, '$.commits[*].point'))";

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

    /// <summary>True of a restore over something that lives which has begun.</summary>
    private const string RestoreHasBegun =
        $$"""
        r.kind = 'restore' AND {{IsOpen}} AND r.id <> $1
          AND (EXISTS (SELECT FROM run_step s WHERE s.run_id = r.id)
            -- From when it went through its gate, as a recovery is.
            OR ((SELECT g.state FROM approval_gate g WHERE g.run_id = r.id ORDER BY g.id DESC LIMIT 1) = 'used' AND r.state <> 'waiting'))
          AND r.request #>> '{plan,difference}' IS NOT NULL AND coalesce(r.request #>> '{plan,fillsEmpty}', 'false') = 'false'
        """;

    private const string Restores =
        $$"""
        SELECT r.id, o.source FROM run r CROSS JOIN LATERAL (
          -- One that goes to another place than the source's own changes only that, and the sources that live there.
          SELECT r.source WHERE coalesce(r.request ->> 'isElsewhere', 'false') = 'false'
          UNION ALL
          SELECT jsonb_array_elements_text(coalesce(r.request -> 'overwrites', '[]'))) o
        WHERE o.source = ANY ($2) AND {{RestoreHasBegun}}
        ORDER BY r.id LIMIT 1
        """;

    /// <summary>The recovery that has begun with one of the sources, and has not ended; null where there is none.</summary>
    public static Task<SourceClaim?> RecoveryAtWorkAsync(NpgsqlDataSource catalog, IEnumerable<string> sources, CancellationToken cancellationToken) =>
        catalog.Command(Recoveries, (object)sources.ToArray()).FirstAsync(Map, cancellationToken);

    /// <summary>The restore over what lives that has begun with one of the sources, and has not ended; null where there is none.</summary>
    /// <param name="except">A restore that asks about others.</param>
    public static Task<SourceClaim?> RestoreAtWorkAsync(NpgsqlDataSource catalog, IEnumerable<string> sources, CancellationToken cancellationToken, RunId? except = null) =>
        catalog.Command(Restores, except?.Value ?? 0, sources.ToArray()).FirstAsync(Map, cancellationToken);

    /// <summary>The same inside the caller's transaction.</summary>
    public static Task<SourceClaim?> RestoreAtWorkAsync(NpgsqlTransaction transaction, IEnumerable<string> sources, CancellationToken cancellationToken) =>
        transaction.Command(Restores, 0L, sources.ToArray()).FirstAsync(Map, cancellationToken);

    /// <summary>Every restore over what lives that has begun and has not ended, wherever it goes.</summary>
    /// <param name="except">The one that asks about others.</param>
    /// <returns>Each with its request.</returns>
    public static Task<IReadOnlyList<(RunId Run, string RequestJson)>> RestoresAtWorkAsync(NpgsqlDataSource catalog, RunId except, CancellationToken cancellationToken) =>
        catalog.Command($"SELECT r.id, r.request::text FROM run r WHERE {RestoreHasBegun} ORDER BY r.id", except.Value)
            .ListAsync(row => (new RunId(row.GetInt64(0)), row.GetString(1)), cancellationToken);

    /// <summary>As <see cref="Changes"/> of an action's name.</summary>
    public static bool ChangesSource(string action) => action is not (CheckServices.ActionName or SwitchTraffic.ActionName);

    /// <summary>
    /// Ends the open backups of sources that <paramref name="context"/> is about to change, and waits until they have: what they stored
    /// would be a mixture of what is and what comes back, and might validate. None begins any more: this run is at work.
    /// </summary>
    /// <param name="longestEnd">A backup that was asked to end does at the next renewal of its lease. One that does not is taken away from its holder.</param>
    public static async Task EndBackupsAsync(RunContext context, IEnumerable<string> sources, TimeSpan longestEnd, TimeProvider time)
    {
        var left = await AskBackupsToEndAsync(context, sources);
        foreach (var backup in left)
        {
            context.Warn(context.Run.Kind, $"{backup} is ended: it would hold a mixture of what is and what comes back");
        }

        for (var began = time.GetTimestamp(); (left = await AtWorkAsync(context.Catalog, left, context.Cancellation)).Count > 0;)
        {
            if (time.GetElapsedTime(began) > longestEnd)
            {
                // It hangs, most likely on what is broken here. It can write nothing down any more; nobody must wait for it.
                await TakeAwayAsync(context, left);
                context.Warn(context.Run.Kind, $"{string.Join(", ", left)} did not end within {longestEnd.TotalSeconds:0} s and was taken away from its holder");
                return;
            }

            await Task.Delay(s_look, time, context.Cancellation);
        }
    }

    private static async Task<IReadOnlyList<RunId>> AskBackupsToEndAsync(RunContext context, IEnumerable<string> sources)
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
    private static Task<IReadOnlyList<RunId>> AtWorkAsync(NpgsqlDataSource catalog, IReadOnlyList<RunId> runs, CancellationToken cancellationToken) => catalog.Command(
        $"SELECT r.id FROM run r WHERE r.id = ANY ($1) AND {IsOpen} AND (r.cancel_at IS NULL OR r.lease_until >= clock_timestamp()) ORDER BY r.id", runs.Select(run => run.Value).ToArray())
        .ListAsync(row => new RunId(row.GetInt64(0)), cancellationToken);

    /// <summary>
    /// Ends runs whose holders do not: their fence is passed, so that whatever they do from now on is written down nowhere, and no manifest is
    /// begun any more. One whose manifest was begun before, of what was captured before this run changes anything, is ended by whoever takes
    /// it up, who looks whether a tier has it.
    /// </summary>
    private static Task TakeAwayAsync(RunContext context, IReadOnlyList<RunId> runs) => context.CommitAsync(async transaction =>
    {
        var taken = await transaction.Command(
            $"""
            UPDATE run r SET state = CASE WHEN {HasBegunCommit} THEN 'queued' ELSE 'cancelled' END, ended_at = CASE WHEN {HasBegunCommit} THEN NULL ELSE clock_timestamp() END,
              fence = fence + 1, lease_owner = NULL, lease_until = NULL, handed_over_at = NULL WHERE r.id = ANY ($1) AND {IsOpen} RETURNING r.id
            """, runs.Select(run => run.Value).Order().ToArray()).ListAsync(row => row.GetInt64(0), CancellationToken.None);
        foreach (var run in taken)
        {
            await transaction.Command("SELECT pg_notify($1, $2)", RunFeed.Channel, RunStore.Invariant(run)).RunAsync(CancellationToken.None);
            await AuditLog.AppendAsync(transaction, "engine", "run.taken-away", new RunId(run).ToString(), new { by = context.Run.Id.ToString() }, CancellationToken.None);
        }
    });

    private static SourceClaim Map(NpgsqlDataReader row) => new(new RunId(row.GetInt64(0)), row.GetString(1));
}
