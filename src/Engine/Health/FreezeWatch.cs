using Hexabase.DrConsole.Engine.Backups.Maintenance;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Health;

/// <summary>
/// Tells the tiers within seconds when retention of a source is frozen and when that is over. Every process may: what is told is
/// told once.
/// </summary>
public sealed class FreezeWatch(SourceFreezes freezes, IncidentFeed incidents, ILogger<FreezeWatch> log) : BackgroundService
{
    private static readonly TimeSpan s_every = TimeSpan.FromMinutes(1);

    private readonly SemaphoreSlim _incidentChanged = new(0, 1);

    /// <inheritdoc/>
    public override void Dispose()
    {
        _incidentChanged.Dispose();
        base.Dispose();
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var subscription = incidents.Subscribe(_ => Wake());
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                foreach (var away in await freezes.TellTiersAsync(stoppingToken))
                {
                    log.LogWarning("a tier could not be told of a freeze of retention; trying again in {Every}: {Reason}", s_every, away);
                }
            }
            catch (Exception fault) when (fault is NpgsqlException or EngineException)
            {
                log.LogWarning(fault, "frozen sources could not be looked at; trying again in {Every}", s_every);
            }

            await _incidentChanged.WaitAsync(s_every, stoppingToken);
        }
    }

    private void Wake()
    {
        try
        {
            _incidentChanged.Release();
        }
        catch (SemaphoreFullException)
        {
            // It is awake already.
        }
    }
}
