using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Recovery.Drills;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Dashboard.Pages.Recovery;

/// <summary>A drill of a plan in the reader's words.</summary>
internal static class DrillWords
{
    public static string Of(PlanDrillRow drill) => drill switch
    {
        { Passed: true } => DrillTexts.Passed,
        { Recovery.Outcome: RecoveryOutcome.Completed } => Of(drill.Cleanup),
        { Recovery.Outcome: { } outcome } => RecoveryWords.Of(outcome),
        { State: RunState.Queued } => StatusWords.Of(Status.Queued).Word,
        _ => StatusWords.Of(Status.Running).Word,
    };

    public static Status StatusOf(PlanDrillRow drill) => drill switch
    {
        { Passed: true } => Status.Passed,
        { Recovery.Outcome: RecoveryOutcome.Completed, Cleanup: null } => Status.Running,
        { Recovery.Outcome: RecoveryOutcome.Cancelled } => Status.Cancelled,
        { Recovery.Outcome: not null } => Status.Failed,
        { State: RunState.Queued } => Status.Queued,
        _ => Status.Running,
    };

    public static string Of(DrillCleanup? cleanup) => cleanup switch
    {
        null => DrillTexts.CleanOpen,
        { IsProven: true } => DrillTexts.CleanProven,
        _ => Figures.Format(DrillTexts.CleanLeft, cleanup.Left.Count),
    };
}
