using System.Text.Json;
using Hexabase.DrConsole.Engine.Backups.Drivers;
using Hexabase.DrConsole.Engine.Backups.Maintenance;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Engine.Backups;

/// <summary>What a restore run is asked for: the plan and the hash of it that a person confirmed.</summary>
public sealed record RestoreRequest(RestorePlan Plan, string ConfirmedHash)
{
    /// <summary>True where it goes to another place than the one where its source lives: then that source is neither changed nor claimed by it.</summary>
    public bool IsElsewhere { get; init; }

    /// <summary>Other sources whose places it writes over, and claims as its own.</summary>
    public IReadOnlyList<string> Overwrites { get; init; } = [];

    /// <summary>The request of a restore's run.</summary>
    public static RestoreRequest Of(Run run)
    {
        ArgumentNullException.ThrowIfNull(run);
        return Of(run.RequestJson);
    }

    /// <summary>A restore's request as the catalog has it.</summary>
    internal static RestoreRequest Of(string json) => JsonSerializer.Deserialize<RestoreRequest>(json, JsonSerializerOptions.Web)!;
}

/// <summary>What a restore run ends with.</summary>
/// <param name="Target">Where it went.</param>
/// <param name="Tier">The tier that it was read from.</param>
/// <param name="Bytes">Bytes of the artifacts.</param>
/// <param name="Seconds">Measured time from the first byte to the target being ready; null where an interrupted attempt had finished it.</param>
/// <param name="Warnings">What is not as it should be: what was not restored, and what the tools said.</param>
public sealed record RestoreRunResult(string Target, string Tier, long Bytes, double? Seconds, IReadOnlyList<string> Warnings)
{
    /// <summary>How many of the planned parts were not restored.</summary>
    public int NotRestored { get; init; }

    /// <summary>What a person should know although nothing is wrong.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];

    /// <summary>Of a recovered cluster: fetch, unpack, replay, verify.</summary>
    public IReadOnlyList<RestorePhase>? Phases { get; init; }

    /// <summary>Of a recovered cluster: the time of the last commit in it, as its server logged it.</summary>
    public string? LastTransaction { get; init; }
}

/// <summary>
/// Executes a hashed restore plan as a durable run. The drivers give their target its name only when everything is in it, and
/// know their own half-made one by the run's name: after a crash the step is simply done again.
/// </summary>
/// <param name="secrets">What no target's server is sent; null where nothing in a plan names a file.</param>
public sealed class RestoreRun(
    RestorePointCatalog points, RestorePointAccess access, RestoreDrivers drivers, TierRequests requests, IRestoreGate gate, OwnSecrets? secrets = null) : IRunHandler
{
    private const string Step = "restore";

    /// <summary>So many warnings are lines of the run's log; its result has all of them.</summary>
    private const int WarningsLogged = 100;

    /// <inheritdoc/>
    public string Kind => RunKinds.Restore;

    /// <inheritdoc/>
    /// <remarks>A cluster's former store is put back with the cluster stopped, and both stopping and starting take minutes.</remarks>
    public TimeSpan AbandonPatience => TimeSpan.FromMinutes(10);

    /// <inheritdoc/>
    public async Task<object> ExecuteAsync(RunContext context)
    {
        var request = RestoreRequest.Of(context.Run);
        request.Plan.RequireHash(request.ConfirmedHash);
        if (request.Plan.WritesOver)
        {
            await gate.RequireAsync(context, request.Plan, await context.HasBegunAsync(Step));
        }

        // Between the request and now, hours perhaps at a gate, another file may have taken the place of the one that was named.
        secrets?.Refuse(RestoreTarget.Parse(request.Plan.Target, "/"), context.Run.RequestedBy, await context.HasBegunAsync(Step));
        var result = await context.StepAsync(Step, _ => RestoreAsync(context, request), _ => FindRestoredAsync(context, request));
        await SettleAsync(context, request.Plan);
        return result;
    }

    /// <inheritdoc/>
    /// <remarks>A target that is written over must not stay half done: the drivers that do so bring it back when they are told that nobody goes on.</remarks>
    public bool AbandonsFirstAttempt => true;

    /// <inheritdoc/>
    public async Task AbandonAsync(RunContext context)
    {
        if (!await context.HasBegunAsync(Step))
        {
            // It ended at its gate: the target was never touched, and is none of its business.
            return;
        }

        var plan = RestoreRequest.Of(context.Run).Plan;
        secrets?.Refuse(RestoreTarget.Parse(plan.Target, "/"), context.Run.RequestedBy, hasBegun: true);
        var found = await drivers.Of(plan).AbandonAsync(plan, OperationOf(context.Run), context.Cancellation);
        if (found is not null)
        {
            context.Warn("cleanup", found);
        }
    }

    /// <summary>What was restored is there and on record: that a mark of it cannot be removed is no failure of it.</summary>
    private async Task SettleAsync(RunContext context, RestorePlan plan)
    {
        try
        {
            await drivers.Of(plan).SettleAsync(plan, OperationOf(context.Run), context.Cancellation);
        }
        catch (Exception fault) when (fault is EngineException or IOException or UnauthorizedAccessException)
        {
            context.Warn("cleanup", $"the restore's own mark could not be removed: {fault.Message}");
        }
    }

    private async Task<RestoreRunResult> RestoreAsync(RunContext context, RestoreRequest request)
    {
        var (point, tier, repository) = await OpenAsync(context, request);
        await using (repository)
        {
            context.Log(Step, $"restore point {point.PointId.Short} from {tier} to {request.Plan.Target}, plan {request.ConfirmedHash[..12]}");
            try
            {
                var work = await WorkAsync(context, request, point.PointId, repository);
                var outcome = await drivers.Of(request.Plan).ExecuteAsync(work, context.Cancellation);
                Tell(context, outcome);
                return Result(request, tier, outcome);
            }
            catch (EngineException fault) when (RepositoryDamage.IsIn(fault) && !context.Cancellation.IsCancellationRequested)
            {
                // Whoever asks again is given another tier's copy first, where there is one.
                await requests.NoteDamageAsync(context, point.PointId, point.Workspace, tier, repository, fault);
                throw;
            }
        }
    }

    private async Task<StepProbe<RestoreRunResult>> FindRestoredAsync(RunContext context, RestoreRequest request)
    {
        var (point, tier, repository) = await OpenAsync(context, request);
        await using (repository)
        {
            var work = await WorkAsync(context, request, point.PointId, repository);
            return await drivers.Of(request.Plan).FindFinishedAsync(work, context.Cancellation) is { } outcome
                ? new StepProbe<RestoreRunResult>.Done(Result(request, tier, outcome))
                : new StepProbe<RestoreRunResult>.NotDone();
        }
    }

    private static void Tell(RunContext context, RestoreOutcome outcome)
    {
        foreach (var warning in outcome.Warnings.Take(WarningsLogged))
        {
            context.Warn(Step, warning);
        }

        if (outcome.Warnings.Count > WarningsLogged)
        {
            context.Warn(Step, $"and {Counted.Of(outcome.Warnings.Count - WarningsLogged, "warning")} more; the run's result has all of them");
        }

        foreach (var note in outcome.Notes)
        {
            context.Log(Step, note);
        }
    }

    private static async Task<RestoreWork> WorkAsync(RunContext context, RestoreRequest request, RestorePointId point, BackupRepository repository) => new(
        repository, await repository.ReadManifestAsync(point, context.Cancellation), request.Plan, request.ConfirmedHash, OperationOf(context.Run),
        context.Progress, context.Log);

    private static RestoreRunResult Result(RestoreRequest request, string tier, RestoreOutcome outcome) =>
        new(request.Plan.Target, tier, outcome.Bytes, outcome.Seconds, outcome.Warnings)
        {
            NotRestored = outcome.NotRestored,
            Notes = outcome.Notes,
            Phases = outcome.Phases,
            LastTransaction = outcome.LastTransaction,
        };

    private async Task<(RestorePointRow Point, string Tier, BackupRepository Repository)> OpenAsync(RunContext context, RestoreRequest request)
    {
        var point = await points.ResolveAsync(request.Plan.RestorePointId, context.Cancellation);
        var (tier, repository) = await access.OpenForAsync(point, RestoreTarget.Parse(request.Plan.Target, "/"), line => context.Warn(Step, line), context.Cancellation);
        return (point, tier.Name, repository);
    }

    /// <summary>With its time: another console counts its runs from R-1 too, and must not take this one's half-made target for its own.</summary>
    internal static string OperationOf(Run run) => $"{run.Id} of {run.CreatedAt.UtcDateTime:O}";
}
