using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Dashboard.Api;

/// <summary>A step of a run.</summary>
/// <param name="Part">In a recovery of several sources: the one that it is about.</param>
/// <param name="State">Of a plan's step as in a recovery; of another run's <c>intended</c> until it is <c>done</c>.</param>
/// <param name="Lines">Where its lines stand in the run's log; null where it has written none under its name.</param>
public sealed record ApiStep(
    int Position, string Name, string? Part, string State, int Attempt, string? Error, DateTimeOffset? StartedAt, DateTimeOffset? EndedAt, LogStretch? Lines);

/// <summary>Where a run stands, beside what is in its row.</summary>
/// <param name="LastLine">The sequence number of the newest line of its log; 0 where there is none.</param>
internal sealed record RunStanding(ApiRecovery? Recovery, IReadOnlyList<ApiStep> Steps, long LastLine);

/// <summary>The steps of any run in one form: those of a plan, or those of the run's own journal.</summary>
internal sealed class RunStepReading(RunStore runs, RecoveryCatalog recoveries)
{
    public async Task<RunStanding> ReadAsync(Run run, CancellationToken cancellationToken)
    {
        var lines = await runs.LogStretchesAsync(run.Id, cancellationToken);
        var last = lines.Values.Select(stretch => stretch.Last).DefaultIfEmpty().Max();
        return RunKinds.IsOfPlan(run.Kind) && await recoveries.FindAsync(run.Id, cancellationToken) is { } recovery
            ? new RunStanding(ApiRecovery.Of(recovery), [.. (await recoveries.StepsAsync(run.Id, cancellationToken)).Select(step => new ApiStep(
                step.Position, step.Name, step.Part, RecoveryNames.Of(step.State), step.Attempt, step.Fault, step.StartedAt, step.RollbackEndedAt ?? step.EndedAt,
                lines.GetValueOrDefault(step.Name)))], last)
            : new RunStanding(null, [.. (await runs.StepsAsync(run.Id, cancellationToken)).Select(step => new ApiStep(
                step.Position, step.Name, null, step.State, step.Attempt, null, step.IntentAt, step.EndedAt, lines.GetValueOrDefault(step.Name)))], last);
    }
}
