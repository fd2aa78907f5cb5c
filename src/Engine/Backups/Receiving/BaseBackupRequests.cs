using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Estate;

namespace Hexabase.DrConsole.Engine.Backups.Receiving;

/// <summary>Asks for the base backup after which WAL is of use again.</summary>
public interface IBaseBackupRequests
{
    /// <summary>
    /// Asks for a base backup of a source whose WAL has a gap. Called again while the gap is open; whoever implements it
    /// closes gaps by <see cref="Catalog.WalCatalog.CloseGapsAsync"/> when the backup is there.
    /// </summary>
    /// <exception cref="EngineException">It cannot be asked for now.</exception>
    Task RequestAsync(Source source, string reason, CancellationToken cancellationToken);
}

/// <summary>Asks for a backup run of the cluster's files, also where dumps and base backups take turns: a dump closes no gap.</summary>
public sealed class BaseBackupRequests(RunRequests requests) : IBaseBackupRequests
{
    /// <inheritdoc/>
    public async Task RequestAsync(Source source, string reason, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(source);
        try
        {
            await requests.BackupAsync(source.Name, "wal receiver", cancellationToken, strategy: PhysicalBackup.Strategy);
        }
        catch (EngineException busy) when (busy.Code == "run-already-open")
        {
            // One is on its way. Whether it is a base backup that begins behind the gap shows when it is done; until then this is asked again.
        }
    }
}
