using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Recovery.Approvals;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Plans;

namespace Hexabase.DrConsole.Dashboard.Pages.Recovery;

/// <summary>Plans, recoveries and gates in the reader's words.</summary>
internal static class RecoveryWords
{
    public static string Of(WayBack way) => way switch
    {
        WayBack.Always => RecoveryTexts.WayBackAlways,
        WayBack.UntilFirstWrite => RecoveryTexts.WayBackUntilFirstWrite,
        WayBack.ChangesNothing => RecoveryTexts.WayBackChangesNothing,
        _ => RecoveryTexts.WayBackNone,
    };

    public static string Of(FailurePolicy policy) => policy switch
    {
        FailurePolicy.RollBackAll => RecoveryTexts.OnFailureRollBackAll,
        FailurePolicy.RollBackStep => RecoveryTexts.OnFailureRollBackStep,
        _ => RecoveryTexts.OnFailureAsk,
    };

    public static string Of(RecoveryOutcome outcome) => outcome switch
    {
        RecoveryOutcome.Completed => RecoveryTexts.OutcomeCompleted,
        RecoveryOutcome.RolledBack => RecoveryTexts.OutcomeRolledBack,
        RecoveryOutcome.RollbackFailed => RecoveryTexts.OutcomeRollbackFailed,
        RecoveryOutcome.FailedNoRollback => RecoveryTexts.OutcomeFailedNoRollback,
        RecoveryOutcome.VerificationFailed => RecoveryTexts.OutcomeVerificationFailed,
        RecoveryOutcome.Error => RecoveryTexts.OutcomeError,
        _ => RecoveryTexts.OutcomeCancelled,
    };

    public static Status StatusOf(RecoveryOutcome outcome) => outcome switch
    {
        RecoveryOutcome.Completed => Status.Done,
        RecoveryOutcome.Cancelled => Status.Cancelled,
        _ => Status.Failed,
    };

    /// <summary>Where a step stands, with its time where it has one.</summary>
    public static string Of(RecoveryStepRow step) => step.State switch
    {
        StepState.Pending => RecoveryTexts.StatePending,
        StepState.Running => RecoveryTexts.StateRunning,
        StepState.Acted => RecoveryTexts.StateActed,
        StepState.Done => step is { StartedAt: { } from, EndedAt: { } to } ? Figures.Format(RecoveryTexts.StateDone, Figures.Duration(to - from)) : RecoveryTexts.OutcomeCompleted,
        StepState.Failed => RecoveryTexts.StateFailed,
        StepState.VerificationFailed => RecoveryTexts.StateNotVerified,
        StepState.Skipped => RecoveryTexts.StateSkipped,
        StepState.RollingBack => RecoveryTexts.StateRollingBack,
        StepState.RolledBack => RecoveryTexts.StateRolledBack,
        _ => RecoveryTexts.StateRollbackFailed,
    };

    public static Status StatusOf(StepState state) => state switch
    {
        StepState.Pending => Status.NotRun,
        StepState.Running or StepState.Acted or StepState.RollingBack => Status.Running,
        StepState.Done => Status.Passed,
        StepState.Skipped or StepState.RolledBack => Status.Cancelled,
        _ => Status.Failed,
    };

    public static string Of(ApprovalGate gate, int approved) => gate.State switch
    {
        GateState.Open => Figures.Format(RecoveryTexts.GateOpen, approved, gate.Needed),
        GateState.Granted => RecoveryTexts.GateGranted,
        GateState.Used => gate.Needed == 0 ? RecoveryTexts.GateWaived : RecoveryTexts.GateUsed,
        GateState.Declined => RecoveryTexts.GateDeclined,
        GateState.Expired => RecoveryTexts.GateExpired,
        _ => RecoveryTexts.GateVoid,
    };

    /// <summary>What somebody said at a gate, when, and where it counts no longer why.</summary>
    public static string Of(ApprovalVote vote, TimeProvider time) => Figures.Format(
        !vote.Approves ? RecoveryTexts.VoteDeclined : vote.Counts ? RecoveryTexts.VoteApproved : RecoveryTexts.VoteGone, Figures.Moment(vote.At, time));

    public static Status StatusOf(ApprovalVote vote) => !vote.Approves ? Status.Failed : vote.Counts ? Status.Passed : Status.Stale;

    /// <summary>Who else is asked before a restore's first write; nothing where it writes over nothing that lives.</summary>
    public static IEnumerable<NamedFact> ApprovalsOf(RestorePlan plan, int approvals) => plan.WritesOver
        ? [new NamedFact(RecoveryTexts.OverApprovals, approvals == 0 ? RecoveryTexts.DecisionWaived : Figures.Format(RecoveryTexts.OverApprovalsNeeded, approvals))]
        : [];

    /// <summary>What a gate stands before, and whose run it is of.</summary>
    public static string TitleOf(ApprovalGate gate, string source, bool isRestore) => gate.Step is { } step
        ? Figures.Format(RecoveryTexts.GateStep, gate.Run, source, step)
        : Figures.Format(isRestore ? RecoveryTexts.GateRestore : RecoveryTexts.GatePlan, gate.Run, source);

    public static Status StatusOf(GateState state) => state switch
    {
        GateState.Open => Status.Waiting,
        GateState.Granted or GateState.Used => Status.Done,
        GateState.Declined => Status.Cancelled,
        _ => Status.Stale,
    };

    /// <summary>What a recovery or a drill is of: a source, several, or a workspace.</summary>
    public static string Subject(string subject) => SeveralPlans.WorkspaceOf(subject) is { } workspace ? Figures.Format(PageTexts.RunSourceWorkspace, workspace) : subject;

    /// <summary>The moment that a plan recovers to.</summary>
    public static string Moment(RecoveryBasis basis, TimeProvider time) =>
        basis.Moment is { } moment ? Figures.Format(basis.ToEnd ? RecoveryTexts.MomentOrEnd : "{0}", Figures.Moment(moment, time)) : basis.ToEnd ? RecoveryTexts.MomentEnd : RecoveryTexts.MomentBackup;

    /// <summary>A hash in groups, as people compare it.</summary>
    public static string Hash(string hash, int groups = 4) => string.Join(' ', hash.Chunk(4).Take(groups).Select(part => new string(part)));

    public static string GateHref(long gate) => FormattableString.Invariant($"/approvals/{gate}");

    public static string PlanHref(string plan) => $"/plans/{Uri.EscapeDataString(plan)}";
}
