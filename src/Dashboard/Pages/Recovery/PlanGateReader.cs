using Hexabase.DrConsole.Dashboard.Pages.Incidents;
using Hexabase.DrConsole.Engine.Recovery.Drills;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Recovery.Readiness;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Dashboard.Pages.Recovery;

/// <summary>What stands beside a plan at its gate, so that an approver need not look for it.</summary>
/// <param name="Last">The plan's last recovery of the source that has ended, or null.</param>
/// <param name="Drill">The plan's last drill of the source, or null.</param>
/// <param name="Incident">What it is for, or null.</param>
public sealed record PlanGateReading(RecoveryRow? Last, PlanDrillRow? Drill, ReadinessRow? Readiness, IncidentBrief? Incident)
{
    public static PlanGateReading Nothing { get; } = new(null, null, null, null);
}

/// <summary>Reads it.</summary>
internal sealed class PlanGateReader(RecoveryCatalog recoveries, PlanDrillCatalog drills, ReadinessCatalog readiness, IncidentBriefs incidents)
{
    private const int RecoveriesLookedThrough = 200;
    private const int DrillsLookedThrough = 20;

    public async Task<PlanGateReading> ReadAsync(Run run, RecoveryPlan plan, CancellationToken cancellationToken) => new(
        (await recoveries.ListAsync(RecoveriesLookedThrough, cancellationToken))
            .FirstOrDefault(one => one.Plan == plan.Template && one.Source == plan.Source && one.Run != run.Id && !one.IsDrill && one.Outcome is not null),
        (await drills.ListAsync(plan.Source, plan.Template, DrillsLookedThrough, cancellationToken)).FirstOrDefault(one => one.Recovery.Outcome is { } outcome and not RecoveryOutcome.Cancelled),
        (await readiness.ListAsync(cancellationToken)).FirstOrDefault(row => row.Plan == plan.Template && row.Source == plan.Source),
        await incidents.FindAsync(plan.Incident, cancellationToken));
}
