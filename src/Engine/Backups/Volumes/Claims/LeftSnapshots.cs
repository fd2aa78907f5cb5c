using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Backups.Volumes.Claims;

/// <summary>
/// Removes what a process had made for a snapshot and could not remove: from this process's start on, and again and again while the
/// cluster does not answer. A copy of a volume costs its owner space, and must not wait for the next backup.
/// </summary>
public sealed class LeftSnapshots(SnapshotLedger ledger, VolumeSnapshots snapshots, TimeProvider time, ILogger<LeftSnapshots> log) : BackgroundService
{
    private static readonly TimeSpan s_every = TimeSpan.FromSeconds(30);

    /// <summary>Looks through the ledger once.</summary>
    /// <returns>How many are left.</returns>
    public async Task<int> ClearAsync(CancellationToken cancellationToken)
    {
        var left = 0;
        foreach (var record in ledger.Left())
        {
            cancellationToken.ThrowIfCancellationRequested();
            try
            {
                await snapshots.ClearAsync(record, "found at the start, or after it could not be removed before", (_, text) => log.LogWarning("{Source}: {Text}", record.Source, text));
                log.LogWarning("snapshot {Name} in {Namespace}, left by an interrupted backup of {Source}, was removed", record.Name, record.Namespace, record.Source);
            }
            catch (Exception fault) when (fault is EngineException or NpgsqlException)
            {
                left++;
                log.LogWarning("snapshot {Name} in {Namespace}, left by a backup of {Source}, could not be removed, or that could not be told; trying again in {Every}: {Reason}",
                    record.Name, record.Namespace, record.Source, s_every, fault.Message);
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
                await ClearAsync(stoppingToken);
            }
            catch (Exception fault) when (fault is EngineException or IOException or UnauthorizedAccessException)
            {
                log.LogWarning(fault, "snapshots that were left could not be looked at; trying again in {Every}", s_every);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }

            await Task.Delay(s_every, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
