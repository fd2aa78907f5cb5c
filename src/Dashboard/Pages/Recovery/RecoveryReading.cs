using Hexabase.DrConsole.Dashboard.Pages.Incidents;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Recovery.Approvals;
using Hexabase.DrConsole.Engine.Recovery.Drills;
using Hexabase.DrConsole.Engine.Recovery.Execution;

namespace Hexabase.DrConsole.Dashboard.Pages.Recovery;

/// <summary>A recovery or a drill as its run's page has read it, all of it before any of it is drawn.</summary>
/// <param name="Recovery">The recovery.</param>
/// <param name="Steps">Its steps in order.</param>
/// <param name="Gates">Its gates, oldest first.</param>
/// <param name="Votes">What people said at them.</param>
/// <param name="Drill">What was drilled; null for a recovery.</param>
/// <param name="Brief">What it answers, or null.</param>
public sealed record RecoveryReading(
    RecoveryRow Recovery, IReadOnlyList<RecoveryStepRow> Steps, IReadOnlyList<ApprovalGate> Gates, IReadOnlyList<ApprovalVote> Votes, PlanDrillRow? Drill, IncidentBrief? Brief)
{
    public Incident? Incident => Brief?.Incident;

    /// <summary>Gates before single steps that have not opened yet.</summary>
    public IReadOnlyList<ComingGate> Coming { get; init; } = [];

    /// <summary>Its newest gate; null where none has opened.</summary>
    public ApprovalGate? Gate => Gates is [.., var newest] ? newest : null;

    /// <summary>True where it went through its gate without a second person.</summary>
    public bool WentAlone => Gates.LastOrDefault(gate => gate.Step is null) is { IsBreakGlass: true } or { Needed: 0 };
}
