using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Catalog;
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
public sealed record RestoreRunResult(string Target, string Tier, long Bytes, double? Seconds, IReadOnlyList<string> Warnings);

/// <summary>
/// Executes a hashed restore plan as a durable run. The drivers give their target its name only when everything is in it, and
/// know their own half-made one by the run's name: after a crash the step is simply done again.
/// </summary>
public sealed class RestoreRun(RestorePointCatalog points, RestorePointAccess access, LogicalRestore logical, ArtifactRestore artifacts) : IRunHandler
{
    /// <inheritdoc/>
    public string Kind => RunKinds.Restore;

    /// <inheritdoc/>
    public async Task<object> ExecuteAsync(RunContext context)
    {
        var request = context.Request<RestoreRequest>();
        request.Plan.RequireHash(request.ConfirmedHash);
        return await context.StepAsync("restore", async _ =>
        {
            var point = await points.ResolveAsync(request.Plan.RestorePointId, context.Cancellation);
            var (tier, repository) = await access.OpenAsync(point, null, context.Cancellation);
            await using (repository)
            {
                context.Log("restore", $"restore point {point.PointId.Short} from {tier.Name} to {request.Plan.Target}, plan {request.ConfirmedHash[..12]}");
                var manifest = await repository.ReadManifestAsync(point.PointId, context.Cancellation);
                // With its time: another console counts its runs from R-1 too, and must not take this one's half-made target for its own.
                var operation = $"{context.Run.Id} of {context.Run.CreatedAt.UtcDateTime:O}";
                var result = request.Plan.Kind == ArtifactRestore.Kind
                    ? await artifacts.ExecuteAsync(repository, manifest, request.Plan, request.ConfirmedHash, operation, context.Progress, context.Log, context.Cancellation)
                    : await logical.ExecuteAsync(repository, manifest, request.Plan, request.ConfirmedHash, operation, context.Progress, context.Log, context.Cancellation);
                return new RestoreRunResult(result.Target, tier.Name, result.Bytes, result.Duration?.TotalSeconds, result.Warnings);
            }
        });
    }
}
