using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Engine.Backups.Drivers;

/// <summary>Captures PostgreSQL: as a dump, as files, or both by turns.</summary>
public sealed class PostgresDriver(PostgresBackups postgres, RestorePointCatalog points, ServedNodes nodes) : ISourceDriver
{
    /// <inheritdoc/>
    public SourceKind Kind => SourceKind.Postgres;

    /// <inheritdoc/>
    public async Task<string> NextStrategyAsync(Source source, CancellationToken cancellationToken) => source.Postgres!.Mode switch
    {
        PostgresMode.Logical => LogicalBackup.Strategy,
        PostgresMode.Physical => PhysicalBackup.Strategy,
        // By turns: the one whose newest restore point is the older.
        _ => await points.NewestStrategyAsync(source.Name, cancellationToken) == PhysicalBackup.Strategy ? LogicalBackup.Strategy : PhysicalBackup.Strategy,
    };

    /// <inheritdoc/>
    public async Task<BackupResult> CaptureAsync(
        CaptureRequest request, BackupRepository repository, IProgress<TransferProgress>? progress, Action<string, string>? log, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (request.Strategy == PhysicalBackup.Strategy)
        {
            nodes.Require(request.Source.Node, request.Source.Name, "data-directory-elsewhere");
        }

        return Common(request, await postgres.CaptureAsync(request.Strategy, RequestFor(request), repository, progress, log, cancellationToken));
    }

    /// <inheritdoc/>
    public async Task<BackupResult> DescribeAsync(CaptureRequest request, BackupRepository repository, Manifest committed, CancellationToken cancellationToken)
    {
        var facts = await LogicalBackup.ReadFactsAsync(repository, committed, cancellationToken);
        var withPasswords = committed.Properties.GetValueOrDefault(LogicalBackup.PasswordsProperty) == "true";
        var result = PostgresBackupResult.From(committed, facts, repository.Info, RequestFor(request), withPasswords, []);
        return Common(request, result with { Type = committed.Strategy ?? LogicalBackup.Strategy });
    }

    private PostgresBackupRequest RequestFor(CaptureRequest request)
    {
        var settings = request.Source.Postgres!;
        return new PostgresBackupRequest
        {
            Description = request.Description,
            Source = SourceOf(settings),
            Gaps = request.Gaps,
            PreviousSnapshotAt = request.PreviousSnapshotAt,
            MeasuredRestoreTime = request.MeasuredRestoreTime,
            Properties = request.Properties,
        };
    }

    /// <summary>
    /// With the data directories that this process sees: a standby's agent has the primary's address, and at the primary's path nothing
    /// or, worse, its own server's files. What it cannot see the server sends.
    /// </summary>
    private PostgresSource SourceOf(PostgresSettings settings)
    {
        var isHere = settings.Node is { } node ? nodes.Serves(node) : settings.ReadingNode is null;
        var source = new PostgresSource
        {
            Host = settings.Host,
            Port = settings.Port,
            Database = settings.Database,
            Username = settings.Username,
            PasswordFile = settings.PasswordFile,
            Tables = settings.Tables,
            DataDirectory = isHere ? settings.DataDirectory : null,
            Node = settings.Node,
        };
        return settings.Standby is not { } standby ? source : source with
        {
            Standby = source with
            {
                Host = standby.Host,
                Port = standby.Port,
                Username = standby.Username,
                PasswordFile = standby.PasswordFile,
                DataDirectory = standby.DataDirectory,
                Node = standby.Node,
                CatchUp = standby.CatchUp,
            },
        };
    }

    private static BackupResult Common(CaptureRequest request, PostgresBackupResult result) => new()
    {
        BackupId = result.BackupId,
        Type = result.Type,
        Database = result.Database,
        OriginalBytes = result.OriginalBytes,
        StoredBytes = result.StoredBytes,
        Contents = [new ContentCount("tables", result.TableCount), new ContentCount("rows", result.RowCount)],
        Encryption = result.Encryption,
        CreatedAt = result.CreatedAt,
        SnapshotAt = result.SnapshotAt,
        RpoAchieved = result.RpoAchieved,
        RtoExpected = request.MeasuredRestoreTime,
        Warnings = result.Warnings,
    };
}
