using System.Globalization;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Recovery.Actions;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Engine.Recovery.Execution;

/// <summary>
/// Between the approval and the first step: whether what was approved can still be done, and still ought to be. What fails here fails
/// while the service runs; found by the step that restores, it would be found with the service stopped.
/// </summary>
public sealed class LastLook(RecoveryActions actions, IncidentStore incidents)
{
    private const int SideBySide = 4;

    /// <summary>Looks; changes nothing.</summary>
    /// <exception cref="EngineException"><c>corruption-since</c>, or why a step could not be done.</exception>
    internal async Task RequireAsync(RunContext context, RecoveryPlan plan)
    {
        foreach (var part in PartsOf(plan))
        {
            await RequireNoNewCorruptionAsync(context, part);
        }

        // Each opens a tier; of a workspace there are many, and whoever approved waits for the first step.
        await Parallel.ForEachAsync(plan.Steps, new ParallelOptions { MaxDegreeOfParallelism = SideBySide, CancellationToken = context.Cancellation }, async (step, token) =>
        {
            var part = plan.For(step);
            await actions.Named(step.Action).RequireAsync(part.Target, part.Basis, token);
        });
    }

    private static IEnumerable<RecoveryPlan> PartsOf(RecoveryPlan plan) =>
        plan.Several is null ? [plan] : plan.Steps.Where(step => step.Part is not null).DistinctBy(step => step.Part).Select(plan.For);

    /// <summary>Corruption that was found after the plan was made: whoever asked and whoever approved did not know of it.</summary>
    private async Task RequireNoNewCorruptionAsync(RunContext context, RecoveryPlan part)
    {
        // What comes back ends there; of all WAL that is stored by then nobody knows where.
        var until = part.Basis.Moment ?? (part.Basis.ToEnd ? DateTimeOffset.MaxValue : part.Loss.From);
        if (part.Restores && await incidents.FreezingAsync(part.Source, context.Cancellation) is { } found
            && found.SuspectedAt > context.Run.CreatedAt && found.FirstEvidenceAt < until)
        {
            throw new EngineException("corruption-since", ErrorKind.Conflict,
                string.Create(CultureInfo.InvariantCulture, $"since this was asked for, incident {found.Id} found corruption of {part.Source} whose first evidence is of {found.FirstEvidenceAt.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC, and this plan would bring back what was written after it"),
                "Make the plan again: it goes to before the evidence. Nothing was changed.");
        }
    }
}
