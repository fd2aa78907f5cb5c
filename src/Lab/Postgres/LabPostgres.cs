using System.Globalization;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Servers;
using Npgsql;

namespace Hexabase.DrConsole.Lab.Postgres;

/// <summary>How a lab's server is made.</summary>
public sealed record LabPostgresOptions
{
    /// <summary>How much data.</summary>
    public LabSize Size { get; init; } = LabSize.Small;

    /// <summary>False for tests: nothing is synced to disk.</summary>
    public bool IsDurable { get; init; } = true;

    /// <summary>True for tests: a server left by a killed test run is ended by the next settlement instead of adopted.</summary>
    public bool IsScratch { get; init; }

    /// <summary>How much WAL stays for whoever reads it from the data directory, as <c>wal_keep_size</c> has it.</summary>
    public string KeptWal { get; init; } = "0";
}

/// <summary>
/// A real source server with the database <c>orders</c>, by TCP on loopback, as a customer's server would stand there: it
/// knows nothing of the console. Start, stop, kill and wipe it as often as wanted.
/// </summary>
public sealed class LabPostgres : IAsyncDisposable
{
    /// <summary>The host of every connection.</summary>
    public const string Host = "127.0.0.1";

    /// <summary>The database.</summary>
    public const string Orders = "orders";

    /// <summary>The role that backs up: reads everything, changes nothing, and is no superuser.</summary>
    public const string BackupRole = "backup";

    /// <summary>The role of the shop's application, which the write load uses.</summary>
    public const string ApplicationRole = "shop_app";

    private const string ServerName = "lab-postgres";
    private readonly LabFolder _folder;
    private readonly LabPostgresOptions _options;
    private readonly TimeProvider _time;
    private PostgresCluster? _cluster;

    /// <summary>Describes a server; touches nothing.</summary>
    public LabPostgres(LabFolder folder, LabPostgresOptions? options = null, TimeProvider? time = null)
    {
        _folder = folder;
        _options = options ?? new LabPostgresOptions();
        _time = time ?? TimeProvider.System;
    }

    /// <summary>The server's data directory.</summary>
    public string DataFolder => Cluster.DataFolder;

    /// <summary>Its TCP port; kept from start to start where it is still free.</summary>
    public int Port => Cluster.Port;

    /// <summary>Holds the backup role's password.</summary>
    public string BackupPasswordFile => Path.Combine(_folder.Keys, "orders.pw");

    /// <summary>Holds the superuser's password.</summary>
    public string AdminPasswordFile => Path.Combine(_folder.Keys, "admin.pw");

    /// <summary>The postmaster while it runs.</summary>
    public ProcessIdentity? Postmaster => _cluster?.Postmaster;

    /// <summary>The server's programs.</summary>
    public PostgresBinaries Binaries => Cluster.Binaries!;

    private PostgresCluster Cluster => _cluster ?? throw new InvalidOperationException("the lab's server has not been started");

    /// <summary>
    /// Starts the server, with its data folder, roles and database made where they are missing. True where the database was
    /// made now.
    /// </summary>
    /// <exception cref="EngineException">As <see cref="PostgresCluster.StartAsync"/>; <c>not-a-lab</c>; <c>lab-running</c>.</exception>
    public async Task<bool> StartAsync(CancellationToken cancellationToken)
    {
        _folder.Create();
        _folder.EnsureNotRunning();
        LocalFolder.CreatePassageFor(_folder.Postgres, ServerUser.ForPostgres());
        await StartServerAsync(cancellationToken).ConfigureAwait(false);
        await EnsureRolesAsync(cancellationToken).ConfigureAwait(false);
        return await new OrdersDatabase(AdminConnection, _options.Size, _time).EnsureAsync(Orders, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Stops the server in order.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        if (_cluster is not null)
        {
            await _cluster.StopAsync(cancellationToken).ConfigureAwait(false);
            // A recovery may have put another server in its place.
            await _cluster.StopLeftoverAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Ends the server as a crash would (KILL).</summary>
    public Task KillAsync(CancellationToken cancellationToken) => Cluster.KillAsync(cancellationToken);

    /// <summary>
    /// Stops the server, also one that a killed lab left running, and removes its data; the next start makes a new one.
    /// </summary>
    public async Task WipeAsync(CancellationToken cancellationToken)
    {
        await StopAsync(cancellationToken).ConfigureAwait(false);
        await new PostgresCluster(Describe(port: 0), _folder.Registry, _time).StopLeftoverAsync(cancellationToken).ConfigureAwait(false);
        await LocalFolder.RemoveAsync(_folder.Postgres, _time, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>A connection as the superuser <c>postgres</c>.</summary>
    public NpgsqlConnectionStringBuilder AdminConnection(string database = Orders) => Connection("postgres", "admin.pw", database);

    /// <summary>A connection as the backup role.</summary>
    public NpgsqlConnectionStringBuilder BackupConnection(string database = Orders) => Connection(BackupRole, "orders.pw", database);

    /// <summary>A connection as the shop's application.</summary>
    public NpgsqlConnectionStringBuilder ApplicationConnection(string database = Orders) =>
        Connection(ApplicationRole, "shop-app.pw", database);

    /// <summary>Makes a copy of a database under a new name, file by file; nobody may be connected to the original.</summary>
    public Task CopyDatabaseAsync(string original, string name, CancellationToken cancellationToken) =>
        AdministerAsync($"create database {Quote(name)} template {Quote(original)}", cancellationToken);

    /// <summary>Removes a database, whoever is connected to it.</summary>
    public Task DropDatabaseAsync(string name, CancellationToken cancellationToken) =>
        AdministerAsync($"drop database if exists {Quote(name)} with (force)", cancellationToken);

    /// <summary>Lets the console write into <c>orders</c>, as its owner would: its heartbeat's table, and side tables of rescues. Repeatable.</summary>
    public async Task LetConsoleWriteAsync(CancellationToken cancellationToken)
    {
        var settings = AdminConnection();
        settings.Pooling = false;
        var server = NpgsqlDataSource.Create(settings);
        await using (server.ConfigureAwait(false))
        {
            var grant = server.CreateCommand($"grant create on schema public, billing to {BackupRole}");
            await using (grant.ConfigureAwait(false))
            {
                await grant.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
            }

            var exists = server.CreateCommand($"select to_regclass('{HeartbeatTable.Name}') is not null");
            await using (exists.ConfigureAwait(false))
            {
                if (await exists.ExecuteScalarAsync(cancellationToken).ConfigureAwait(false) is true)
                {
                    return;
                }
            }

            var command = server.CreateCommand(HeartbeatTable.Creation);
            await using (command.ConfigureAwait(false))
            {
                await command.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Stops the server.</summary>
    public async ValueTask DisposeAsync() => await StopAsync(CancellationToken.None).ConfigureAwait(false);

    private static string Quote(string name) => $"\"{name.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";

    private async Task StartServerAsync(CancellationToken cancellationToken)
    {
        var portFile = _folder.Combine("postgres", "port");
        var port = File.Exists(portFile) ? int.Parse(await File.ReadAllTextAsync(portFile, cancellationToken).ConfigureAwait(false), CultureInfo.InvariantCulture) : 0;
        _cluster = new PostgresCluster(Describe(port), _folder.Registry, _time);
        try
        {
            await _cluster.StartAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (EngineException exception) when (exception.Code == "port-in-use")
        {
            // Somebody took the port while the lab was down. The configuration file is written anew with the new one.
            _cluster = new PostgresCluster(Describe(port: 0), _folder.Registry, _time);
            await _cluster.StartAsync(cancellationToken).ConfigureAwait(false);
        }

        await File.WriteAllTextAsync(portFile, _cluster.Port.ToString(CultureInfo.InvariantCulture), cancellationToken).ConfigureAwait(false);
    }

    private PostgresClusterOptions Describe(int port) => new()
    {
        Name = ServerName,
        DataFolder = _folder.Combine("postgres", "data"),
        SocketFolder = _folder.Combine("postgres", "run"),
        LogFile = _folder.Combine("postgres", "server.log"),
        Password = _folder.Secret("admin.pw"),
        ListenAddress = Host,
        Port = port,
        IsDurable = _options.IsDurable,
        IsScratch = _options.IsScratch,
        Settings = new Dictionary<string, string>
        {
            ["wal_level"] = "logical",
            ["track_commit_timestamp"] = "on",
            ["max_wal_size"] = "2GB",
            ["wal_keep_size"] = _options.KeptWal,
            ["max_connections"] = "60",
            ["max_wal_senders"] = "8",
            ["shared_buffers"] = "128MB",
            ["fsync"] = _options.IsDurable ? "on" : "off",
            ["full_page_writes"] = _options.IsDurable ? "on" : "off",
        },
    };

    private async Task EnsureRolesAsync(CancellationToken cancellationToken)
    {
        // Not from a pool: that may hold connections to the server as it was before a crash.
        var settings = AdminConnection("postgres");
        settings.Pooling = false;
        var connection = new NpgsqlConnection(settings.ConnectionString);
        await using (connection.ConfigureAwait(false))
        {
            await connection.OpenAsync(cancellationToken).ConfigureAwait(false);
            var command = new NpgsqlCommand(
                "select set_config('lab.backup_password', $1, false), set_config('lab.app_password', $2, false)", connection);
            await using (command.ConfigureAwait(false))
            {
                command.Parameters.Add(new NpgsqlParameter { Value = _folder.Secret("orders.pw") });
                command.Parameters.Add(new NpgsqlParameter { Value = _folder.Secret("shop-app.pw") });
                await command.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
            }

            var roles = new NpgsqlCommand(OrdersDatabase.ReadSql("roles.sql"), connection);
            await using (roles.ConfigureAwait(false))
            {
                await roles.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private async Task AdministerAsync(string sql, CancellationToken cancellationToken)
    {
        var settings = AdminConnection("postgres");
        settings.Pooling = false;
        var server = NpgsqlDataSource.Create(settings);
        await using (server.ConfigureAwait(false))
        {
            var command = server.CreateCommand(sql);
            await using (command.ConfigureAwait(false))
            {
                await command.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private NpgsqlConnectionStringBuilder Connection(string role, string secret, string database) => new()
    {
        Host = Host,
        Port = Port,
        Username = role,
        Password = _folder.Secret(secret),
        Database = database,
        IncludeErrorDetail = true,
    };
}
