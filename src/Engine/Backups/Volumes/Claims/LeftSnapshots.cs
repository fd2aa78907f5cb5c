using Microsoft.Extensions.Logging;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Backups.Volumes.Claims;

/// <summary>
/// Removes what a process had made for a snapshot and could not remove: from this process's start on, and again and again while the
/// cluster does not answer. A copy of a volume costs its owner space, and must not wait for the next backup.
/// </summary>
public sealed class LeftSnapshots(SnapshotLedger ledger, VolumeSnapshots snapshots, TimeProvider time, ILogger<LeftSnapshots> log) : LeftWork(TimeSpan.FromSeconds(30), "snapshots that were left", time, log)
{
    /// <inheritdoc/>
    public override async Task<int> UndoAsync(CancellationToken cancellationToken)
    {
        var left = 0;
        var records = ledger.Left(fault =>
        {
            left++;
            log.LogWarning("a record of a snapshot is passed over, and its copy may still be there: {Reason} → {Hint}", fault.Message, fault.Hint);
        });
        foreach (var record in records)
        {
            cancellationToken.ThrowIfCancellationRequested();
            try
            {
                await snapshots.ClearAsync(record, "found at the start, or after it could not be removed before", (_, text) => log.LogWarning("{Source}: {Text}", record.Source, text));
                log.LogWarning("snapshot {Name} in {Namespace}, left by an interrupted backup of {Source}, was removed", record.Name, record.Namespace, record.Source);
            }
            catch (Exception fault) when (fault is EngineException or NpgsqlException or IOException or UnauthorizedAccessException)
            {
                left++;
                log.LogWarning("snapshot {Name} in {Namespace}, left by a backup of {Source}, could not be removed, or that could not be told; trying again in {Every}: {Reason}",
                    record.Name, record.Namespace, record.Source, Every, fault.Message);
            }
        }

        return left;
    }
}
