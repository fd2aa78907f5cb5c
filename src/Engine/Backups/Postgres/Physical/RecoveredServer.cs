using System.Globalization;
using System.Text.RegularExpressions;
using Hexabase.DrConsole.Engine.Servers;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Physical;

/// <summary>
/// Configures a recovered cluster for its life beside the one that it is a copy of: on another port, on this machine only,
/// archiving nowhere, connected to nobody, and never on the original's files.
/// </summary>
internal static partial class RecoveredConfiguration
{
    /// <summary>Writes configuration files where the directory has none, takes the dangerous lines out, and adds ours.</summary>
    public static void Write(string data, ClusterFacts facts, string restorePoint, int? port, ServerUser owner)
    {
        var main = Path.Combine(data, "postgresql.conf");
        var text = File.Exists(main) ? LeadsElsewhere().Replace(File.ReadAllText(main), "# left out by the restore: $0") : FromSettings(facts);
        Put(main, text);
        if (!File.Exists(Path.Combine(data, "pg_hba.conf")))
        {
            Put(Path.Combine(data, "pg_hba.conf"), "local all all scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256\nhost all all ::1/128 scram-sha-256\n");
        }

        if (!File.Exists(Path.Combine(data, "pg_ident.conf")))
        {
            Put(Path.Combine(data, "pg_ident.conf"), "");
        }

        // The last value of a setting counts, so what stood in this file stays readable for whoever takes ours out.
        var automatic = Path.Combine(data, AutomaticFile);
        var before = File.Exists(automatic) ? File.ReadAllText(automatic) : "";
        Put(automatic, before + string.Create(CultureInfo.InvariantCulture, $"""

            # Restored from {restorePoint}. These lines keep the copy from touching anything of the original;
            # take them out when it is to take the original's place.
            {(port is { } number ? $"port = {number}\n" : "")}listen_addresses = '127.0.0.1'
            unix_socket_directories = '/tmp'
            archive_mode = off
            restore_command = ''
            primary_conninfo = ''
            primary_slot_name = ''
            synchronous_standby_names = ''
            shared_preload_libraries = ''
            session_preload_libraries = ''
            max_logical_replication_workers = 0
            ssl = off
            logging_collector = off

            """));

        void Put(string path, string content) => LocalFolder.WritePrivateFile(path, System.Text.Encoding.UTF8.GetBytes(content), owner);
    }

    /// <summary>
    /// Lets a recovered cluster take the original's place: its configuration is the one that the original has in its own directory,
    /// or where that has lost it the one of the backup, without the lines that keep a copy apart.
    /// </summary>
    /// <param name="data">The recovered data directory.</param>
    /// <param name="original">The original's, aside.</param>
    /// <param name="owner">Who runs the server.</param>
    public static void TakePlace(string data, string original, ServerUser owner)
    {
        foreach (var name in new[] { "postgresql.conf", "pg_hba.conf", "pg_ident.conf", AutomaticFile })
        {
            var (own, recovered) = (Path.Combine(original, name), Path.Combine(data, name));
            if (File.Exists(own))
            {
                LocalFolder.WritePrivateFile(recovered, File.ReadAllBytes(own), owner);
            }
        }

        var automatic = Path.Combine(data, AutomaticFile);
        var text = File.Exists(automatic) ? File.ReadAllText(automatic) : "";
        var ours = text.IndexOf(Separator, StringComparison.Ordinal);
        if (ours >= 0)
        {
            LocalFolder.WritePrivateFile(automatic, System.Text.Encoding.UTF8.GetBytes(text[..ours]), owner);
        }
    }

    private const string AutomaticFile = "postgresql.auto.conf";

    /// <summary>Begins the lines that keep a copy apart.</summary>
    private const string Separator = "\n# Restored from ";

    private static string FromSettings(ClusterFacts facts) =>
        "# Made by the restore: the source's own file lay outside its data directory and could not be read.\n"
        + string.Concat(facts.Settings.Where(setting => setting.Key is not "lc_messages" and not "shared_preload_libraries")
            .Select(setting => $"{setting.Key} = '{setting.Value.Replace("'", "''", StringComparison.Ordinal)}'\n"));

    // A server that is started on the copy and reads data_directory would run on the original's files.
    [GeneratedRegex(@"^[ \t]*(data_directory|hba_file|ident_file|external_pid_file|include|include_if_exists|include_dir|config_file)\b[^\n]*", RegexOptions.Multiline)]
    private static partial Regex LeadsElsewhere();
}

/// <summary>Replays a restored cluster to its target with a server that nobody else can reach, and shuts it down in good order.</summary>
internal sealed class RecoveredServer : IAsyncDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromHours(2);

    /// <summary>Older kernels do not tell syncfs what could not be written.</summary>
    private static readonly Version s_reportsSyncFaults = new(5, 8);
    private readonly PostgresCluster _cluster;
    private readonly ClusterFacts _facts;
    private readonly ServerPlace _place;
    private readonly PostgresBinaries _binaries;
    private readonly ProcessRegistry _registry;

    private RecoveredServer(PostgresCluster cluster, ClusterFacts facts, ServerPlace place, PostgresBinaries binaries, ProcessRegistry registry)
    {
        _cluster = cluster;
        _facts = facts;
        _place = place;
        _binaries = binaries;
        _registry = registry;
    }

    /// <summary>Starts it and waits until it has replayed to the target and takes connections.</summary>
    /// <param name="name">Its name in the registry, under which <paramref name="folder"/> is on record.</param>
    /// <param name="folder">Gets socket, log and configuration.</param>
    /// <param name="data">The data directory.</param>
    /// <param name="facts">What is known of the cluster.</param>
    /// <param name="recovery">Settings of the recovery; empty for a start without one.</param>
    /// <param name="binaries">Programs of the cluster's major version.</param>
    /// <param name="place">Who runs it, and apart from what.</param>
    /// <param name="registry">Records it.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="EngineException"><c>recovery-target-not-reached</c>; <c>postgres-start-failed</c> with the end of its log.</exception>
    public static async Task<RecoveredServer> ReplayAsync(
        string name, string folder, string data, ClusterFacts facts, IReadOnlyDictionary<string, string> recovery, PostgresBinaries binaries, ServerPlace place,
        ProcessRegistry registry, TimeProvider time, CancellationToken cancellationToken)
    {
        foreach (var (file, text) in new[] { ("postgresql.conf", ""), ("pg_hba.conf", "local all all trust\n"), ("pg_ident.conf", "") })
        {
            LocalFolder.WritePrivateFile(Path.Combine(folder, file), System.Text.Encoding.UTF8.GetBytes(text), place.User);
        }

        var cluster = new PostgresCluster(
            new PostgresClusterOptions
            {
                Name = name,
                DataFolder = data,
                SocketFolder = Path.Combine(folder, "run"),
                LogFile = Path.Combine(folder, "replay.log"),
                Superuser = facts.Superuser,
                Password = "unused: the socket lets its owner in",
                Port = 5432,
                ListenAddress = null,
                RunAs = place.User,
                Isolation = place.Isolation,
                Major = facts.ServerMajor,
                IsScratch = true,
                ScratchFolder = folder,
                StartTimeout = s_patience,
                StopPatience = TimeSpan.FromMinutes(10),
                Settings = Settings(folder, facts, recovery),
            },
            registry, time);
        try
        {
            await cluster.StartAsync(cancellationToken);
        }
        catch (EngineException fault) when (ReplayLog.EndedBeforeTarget(fault))
        {
            throw new EngineException("recovery-target-not-reached", ErrorKind.NotFound,
                "the WAL ends before the moment that was asked for: no commit after it is stored", "ask for an earlier moment, or for the end (end=true)", fault);
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }

        return new RecoveredServer(cluster, facts, place, binaries, registry);
    }

    /// <summary>
    /// Looks into it: tables and indexes of every database by pg_amcheck. Returns what it found; null for nothing. The extension that this
    /// takes is dropped again where the cluster did not have it.
    /// </summary>
    public async Task<string?> AmcheckAsync(CancellationToken cancellationToken)
    {
        var without = new List<string>();
        foreach (var database in (string[])(await ScalarAsync("SELECT array_agg(datname::text ORDER BY datname) FROM pg_database WHERE datallowconn AND datconnlimit <> -2", cancellationToken))!)
        {
            if (await ScalarAsync("SELECT count(*) FROM pg_extension WHERE extname = 'amcheck'", cancellationToken, database) is 0L)
            {
                without.Add(database);
            }
        }

        var source = new PostgresSource { Host = _cluster.SocketFolder, Port = _cluster.Port, Database = "postgres", Username = _facts.Superuser };
        using var tools = SourceTools.ForUser(source, _binaries, _registry, "/dev/null", _place.User);
        var result = await ToolProcess.RunAsync(tools.Amcheck(Environment.ProcessorCount).Command, _registry, cancellationToken);
        if (result.ExitCode != 0)
        {
            return (result.ErrorTail + result.Output).Trim();
        }

        foreach (var database in without)
        {
            try
            {
                // The cluster's own event triggers would hear of it, and may forbid it.
                await ScalarAsync("SET session_replication_role = replica; DROP EXTENSION IF EXISTS amcheck", cancellationToken, database);
            }
            catch (PostgresException)
            {
                // Then it stays: what was recovered is whole with it too.
            }
        }

        return null;
    }

    /// <summary>Compares a database with the content facts of the restore point that it was recovered to.</summary>
    public async Task<FactsComparison> CompareAsync(ContentFacts expected, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(expected);
        var settings = _cluster.ConnectionString(expected.Database);
        (settings.Pooling, settings.CommandTimeout) = (false, 0);
        await using var connection = new NpgsqlConnection(settings.ConnectionString);
        await connection.OpenAsync(cancellationToken);
        var only = expected.AllTables ? null : expected.Tables.Select(table => table.FullName).ToHashSet(StringComparer.Ordinal);
        return FactsComparison.Compare(expected, await ContentFactsReader.ReadDatabaseAsync(connection, only, null, cancellationToken, skipUnlogged: true), isReplayed: true);
    }

    /// <summary>One value of a query as the superuser.</summary>
    public async Task<object?> ScalarAsync(string text, CancellationToken cancellationToken, string database = "postgres")
    {
        var settings = _cluster.ConnectionString(database);
        settings.Pooling = false;
        await using var connection = new NpgsqlConnection(settings.ConnectionString);
        await connection.OpenAsync(cancellationToken);
        // An operator's query takes as long as it takes; the caller's time-out ends it.
        await using var command = new NpgsqlCommand(text, connection) { CommandTimeout = 0 };
        return await command.ExecuteScalarAsync(cancellationToken);
    }

    /// <summary>Shuts it down with its checkpoint.</summary>
    public Task ShutDownAsync(CancellationToken cancellationToken) => _cluster.ShutDownAsync(cancellationToken);

    public ValueTask DisposeAsync() => _cluster.DisposeAsync();

    /// <summary>
    /// The cluster brings its postgresql.auto.conf, and what stands there counts where the command line says nothing. What the
    /// source was recovered by once must neither end this replay elsewhere nor run its commands.
    /// </summary>
    private static OrderedDictionary<string, string> Settings(string folder, ClusterFacts facts, IReadOnlyDictionary<string, string> recovery)
    {
        var settings = new OrderedDictionary<string, string>(StringComparer.Ordinal)
        {
            ["recovery_target_inclusive"] = "on",
            ["recovery_min_apply_delay"] = "0",
            ["recovery_end_command"] = "",
            ["archive_cleanup_command"] = "",
            ["restore_command"] = "",
            // What the log says of times is read as UTC.
            ["timezone"] = "UTC",
            // Below that the log does not say where replay ended.
            ["log_min_messages"] = "warning",
            ["config_file"] = Path.Combine(folder, "postgresql.conf"),
            ["hba_file"] = Path.Combine(folder, "pg_hba.conf"),
            ["ident_file"] = Path.Combine(folder, "pg_ident.conf"),
            ["hot_standby"] = "off",
            ["archive_mode"] = "off",
            ["primary_conninfo"] = "",
            ["primary_slot_name"] = "",
            ["synchronous_standby_names"] = "",
            ["shared_preload_libraries"] = "",
            ["session_preload_libraries"] = "",
            ["local_preload_libraries"] = "",
            ["max_logical_replication_workers"] = "0",
            ["autovacuum"] = "off",
            ["ssl"] = "off",
            ["max_wal_size"] = "4GB",
            ["max_prepared_transactions"] = facts.Settings.GetValueOrDefault("max_prepared_transactions", "0"),
        };
        // First: the server refuses an empty target behind the one that is meant as a second one.
        foreach (var target in RecoverySettings.Targets.Where(name => !recovery.ContainsKey(name)))
        {
            settings.Insert(0, target, "");
        }

        if (Environment.OSVersion.Version >= s_reportsSyncFaults)
        {
            // The server makes sure first that all that was unpacked is on disk: at once instead of file by file.
            settings["recovery_init_sync_method"] = "syncfs";
        }

        foreach (var (name, value) in recovery)
        {
            settings[name] = value;
        }

        return settings;
    }
}
