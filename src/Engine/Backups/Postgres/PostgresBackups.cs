using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Engine.Backups.Postgres;

/// <summary>The two ways to capture a PostgreSQL source, side by side.</summary>
public sealed class PostgresBackups(LogicalBackup logical, PhysicalBackup physical)
{
    /// <summary>Captures by a strategy: <see cref="LogicalBackup.Strategy"/> or <see cref="PhysicalBackup.Strategy"/>.</summary>
    /// <exception cref="EngineException">As the strategy's own capture says.</exception>
    public Task<PostgresBackupResult> CaptureAsync(
        string strategy, PostgresBackupRequest request, BackupRepository repository, IProgress<TransferProgress>? progress, Action<string, string>? log,
        CancellationToken cancellationToken) => strategy == PhysicalBackup.Strategy
            ? physical.CaptureAsync(request, repository, progress, log, cancellationToken)
            : logical.CaptureAsync(request, repository, progress, log, cancellationToken);
}
