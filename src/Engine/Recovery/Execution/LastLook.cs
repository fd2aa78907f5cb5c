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
public sealed class LastLook(RecoveryActions actions, IncidentStore incidents, TimeProvider time)
{
    private const int SideBySide = 4;

    /// <summary>A backup that was asked to end does at the next renewal of its lease; one that died with its process has no lease before long.</summary>
    internal TimeSpan LongestEnd { get; init; } = TimeSpan.FromMinutes(1);

    private static readonly TimeSpan[] s_pauses = [TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(5)];

    /// <summary>Looks; changes nothing but that backups of the same sources end, once nothing else stands in the way.</summary>
    /// <exception cref="EngineException"><c>incident-over</c>, <c>corruption-since</c>, or why a step could not be done.</exception>
    internal async Task RequireAsync(RunContext context, RecoveryPlan plan)
    {
        await RequireIncidentAsync(context, plan);
        await RequireNoNewCorruptionAsync(incidents, plan, context.Cancellation);
        await RequireApartAsync(context, plan);

        // Each opens a tier; of a workspace there are many, and whoever approved waits for the first step.
        await Parallel.ForEachAsync(plan.Steps, new ParallelOptions { MaxDegreeOfParallelism = SideBySide, CancellationToken = context.Cancellation }, async (step, token) =>
        {
            var part = plan.For(step);
            await PatientlyAsync(context, step, () => actions.Named(step.Action).RequireAsync(part.Target, part.Basis, token), token);
        });
        if (plan.Restores)
        {
            await SourceClaims.EndBackupsAsync(context, plan.Sources, LongestEnd, time);
        }
    }

    /// <summary>What was approved must not be given up because a tier did not answer for a second.</summary>
    private async Task PatientlyAsync(RunContext context, PlannedStep step, Func<Task> look, CancellationToken cancellationToken)
    {
        foreach (var pause in s_pauses)
        {
            try
            {
                await look();
                return;
            }
            catch (EngineException fault) when (fault.Kind == ErrorKind.Unavailable || fault.IsTransient)
            {
                context.Log(step.Name, $"the last look: {fault.Message}; again in {pause.TotalSeconds:0} s");
                await Task.Delay(pause, time, cancellationToken);
            }
        }

        await look();
    }

    /// <summary>A restore over the same source that is under way would write beside this.</summary>
    private static async Task RequireApartAsync(RunContext context, RecoveryPlan plan)
    {
        if (!plan.Restores)
        {
            return;
        }

        if (await SourceClaims.RestoreAtWorkAsync(context.Catalog, plan.Sources, context.Cancellation) is { } restore)
        {
            throw new EngineException("restore-at-work", ErrorKind.Conflict, $"{restore.Run} writes over {restore.Source} at this moment", "Wait for its end or end it, then make the plan again. Nothing was changed.");
        }
    }

    /// <summary>
    /// What was approved answers an incident. One that ended while the gate waited leaves a service that works, and takes writes that
    /// nobody agreed to lose.
    /// </summary>
    private async Task RequireIncidentAsync(RunContext context, RecoveryPlan plan)
    {
        if (plan.Incident is { } answered && await incidents.FindAsync(new IncidentId(answered), context.Cancellation) is { Resolution: "healthy" or "closed" } over)
        {
            throw new EngineException("incident-over", ErrorKind.Conflict,
                string.Create(CultureInfo.InvariantCulture, $"incident {over.Id}, which this plan answers, is over since {over.ResolvedAt?.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC: {(over.Resolution == "closed" ? "a person closed it" : "the source is healthy again")}"),
                "Where it is to be recovered all the same, make the plan anew without the incident. Nothing was changed.");
        }
    }

    private static IEnumerable<RecoveryPlan> PartsOf(RecoveryPlan plan) =>
        plan.Several is null ? [plan] : plan.Steps.Where(step => step.Part is not null).DistinctBy(step => step.Part).Select(plan.For);

    /// <summary>Corruption that was found after the plan was made: whoever asked and whoever approved did not know of it.</summary>
    /// <exception cref="EngineException"><c>corruption-since</c>.</exception>
    internal static async Task RequireNoNewCorruptionAsync(IncidentStore incidents, RecoveryPlan plan, CancellationToken cancellationToken)
    {
        foreach (var part in PartsOf(plan))
        {
            await RequireNoNewCorruptionOfAsync(incidents, part, cancellationToken);
        }
    }

    /// <summary>The same of one part, or of a plan that has none.</summary>
    internal static async Task RequireNoNewCorruptionOfAsync(IncidentStore incidents, RecoveryPlan part, CancellationToken cancellationToken)
    {
        if (part.Restores && await incidents.FreezingAsync(part.Source, cancellationToken) is { } found && BringsBack(part, found))
        {
            throw new EngineException("corruption-since", ErrorKind.Conflict,
                string.Create(CultureInfo.InvariantCulture, $"since this plan was made, incident {found.Id} found corruption of {part.Source} whose first evidence is of {found.FirstEvidenceAt.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC, and this plan would bring back what was written after it"),
                "Make the plan again: it goes to before the evidence. Nothing was changed by this.");
        }
    }

    /// <summary>True where a plan brings back what was written after the first evidence of an incident that it does not heed.</summary>
    internal static bool BringsBack(RecoveryPlan plan, Incident corruption) => PartsOf(plan).Any(part =>
        // What comes back ends there; of all WAL that is stored by then nobody knows where.
        part.Restores && corruption.Sources.Contains(part.Source) && !IsHeeded(part.Basis, corruption)
        && corruption.FirstEvidenceAt < (part.Basis.Moment ?? (part.Basis.ToEnd ? DateTimeOffset.MaxValue : part.Loss.From)));

    /// <summary>True where the plan was made with that corruption in sight, and no earlier sign has joined it since.</summary>
    private static bool IsHeeded(RecoveryBasis basis, Incident found) => found.Id.Value == basis.Corruption && !(found.FirstEvidenceAt < basis.CorruptionSince);
}
