using System.Globalization;
using System.Text;
using Hexabase.DrConsole.Engine.Repository.Wal;
using Hexabase.DrConsole.Engine.Servers;
using Npgsql;
using Npgsql.Replication;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Wal;

/// <summary>The server whose WAL is received: looks at it, keeps its slot, and opens the replication connection.</summary>
/// <param name="source">How to reach it.</param>
/// <param name="slot">The replication slot's name, by which the receiver also calls itself (<c>application_name</c>).</param>
/// <param name="registry">Where the programs that it runs are recorded.</param>
/// <param name="time">The clock.</param>
public sealed class WalSource(PostgresSource source, string slot, ProcessRegistry registry, TimeProvider time)
{
    private const string LookSql = """
        SELECT (SELECT system_identifier::text FROM pg_control_system()),
          CASE WHEN pg_is_in_recovery() THEN coalesce(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) ELSE pg_current_wal_lsn() END::text,
          clock_timestamp(), (SELECT setting::int FROM pg_settings WHERE name = 'wal_segment_size'), current_setting('server_version_num')::int / 10000,
          pg_is_in_recovery(), (SELECT setting::bigint FROM pg_settings WHERE name = 'max_slot_wal_keep_size'),
          s.slot_type = 'physical', s.active_pid, coalesce(a.application_name, 'unknown') || coalesce(' from ' || a.client_addr::text, ''),
          a.application_name = $1 AND a.usename = current_user, s.restart_lsn::text, s.wal_status, s.safe_wal_size,
          current_setting('synchronous_standby_names'), pg_has_role(current_user, 'pg_read_all_stats', 'USAGE'),
          (SELECT r.sync_state FROM pg_stat_replication r WHERE r.pid = s.active_pid),
          EXISTS (SELECT FROM pg_stat_replication r WHERE r.sync_state IN ('sync', 'quorum') AND r.pid IS DISTINCT FROM s.active_pid),
          ARRAY(SELECT w.pid::text || ' ' || coalesce(w.query_start::text, '') FROM pg_stat_activity w WHERE w.wait_event = 'SyncRep' ORDER BY w.query_start LIMIT 500)
        FROM (SELECT) one LEFT JOIN pg_replication_slots s ON s.slot_name = $1 LEFT JOIN pg_stat_activity a ON a.pid = s.active_pid
        """;

    /// <summary>The most that a server puts into one message of WAL; the driver's own 8 KiB would take sixteen reads for it.</summary>
    private const int ReadBufferBytes = 128 * 1024;

    private static readonly TimeSpan LettingGo = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Suspicious = TimeSpan.FromMinutes(2);
    private long? _endedAt;

    /// <summary>The slot's name.</summary>
    public string Slot => slot;

    /// <summary>Host, port and database.</summary>
    public string Address => source.Address;

    /// <summary>A plain connection, for looks.</summary>
    /// <exception cref="EngineException">As <see cref="PostgresSource.OpenAsync"/>.</exception>
    public Task<NpgsqlConnection> OpenAsync(CancellationToken cancellationToken) => source.OpenAsync(cancellationToken);

    /// <summary>Looks at server and slot.</summary>
    /// <exception cref="EngineException">The server does not answer.</exception>
    public async Task<WalSourceState> LookAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        try
        {
            await using var command = new NpgsqlCommand(LookSql, connection);
            command.CommandTimeout = 15;
            command.Parameters.Add(new NpgsqlParameter { Value = slot });
            await using var row = await command.ExecuteReaderAsync(cancellationToken);
            await row.ReadAsync(cancellationToken);
            var found = row.IsDBNull(7) ? null : new WalSlot(
                row.GetBoolean(7), row.IsDBNull(8) ? null : row.GetInt32(8), row.IsDBNull(8) ? null : row.GetString(9), !row.IsDBNull(10) && row.GetBoolean(10),
                row.IsDBNull(11) ? null : Lsn.Parse(row.GetString(11)), row.IsDBNull(12) ? null : row.GetString(12), row.IsDBNull(13) ? null : row.GetInt64(13));
            var bound = row.GetInt64(6);
            return new WalSourceState(
                ulong.Parse(row.GetString(0), CultureInfo.InvariantCulture), Lsn.Parse(row.GetString(1)), row.GetFieldValue<DateTimeOffset>(2), row.GetInt32(3), row.GetInt32(4),
                row.GetBoolean(5), bound < 0 ? null : bound << 20, found)
            {
                Sync = new WalSyncState(row.GetString(14), row.GetBoolean(15), row.IsDBNull(16) ? null : row.GetString(16), row.GetBoolean(17), row.GetFieldValue<string[]>(18)),
            };
        }
        catch (Exception exception) when (PostgresFault.Recognises(exception))
        {
            throw PostgresFault.From(exception, source);
        }
    }

    /// <summary>
    /// Makes sure that the slot is there, keeps WAL and is free: a lost one is made anew, and a connection that an earlier
    /// receiver of this name left behind is ended, since the caller holds the lease now.
    /// </summary>
    /// <returns>The slot, and what was done to it where that is worth telling.</returns>
    /// <exception cref="EngineException">Somebody else uses it, or it is a logical one; or the role may not make it.</exception>
    public async Task<(WalSlot Slot, string? Done)> EnsureSlotAsync(NpgsqlConnection connection, WalSourceState state, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(state);
        string? done = null;
        if (state.Slot is { IsPhysical: false })
        {
            throw new EngineException(
                "wal-slot-foreign", ErrorKind.Conflict, $"slot {slot} on {Address} is a logical one and not the receiver's", "drop it, or name another one as Wal:Slot of the source");
        }

        for (var began = time.GetTimestamp(); state.Slot is { ActivePid: not null } && time.GetElapsedTime(began) < LettingGo;)
        {
            // A session that has just ended takes a moment to let go.
            await Task.Delay(LettingGo / 10, time, cancellationToken);
            state = await LookAsync(connection, cancellationToken);
        }

        if (state.Slot is { ActivePid: { } pid } taken)
        {
            // One that comes back at once is no leftover: somebody else receives under this name.
            if (!taken.IsOurs || (_endedAt is { } ended && time.GetElapsedTime(ended) < Suspicious))
            {
                throw new EngineException(
                    "wal-slot-taken", ErrorKind.Conflict, $"slot {slot} on {Address} is used by somebody else: {taken.ActiveClient} (server process {pid})",
                    "find out who that is; two receivers on one slot lose WAL for each other")
                {
                    IsTransient = true,
                };
            }

            await RunAsync(connection, "SELECT pg_terminate_backend($1, 5000)", pid, cancellationToken);
            _endedAt = time.GetTimestamp();
            done = $"ended a connection that an earlier receiver had left (server process {pid})";
        }

        if (state.Slot is { IsLost: true } or { RestartLsn: null })
        {
            await RunAsync(connection, "SELECT pg_drop_replication_slot($1)", slot, cancellationToken);
            done = $"slot {slot} had lost the WAL that it was to keep and was made anew";
        }

        if (state.Slot is null or { IsLost: true } or { RestartLsn: null })
        {
            await RunAsync(connection, "SELECT pg_create_physical_replication_slot($1, immediately_reserve => true)", slot, cancellationToken);
            done ??= $"slot {slot} was made";
        }

        var now = (await LookAsync(connection, cancellationToken)).Slot;
        return (now ?? throw new EngineException("wal-slot-missing", ErrorKind.Conflict, $"slot {slot} on {Address} was dropped right after it was made", "find out who drops slots there"), done);
    }

    /// <summary>Drops the slot and makes it anew at the server's newest place.</summary>
    public async Task<WalSlot> RemakeSlotAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await RunAsync(connection, "SELECT pg_drop_replication_slot($1)", slot, cancellationToken);
        return (await EnsureSlotAsync(connection, (await LookAsync(connection, cancellationToken)) with { Slot = null }, cancellationToken)).Slot;
    }

    /// <summary>Opens the connection that streams.</summary>
    /// <exception cref="EngineException">As <see cref="PostgresSource.OpenAsync"/>; the role needs REPLICATION, and pg_hba.conf a line for it.</exception>
    public async Task<PhysicalReplicationConnection> OpenReplicationAsync(CancellationToken cancellationToken)
    {
        var settings = new NpgsqlConnectionStringBuilder(await source.ConnectionStringAsync(cancellationToken)) { ApplicationName = slot, ReadBufferSize = ReadBufferBytes };
        var connection = new PhysicalReplicationConnection(settings.ConnectionString) { WalReceiverTimeout = TimeSpan.FromSeconds(30), WalReceiverStatusInterval = TimeSpan.FromSeconds(5) };
        try
        {
            await connection.Open(cancellationToken);
            return connection;
        }
        catch (Exception exception) when (PostgresFault.Recognises(exception))
        {
            await connection.DisposeAsync();
            throw ReplicationFault.From(exception, source);
        }
    }

    /// <summary>A timeline's history file, or null where the server no longer has it.</summary>
    /// <exception cref="EngineException">psql is not installed, or the server refuses.</exception>
    public Task<byte[]?> TimelineHistoryAsync(uint timeline, CancellationToken cancellationToken) => TimelineHistoryFile.ReadAsync(source, timeline, registry, cancellationToken);

    /// <summary>What a failure of the server or the way to it is.</summary>
    public EngineException Fault(Exception exception) => ReplicationFault.From(exception, source);

    private async Task RunAsync(NpgsqlConnection connection, string sql, object value, CancellationToken ct)
    {
        try
        {
            await using var command = new NpgsqlCommand(sql, connection);
            command.CommandTimeout = 30;
            command.Parameters.Add(new NpgsqlParameter { Value = value });
            await command.ExecuteNonQueryAsync(ct);
        }
        catch (Exception exception) when (PostgresFault.Recognises(exception))
        {
            throw PostgresFault.From(exception, source);
        }
    }
}
