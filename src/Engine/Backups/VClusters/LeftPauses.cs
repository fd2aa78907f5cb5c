using System.Text.Json;
using Hexabase.DrConsole.Engine.Audit;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Backups.VClusters;

/// <summary>
/// Starts virtual clusters that a process had stopped for a backup or a restore and could not start again: from this process's start
/// on, and again and again while their host does not answer. A tenant's outage must not wait for the next backup. A restore is gone
/// on with by its own run, which knows better what is in the store: it gets a while for that.
/// </summary>
public sealed class LeftPauses(PauseLedger ledger, NpgsqlDataSource catalog, TimeProvider time, ILogger<LeftPauses> log) : LeftWork(TimeSpan.FromSeconds(15), "paused clusters", time, log)
{
    private const string Actor = "engine";
    private static readonly TimeSpan s_forItsRun = TimeSpan.FromMinutes(2);
    private readonly TimeProvider _time = time;
    private readonly Dictionary<(string Purpose, DateTimeOffset RecordedAt), long> _seen = [];

    /// <inheritdoc/>
    public override async Task<int> UndoAsync(CancellationToken cancellationToken)
    {
        var left = 0;
        var records = ledger.Left(fault =>
        {
            left++;
            log.LogWarning("a record of a paused virtual cluster is passed over, and the cluster may still be stopped: {Reason} → {Hint}", fault.Message, fault.Hint);
        });
        foreach (var record in records)
        {
            if (!record.HasStore)
            {
                left++;
                log.LogWarning("virtual cluster {Cluster} stays stopped: the restore of {Source} has left no etcd in {Store}; its run puts one there when it is taken up or taken back", record.Cluster, record.Source, record.Store);
                continue;
            }

            if (IsItsRuns(record))
            {
                left++;
                continue;
            }

            try
            {
                var now = await ledger.ResumeAsync(record, cancellationToken);
                if (now.IsResumed)
                {
                    log.LogWarning("virtual cluster {Cluster} was still paused by an interrupted backup or restore of {Source}; it was resumed", record.Cluster, record.Source);
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
            // Of whatever kind: the clusters behind this one wait for theirs.
            catch (Exception fault) when (fault is EngineException or NpgsqlException or IOException or UnauthorizedAccessException or JsonException)
            {
                left++;
                log.LogWarning("virtual cluster {Cluster}, which a backup or restore of {Source} had paused, could not be resumed, or that could not be told; trying again in {Every}: {Reason}",
                    record.Cluster, record.Source, Every, fault.Message);
            }
        }

        return left;
    }

    /// <summary>True for a restore that died a moment ago: with the same start of the console its run is taken up, and needs the cluster as it is.</summary>
    private bool IsItsRuns(PauseRecord record)
    {
        if (record.Store is null || record.IsGivenUp || record.IsResumed)
        {
            return false;
        }

        var key = (record.Purpose, record.RecordedAt);
        _seen.TryAdd(key, _time.GetTimestamp());
        return _time.GetElapsedTime(_seen[key]) < s_forItsRun;
    }

    private async Task AuditAsync(PauseRecord record, CancellationToken cancellationToken)
    {
        await using var connection = await catalog.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await AuditLog.AppendAsync(transaction, Actor, "vcluster.resumed", record.Source,
            new { record.Namespace, record.Cluster, reason = record.Store is null ? "found paused by a backup that was interrupted" : "found paused by a restore that was interrupted" }, cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }
}
