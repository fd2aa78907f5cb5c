using Hexabase.DrConsole.Engine.Recovery.Approvals;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Recovery;

/// <summary>Saves the product's own plans at start, then lets gates expire in time. Every process may do both: what is done is done once.</summary>
public sealed class RecoveryWatch(PlanLibrary library, ApprovalDesk desk, TimeProvider time, ILogger<RecoveryWatch> log) : BackgroundService
{
    private static readonly TimeSpan s_every = TimeSpan.FromSeconds(15);

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(s_every, time);
        var hasPlans = false;
        do
        {
            try
            {
                if (!hasPlans)
                {
                    await library.SaveBuiltInAsync(stoppingToken);
                    hasPlans = true;
                }

                await desk.ExpireAsync(stoppingToken);
            }
            catch (Exception fault) when (fault is NpgsqlException or EngineException)
            {
                log.LogWarning(fault, "gates could not be looked at; trying again in {Every}", s_every);
            }
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }
}
