using System.Text.Json;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Engine.Backups.Maintenance;

/// <summary>What a rotation run is asked for.</summary>
public sealed record RotationRequest(string Workspace);

/// <summary>What a rotation run ends with.</summary>
/// <param name="Epoch">The encryption epoch from now on.</param>
/// <param name="Tiers">Tiers that have the new keys.</param>
/// <param name="Away">Tiers that did not answer, with the reason; they get the keys with their next copy.</param>
public sealed record RotationRunResult(string Workspace, uint Epoch, IReadOnlyList<string> Tiers, IReadOnlyDictionary<string, string> Away);

/// <summary>
/// Rotates a workspace's keys in all its tiers: a new encryption epoch and new key slots under the same passphrase. What was
/// done before a crash is told by the key slots that the tiers have; what was not done of it is done then, step by step.
/// </summary>
public sealed class RotationRun(TierRepositories tiers, TimeProvider time) : IRunHandler
{
    /// <inheritdoc/>
    public string Kind => RunKinds.Rotation;

    /// <inheritdoc/>
    public async Task<object> ExecuteAsync(RunContext context)
    {
        var workspace = context.Request<RotationRequest>().Workspace;
        return await context.StepAsync("rotate", step => RotateAsync(context, step, workspace), intent => FindRotatedAsync(context, workspace, intent));
    }

    private async Task<RotationRunResult> RotateAsync(RunContext context, StepHandle step, string workspace)
    {
        await using var opened = await WorkspaceTiers.OpenAsync(tiers, workspace, isForDeletion: true, context.Cancellation);
        // The lowest: a tier that lacks a rotation, or of which it was interrupted, still encrypts in the epoch before.
        var before = opened.Repositories.Min(one => one.Repository.Epoch);
        await step.RecordIntentAsync(new Intent(before));
        context.Log("rotate", $"{workspace}: epoch {before} in {string.Join(", ", opened.Names)}");
        var epoch = await BackupRepository.RotateKeysAsync([.. opened.Repositories.Select(one => one.Repository)], opened.Keys, context.Cancellation);
        context.Log("rotate", $"{workspace}: epoch {epoch}, new key slots written, read back and opened; the old ones are gone");
        return Record(context, step, workspace, epoch, opened);
    }

    private async Task<StepProbe<RotationRunResult>> FindRotatedAsync(RunContext context, string workspace, string? intent)
    {
        if (intent is null || JsonSerializer.Deserialize<Intent>(intent, JsonSerializerOptions.Web) is not { } begun)
        {
            return new StepProbe<RotationRunResult>.NotDone();
        }

        await using var opened = await WorkspaceTiers.OpenAsync(tiers, workspace, isForDeletion: true, context.Cancellation);
        if (await BackupRepository.FinishRotationAsync([.. opened.Repositories.Select(one => one.Repository)], opened.Keys, begun.Before, context.Cancellation) is not { } epoch)
        {
            return new StepProbe<RotationRunResult>.NotDone();
        }

        context.Log("rotate", $"{workspace}: the interrupted rotation to epoch {epoch} is complete in {string.Join(", ", opened.Names)}");
        return new StepProbe<RotationRunResult>.Done(Result(workspace, epoch, opened), step => Record(context, step, workspace, epoch, opened));
    }

    private RotationRunResult Record(RunContext context, StepHandle step, string workspace, uint epoch, WorkspaceTiers opened)
    {
        foreach (var (tier, reason) in opened.Away)
        {
            context.Warn("rotate", $"{tier} does not answer and gets the keys with its next copy: {reason}");
        }

        var names = opened.Names;
        step.OnCommit(transaction => WorkspaceCatalog.SeeAsync(transaction, workspace, epoch, time.GetUtcNow(), names));
        return Result(workspace, epoch, opened);
    }

    private static RotationRunResult Result(string workspace, uint epoch, WorkspaceTiers opened) => new(workspace, epoch, opened.Names, opened.Away);

    private sealed record Intent(uint Before);
}
