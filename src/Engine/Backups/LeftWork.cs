using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Hexabase.DrConsole.Engine.Backups;

/// <summary>
/// Undoes what a process had done for a backup and could not undo: from this process's start on, and again and again while what it
/// needs for that does not answer.
/// </summary>
/// <param name="every">How often it is tried.</param>
/// <param name="what">What is looked for, for the log.</param>
/// <param name="time">The clock.</param>
/// <param name="log">Told what cannot be looked at.</param>
public abstract class LeftWork(TimeSpan every, string what, TimeProvider time, ILogger log) : BackgroundService
{
    /// <summary>How often it is tried.</summary>
    protected TimeSpan Every => every;

    /// <summary>Looks through the ledger once.</summary>
    /// <returns>How many are left.</returns>
    public abstract Task<int> UndoAsync(CancellationToken cancellationToken);

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await UndoAsync(stoppingToken);
            }
            catch (Exception fault) when (fault is EngineException or IOException or UnauthorizedAccessException)
            {
                log.LogWarning(fault, "{What} could not be looked at; trying again in {Every}", what, every);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }

            await Task.Delay(every, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
