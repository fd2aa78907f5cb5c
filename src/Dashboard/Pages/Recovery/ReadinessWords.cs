using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Recovery.Readiness;

namespace Hexabase.DrConsole.Dashboard.Pages.Recovery;

/// <summary>A plan's readiness in the reader's words. What is not known is never green.</summary>
internal static class ReadinessWords
{
    public static string Of(ReadinessRow? row) => row?.State switch
    {
        ReadinessState.Verified => DrillTexts.ReadyVerified,
        ReadinessState.NeedsVerification => DrillTexts.ReadyNeeds,
        ReadinessState.NotVerified => DrillTexts.ReadyNot,
        _ => DrillTexts.ReadyUnknown,
    };

    public static Status StatusOf(ReadinessRow? row) => row switch
    {
        { State: ReadinessState.Verified } => Status.Passed,
        { State: ReadinessState.NeedsVerification } => Status.Stale,
        { State: ReadinessState.NotVerified } when row.Reasons.All(reason => reason.Cause is ReadinessCause.NoDrill or ReadinessCause.NotDrillable) => Status.Unproven,
        { State: ReadinessState.NotVerified } => Status.Failed,
        _ => Status.Unproven,
    };

    /// <summary>What is not verified first, since a drill would help; last, below what works, where no plan can even be made.</summary>
    public static IEnumerable<ReadinessRow> InOrder(IEnumerable<ReadinessRow> rows) => rows.OrderBy(IsImpossible).ThenByDescending(row => row.State);

    private static bool IsImpossible(ReadinessRow row) => row.Reasons.Any(reason => reason.Cause == ReadinessCause.PlanImpossible);

    /// <summary>A reason with its particulars, which stay as the engine said them.</summary>
    public static string Of(ReadinessReason reason) => reason.Cause switch
    {
        ReadinessCause.NoDrill => DrillTexts.CauseNoDrill,
        ReadinessCause.NotDrillable => Figures.Format(DrillTexts.CauseNotDrillable, reason.Text),
        ReadinessCause.DrillFailed => Figures.Format(DrillTexts.CauseDrillFailed, reason.Text),
        ReadinessCause.DoneByHand => Figures.Format(DrillTexts.CauseDoneByHand, reason.Text),
        ReadinessCause.NotCleaned => Figures.Format(DrillTexts.CauseNotCleaned, reason.Text),
        ReadinessCause.PlanChanged => Figures.Format(DrillTexts.CausePlanChanged, reason.Text),
        ReadinessCause.ConfigurationChanged => Figures.Format(DrillTexts.CauseConfigurationChanged, reason.Text),
        ReadinessCause.ProofTooOld => Figures.Format(DrillTexts.CauseProofTooOld, reason.Text),
        ReadinessCause.PlanImpossible => Figures.Format(DrillTexts.CausePlanImpossible, reason.Text),
        ReadinessCause.ApproversMissing => Figures.Format(DrillTexts.CauseApproversMissing, reason.Text),
        ReadinessCause.CommandMissing => Figures.Format(DrillTexts.CauseCommandMissing, reason.Text),
        ReadinessCause.StepHindered => Figures.Format(DrillTexts.CauseStepHindered, reason.Text),
        _ => Figures.Format(DrillTexts.CauseNotLookedAt, reason.Text),
    };
}
