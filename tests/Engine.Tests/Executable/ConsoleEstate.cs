using System.Text;
using System.Text.Json;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Storage;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Lab.Postgres;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Tests.Executable;

/// <summary>What a test changes of the estate's configuration.</summary>
internal sealed record EstateChanges
{
    public int? Port { get; init; }

    public string? Database { get; init; }

    public string? PasswordFile { get; init; }

    public string? KeyFile { get; init; }

    public string? HotStore { get; init; }

    public string? WarmStore { get; init; }

    /// <summary>Tiers by URL instead of the two directories.</summary>
    public IReadOnlyList<(string Name, string Store)>? Tiers { get; init; }

    /// <summary>How much each tier takes; without bound where null.</summary>
    public int? UploadMbitPerSecond { get; init; }

    public string[] Tables { get; init; } = [];

    public string Class { get; init; } = "critical";

    /// <summary>Sources beside the database, as they are declared; given the estate's folder.</summary>
    public Func<string, object[]> MoreSources { get; init; } = _ => [];
}

/// <summary>
/// A console's estate: one source in the lab, two tiers, a data folder. Commands run as processes; what they left is looked
/// at in the files and in the catalog, not by asking them.
/// </summary>
internal sealed class ConsoleEstate : IAsyncDisposable
{
    public const string Source = "orders";
    public const string Workspace = "shop";
    private readonly ServerFolder _folder = new();
    private readonly LabPostgres _lab;
    private readonly string _database;
    private int _configurations;

    private ConsoleEstate(LabPostgres lab, string database) => (_lab, _database) = (lab, database);

    public static CancellationToken Ct => TestContext.Current.CancellationToken;

    public string Data => _folder.Combine("data");

    public string Key => _folder.Combine("repository.key");

    /// <summary>Its configuration file without any change.</summary>
    public string Configuration { get; private set; } = null!;

    public LabPostgres Lab => _lab;

    /// <summary>Its processes as their records name them.</summary>
    public ProcessRegistry Registry => new(Path.Combine(Data, "processes"));

    public static async Task<ConsoleEstate> CreateAsync(PostgresLab lab, ConsoleSeed seed, string database = LabPostgres.Orders, EstateChanges? changes = null)
    {
        var estate = new ConsoleEstate(await lab.GetServerAsync(Ct), database);
        estate._folder.Hold();
        LocalFolder.WritePrivateFile(estate.Key, Encoding.ASCII.GetBytes($"passphrase-{Guid.NewGuid():n}\n"));
        estate.Configuration = await estate.ConfigureAsync(changes ?? new EstateChanges());
        await seed.PlantAsync(estate.Data);
        return estate;
    }

    public string Combine(string name) => _folder.Combine(name);

    public string Store(string tier) => _folder.Combine(tier);

    /// <summary>Writes a configuration file and gives its path.</summary>
    public async Task<string> ConfigureAsync(EstateChanges changes)
    {
        var path = _folder.Combine($"console-{_configurations++}.json");
        var key = changes.KeyFile ?? Key;
        await File.WriteAllTextAsync(path, JsonSerializer.Serialize(new
        {
            DrConsole = new
            {
                DataDirectory = "data",
                // Tests ask for their backups themselves: a schedule that asks in between would refuse theirs.
                Classes = new Dictionary<string, object> { [changes.Class] = new { Rpo = "7.00:00:00" } },
                Tiers = (changes.Tiers ?? [("hot", new Uri(changes.HotStore ?? Store("hot")).AbsoluteUri), ("warm", new Uri(changes.WarmStore ?? Store("warm")).AbsoluteUri)])
                    .Select(tier => new { tier.Name, tier.Store, KeyFile = key, changes.UploadMbitPerSecond }),
                Sources = new object[]
                {
                    new
                    {
                        Name = Source,
                        Kind = "postgres",
                        changes.Class,
                        Workspace,
                        Postgres = new
                        {
                            LabPostgres.Host,
                            Port = changes.Port ?? _lab.Port,
                            Database = changes.Database ?? _database,
                            Username = LabPostgres.BackupRole,
                            PasswordFile = changes.PasswordFile ?? _lab.BackupPasswordFile,
                            changes.Tables,
                        },
                    },
                }.Concat(changes.MoreSources(_folder.Path)),
            },
        }), Ct);
        return path;
    }

    /// <summary>Writes a configuration file of one source in one tier, whose restores nobody has to approve, and gives its path.</summary>
    public async Task<string> ConfigureSourceAsync(object source)
    {
        var path = _folder.Combine($"console-{_configurations++}.json");
        await File.WriteAllTextAsync(path, JsonSerializer.Serialize(new
        {
            DrConsole = new
            {
                DataDirectory = "data",
                RestoreApprovals = 0,
                Classes = new Dictionary<string, object> { ["standard"] = new { Rpo = "7.00:00:00" } },
                Tiers = new[] { new { Name = "hot", Store = new Uri(Store("hot")).AbsoluteUri, KeyFile = Key } },
                Sources = new[] { source },
            },
        }), Ct);
        return path;
    }

    /// <summary>A command on this estate.</summary>
    public Task<CommandResult> RunAsync(params string[] arguments) => ConsoleProcess.RunAsync(Configuration, arguments);

    /// <summary>The console itself, once it says that it listens.</summary>
    public Task<ConsoleProcess> ServeAsync(IReadOnlyDictionary<string, string>? environment = null, params string[] more) =>
        ConsoleProcess.ServeAsync(Configuration, environment, more);

    /// <summary>Restore points by their manifests' files.</summary>
    public IReadOnlyList<string> Manifests(string tier = "hot")
    {
        var folder = Path.Combine(Store(tier), Workspace, "manifests");
        return Directory.Exists(folder) ? [.. Directory.EnumerateFiles(folder).Select(path => Path.GetFileName(path)!).Order(StringComparer.Ordinal)] : [];
    }

    /// <summary>Opens a tier's repository.</summary>
    public async Task<BackupRepository> OpenAsync(string tier = "hot")
    {
        using var key = await RepositoryKey.FromFileAsync(Key, Ct);
        return await BackupRepository.OpenAsync(new FileSystemStore(Path.Combine(Store(tier), Workspace)), key, cancellationToken: Ct);
    }

    /// <summary>The catalog as the application role sees it; it must be running.</summary>
    public NpgsqlDataSource OpenCatalog()
    {
        var server = Postmaster() ?? throw new InvalidOperationException("the catalog does not run");
        var settings = new NpgsqlConnectionStringBuilder
        {
            Host = server.SocketFolder,
            Port = server.Port,
            Username = "drconsole_app",
            Password = File.ReadAllText(Path.Combine(Data, "keys", "catalog-app.pw")).Trim(),
            Database = "drconsole",
        };
        return new CatalogConnection(settings.ConnectionString, settings.ConnectionString).OpenPool();
    }

    /// <summary>The catalog's postmaster, or null where none runs.</summary>
    public PostmasterFile? Postmaster() => PostmasterFile.FindLiving(Path.Combine(Data, "postgres", "pgdata"));

    /// <summary>Starts the catalog for a look while no console runs.</summary>
    public async Task<IReadOnlyList<Run>> ReadRunsAsync()
    {
        if (Postmaster() is not null)
        {
            await using var live = OpenCatalog();
            return await new RunStore(live).ListAsync(null, null, null, 1000, Ct);
        }

        var data = DataFolder.Open(Data);
        await using var catalog = await PrivateCatalog.StartAsync(data, Registry, ClusterClaim.Own, TimeProvider.System, Ct);
        await using var pool = OpenCatalog();
        return await new RunStore(pool).ListAsync(null, null, null, 1000, Ct);
    }

    /// <summary>Nothing of this console runs and nothing is on record.</summary>
    public void AssertNothingRuns()
    {
        Assert.Null(Postmaster());
        Assert.Empty(Registry.List());
        Assert.Empty(Directory.EnumerateFiles(Registry.Folder, "pgpass-*"));
    }

    public async ValueTask DisposeAsync()
    {
        await ServerFolder.EndAsync(Registry.List());
        await _folder.DisposeAsync();
    }
}
