using System.Text.Json;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Engine.Validation;

/// <summary>
/// A validation as a durable run. A restore point that fails is a result, not a failed run; doing it again after a crash is
/// safe, since a scratch server of the dead attempt is ended and removed by its process record.
/// </summary>
public sealed class ValidationRun(RestorePointCatalog points, RestorePointAccess access, RestorePointValidation validation) : IRunHandler
{
    /// <inheritdoc/>
    public string Kind => RunKinds.Validation;

    /// <inheritdoc/>
    public async Task<object> ExecuteAsync(RunContext context)
    {
        var request = context.Request<ValidationRequest>();
        return await context.StepAsync("validate", async step =>
        {
            var point = await points.ResolveAsync(request.RestorePoint, context.Cancellation);
            var (tier, repository) = await access.OpenAsync(point, request.Tier, context.Cancellation);
            await using (repository)
            {
                context.Log("validate", $"restore point {point.PointId.Short} of {point.Source} in tier {tier.Name}");
                var result = await validation.RunAsync(repository, point.PointId, context.Progress, context.Log, context.Cancellation);
                var json = result.ToJson();
                step.OnCommit(async transaction =>
                {
                    await RestorePointCatalog.RecordValidationAsync(transaction, new NewValidation(
                        point.Id, context.Run.Id.Value, tier.Name, result.OverallPassed, Member(json, "steps")!, Member(json, "comparison"),
                        result.MeasuredRestoreSeconds, Member(json, "isolation"), result.ValidatedAt), CancellationToken.None);
                    if (TierState(result) is { } state)
                    {
                        await RestorePointCatalog.RecordTierAsync(transaction, point.PointId, tier.Name, state, result.Failed?.Reason, CancellationToken.None);
                    }
                });
                return json;
            }
        });
    }

    /// <summary>What the steps over stored bytes say of the tier; later steps speak of the content, which is the same everywhere.</summary>
    private static string? TierState(ValidationResult result)
    {
        var stored = result.Steps.Where(step => step.Name is ValidationSteps.FileIntegrity or ValidationSteps.Encryption or ValidationSteps.Compression).ToList();
        return stored.Any(step => step.Status == ValidationStepStatus.Failed) ? "damaged"
            : stored.All(step => step.Status == ValidationStepStatus.Passed) ? "verified"
            : null;
    }

    private static string? Member(JsonElement json, string name) => json.TryGetProperty(name, out var value) ? value.GetRawText() : null;
}
