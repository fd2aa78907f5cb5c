using System.Text.Json;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Maintenance;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Notifications.Outbox;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Engine.Validation;

/// <summary>
/// A validation as a durable run. A restore point that fails is a result, not a failed run; doing it again after a crash is
/// safe, since a scratch server of the dead attempt is ended and removed by its process record.
/// </summary>
public sealed class ValidationRun(RestorePointCatalog points, RestorePointAccess access, RestorePointValidation validation, TierRequests tiers) : IRunHandler
{
    /// <inheritdoc/>
    public string Kind => RunKinds.Validation;

    /// <inheritdoc/>
    public async Task<object> ExecuteAsync(RunContext context)
    {
        var request = context.Request<ValidationRequest>();
        var result = await context.StepAsync("validate", async step =>
        {
            var point = await points.ResolveAsync(request.RestorePoint, context.Cancellation);
            var (tier, repository) = await access.OpenAsync(point, request.Tier, context.Cancellation);
            await using (repository)
            {
                context.Log("validate", $"restore point {point.PointId.Short} of {point.Source} in tier {tier.Name}");
                var result = await ValidateAsync(context, repository, point, tier.Name);
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

                    if (result.Failed is { } failed)
                    {
                        await NotificationOutbox.WriteAsync(transaction, new Notice(
                            NotificationEvent.ValidationFailed, NotificationSeverity.Critical, context.Run.Id.ToString(), $"/restore-points/{point.Id}",
                            new NotificationFacts
                            {
                                Sources = [point.Source], Run = context.Run.Id.ToString(), RestorePoint = point.PointId.Short, Tiers = [tier.Name], Step = failed.Name, Reason = failed.Reason,
                            }), CancellationToken.None);
                    }
                });
                return json;
            }
        });
        if (request.Tier is null)
        {
            await ReadBackElsewhereAsync(context, request.RestorePoint);
        }

        foreach (var tier in (await points.TiersAsync(request.RestorePoint, context.Cancellation)).Where(tier => tier.State == "damaged"))
        {
            await tiers.AskForRepairAsync(context, tier.Tier, [(await points.ResolveAsync(request.RestorePoint, context.Cancellation)).Workspace]);
        }

        return result;
    }

    private async Task<ValidationResult> ValidateAsync(RunContext context, BackupRepository repository, RestorePointRow point, string tier)
    {
        try
        {
            return await validation.RunAsync(repository, point.PointId, context.Progress, context.Log, context.Cancellation);
        }
        catch (EngineException missing) when (missing.Code == BackupRepository.PointMissing)
        {
            // The catalog knows it there. It says nothing of the content, so there is no result to keep.
            await tiers.NoteDamageAsync(context, point.PointId, point.Workspace, tier, missing);
            throw;
        }
    }

    /// <summary>
    /// Reads the point's packs in the other tiers that hold it: the content was proven once, what remains to be known of a copy is
    /// that its bytes are those that were written.
    /// </summary>
    private async Task ReadBackElsewhereAsync(RunContext context, string restorePoint)
    {
        var point = await points.ResolveAsync(restorePoint, context.Cancellation);
        foreach (var tier in (await points.TiersAsync(point.Id, context.Cancellation)).Where(tier => tier.State == "stored"))
        {
            await context.StepAsync($"read back {tier.Tier}", async step =>
            {
                try
                {
                    var (_, repository) = await access.OpenAsync(point, tier.Tier, context.Cancellation);
                    await using (repository)
                    {
                        var manifest = await repository.ReadManifestAsync(point.PointId, context.Cancellation);
                        var report = await repository.VerifyPacksAsync(manifest, context.Progress, context.Cancellation);
                        var fault = report.IsSound ? null : $"{Counted.Of(report.Damaged.Count, "pack", "is", "are")} damaged or missing: {string.Join(", ", report.Damaged.Take(5).Select(damage => damage.Name))}";
                        context.Log("read back", $"{tier.Tier}: {fault ?? $"{Counted.Of(report.Packs, "pack")}, all as written"}");
                        step.OnCommit(transaction => RestorePointCatalog.RecordTierAsync(
                            transaction, point.PointId, tier.Tier, fault is null ? "verified" : "damaged", fault, CancellationToken.None));
                        return fault ?? "";
                    }
                }
                catch (EngineException lost) when (lost.Code == BackupRepository.PointMissing || lost.Kind == ErrorKind.Damaged)
                {
                    context.Warn("read back", $"{tier.Tier}: {lost.Message}");
                    // Left alone where the tier gave it up meanwhile.
                    step.OnCommit(transaction => TierChecks.MarkDamagedAsync(transaction, tier.Tier, [point.Id], lost.Message));
                    return lost.Message;
                }
                catch (EngineException away)
                {
                    context.Warn("read back", $"{tier.Tier} cannot be read now: {away.Message}");
                    return away.Message;
                }
            });
        }
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
