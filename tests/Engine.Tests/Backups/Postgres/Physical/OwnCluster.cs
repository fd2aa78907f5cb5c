using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Storage;
using Hexabase.DrConsole.Engine.Tests.Repository;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Engine.Validation;
using Hexabase.DrConsole.Lab;
using Hexabase.DrConsole.Lab.Postgres;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Postgres.Physical;

/// <summary>A PostgreSQL server of a test class's own, whose files it may damage and whose cluster it may change, with a repository.</summary>
public class OwnCluster : IAsyncLifetime
{
    private readonly ServerFolder _folder = new();
    private FileSystemStore? _store;

    public static CancellationToken Ct => TestContext.Current.CancellationToken;

    /// <summary>A server that is not logs no whole pages, and a standby that replays such WAL cannot be backed up.</summary>
    protected virtual bool IsDurable => false;

    public LabPostgres Server { get; private set; } = null!;

    public BackupRepository Repository { get; private set; } = null!;

    public ProcessRegistry Registry => _folder.Registry;

    public ServerFolder Folder => _folder;

    public PostgresSource Source => new()
    {
        Host = LabPostgres.Host,
        Port = Server.Port,
        Database = LabPostgres.Orders,
        Username = "postgres",
        PasswordFile = Server.AdminPasswordFile,
        DataDirectory = Server.DataFolder,
    };

    public async ValueTask InitializeAsync()
    {
        Server = new LabPostgres(new LabFolder(_folder.Combine("lab")), new LabPostgresOptions { IsDurable = IsDurable, IsScratch = true });
        await Server.StartAsync(CancellationToken.None);
        _store = new FileSystemStore(_folder.Combine("store"));
        Repository = await RepositoryFixture.InitializeAsync(_store);
    }

    public async ValueTask DisposeAsync()
    {
        await Repository.DisposeAsync();
        await _store!.DisposeAsync();
        await Server.DisposeAsync();
        await _folder.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    public Task<PostgresBackupResult> CaptureAsync(
        PostgresSource? source = null, CancellationToken? cancellation = null, Action<string, string>? log = null, IReadOnlyList<WalGapEnd>? gaps = null) =>
        new PhysicalBackup(Registry, TimeProvider.System, _folder.Combine("staging")).CaptureAsync(
            new PostgresBackupRequest
            {
                Description = new BackupDescription { Source = "cluster", Kind = "postgres", Workspace = "shop" },
                Source = source ?? Source,
                Gaps = gaps ?? [],
            },
            Repository, null, log, cancellation ?? Ct);

    public Task<ValidationResult> ValidateAsync(RestorePointId id) =>
        new RestorePointValidation(new ValidationOptions { ScratchRoot = _folder.Combine("scratch") }, Registry, TimeProvider.System).RunAsync(Repository, id, null, null, Ct);

    public async Task ExecuteAsync(params string[] statements)
    {
        await using var connection = await OpenAsync();
        foreach (var statement in statements)
        {
            await using var command = new NpgsqlCommand(statement, connection);
            await command.ExecuteNonQueryAsync(Ct);
        }
    }

    /// <summary>Before it returns, for a capture's log, which waits for nobody.</summary>
    public void Execute(string statement)
    {
        using var connection = NewConnection();
        connection.Open();
        using var command = new NpgsqlCommand(statement, connection);
        command.ExecuteNonQuery();
    }

    public async Task<T> ScalarAsync<T>(string text)
    {
        await using var connection = await OpenAsync();
        await using var command = new NpgsqlCommand(text, connection);
        return (T)(await command.ExecuteScalarAsync(Ct))!;
    }

    private async Task<NpgsqlConnection> OpenAsync()
    {
        var connection = NewConnection();
        await connection.OpenAsync(Ct);
        return connection;
    }

    private NpgsqlConnection NewConnection()
    {
        var settings = Server.AdminConnection();
        settings.Pooling = false;
        return new NpgsqlConnection(settings.ConnectionString);
    }

    public static string Text(ValidationResult validation) => string.Join('\n', validation.Steps.Select(step => $"{step.Name} {step.Status}: {step.Reason}"));
}

/// <summary>The same with a server that writes as one in production does.</summary>
public sealed class DurableCluster : OwnCluster
{
    protected override bool IsDurable => true;
}
