using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Recovery.Approvals;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Runs;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Hexabase.DrConsole.Engine.Recovery;

/// <summary>
/// Saves the product's own plans at start, then proposes plans for incidents as they are confirmed and lets gates expire in time.
/// Every process may do all of it: what is done is done once.
/// </summary>
public sealed class RecoveryWatch(
    PlanLibrary library, ApprovalDesk desk, RecoveryProposals proposals, IncidentFeed incidents, ILogger<RecoveryWatch> log) : BackgroundService
{
    private static readonly TimeSpan s_every = TimeSpan.FromSeconds(15);

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var hasPlans = false;
        // Two loops: a plan that waits for a tier must not hold up a gate, whose times are people's.
        await Task.WhenAll(
            RepeatAsync("gates", async () =>
            {
                await desk.ExpireAsync(stoppingToken);
                await desk.EscalateAsync(stoppingToken);
                await desk.RemindAsync(stoppingToken);
            }, stoppingToken),
            RepeatAsync("incidents", async () =>
            {
                if (!hasPlans)
                {
                    await library.SaveBuiltInAsync(stoppingToken);
                    hasPlans = true;
                }

                await proposals.ProposeAsync(stoppingToken);
            }, stoppingToken));
    }

    private async Task RepeatAsync(string what, Func<Task> look, CancellationToken stoppingToken)
    {
        using var incidentChanged = new Wake();
        using var subscription = incidents.Subscribe(_ => incidentChanged.Set());
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await look();
            }
            catch (Exception fault) when (!stoppingToken.IsCancellationRequested)
            {
                // The edge of the loop: a look that fails, for whatever reason, must be neither the last one nor the end of the console.
                log.LogWarning(fault, "{What} could not be looked at; trying again in {Every}", what, s_every);
            }

            await incidentChanged.WaitAsync(s_every, stoppingToken);
        }
    }
}
