using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Storage;
using Hexabase.DrConsole.Engine.Tests.Repository;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Lab.Postgres;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Postgres;

/// <summary>The vocabulary of the driver's tests: a database of the lab, a repository of the test's own, and both directions.</summary>
internal sealed class DriverFixture : IAsyncDisposable
{
    private readonly ServerFolder _folder = new();
    private readonly List<string> _made = [];

    private readonly LabDatabase? _own;

    private DriverFixture(LabDatabase database, bool isOwn, BackupRepository repository, FileSystemStore store, string folder)
    {
        Database = database;
        _own = isOwn ? database : null;
        Repository = repository;
        Store = store;
        StoreFolder = folder;
    }

    public static CancellationToken Ct => TestContext.Current.CancellationToken;

    public LabDatabase Database { get; }

    public BackupRepository Repository { get; }

    public FileSystemStore Store { get; }

    public string StoreFolder { get; }

    public ServerFolder Folder => _folder;

    public ProcessRegistry Registry => _folder.Registry;

    public List<string> Log { get; } = [];

    /// <summary>The test's database as the backup role sees it.</summary>
    public PostgresSource Source => new()
    {
        Host = LabPostgres.Host,
        Port = Database.Server.Port,
        Database = Database.Name,
        Username = LabPostgres.BackupRole,
        PasswordFile = Database.Server.BackupPasswordFile,
    };

    /// <summary>The same as the superuser.</summary>
    public PostgresSource AdminSource => Source with { Username = "postgres", PasswordFile = Database.Server.AdminPasswordFile };

    /// <summary>With a database of the test's own, which it may change.</summary>
    public static async Task<DriverFixture> CreateAsync(PostgresLab lab, string? storeFolder = null) =>
        await CreateAsync(await lab.CreateDatabaseAsync(Ct), true, storeFolder);

    /// <summary>With the lab's shared database, which the test only reads.</summary>
    public static async Task<DriverFixture> CreateReadingAsync(PostgresLab lab) =>
        await CreateAsync(new LabDatabase(await lab.GetServerAsync(Ct), LabPostgres.Orders), false, null);

    private static async Task<DriverFixture> CreateAsync(LabDatabase database, bool isOwn, string? storeFolder)
    {
        var folder = storeFolder ?? Directory.CreateTempSubdirectory("drconsole-tier-").FullName;
        var store = new FileSystemStore(folder);
        return new DriverFixture(database, isOwn, await RepositoryFixture.InitializeAsync(store), store, folder);
    }

    public async Task<PostgresBackupResult> CaptureAsync(PostgresSource? source = null, IReadOnlyList<PostgresBinaries>? clients = null) =>
        await new LogicalBackup(Registry, TimeProvider.System, clients).CaptureAsync(
            new PostgresBackupRequest { Description = new BackupDescription { Source = "orders", Kind = "postgres", Workspace = "shop" }, Source = source ?? Source },
            Repository, null, Note, Ct);

    /// <summary>A capture that must fail; afterwards there is no restore point and no process left.</summary>
    public async Task<EngineException> FailToCaptureAsync(Func<Task> capture)
    {
        var fault = await Assert.ThrowsAsync<EngineException>(capture);
        Assert.Empty((await Repository.ListAsync(Ct)).Points);
        Assert.Empty(Registry.List());
        Assert.False(string.IsNullOrWhiteSpace(fault.Hint), fault.Message);
        return fault;
    }

    /// <summary>A new database's name; the database is dropped with the fixture.</summary>
    public string NewName()
    {
        var name = $"restored ä{_made.Count} {Guid.NewGuid():N}"[..30];
        _made.Add(name);
        return name;
    }

    public PostgresTarget Target(string name) =>
        new(LabPostgres.Host, Database.Server.Port, name, "postgres", Database.Server.AdminPasswordFile);

    public async Task<RestoreResult> RestoreAsync(RestorePointId id, PostgresTarget target, string operation = "R-1")
    {
        var manifest = await Repository.ReadManifestAsync(id, Ct);
        var restore = new LogicalRestore(Registry, TimeProvider.System);
        var plan = await restore.PlanAsync(Repository, manifest, target, Ct);
        return await restore.ExecuteAsync(Repository, manifest, plan, plan.Hash, operation, null, Note, Ct);
    }

    /// <summary>Compares the restore point's facts with a database of the lab's server.</summary>
    public async Task<FactsComparison> CompareAsync(RestorePointId id, string database, bool withOwnersAndGrants = true)
    {
        var facts = await LogicalBackup.ReadFactsAsync(Repository, await Repository.ReadManifestAsync(id, Ct), Ct);
        await using var connection = await OpenAsync(database);
        var only = facts.AllTables ? null : facts.Tables.Select(table => table.FullName).ToHashSet();
        return FactsComparison.Compare(facts, await ContentFactsReader.ReadDatabaseAsync(connection, only, null, Ct), withOwnersAndGrants);
    }

    public async Task ExecuteAsync(string text, string? database = null)
    {
        await using var connection = await OpenAsync(database ?? Database.Name);
        await using var command = new NpgsqlCommand(text, connection);
        await command.ExecuteNonQueryAsync(Ct);
    }

    public async Task<object?> ScalarAsync(string text, string? database = null)
    {
        await using var connection = await OpenAsync(database ?? Database.Name);
        await using var command = new NpgsqlCommand(text, connection);
        return await command.ExecuteScalarAsync(Ct);
    }

    public Task<object?> DatabaseAsync(string name) => ScalarAsync($"SELECT count(*) FROM pg_database WHERE datname = '{name}'", "postgres");

    public async ValueTask DisposeAsync()
    {
        await Repository.DisposeAsync();
        await Store.DisposeAsync();
        foreach (var name in _made)
        {
            await Database.Server.DropDatabaseAsync(name, CancellationToken.None);
        }

        if (_own is not null)
        {
            await _own.DisposeAsync();
        }

        await _folder.DisposeAsync();
        Directory.Delete(StoreFolder, recursive: true);
    }

    public void Note(string phase, string text)
    {
        lock (Log)
        {
            Log.Add($"{phase}: {text}");
        }
    }

    private async Task<NpgsqlConnection> OpenAsync(string database)
    {
        var settings = Database.Server.AdminConnection(database);
        settings.Pooling = false;
        var connection = new NpgsqlConnection(settings.ConnectionString);
        await connection.OpenAsync(Ct);
        return connection;
    }
}
