using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Engine.Backups.Drivers;

/// <summary>The raw artifacts of a restore point of any kind into a new directory.</summary>
public sealed class ArtifactRestoreDriver(ArtifactRestore artifacts) : IRestoreDriver
{
    /// <inheritdoc/>
    public string PlanKind => ArtifactRestore.Kind;

    /// <inheritdoc/>
    public bool Takes(RestoreTarget target, Manifest manifest) => target is DirectoryTarget { HasOptions: false };

    /// <inheritdoc/>
    public Task<RestorePlan> PlanAsync(BackupRepository repository, Manifest manifest, RestoreTarget target, CancellationToken cancellationToken) =>
        Task.FromResult(ArtifactRestore.Plan(manifest, (DirectoryTarget)target));

    /// <inheritdoc/>
    public async Task<RestoreOutcome> ExecuteAsync(RestoreWork work, CancellationToken cancellationToken)
    {
        var result = await artifacts.ExecuteAsync(
            work.Repository, work.Manifest, work.Plan, work.ConfirmedHash, work.Operation, work.Progress, work.Log, cancellationToken);
        return new RestoreOutcome(result.Bytes, result.Duration?.TotalSeconds, result.Warnings);
    }

    /// <inheritdoc/>
    /// <remarks>A directory cannot carry the run's name as a database does: what it holds says whether it is finished.</remarks>
    public async Task<RestoreOutcome?> FindFinishedAsync(RestoreWork work, CancellationToken cancellationToken) =>
        await ArtifactRestore.IsFinishedAsync(work.Manifest, work.Plan, cancellationToken) ? new RestoreOutcome(work.Manifest.Bytes, null, []) : null;

    /// <inheritdoc/>
    public Task<string?> AbandonAsync(RestorePlan plan, string operation, CancellationToken cancellationToken) =>
        Task.FromResult(ArtifactRestore.Abandon(plan, operation));
}
