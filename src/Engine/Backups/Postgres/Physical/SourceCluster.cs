using System.Buffers.Binary;
using System.Globalization;
using Npgsql;
using NpgsqlTypes;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Physical;

/// <summary>Where a backup began in the WAL, or ended; at the end also what belongs beside the files.</summary>
/// <param name="Lsn">The place in the WAL.</param>
/// <param name="Label">The text of <c>backup_label</c>; only at the end.</param>
/// <param name="TablespaceMap">The text of <c>tablespace_map</c>, or empty.</param>
internal sealed record BackupMark(NpgsqlLogSequenceNumber Lsn, string? Label, string TablespaceMap);

/// <summary>A cluster that is captured as files: one session that knows it and holds its backup mode.</summary>
internal sealed class SourceCluster : IAsyncDisposable
{
    /// <summary>A recovery refuses to start below the first five; the others make a server of files without their configuration.</summary>
    private static readonly string[] s_settings =
    [
        "max_connections", "max_worker_processes", "max_wal_senders", "max_prepared_transactions", "max_locks_per_transaction",
        "shared_buffers", "wal_level", "lc_messages", "shared_preload_libraries",
    ];

    private static readonly TimeSpan s_lookEvery = TimeSpan.FromMilliseconds(250);

    /// <summary>A checkpoint may end between the two looks, and a directory that is mounted over a network shows it a little later.</summary>
    private const int ControlLooks = 20;

    private readonly NpgsqlConnection _connection;
    private readonly PostgresSource _source;

    private SourceCluster(NpgsqlConnection connection, PostgresSource source, ClusterFacts facts, string dataDirectory)
    {
        _connection = connection;
        _source = source;
        Facts = facts;
        ReportedDataDirectory = dataDirectory;
    }

    /// <summary>What is known before the backup; places in the WAL are empty still.</summary>
    public ClusterFacts Facts { get; }

    /// <summary>What the server calls its data directory; on its own machine.</summary>
    public string ReportedDataDirectory { get; }

    /// <summary>Configuration files outside of the data directory by the names that they get in it, with their text.</summary>
    public IReadOnlyDictionary<string, string> ConfigurationFiles { get; private set; } = new Dictionary<string, string>();

    /// <summary>Bytes of all databases and the WAL that is kept, for progress.</summary>
    public long EstimatedBytes { get; private set; }

    /// <summary>Connects and reads what is to be known.</summary>
    /// <exception cref="EngineException">The server refuses, or is older than version 15 (<c>server-too-old</c>).</exception>
    public static async Task<SourceCluster> OpenAsync(PostgresSource source, CancellationToken cancellationToken)
    {
        var connection = await source.OpenAsync(cancellationToken);
        try
        {
            return await ReadAsync(connection, source, cancellationToken);
        }
        catch (Exception exception) when (PostgresFault.Recognises(exception))
        {
            await connection.DisposeAsync();
            throw PostgresFault.From(exception, source);
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    /// <summary>Enters backup mode with an immediate checkpoint; left by <see cref="StopAsync"/> or when the session ends.</summary>
    public Task<BackupMark> StartAsync(string label, CancellationToken cancellationToken) => GuardAsync(async () =>
    {
        await using var command = new NpgsqlCommand("SELECT pg_backup_start($1, true)", _connection);
        command.Parameters.AddWithValue(label);
        return new BackupMark((NpgsqlLogSequenceNumber)(await command.ExecuteScalarAsync(cancellationToken))!, null, "");
    });

    /// <summary>Leaves backup mode. WAL up to the mark is needed; it is not waited for here.</summary>
    public Task<BackupMark> StopAsync(CancellationToken cancellationToken) => GuardAsync(async () =>
    {
        await using var command = new NpgsqlCommand("SELECT lsn, labelfile, spcmapfile FROM pg_backup_stop(false)", _connection);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        return new BackupMark(reader.GetFieldValue<NpgsqlLogSequenceNumber>(0), reader.GetString(1), reader.IsDBNull(2) ? "" : reader.GetString(2));
    });

    /// <summary>
    /// Refuses a directory that is not this server's: one that was left behind by an upgrade, a copy, or that of a standby, which has the
    /// same cluster's number, would make a backup that nothing can replay.
    /// </summary>
    /// <exception cref="EngineException"><c>data-directory-unreadable</c>, <c>data-directory-other</c>.</exception>
    public async Task RequireDirectoryAsync(string directory, TimeProvider time, CancellationToken cancellationToken)
    {
        var control = Path.Combine(directory, ClusterFiles.Control);
        for (var look = 1; ; look++)
        {
            var found = ReadControl(control);
            if (found.System.ToString(CultureInfo.InvariantCulture) != Facts.SystemIdentifier)
            {
                throw new EngineException("data-directory-other", ErrorKind.Conflict,
                    $"{directory} belongs to cluster {found.System}, but {_source.Address} is cluster {Facts.SystemIdentifier}",
                    $"name the server's own data directory (it says {ReportedDataDirectory})");
            }

            var at = await GuardAsync(async () =>
            {
                await using var command = new NpgsqlCommand("SELECT checkpoint_lsn FROM pg_control_checkpoint()", _connection);
                return (NpgsqlLogSequenceNumber)(await command.ExecuteScalarAsync(cancellationToken))!;
            });
            if (found.Checkpoint == at && found.IsStandby == Facts.FromStandby)
            {
                return;
            }

            if (look == ControlLooks)
            {
                throw new EngineException("data-directory-other", ErrorKind.Conflict,
                    $"{directory} is not where {_source.Address} works: it is {(found.IsStandby ? "a standby's" : "a primary's")} of the same cluster, whose last checkpoint is {found.Checkpoint}, and the server's is {at}",
                    $"name the server's own data directory (it says {ReportedDataDirectory}), on the machine that has it");
            }

            await Task.Delay(s_lookEvery, time, cancellationToken);
        }
    }

    public ValueTask DisposeAsync() => _connection.DisposeAsync();

    /// <summary>The beginning of a control file, which has been the same since version 11.</summary>
    private static (ulong System, bool IsStandby, NpgsqlLogSequenceNumber Checkpoint) ReadControl(string control)
    {
        const int InArchiveRecovery = 5;
        try
        {
            Span<byte> bytes = stackalloc byte[40];
            using var file = File.OpenHandle(control, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            if (RandomAccess.Read(file, bytes, 0) != bytes.Length)
            {
                throw new IOException("it is too short");
            }

            return (BinaryPrimitives.ReadUInt64LittleEndian(bytes), BinaryPrimitives.ReadUInt32LittleEndian(bytes[16..]) == InArchiveRecovery,
                new NpgsqlLogSequenceNumber(BinaryPrimitives.ReadUInt64LittleEndian(bytes[32..])));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new EngineException("data-directory-unreadable", ErrorKind.Denied,
                $"{control} cannot be read: {exception.Message}",
                "let the user of the console, or of the node's agent, read the data directory, or leave DataDirectory out: then the server sends its files", exception);
        }
    }

    private static async Task<SourceCluster> ReadAsync(NpgsqlConnection connection, PostgresSource source, CancellationToken ct)
    {
        if (connection.PostgreSqlVersion.Major < 15)
        {
            throw new EngineException("server-too-old", ErrorKind.Unsupported,
                $"{source.Address} runs PostgreSQL {connection.PostgreSqlVersion}", "physical backups need version 15 or newer; logical ones work");
        }

        var reader = new ContentFactsReader(connection);
        var row = (await reader.QueryAsync(
            """
            SELECT (SELECT system_identifier::text FROM pg_control_system()), pg_size_bytes(current_setting('wal_segment_size'))::int,
                   (SELECT data_page_checksum_version > 0 FROM pg_control_init()), (SELECT rolname::text FROM pg_roles WHERE oid = 10),
                   pg_is_in_recovery(), current_setting('data_directory'),
                   (SELECT sum(pg_database_size(oid))::bigint FROM pg_database WHERE has_database_privilege(oid, 'CONNECT'))
            """,
            row => (System: row.GetString(0), Segment: row.GetInt32(1), Checksums: row.GetBoolean(2), Superuser: row.GetString(3), Standby: row.GetBoolean(4),
                Directory: row.GetString(5), Bytes: row.IsDBNull(6) ? 0 : row.GetInt64(6)), ct)).Single();
        var tablespaces = await reader.QueryAsync(
            "SELECT oid::bigint, spcname::text, pg_tablespace_location(oid) FROM pg_tablespace WHERE pg_tablespace_location(oid) <> '' ORDER BY oid",
            row => new TablespaceFacts((uint)row.GetInt64(0), row.GetString(1), row.GetString(2)), ct);
        var settings = await reader.QueryAsync(
            "SELECT name::text, CASE WHEN unit = '8kB' THEN (setting::bigint * 8)::text || 'kB' ELSE setting END FROM pg_settings WHERE name = ANY($1)",
            row => (row.GetString(0), row.GetString(1)), ct, (object)s_settings);
        var facts = new ClusterFacts
        {
            Version = ClusterFacts.CurrentVersion,
            ServerVersion = connection.PostgreSqlVersion.ToString(),
            ServerMajor = connection.PostgreSqlVersion.Major,
            SystemIdentifier = row.System,
            WalSegmentBytes = row.Segment,
            Timeline = 0,
            HasChecksums = row.Checksums,
            Superuser = row.Superuser,
            Tablespaces = tablespaces,
            Settings = settings.ToDictionary(setting => setting.Item1, setting => setting.Item2),
            Route = "",
            FromStandby = row.Standby,
            StartLsn = "",
            StopLsn = "",
            WalStartLsn = "",
            WalEndLsn = "",
            RestorePointName = null,
            MovingTables = [],
            DamagedPages = [],
            ConfigurationFiles = [],
        };
        return new SourceCluster(connection, source, facts, row.Directory)
        {
            EstimatedBytes = row.Bytes,
            ConfigurationFiles = await ReadConfigurationAsync(connection, row.Directory, ct),
        };
    }

    /// <summary>
    /// Files outside the data directory (as Debian keeps them), read through the server. Without the right to do so there are
    /// none: a restore then writes its own from the settings.
    /// </summary>
    private static async Task<Dictionary<string, string>> ReadConfigurationAsync(NpgsqlConnection connection, string directory, CancellationToken ct)
    {
        var found = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (setting, name) in new[] { ("config_file", "postgresql.conf"), ("hba_file", "pg_hba.conf"), ("ident_file", "pg_ident.conf") })
        {
            try
            {
                await using var command = new NpgsqlCommand(
                    "SELECT CASE WHEN current_setting($1) NOT LIKE $2 || '/%' THEN pg_read_file(current_setting($1)) END", connection);
                command.Parameters.AddWithValue(setting);
                command.Parameters.AddWithValue(directory);
                if (await command.ExecuteScalarAsync(ct) is string text)
                {
                    found[name] = text;
                }
            }
            catch (PostgresException refusal) when (refusal.SqlState is "42501" or "58P01")
            {
                break;
            }
        }

        return found;
    }

    private async Task<T> GuardAsync<T>(Func<Task<T>> work)
    {
        try
        {
            return await work();
        }
        catch (Exception exception) when (PostgresFault.Recognises(exception))
        {
            throw PostgresFault.From(exception, _source);
        }
    }
}
