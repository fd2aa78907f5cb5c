using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Dashboard.Pages.Recovery;

/// <summary>When a recovery will end that goes forward.</summary>
internal static class RecoveryForecast
{
    /// <summary>True from when a step has failed for good, or anything is being undone: what is left of the plan will not be done.</summary>
    public static bool IsOver(IReadOnlyList<RecoveryStepRow> steps) => steps.Any(step => step.RollbackStartedAt is not null
        || step.State is StepState.Failed or StepState.VerificationFailed or StepState.RollingBack or StepState.RolledBack or StepState.RollbackFailed);

    /// <summary>The end, if what is left takes as long as estimated; null while it waits for a person, goes back, is to be ended, or has ended.</summary>
    public static DateTimeOffset? Of(Run run, RecoveryPlan plan, RecoveryRow recovery, IReadOnlyList<RecoveryStepRow> steps, DateTimeOffset now)
    {
        if (!run.IsOpen || run.CancelRequestedBy is not null || recovery.WaitsFor is not null || recovery.Decision is { Choice: StepChoice.RollBack or StepChoice.Abort } || IsOver(steps))
        {
            return null;
        }

        var rows = steps.ToDictionary(step => step.Position);
        var left = PlanStages.SecondsOf(plan, step => rows[step.Position] switch
        {
            { State: StepState.Pending } => step.EstimateSeconds,
            { State: StepState.Running or StepState.Acted, StartedAt: { } began } => Math.Max(0, step.EstimateSeconds - (now - began).TotalSeconds),
            _ => 0,
        });
        return now + TimeSpan.FromSeconds(left);
    }
}
