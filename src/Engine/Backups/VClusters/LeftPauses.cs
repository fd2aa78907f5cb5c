using Hexabase.DrConsole.Engine.Audit;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Backups.VClusters;

/// <summary>
/// Starts virtual clusters that a process had stopped for a backup and could not start again: from this process's start on, and
/// again and again while their host does not answer. A tenant's outage must not wait for the next backup.
/// </summary>
public sealed class LeftPauses(PauseLedger ledger, NpgsqlDataSource catalog, TimeProvider time, ILogger<LeftPauses> log) : BackgroundService
{
    private const string Actor = "engine";
    private static readonly TimeSpan s_every = TimeSpan.FromSeconds(15);

    /// <summary>Looks through the ledger once.</summary>
    /// <returns>How many are left.</returns>
    public async Task<int> ResumeAsync(CancellationToken cancellationToken)
    {
        var left = 0;
        foreach (var record in ledger.Left())
        {
            try
            {
                var now = await ledger.ResumeAsync(record, cancellationToken);
                if (now.IsResumed)
                {
                    log.LogWarning("virtual cluster {Cluster} was still paused by an interrupted backup of {Source}; it was resumed", record.Cluster, record.Source);
                    // Where the catalog is away, the record stays, and it is told later.
                    await AuditAsync(record, cancellationToken);
                }

                ledger.Remove(now);
            }
            catch (EngineException gone) when (gone.Code == "vcluster-missing")
            {
                // Nothing is there to be started.
                ledger.Remove(record);
            }
            catch (Exception fault) when (fault is EngineException or NpgsqlException)
            {
                left++;
                log.LogWarning("virtual cluster {Cluster}, which a backup of {Source} had paused, could not be resumed, or that could not be told; trying again in {Every}: {Reason}",
                    record.Cluster, record.Source, s_every, fault.Message);
            }
        }

        return left;
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await ResumeAsync(stoppingToken);
            }
            catch (Exception fault) when (fault is EngineException or IOException or UnauthorizedAccessException)
            {
                log.LogWarning(fault, "paused clusters could not be looked at; trying again in {Every}", s_every);
            }

            await Task.Delay(s_every, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task AuditAsync(PauseRecord record, CancellationToken cancellationToken)
    {
        await using var connection = await catalog.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await AuditLog.AppendAsync(transaction, Actor, "vcluster.resumed", record.Source,
            new { record.Namespace, record.Cluster, reason = "found paused by a backup that was interrupted" }, cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }
}
