using Hexabase.DrConsole.Engine.Audit;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Backups.VClusters;

/// <summary>
/// Starts virtual clusters that a process had stopped for a backup and could not start again: from this process's start on, and
/// again and again while their host does not answer. A tenant's outage must not wait for the next backup.
/// </summary>
public sealed class LeftPauses(PauseLedger ledger, NpgsqlDataSource catalog, TimeProvider time, ILogger<LeftPauses> log) : LeftWork(TimeSpan.FromSeconds(15), "paused clusters", time, log)
{
    private const string Actor = "engine";

    /// <inheritdoc/>
    public override async Task<int> UndoAsync(CancellationToken cancellationToken)
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
                    record.Cluster, record.Source, Every, fault.Message);
            }
        }

        return left;
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
