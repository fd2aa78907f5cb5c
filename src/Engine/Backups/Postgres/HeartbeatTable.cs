using System.Globalization;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Backups.Postgres;

/// <summary>A heartbeat as its row says it.</summary>
/// <param name="At">When it was written, on the source's clock.</param>
/// <param name="Every">How often one was to be written then.</param>
public sealed record HeartbeatBeat(DateTimeOffset At, TimeSpan Every);

/// <summary>
/// One row per source in a table of its own, written over again and again. It says when it was written, so a copy of the
/// database shows by its heartbeat of which moment it is. The table is made by whoever owns the database, not by the console:
/// then the role needs no right to create anything.
/// </summary>
public static class HeartbeatTable
{
    /// <summary>Its name.</summary>
    public const string Name = "drconsole.heartbeat";

    /// <summary>What the database's owner runs once; <c>backup</c> stands for the console's role.</summary>
    public const string Creation =
        "CREATE SCHEMA drconsole; CREATE TABLE drconsole.heartbeat (source text PRIMARY KEY, beat_at timestamptz NOT NULL, every_seconds double precision NOT NULL) WITH (fillfactor = 20); "
        + "GRANT USAGE ON SCHEMA drconsole TO backup; GRANT SELECT, INSERT, UPDATE ON drconsole.heartbeat TO backup";

    private const string Beat =
        $"""
        WITH before AS (SELECT beat_at FROM {Name} WHERE source = $1)
        INSERT INTO {Name} (source, beat_at, every_seconds) VALUES ($1, clock_timestamp(), $2)
        ON CONFLICT (source) DO UPDATE SET beat_at = excluded.beat_at, every_seconds = excluded.every_seconds
        RETURNING beat_at, (SELECT beat_at FROM before)
        """;

    /// <summary>A gap between two heartbeats that is longer than this is a lapse: the interval, and half of it but at least a second for a slow write.</summary>
    public static TimeSpan LongestGap(TimeSpan every) => every + TimeSpan.FromSeconds(Math.Max(1, every.TotalSeconds / 2));

    /// <summary>Writes one.</summary>
    /// <returns>When it was written, and when the one before it was; null for the first.</returns>
    public static async Task<(DateTimeOffset At, DateTimeOffset? Before)> WriteAsync(NpgsqlConnection connection, string source, TimeSpan every, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(Beat, connection);
        command.Parameters.Add(new NpgsqlParameter { Value = source });
        command.Parameters.Add(new NpgsqlParameter { Value = every.TotalSeconds });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        return (reader.GetFieldValue<DateTimeOffset>(0), reader.IsDBNull(1) ? null : reader.GetFieldValue<DateTimeOffset>(1));
    }

    /// <summary>Reads the newest; null where there is no such table, or no row of the source.</summary>
    public static async Task<HeartbeatBeat?> ReadAsync(NpgsqlConnection connection, string source, CancellationToken cancellationToken)
    {
        await using (var exists = new NpgsqlCommand("SELECT to_regclass($1) IS NOT NULL", connection))
        {
            exists.Parameters.Add(new NpgsqlParameter { Value = Name });
            if (await exists.ExecuteScalarAsync(cancellationToken) is not true)
            {
                return null;
            }
        }

        await using var command = new NpgsqlCommand($"SELECT beat_at, every_seconds FROM {Name} WHERE source = $1", connection);
        command.Parameters.Add(new NpgsqlParameter { Value = source });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken) ? new HeartbeatBeat(reader.GetFieldValue<DateTimeOffset>(0), TimeSpan.FromSeconds(reader.GetDouble(1))) : null;
    }

    /// <summary>A refusal in words that say what to do.</summary>
    internal static string Explain(NpgsqlException fault) => fault.SqlState switch
    {
        PostgresErrorCodes.UndefinedTable or PostgresErrorCodes.InvalidSchemaName => string.Create(CultureInfo.InvariantCulture, $"the table {Name} is missing; its owner makes it by: {Creation}"),
        PostgresErrorCodes.InsufficientPrivilege => $"{fault.Message}; grant USAGE on the schema and SELECT, INSERT, UPDATE on {Name}",
        PostgresErrorCodes.ReadOnlySqlTransaction => "the server takes no writes: it is a standby, and a heartbeat needs the primary",
        _ => fault.Message,
    };
}
