using System.Text.Json;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Recovery.Actions;
using Hexabase.DrConsole.Engine.Recovery.Plans;

namespace Hexabase.DrConsole.Engine.Recovery.Execution;

/// <summary>After which moment a commit is lost that was made.</summary>
public enum LossEnd
{
    /// <summary>The recovery stopped the service, which took writes until then.</summary>
    ServiceStopped,

    /// <summary>The service was down already; it answered last before the first evidence.</summary>
    FirstEvidence,

    /// <summary>The service was down already, and nobody knows since when.</summary>
    Unknown,

    /// <summary>What is restored in place takes writes until its restore begins, for the last time where it was interrupted, which replaces them.</summary>
    RestoreBegan,

    /// <summary>A drill: what would be lost if the service had broken when its restore began.</summary>
    DrillBegan,
}

/// <summary>What a recovery really lost, by what its steps measured.</summary>
/// <param name="Restored">Everything committed up to here came back.</param>
/// <param name="IsLastCommit">True where that is the last commit which the recovered server replayed; false where it is the time of the last WAL that was replayed, or the restore point's own.</param>
/// <param name="Until">Up to here a commit may have been made that did not come back; null where nobody knows.</param>
/// <param name="End">What happened at <paramref name="Until"/>.</param>
public sealed record MeasuredLoss(DateTimeOffset Restored, bool IsLastCommit, DateTimeOffset? Until, LossEnd End)
{
    /// <summary>True where the source keeps no log of what was written after its restore point, so that there was nothing to replay.</summary>
    public bool IsByPointOnly { get; init; }

    /// <summary>At most this much work is lost: nothing may have been committed in all of that time. Zero where a commit came back that was made after it.</summary>
    public TimeSpan? AtMost => Until is { } until ? until > Restored ? until - Restored : TimeSpan.Zero : null;

    /// <summary>The loss; of several sources that of the one that lost most. Null where the data was not restored, or not to its end.</summary>
    /// <param name="plan">The plan that ran.</param>
    /// <param name="steps">Its steps.</param>
    public static MeasuredLoss? Of(RecoveryPlan plan, IReadOnlyList<RecoveryStepRow> steps)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(steps);
        if (plan.Several is not { } scope)
        {
            return OfSource(plan, steps);
        }

        var losses = scope.Parts.Select(part => OfPart(plan, part, steps)).ToList();
        // One that nobody knows may be the greatest.
        return losses.Contains(null) ? null : losses.OrderByDescending(loss => loss!.AtMost ?? TimeSpan.MaxValue).First();
    }

    /// <summary>The loss of one source of several.</summary>
    public static MeasuredLoss? OfPart(RecoveryPlan plan, RecoveryPart part, IReadOnlyList<RecoveryStepRow> steps)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(part);
        return OfSource(plan with { Basis = part.Basis, Loss = part.Loss }, [.. steps.Where(step => step.Part == part.Source)]);
    }

    private static MeasuredLoss? OfSource(RecoveryPlan plan, IReadOnlyList<RecoveryStepRow> steps)
    {
        var restore = steps.LastOrDefault(step => RestoringActions.Contains(step.Action) && step.State is StepState.Acted or StepState.Done);
        if (restore is null || (restore.Reason is not null && !plan.IsDrill))
        {
            // What a person did instead of it nobody here measured.
            return null;
        }

        var cluster = ClusterOf(restore);
        var last = ReplayLog.Time(cluster?.LastTransaction);
        // Where WAL was replayed to its end, everything up to the time of its storing came back, also where nobody committed. What
        // was there then is what the step found: more than when the plan was made, or less.
        var restored = new[] { last, plan.Basis.CreatedAt, cluster?.ReplayedUntil }.Max()!.Value;
        var (until, end) = plan.IsDrill ? (restore.StartedAt, LossEnd.DrillBegan)
            : restore.Action == RestoreInPlace.ActionName && !steps.Any(step => step.Action == StopDatabaseService.ActionName) ? (restore.AttemptedAt ?? restore.StartedAt, LossEnd.RestoreBegan)
            : UntilOf(plan, steps);
        return new MeasuredLoss(restored, restored == last, until, end) { IsByPointOnly = restore.Action == RestoreInPlace.ActionName };
    }

    /// <summary>When the last commit was made that the restored server replayed; null where it said none.</summary>
    public static DateTimeOffset? LastCommitOf(RecoveryStepRow restore)
    {
        ArgumentNullException.ThrowIfNull(restore);
        return ReplayLog.Time(ClusterOf(restore)?.LastTransaction);
    }

    private static RestoredCluster? ClusterOf(RecoveryStepRow restore) =>
        restore.Effect is { } effect && effect.TryGetProperty("data", out var data) && data.ValueKind == JsonValueKind.Object
            ? data.Deserialize<RestoredCluster>(JsonSerializerOptions.Web)
            : null;

    private static (DateTimeOffset?, LossEnd) UntilOf(RecoveryPlan plan, IReadOnlyList<RecoveryStepRow> steps)
    {
        var stop = steps.FirstOrDefault(step => step.Action == StopDatabaseService.ActionName);
        if (stop is { ActedAt: null, Reason: not null } && stop.Snapshot?.Deserialize<ServiceSnapshot>(JsonSerializerOptions.Web) is null or { WasRunning: true })
        {
            // The step failed, so that the service went on. Who marked it done had stopped it by then; of who left it out nobody knows.
            return stop.State == StepState.Done ? (stop.EndedAt, LossEnd.ServiceStopped) : (null, LossEnd.Unknown);
        }

        var didRun = stop?.Snapshot?.Deserialize<ServiceSnapshot>(JsonSerializerOptions.Web)?.WasRunning ?? false;
        return didRun && stop!.ActedAt is { } stopped ? (stopped, LossEnd.ServiceStopped)
            // A damaged server goes on taking writes: its first evidence ends nothing.
            : plan.Loss.Until is { } evidence && plan.Disaster != DisasterKind.DatabaseCorruption.ToName() && plan.Basis.Corruption is null ? (evidence, LossEnd.FirstEvidence)
            : (null, LossEnd.Unknown);
    }
}
