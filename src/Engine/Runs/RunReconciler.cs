using Hexabase.DrConsole.Engine.Catalog;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Runs;

/// <summary>Hands a run to whoever advances it: a Hangfire job in the console, the process itself on the command line.</summary>
public interface IRunTrigger
{
    /// <summary>Returns when the run has been handed over, not when it has ended.</summary>
    Task TriggerAsync(RunId run, CancellationToken cancellationToken);
}

/// <summary>
/// Finds runs that nobody holds (their holder died, or the hand-over was lost) and hands them over again; at start and
/// every minute. Leases of processes that are certainly dead on this machine are ended at once.
/// </summary>
public sealed class RunReconciler(NpgsqlDataSource catalog, IRunTrigger trigger, TimeProvider time, ILogger<RunReconciler> log) : BackgroundService
{
    private static readonly TimeSpan Every = TimeSpan.FromMinutes(1);

    /// <summary>A queued run that was handed over waits for a free worker; only after this long is the hand-over taken for lost.</summary>
    private static readonly TimeSpan HandOverPatience = TimeSpan.FromMinutes(10);

    /// <summary>One pass; the runs that were handed over.</summary>
    /// <param name="isStart">True for a process's first pass: hand-overs of an earlier process count for nothing.</param>
    /// <param name="cancellationToken">Cancels the pass.</param>
    public async Task<IReadOnlyList<RunId>> ReconcileAsync(bool isStart, CancellationToken cancellationToken)
    {
        await EndLeasesOfTheDeadAsync(cancellationToken);
        var orphans = await catalog.Command(
            """
            UPDATE run SET handed_over_at = clock_timestamp()
            WHERE state IN ('queued', 'running') AND (lease_until IS NULL OR lease_until < clock_timestamp())
              AND (state = 'running' OR $1 OR handed_over_at IS NULL OR handed_over_at < clock_timestamp() - $2)
            RETURNING id
            """, isStart, HandOverPatience).ListAsync(row => new RunId(row.GetInt64(0)), cancellationToken);
        foreach (var run in orphans.OrderBy(run => run.Value))
        {
            log.LogInformation("{Run} has no holder; handing it over", run);
            try
            {
                await trigger.TriggerAsync(run, cancellationToken);
            }
            catch (Exception fault) when (fault is not OperationCanceledException)
            {
                // The edge of a hand-over: whatever the job queue throws must not end the console; the next pass tries again.
                log.LogWarning(fault, "{Run} could not be handed over; trying again in a minute", run);
                await catalog.Command("UPDATE run SET handed_over_at = NULL WHERE id = $1", run.Value).RunAsync(cancellationToken);
            }
        }

        return orphans;
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Every, time);
        var isStart = true;
        do
        {
            try
            {
                await ReconcileAsync(isStart, stoppingToken);
                isStart = false;
            }
            catch (NpgsqlException fault)
            {
                log.LogWarning(fault, "runs could not be reconciled; trying again in a minute");
            }
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    /// <summary>Ends the leases of processes that certainly died on this machine, so that their runs can be taken up at once.</summary>
    public async Task EndLeasesOfTheDeadAsync(CancellationToken cancellationToken)
    {
        var held = await catalog.Command("SELECT DISTINCT lease_owner FROM run WHERE state = 'running' AND lease_owner IS NOT NULL")
            .ListAsync(row => row.GetString(0), cancellationToken);
        foreach (var owner in held.Where(LeaseOwner.IsDead))
        {
            await catalog.Command(
                "UPDATE run SET lease_until = NULL, lease_owner = NULL WHERE state = 'running' AND lease_owner = $1", owner).RunAsync(cancellationToken);
        }
    }
}
