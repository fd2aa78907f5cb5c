using System.Security.Cryptography;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Servers;

/// <summary>What a scratch server is for and where it may live.</summary>
public sealed record ScratchPostgresOptions
{
    /// <summary>
    /// The folder that holds all scratch folders. Everybody may pass through it (0711); short, and outside of every protected
    /// path where the console is root, since the scratch user must get there.
    /// </summary>
    public required string Root { get; init; }

    /// <summary>Major version; null for the newest installed.</summary>
    public int? Major { get; init; }

    /// <summary>Keys and data folders: what code inside the restored database must not be able to read.</summary>
    public IReadOnlyList<string> ProtectedPaths { get; init; } = [];

    /// <summary>The role that initdb made, or is to make.</summary>
    public string Superuser { get; init; } = ScratchPostgres.SuperuserName;

    /// <summary>How long the start may take, replay of WAL included.</summary>
    public TimeSpan StartTimeout { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>True to keep the folder where a start fails: whoever made it may start another server on what the first left.</summary>
    public bool KeepsFolder { get; init; }

    /// <summary>For a restored data directory: where WAL comes from and where replay ends.</summary>
    public IReadOnlyDictionary<string, string> Recovery { get; init; } = new Dictionary<string, string>();

    /// <summary>Additions to the settings, such as <c>shared_buffers</c>. They cannot loosen the isolation.</summary>
    public IReadOnlyDictionary<string, string> Settings { get; init; } = new Dictionary<string, string>();
}

/// <summary>
/// A throw-away PostgreSQL for somebody else's database: fresh, fast (nothing is synced), reachable by its unix socket
/// only, as a user that can read neither keys nor the data folder, without network, and with nothing running by itself
/// (no subscriptions, preloaded libraries, archiving or background workers). Removed when disposed; after a crash by
/// <see cref="ProcessRegistry.SettleAsync"/>.
/// </summary>
/// <remarks>
/// pg_restore itself runs as the console's user and talks to the socket: feed it archives only. A script with psql's
/// commands (<c>\!</c>) would run them as the console, outside of every isolation here.
/// </remarks>
public sealed class ScratchPostgres : IAsyncDisposable
{
    /// <summary>The superuser of every scratch server; no restored role is likely to bear its name.</summary>
    public const string SuperuserName = "drconsole_scratch";

    private readonly PostgresCluster _cluster;
    private readonly ProcessRegistry _registry;
    private readonly ScratchFolder _folder;
    private readonly string _password;

    private ScratchPostgres(PostgresCluster cluster, ProcessRegistry registry, ScratchFolder folder, string password)
    {
        _cluster = cluster;
        _registry = registry;
        _folder = folder;
        _password = password;
    }

    /// <summary>What was achieved here.</summary>
    public ScratchIsolation Isolation => _folder.Isolation;

    /// <summary>All of it: data, socket, log.</summary>
    public string Folder => _folder.Path;

    /// <summary>The socket's folder: the host for Npgsql and <c>--host</c>.</summary>
    public string Host => _cluster.SocketFolder;

    /// <summary>The port that goes with it.</summary>
    public int Port => _cluster.Port;

    /// <summary>Its programs.</summary>
    public PostgresBinaries Binaries => _cluster.Binaries!;

    /// <summary>The postmaster while it runs.</summary>
    public ProcessIdentity? Postmaster => _cluster.Postmaster;

    /// <summary>Makes and starts a scratch server with an empty cluster.</summary>
    /// <exception cref="EngineException">As <see cref="PostgresCluster.StartAsync"/>.</exception>
    public static async Task<ScratchPostgres> StartAsync(
        ScratchPostgresOptions options, ProcessRegistry registry, TimeProvider time, CancellationToken cancellationToken)
    {
        var folder = await ScratchFolder.CreateAsync(options.Root, options.ProtectedPaths, registry, cancellationToken).ConfigureAwait(false);
        return await StartAsync(options, folder, registry, time, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Starts a scratch server in a folder, on the data directory in it where there is one (<see cref="ScratchFolder.DataFolder"/>):
    /// then with a configuration of our own, and any role of it may sign in through the socket. The folder is the server's
    /// from here on, also where the start fails, unless <see cref="ScratchPostgresOptions.KeepsFolder"/>.
    /// </summary>
    /// <exception cref="EngineException">As <see cref="PostgresCluster.StartAsync"/>.</exception>
    public static async Task<ScratchPostgres> StartAsync(
        ScratchPostgresOptions options, ScratchFolder folder, ProcessRegistry registry, TimeProvider time, CancellationToken cancellationToken)
    {
        try
        {
            var isFilled = Directory.Exists(folder.DataFolder);
            if (isFilled)
            {
                WriteConfiguration(folder);
            }

            var password = RandomNumberGenerator.GetHexString(32, lowercase: true);
            var cluster = new PostgresCluster(Describe(options, folder, password, isFilled), registry, time);
            var scratch = new ScratchPostgres(cluster, registry, folder, password);
            await cluster.StartAsync(cancellationToken).ConfigureAwait(false);
            return scratch;
        }
        catch when (!options.KeepsFolder)
        {
            await folder.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Settings for a connection as the superuser.</summary>
    public NpgsqlConnectionStringBuilder ConnectionString(string database = "postgres") => _cluster.ConnectionString(database);

    /// <summary>A password file for pg_restore (<c>PGPASSFILE</c>); dispose it.</summary>
    public PasswordFile CreatePasswordFile() => PasswordFile.Create(_registry, Host, Port, SuperuserName, _password);

    /// <summary>Ends the server in good order; its folder stays until it is disposed.</summary>
    public Task ShutDownAsync(CancellationToken cancellationToken) => _cluster.ShutDownAsync(cancellationToken);

    /// <summary>Ends the server and removes its folder.</summary>
    public async ValueTask DisposeAsync()
    {
        await _cluster.DisposeAsync().ConfigureAwait(false);
        await _folder.DisposeAsync().ConfigureAwait(false);
    }

    internal Task KillAsync(CancellationToken cancellationToken) => _cluster.KillAsync(cancellationToken);

    /// <summary>Nothing of a restored cluster's own configuration counts: it may name libraries, commands and other servers.</summary>
    private static void WriteConfiguration(ScratchFolder folder)
    {
        LocalFolder.WritePrivateFile(folder.FileOf("postgresql.conf"), "# the settings are given at the start\n"u8, folder.User);
        LocalFolder.WritePrivateFile(folder.FileOf("pg_hba.conf"), "local all all trust\n"u8, folder.User);
        LocalFolder.WritePrivateFile(folder.FileOf("pg_ident.conf"), "# none\n"u8, folder.User);
        LocalFolder.WritePrivateFile(Path.Combine(folder.DataFolder, "postgresql.auto.conf"), "# emptied for a scratch server\n"u8, folder.User);
    }

    private static PostgresClusterOptions Describe(
        ScratchPostgresOptions options, ScratchFolder folder, string password, bool isFilled) => new()
    {
        Name = folder.Name,
        DataFolder = folder.DataFolder,
        SocketFolder = folder.FileOf("run"),
        LogFile = folder.FileOf("server.log"),
        Superuser = options.Superuser,
        Password = password,
        Port = 5432,
        ListenAddress = null,
        RunAs = folder.User,
        Major = options.Major,
        IsDurable = false,
        IsScratch = true,
        ScratchFolder = folder.Path,
        Isolation = folder.Command,
        StartTimeout = options.StartTimeout,
        Settings = Settings(options, folder, isFilled),
    };

    private static Dictionary<string, string> Settings(ScratchPostgresOptions options, ScratchFolder folder, bool isFilled)
    {
        var settings = new Dictionary<string, string>(options.Settings, StringComparer.Ordinal)
        {
            ["fsync"] = "off",
            ["full_page_writes"] = "off",
            ["synchronous_commit"] = "off",
            ["wal_level"] = "minimal",
            ["max_wal_senders"] = "0",
            ["archive_mode"] = "off",
            ["restore_command"] = "",
            ["synchronous_standby_names"] = "",
            ["shared_preload_libraries"] = "",
            ["session_preload_libraries"] = "",
            ["local_preload_libraries"] = "",
            ["max_logical_replication_workers"] = "0",
            ["max_worker_processes"] = "0",
            ["autovacuum"] = "off",
            ["jit"] = "off",
        };
        if (isFilled)
        {
            settings["config_file"] = folder.FileOf("postgresql.conf");
            settings["hba_file"] = folder.FileOf("pg_hba.conf");
            settings["ident_file"] = folder.FileOf("pg_ident.conf");
            // No standby: then none of the source's limits on connections and workers need to be kept while WAL is replayed.
            settings["hot_standby"] = "off";
            settings["primary_conninfo"] = "";
            settings["primary_slot_name"] = "";
        }

        foreach (var (name, value) in options.Recovery)
        {
            settings[name] = value;
        }

        return settings;
    }
}
