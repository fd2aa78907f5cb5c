using Hexabase.DrConsole.Engine.Runs;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Recovery.Readiness;

/// <summary>
/// Has every plan's readiness looked at every quarter of an hour, and that of a source soon after anything changed that it follows
/// from. One process at a time does it: plans are made for it from what the tiers hold, which costs reads. Whoever begins to looks
/// at everything, since the configuration may be another.
/// </summary>
public sealed class ReadinessWatch(
    NpgsqlDataSource catalog, PlanReadiness plans, ReadinessCatalog readiness, LeaseTimes times, TimeProvider time, ILogger<ReadinessWatch> log) : BackgroundService
{
    private static readonly LeaseTable s_lease = new("readiness_watch", "name");

    private static readonly TimeSpan s_look = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan s_every = TimeSpan.FromMinutes(15);

    private IReadOnlyDictionary<string, string>? _known;

    private long _looked;

    /// <inheritdoc/>
    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        new Leadership(catalog, times, s_lease, "readiness", time, log, "the readiness of plans is not looked at").ServeAsync((_, over) => [WatchAsync(over)], stoppingToken);

    /// <summary>Looks at the plans of the sources for which anything changed since the last look; at all where that was long ago.</summary>
    internal async Task LookAsync(CancellationToken cancellationToken)
    {
        var now = await readiness.FingerprintsAsync(cancellationToken);
        var changed = _known is null ? [ReadinessCatalog.Everybody]
            : now.Keys.Union(_known.Keys).Where(source => now.GetValueOrDefault(source) != _known.GetValueOrDefault(source)).ToHashSet();
        if (changed.Contains(ReadinessCatalog.Everybody) || time.GetElapsedTime(_looked) >= s_every)
        {
            await plans.EvaluateAsync(cancellationToken);
            _looked = time.GetTimestamp();
        }
        else if (changed.Count > 0)
        {
            await plans.EvaluateAsync(changed, cancellationToken);
        }

        _known = now;
    }

    private async Task WatchAsync(CancellationToken over)
    {
        using var timer = new PeriodicTimer(s_look, time);
        _known = null;
        do
        {
            try
            {
                await LookAsync(over);
            }
            catch (Exception fault) when (!over.IsCancellationRequested)
            {
                // The edge of the loop: a look that fails, for whatever reason, must be neither the last one nor the end of the console.
                // Stored rows grow old meanwhile, and pages stop calling them verified.
                log.LogWarning(fault, "the readiness of the plans could not be looked at; trying again in {Every}", s_look);
            }
        }
        while (await timer.WaitForNextTickAsync(over));
    }
}
