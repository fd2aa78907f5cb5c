using Hexabase.DrConsole.Engine.Backups.Redis;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Engine.Backups.Drivers;

/// <summary>Captures Redis: by a full synchronisation, or key by key where the server grants no more.</summary>
public sealed class RedisDriver(RedisBackup redis) : ISourceDriver
{
    /// <inheritdoc/>
    public SourceKind Kind => SourceKind.Redis;

    /// <inheritdoc/>
    /// <remarks>What the server grants is known only when it is asked.</remarks>
    public Task<string> NextStrategyAsync(Source source, CancellationToken cancellationToken) => Task.FromResult(RedisBackup.Snapshot);

    /// <inheritdoc/>
    public Task<BackupResult> CaptureAsync(
        CaptureRequest request, BackupRepository repository, IProgress<TransferProgress>? progress, Action<string, string>? log, CancellationToken cancellationToken) =>
        redis.CaptureAsync(request, repository, progress, log, cancellationToken);

    /// <inheritdoc/>
    public async Task<BackupResult> DescribeAsync(CaptureRequest request, BackupRepository repository, Manifest committed, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(repository);
        return RedisBackup.ResultOf(committed, await RedisBackup.ReadFactsAsync(repository, committed, cancellationToken), repository.Info, request, []);
    }
}
