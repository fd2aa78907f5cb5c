using Hexabase.DrConsole.Engine.Backups.Redis;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Engine.Backups.Drivers;

/// <summary>A snapshot into a Redis that runs.</summary>
public sealed class RedisRestoreDriver(RedisRestore restore) : IRestoreDriver
{
    /// <inheritdoc/>
    public string PlanKind => RedisRestore.PlanKind;

    /// <inheritdoc/>
    public bool Takes(RestoreTarget target, Manifest manifest) => target is RedisTarget;

    /// <inheritdoc/>
    public Task<RestorePlan> PlanAsync(BackupRepository repository, Manifest manifest, RestoreTarget target, CancellationToken cancellationToken) =>
        restore.PlanAsync(repository, manifest, (RedisTarget)target, cancellationToken);

    /// <inheritdoc/>
    public Task<RestoreOutcome> ExecuteAsync(RestoreWork work, CancellationToken cancellationToken) => restore.ExecuteAsync(work, cancellationToken);

    /// <inheritdoc/>
    public Task<RestoreOutcome?> FindFinishedAsync(RestoreWork work, CancellationToken cancellationToken) => restore.FindFinishedAsync(work, cancellationToken);

    /// <inheritdoc/>
    public Task SettleAsync(RestorePlan plan, string operation, CancellationToken cancellationToken) => RedisRestore.SettleAsync(plan, operation, cancellationToken);

    /// <inheritdoc/>
    public Task<string?> AbandonAsync(RestorePlan plan, string operation, CancellationToken cancellationToken) => RedisRestore.AbandonAsync(plan, operation, cancellationToken);
}

/// <summary>A snapshot into the directory of a Redis that is stopped.</summary>
public class RedisDirectoryRestoreDriver(RedisDirectoryRestore restore) : IRestoreDriver
{
    /// <inheritdoc/>
    public virtual string PlanKind => RedisDirectoryRestore.PlanKind;

    /// <inheritdoc/>
    public virtual bool Takes(RestoreTarget target, Manifest manifest) => target is RedisDirectoryTarget { Exchange: false };

    /// <inheritdoc/>
    public Task<RestorePlan> PlanAsync(BackupRepository repository, Manifest manifest, RestoreTarget target, CancellationToken cancellationToken) =>
        RedisDirectoryRestore.PlanAsync(repository, manifest, (RedisDirectoryTarget)target, cancellationToken);

    /// <inheritdoc/>
    public Task<RestoreOutcome> ExecuteAsync(RestoreWork work, CancellationToken cancellationToken) => restore.ExecuteAsync(work, cancellationToken);

    /// <inheritdoc/>
    public Task<RestoreOutcome?> FindFinishedAsync(RestoreWork work, CancellationToken cancellationToken) => Task.FromResult(RedisDirectoryRestore.FindFinished(work));

    /// <inheritdoc/>
    public Task<string?> AbandonAsync(RestorePlan plan, string operation, CancellationToken cancellationToken) => Task.FromResult(RedisDirectoryRestore.Abandon(plan, operation));
}
