using Hexabase.DrConsole.Engine.Backups.Maintenance;
using Hexabase.DrConsole.Engine.Runs;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Hexabase.DrConsole.Engine.Health;

/// <summary>
/// Tells the tiers within seconds when retention of a source is frozen and when that is over. Every process may: what is told is
/// told once.
/// </summary>
public sealed class FreezeWatch(SourceFreezes freezes, IncidentFeed incidents, ILogger<FreezeWatch> log) : BackgroundService
{
    private static readonly TimeSpan s_every = TimeSpan.FromMinutes(1);

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var incidentChanged = new Wake();
        using var subscription = incidents.Subscribe(_ => incidentChanged.Set());
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                foreach (var away in await freezes.TellTiersAsync(stoppingToken))
                {
                    log.LogWarning("a tier could not be told of a freeze of retention; trying again in {Every}: {Reason}", s_every, away);
                }
            }
            catch (Exception fault) when (!stoppingToken.IsCancellationRequested)
            {
                // The edge of the loop: a look that fails, for whatever reason, must be neither the last one nor the end of the console.
                log.LogWarning(fault, "frozen sources could not be looked at; trying again in {Every}", s_every);
            }

            await incidentChanged.WaitAsync(s_every, stoppingToken);
        }
    }
}
