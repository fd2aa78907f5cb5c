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
    private readonly string _name;
    private readonly string _password;

    private ScratchPostgres(
        PostgresCluster cluster, ProcessRegistry registry, string name, string folder, string password, ScratchIsolation isolation)
    {
        _cluster = cluster;
        _registry = registry;
        _name = name;
        _password = password;
        Folder = folder;
        Isolation = isolation;
    }

    /// <summary>What was achieved here.</summary>
    public ScratchIsolation Isolation { get; }

    /// <summary>All of it: data, socket, log.</summary>
    public string Folder { get; }

    /// <summary>The socket's folder: the host for Npgsql and <c>--host</c>.</summary>
    public string Host => _cluster.SocketFolder;

    /// <summary>The port that goes with it.</summary>
    public int Port => _cluster.Port;

    /// <summary>Its programs.</summary>
    public PostgresBinaries Binaries => _cluster.Binaries!;

    /// <summary>The postmaster while it runs.</summary>
    public ProcessIdentity? Postmaster => _cluster.Postmaster;

    /// <summary>Makes and starts a scratch server.</summary>
    /// <exception cref="EngineException">As <see cref="PostgresCluster.StartAsync"/>.</exception>
    public static async Task<ScratchPostgres> StartAsync(
        ScratchPostgresOptions options, ProcessRegistry registry, TimeProvider time, CancellationToken cancellationToken)
    {
        var name = ProcessRegistry.NewName("scratch");
        LocalFolder.CreatePassage(options.Root);
        var folder = Path.Combine(Path.GetFullPath(options.Root), name);

        // The folder is on record before it exists: whatever happens from here on, a settlement finds and removes it.
        registry.Write(registry.NewRecord(name, "scratch PostgreSQL", Afterlife.Ended, folder, isServer: true));
        try
        {
            LocalFolder.CreatePrivate(folder);
            var sandbox = await ScratchSandbox.ChooseAsync(folder, options.ProtectedPaths, registry, cancellationToken).ConfigureAwait(false);
            LocalFolder.CreatePrivate(folder, sandbox.User);
            var password = RandomNumberGenerator.GetHexString(32, lowercase: true);
            var cluster = new PostgresCluster(Describe(options, name, folder, password, sandbox), registry, time);
            var scratch = new ScratchPostgres(cluster, registry, name, folder, password, sandbox.Isolation);
            await cluster.StartAsync(cancellationToken).ConfigureAwait(false);
            return scratch;
        }
        catch
        {
            await RemoveAsync(registry, name).ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Settings for a connection as the superuser.</summary>
    public NpgsqlConnectionStringBuilder ConnectionString(string database = "postgres") => _cluster.ConnectionString(database);

    /// <summary>A password file for pg_restore (<c>PGPASSFILE</c>); dispose it.</summary>
    public PasswordFile CreatePasswordFile() => PasswordFile.Create(_registry, Host, Port, SuperuserName, _password);

    /// <summary>Ends the server and removes its folder.</summary>
    public async ValueTask DisposeAsync()
    {
        await _cluster.DisposeAsync().ConfigureAwait(false);
        await RemoveAsync(_registry, _name).ConfigureAwait(false);
    }

    internal Task KillAsync(CancellationToken cancellationToken) => _cluster.KillAsync(cancellationToken);

    private static async Task RemoveAsync(ProcessRegistry registry, string name)
    {
        if (registry.Find(name) is not { } record)
        {
            return;
        }

        if (record.Child is { } child)
        {
            await ProcessEnding.EndAsync(child, ProcessEnding.ScratchServer, registry.Time, CancellationToken.None).ConfigureAwait(false);

            // Where a sandbox stood between, the server may outlive it.
            LibC.SignalGroup(child.Pid, UnixSignal.Kill);
        }

        await LocalFolder.RemoveAsync(record.Folder!, registry.Time, CancellationToken.None).ConfigureAwait(false);
        registry.RemoveForGood(name);
    }

    private static PostgresClusterOptions Describe(
        ScratchPostgresOptions options, string name, string folder, string password, ScratchSandbox sandbox) => new()
    {
        Name = name,
        DataFolder = Path.Combine(folder, "data"),
        SocketFolder = Path.Combine(folder, "run"),
        LogFile = Path.Combine(folder, "server.log"),
        Superuser = SuperuserName,
        Password = password,
        Port = 5432,
        ListenAddress = null,
        RunAs = sandbox.User,
        Major = options.Major,
        IsDurable = false,
        IsScratch = true,
        ScratchFolder = folder,
        Isolation = sandbox.Command,
        Settings = new Dictionary<string, string>(options.Settings, StringComparer.Ordinal)
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
        },
    };
}
