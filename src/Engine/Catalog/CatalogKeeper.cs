using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Hexabase.DrConsole.Engine.Catalog;

/// <summary>
/// Brings the private catalog back when its server was killed under the console. Runs lose nothing by it: their leases run
/// out and they are taken up again.
/// </summary>
public sealed class CatalogKeeper(EngineSetup setup, TimeProvider time, ILogger<CatalogKeeper> log) : BackgroundService
{
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(3);

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Every, time);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                if (await setup.RestartCatalogIfDeadAsync(stoppingToken))
                {
                    log.LogError("the catalog's PostgreSQL had died and was started again; its log is in the data folder");
                }
            }
            catch (EngineException fault)
            {
                log.LogError("the catalog's PostgreSQL died and does not start: {Reason}", fault.ToText());
            }
        }
    }
}
