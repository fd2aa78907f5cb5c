using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Recovery.Readiness;

/// <summary>
/// Has every plan's readiness looked at every quarter of an hour, and soon after anything changed that it follows from. A start is
/// a change too: the configuration may be another. Every process may do it: the same is written once.
/// </summary>
public sealed class ReadinessWatch(PlanReadiness plans, ReadinessCatalog readiness, TimeProvider time, ILogger<ReadinessWatch> log) : BackgroundService
{
    private static readonly TimeSpan s_look = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan s_every = TimeSpan.FromMinutes(15);

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(s_look, time);
        string? known = null;
        var looked = time.GetTimestamp();
        do
        {
            try
            {
                var now = await readiness.FingerprintAsync(stoppingToken);
                if (now != known || time.GetElapsedTime(looked) >= s_every)
                {
                    await plans.EvaluateAsync(stoppingToken);
                    (known, looked) = (now, time.GetTimestamp());
                }
            }
            catch (Exception fault) when (fault is NpgsqlException or EngineException)
            {
                // Stored rows grow old meanwhile, and pages stop calling them verified.
                log.LogWarning(fault, "the readiness of the plans could not be looked at; trying again in {Every}", s_look);
            }
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }
}
