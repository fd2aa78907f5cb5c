using Hexabase.DrConsole.Engine.Recovery.Approvals;
using Hexabase.DrConsole.Engine.Recovery.Drills;
using Hexabase.DrConsole.Engine.Recovery.Execution;

namespace Hexabase.DrConsole.Dashboard.Pages.Recovery;

/// <summary>A recovery or a drill as its run's page has read it, all of it before any of it is drawn.</summary>
/// <param name="Recovery">The recovery.</param>
/// <param name="Steps">Its steps in order.</param>
/// <param name="Gate">Its newest gate; null where none has opened.</param>
/// <param name="Drill">What was drilled; null for a recovery.</param>
public sealed record RecoveryReading(RecoveryRow Recovery, IReadOnlyList<RecoveryStepRow> Steps, ApprovalGate? Gate, PlanDrillRow? Drill);
