using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Engine.Backups.Drivers;

/// <summary>A dump into a new database of a running server.</summary>
public sealed class LogicalRestoreDriver(LogicalRestore restore) : IRestoreDriver
{
    /// <inheritdoc/>
    public string PlanKind => LogicalBackup.Kind;

    /// <inheritdoc/>
    public bool Takes(RestoreTarget target, Manifest manifest) => target is PostgresTarget;

    /// <inheritdoc/>
    public Task<RestorePlan> PlanAsync(BackupRepository repository, Manifest manifest, RestoreTarget target, CancellationToken cancellationToken) =>
        restore.PlanAsync(repository, manifest, (PostgresTarget)target, cancellationToken);

    /// <inheritdoc/>
    public async Task<RestoreOutcome> ExecuteAsync(RestoreWork work, CancellationToken cancellationToken)
    {
        var result = await restore.ExecuteAsync(
            work.Repository, work.Manifest, work.Plan, work.ConfirmedHash, work.Operation, work.Progress, work.Log, cancellationToken);
        return new RestoreOutcome(result.Bytes, result.Duration?.TotalSeconds, result.Warnings);
    }

    /// <inheritdoc/>
    /// <remarks>The database carries the run's name: what an attempt left is found and judged by doing it again.</remarks>
    public Task<RestoreOutcome?> FindFinishedAsync(RestoreWork work, CancellationToken cancellationToken) => Task.FromResult<RestoreOutcome?>(null);

    /// <inheritdoc/>
    public Task<string?> AbandonAsync(RestorePlan plan, string operation, CancellationToken cancellationToken) =>
        LogicalRestore.AbandonAsync(plan, operation, cancellationToken);
}

/// <summary>A cluster into a new data directory, to a moment.</summary>
public sealed class PhysicalRestoreDriver(PhysicalRestore restore) : IRestoreDriver
{
    /// <inheritdoc/>
    public string PlanKind => PhysicalRestore.Kind;

    /// <inheritdoc/>
    public bool Takes(RestoreTarget target, Manifest manifest) => target is PgDataTarget { InPlace: null };

    /// <inheritdoc/>
    public Task<RestorePlan> PlanAsync(BackupRepository repository, Manifest manifest, RestoreTarget target, CancellationToken cancellationToken) =>
        restore.PlanAsync(repository, manifest, (PgDataTarget)target, cancellationToken);

    /// <inheritdoc/>
    public async Task<RestoreOutcome> ExecuteAsync(RestoreWork work, CancellationToken cancellationToken)
    {
        var recovered = await restore.ExecuteAsync(
            work.Repository, work.Manifest, work.Plan, work.ConfirmedHash, work.Operation, work.Progress, work.Log, cancellationToken);
        return new RestoreOutcome(work.Manifest.Bytes, recovered.Seconds, recovered.Warnings)
        {
            Phases = recovered.Phases,
            LastTransaction = recovered.LastTransaction,
        };
    }

    /// <inheritdoc/>
    public async Task<RestoreOutcome?> FindFinishedAsync(RestoreWork work, CancellationToken cancellationToken)
    {
        if (!PhysicalRestore.IsFinished(work.Plan, work.Operation))
        {
            return null;
        }

        await restore.FinishAsync(work.Plan, work.Log, cancellationToken);
        return new RestoreOutcome(work.Plan.Artifacts.Sum(artifact => artifact.Bytes), null, []);
    }

    /// <inheritdoc/>
    public Task<string?> AbandonAsync(RestorePlan plan, string operation, CancellationToken cancellationToken) =>
        restore.AbandonAsync(plan, operation, cancellationToken);
}
