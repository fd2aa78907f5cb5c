using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Engine.Backups;

/// <summary>What a restore run is asked for: the plan and the hash of it that a person confirmed.</summary>
public sealed record RestoreRequest(RestorePlan Plan, string ConfirmedHash);

/// <summary>What a restore run ends with.</summary>
/// <param name="Target">Where it went.</param>
/// <param name="Tier">The tier that it was read from.</param>
/// <param name="Bytes">Bytes of the artifacts.</param>
/// <param name="Seconds">Measured time from the first byte to the target being ready; null where an interrupted attempt had finished it.</param>
/// <param name="Warnings">What the tools said.</param>
public sealed record RestoreRunResult(string Target, string Tier, long Bytes, double? Seconds, IReadOnlyList<string> Warnings)
{
    /// <summary>Of a recovered cluster: fetch, unpack, replay, verify.</summary>
    public IReadOnlyList<RestorePhase>? Phases { get; init; }

    /// <summary>Of a recovered cluster: the time of the last commit in it, as its server logged it.</summary>
    public string? LastTransaction { get; init; }
}

/// <summary>
/// Executes a hashed restore plan as a durable run. The drivers give their target its name only when everything is in it, and
/// know their own half-made one by the run's name: after a crash the step is simply done again.
/// </summary>
public sealed class RestoreRun(RestorePointCatalog points, RestorePointAccess access, PostgresRestores postgres, ArtifactRestore artifacts) : IRunHandler
{
    /// <inheritdoc/>
    public string Kind => RunKinds.Restore;

    /// <inheritdoc/>
    public async Task<object> ExecuteAsync(RunContext context)
    {
        var request = context.Request<RestoreRequest>();
        request.Plan.RequireHash(request.ConfirmedHash);
        return await context.StepAsync("restore", _ => RestoreAsync(context, request), _ => FindRestoredAsync(context, request));
    }

    /// <inheritdoc/>
    public async Task AbandonAsync(RunContext context)
    {
        var plan = context.Request<RestoreRequest>().Plan;
        var operation = OperationOf(context.Run);
        var found = plan.Kind switch
        {
            ArtifactRestore.Kind => ArtifactRestore.Abandon(plan, operation),
            PhysicalRestore.Kind => await postgres.Physical.AbandonAsync(plan, operation, context.Cancellation),
            _ => await LogicalRestore.AbandonAsync(plan, operation, context.Cancellation),
        };
        if (found is not null)
        {
            context.Warn("cleanup", found);
        }
    }

    private async Task<RestoreRunResult> RestoreAsync(RunContext context, RestoreRequest request)
    {
        var (point, tier, repository) = await OpenAsync(context, request);
        await using (repository)
        {
            context.Log("restore", $"restore point {point.Short} from {tier} to {request.Plan.Target}, plan {request.ConfirmedHash[..12]}");
            var manifest = await repository.ReadManifestAsync(point, context.Cancellation);
            var operation = OperationOf(context.Run);
            if (request.Plan.Kind == PhysicalRestore.Kind)
            {
                var recovered = await postgres.Physical.ExecuteAsync(
                    repository, manifest, request.Plan, request.ConfirmedHash, operation, context.Progress, context.Log, context.Cancellation);
                return new RestoreRunResult(request.Plan.Target, tier, manifest.Bytes, recovered.Seconds, recovered.Warnings)
                {
                    Phases = recovered.Phases,
                    LastTransaction = recovered.LastTransaction,
                };
            }

            var result = request.Plan.Kind == ArtifactRestore.Kind
                ? await artifacts.ExecuteAsync(repository, manifest, request.Plan, request.ConfirmedHash, operation, context.Progress, context.Log, context.Cancellation)
                : await postgres.Logical.ExecuteAsync(repository, manifest, request.Plan, request.ConfirmedHash, operation, context.Progress, context.Log, context.Cancellation);
            return new RestoreRunResult(result.Target, tier, result.Bytes, result.Duration?.TotalSeconds, result.Warnings);
        }
    }

    /// <summary>A directory cannot carry the run's name as a database does: what it holds says whether it is finished.</summary>
    private async Task<StepProbe<RestoreRunResult>> FindRestoredAsync(RunContext context, RestoreRequest request)
    {
        if (request.Plan.Kind == PhysicalRestore.Kind && PhysicalRestore.IsFinished(request.Plan, OperationOf(context.Run)))
        {
            await postgres.Physical.FinishAsync(request.Plan, context.Log, context.Cancellation);
            var (_, from, opened) = await OpenAsync(context, request);
            await using (opened)
            {
                return new StepProbe<RestoreRunResult>.Done(
                    new RestoreRunResult(request.Plan.Target, from, request.Plan.Artifacts.Sum(artifact => artifact.Bytes), null, []));
            }
        }

        if (request.Plan.Kind != ArtifactRestore.Kind)
        {
            return new StepProbe<RestoreRunResult>.NotDone();
        }

        var (point, tier, repository) = await OpenAsync(context, request);
        await using (repository)
        {
            var manifest = await repository.ReadManifestAsync(point, context.Cancellation);
            return await ArtifactRestore.IsFinishedAsync(manifest, request.Plan, context.Cancellation)
                ? new StepProbe<RestoreRunResult>.Done(new RestoreRunResult(request.Plan.Target, tier, manifest.Bytes, null, []))
                : new StepProbe<RestoreRunResult>.NotDone();
        }
    }

    private async Task<(RestorePointId Point, string Tier, BackupRepository Repository)> OpenAsync(RunContext context, RestoreRequest request)
    {
        var point = await points.ResolveAsync(request.Plan.RestorePointId, context.Cancellation);
        var (tier, repository) = await access.OpenAsync(point, null, context.Cancellation);
        return (point.PointId, tier.Name, repository);
    }

    /// <summary>With its time: another console counts its runs from R-1 too, and must not take this one's half-made target for its own.</summary>
    internal static string OperationOf(Run run) => $"{run.Id} of {run.CreatedAt.UtcDateTime:O}";
}
