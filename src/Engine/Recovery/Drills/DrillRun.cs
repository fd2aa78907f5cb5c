using System.Globalization;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Recovery.Actions;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Validation;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Recovery.Drills;

/// <summary>
/// Carries a plan out in a scratch folder, by the walk and the actions of a real recovery. An attempt that was interrupted measures
/// nothing: what it left is removed, and the drill begins anew in a folder of its own. It counts only when it was looked whether
/// anything was left, and nothing was.
/// </summary>
public sealed class DrillRun(
    RecoveryActions actions, RecoveryCatalog catalog, PlanDrillCatalog drills, DrillPlans plans, ValidationOptions options, ProcessRegistry registry, TimeProvider time) : IRunHandler
{
    /// <inheritdoc/>
    public string Kind => RunKinds.Drill;

    /// <inheritdoc/>
    /// <remarks>One that is cancelled in its first attempt, as every drill of a source that a recovery is asked for, has an outcome and a proof of its clean-up too.</remarks>
    public bool AbandonsFirstAttempt => true;

    /// <inheritdoc/>
    public TimeSpan AbandonPatience => TimeSpan.FromMinutes(5);

    /// <inheritdoc/>
    public async Task<object> ExecuteAsync(RunContext context)
    {
        var journal = new RecoveryJournal(context, catalog);
        try
        {
            var outcome = (await journal.ReadAsync()).Outcome ?? await DrillAsync(context, journal);
            await CleanUpAsync(context);
            return await RecoveryRun.SayAsync(journal, outcome);
        }
        catch (Exception fault) when (fault is not (LeaseLostException or NpgsqlException) && !context.Cancellation.IsCancellationRequested)
        {
            if ((await journal.ReadAsync()).Outcome is null)
            {
                await journal.EndAsync(RecoveryOutcome.Error, fault.Message);
            }

            throw;
        }
    }

    /// <summary>Called before it ends cancelled or failed: whatever its attempts left is removed.</summary>
    public async Task AbandonAsync(RunContext context)
    {
        var journal = new RecoveryJournal(context, catalog);
        if ((await journal.ReadAsync()).Outcome is null)
        {
            await journal.EndAsync(
                await journal.IsCancelRequestedAsync() ? RecoveryOutcome.Cancelled : RecoveryOutcome.Error, "ended before its last step; its scratch server is removed");
        }

        // What was found when it had ended stays said: a drill that left something has failed, also where that is gone a moment later.
        if ((await drills.FindAsync(context.Run.Id, CancellationToken.None))?.Cleanup is null)
        {
            await CleanUpAsync(context);
        }
    }

    private async Task<RecoveryOutcome> DrillAsync(RunContext context, RecoveryJournal journal)
    {
        var plan = RecoveryRun.ReadPlan(context);
        plans.Require(plan);
        var name = ProcessRegistry.NewName("drill");
        foreach (var left in await PlanDrillCatalog.BeginAsync(context, DrillPlace.Here(name)))
        {
            context.Log("drill", $"an earlier attempt was interrupted; {(left.IsHere ? $"removing {left.Name} and " : $"what it left is on another machine ({left}); ")}beginning anew");
            await RemoveAsync(left);
        }

        try
        {
            var scratch = await DrillScratch.CreateAsync(plan, name, options, registry, context.Cancellation);
            context.Log("drill", $"in {scratch.Whole.Path}, as user {scratch.Whole.User.Name}, without a network");
            if (plan.Several is { } scope)
            {
                context.Log("drill", string.Create(CultureInfo.InvariantCulture, $"{Counted.Of(scope.Parts.Count, "part")}, each in a folder of its own; their contents are {scope.ApartSeconds:0.0} s apart"));
            }

            var drill = DrillPlans.In(plan, scratch);
            var work = new StepWork(actions, drill, journal, time) { Scratch = scratch };
            return await RecoveryRun.WalkAsync(context, drill, journal, work, new WayBackWork(actions, drill, journal, work));
        }
        finally
        {
            // Its own name only: where this process was frozen and another began anew, that one's folder has another name.
            await ScratchTraces.RemoveAsync(options.ScratchRoot, name, registry);
        }
    }

    private async Task CleanUpAsync(RunContext context)
    {
        if ((await drills.FindAsync(context.Run.Id, CancellationToken.None))?.Cleanup is { IsProven: true })
        {
            return;
        }

        var places = await PlanDrillCatalog.PlacesAsync(context);
        var left = new List<string>();
        foreach (var place in places)
        {
            await RemoveAsync(place);
            left.AddRange(place.IsHere
                ? ScratchTraces.Find(options.ScratchRoot, place.Name, registry)
                : [$"whether anything of {place} is left cannot be shown here: only that machine can see it"]);
        }

        var cleanup = new DrillCleanup([.. places.Select(place => place.ToString())], left, time.GetUtcNow());
        await PlanDrillCatalog.CleanedAsync(context, cleanup);
        if (!cleanup.IsProven)
        {
            throw new EngineException("drill-left-behind", ErrorKind.Conflict, $"it is not shown that the drill left nothing behind: {string.Join("; ", left)}", "look on that machine and remove it by hand, then drill again");
        }

        context.Log("drill", $"clean: no process, no folder and no server of {Counted.Of(places.Count, "attempt")} is left");
    }

    /// <summary>Removes what this machine has of a place; what another has is out of reach.</summary>
    private Task RemoveAsync(DrillPlace place) => place.IsHere ? ScratchTraces.RemoveAsync(options.ScratchRoot, place.Name, registry) : Task.CompletedTask;
}
