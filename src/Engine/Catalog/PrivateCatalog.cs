using System.Security.Cryptography;
using System.Text;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Servers;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Catalog;

/// <summary>
/// The PostgreSQL that the console starts for itself when no external one is configured: catalog, Hangfire, audit. Data
/// checksums on, fsync on, one role that owns the schema and one that works with its rows.
/// </summary>
public sealed class PrivateCatalog : IAsyncDisposable
{
    private const string Database = "drconsole";
    private const string OwnerRole = "drconsole_owner";
    private const string ApplicationRole = "drconsole_app";
    private readonly PostgresCluster _cluster;

    private PrivateCatalog(PostgresCluster cluster, ClusterStart start, CatalogConnection connection) =>
        (_cluster, Start, Connection) = (cluster, start, connection);

    /// <summary>How it came to run.</summary>
    public ClusterStart Start { get; }

    /// <summary>How to reach it.</summary>
    public CatalogConnection Connection { get; }

    /// <summary>Initialises, starts or adopts the cluster and makes sure of its roles and database.</summary>
    /// <exception cref="EngineException">PostgreSQL is missing, of another major, or does not start.</exception>
    public static async Task<PrivateCatalog> StartAsync(
        DataFolder data, ProcessRegistry registry, ClusterClaim claim, TimeProvider time, CancellationToken cancellationToken)
    {
        var home = ClusterHome(data);
        LocalFolder.CreatePassageFor(home, ServerUser.ForPostgres());
        Directory.CreateDirectory(data.Logs);
        var cluster = new PostgresCluster(
            new PostgresClusterOptions
            {
                Name = "catalog",
                DataFolder = Path.Combine(home, "pgdata"),
                SocketFolder = Path.Combine(home, "socket"),
                LogFile = Path.Combine(data.Logs, "catalog.log"),
                Password = data.Secret("catalog-superuser.pw"),
                Settings = new Dictionary<string, string>
                {
                    ["max_connections"] = "150",
                    ["shared_buffers"] = "64MB",
                    ["log_min_messages"] = "warning",
                },
            }, registry, time);
        try
        {
            return await StartAsync(cluster, data, claim, cancellationToken);
        }
        catch when (claim == ClusterClaim.Own)
        {
            // Interrupted or refused half-way: nobody else knows of the server yet.
            await cluster.StopAsync(CancellationToken.None);
            throw;
        }
    }

    private static async Task<PrivateCatalog> StartAsync(PostgresCluster cluster, DataFolder data, ClusterClaim claim, CancellationToken cancellationToken)
    {
        await cluster.InitializeAsync(cancellationToken);
        var start = await cluster.StartAsync(cancellationToken, claim);
        var connection = new CatalogConnection(
            ConnectionString(cluster, ApplicationRole, data.Secret("catalog-app.pw")),
            ConnectionString(cluster, OwnerRole, data.Secret("catalog-owner.pw")));
        if (start != ClusterStart.Shared)
        {
            await EnsureRolesAsync(cluster, data, cancellationToken);
        }

        return new PrivateCatalog(cluster, start, connection);
    }

    /// <summary>Starts the server again where it died without being stopped; on its old port, so that every pool finds it.</summary>
    /// <returns>True where it had to be started.</returns>
    public async Task<bool> RestartIfDeadAsync(CancellationToken cancellationToken)
    {
        if (Start == ClusterStart.Shared || _cluster.Postmaster?.IsAlive() == true)
        {
            return false;
        }

        await _cluster.StartAsync(cancellationToken);
        return true;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (Start != ClusterStart.Shared)
        {
            await _cluster.StopAsync(CancellationToken.None);
        }
    }

    /// <summary>
    /// Beside the other data; or, where PostgreSQL's user cannot reach the data folder (below root's home, say), in the
    /// system's state folder under a name made from the data folder's path.
    /// </summary>
    private static string ClusterHome(DataFolder data)
    {
        if (!ServerUser.IsRoot || Ancestors(data.Root).All(folder => File.GetUnixFileMode(folder).HasFlag(UnixFileMode.OtherExecute)))
        {
            return Path.Combine(data.Root, "postgres");
        }

        var name = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(data.Root)))[..16];
        LocalFolder.CreatePassage("/var/lib/hexabase-drconsole");
        LocalFolder.CreatePassage("/var/lib/hexabase-drconsole/clusters");
        return Path.Combine("/var/lib/hexabase-drconsole/clusters", name);
    }

    private static IEnumerable<string> Ancestors(string path)
    {
        for (var folder = Path.GetDirectoryName(path); folder is not null; folder = Path.GetDirectoryName(folder))
        {
            yield return folder;
        }
    }

    private static string ConnectionString(PostgresCluster cluster, string role, string password)
    {
        var builder = cluster.ConnectionString(Database);
        builder.Username = role;
        builder.Password = password;
        return builder.ConnectionString;
    }

    private static async Task EnsureRolesAsync(PostgresCluster cluster, DataFolder data, CancellationToken cancellationToken)
    {
        var superuser = cluster.ConnectionString();
        superuser.Pooling = false;
        await using var connection = new NpgsqlConnection(superuser.ConnectionString);
        await connection.OpenAsync(cancellationToken);
        foreach (var (role, password) in new[] { (OwnerRole, data.Secret("catalog-owner.pw")), (ApplicationRole, data.Secret("catalog-app.pw")) })
        {
            // The secrets are hex digits, so they need no quoting; each start sets them, so that files and roles always agree.
            await RunAsync(connection, $"DO $$ BEGIN CREATE ROLE {role} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$; ALTER ROLE {role} PASSWORD '{password}'", cancellationToken);
        }

        await using var exists = new NpgsqlCommand($"SELECT count(*) FROM pg_database WHERE datname = '{Database}'", connection);
        if (await exists.ExecuteScalarAsync(cancellationToken) is 0L)
        {
            await RunAsync(connection, $"CREATE DATABASE {Database} OWNER {OwnerRole}", cancellationToken);
        }

        await RunAsync(connection, $"REVOKE ALL ON DATABASE {Database} FROM PUBLIC; GRANT CONNECT ON DATABASE {Database} TO {ApplicationRole}", cancellationToken);
    }

    private static async Task RunAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
