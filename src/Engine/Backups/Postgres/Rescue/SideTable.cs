using System.Globalization;
using System.Text;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Rescue;

/// <summary>
/// A table beside the living one that gets what was rescued: never over the original. It is made, filled and marked in one
/// transaction, so that there is all of it or nothing, and a run that is done again finds its own.
/// </summary>
internal sealed class SideTable(NpgsqlConnection past, PostgresSource live, TableShape shape, IReadOnlyList<string> comparedBy, string name, string operation)
{
    private const int LongestName = 63;
    private const int CopyBytes = 256 * 1024;

    /// <summary>The name: the table's, <c>_rescued_</c>, and when the run was asked for, in UTC.</summary>
    public static string NameOf(string table, DateTimeOffset asked)
    {
        var suffix = asked.UtcDateTime.ToString("'_rescued_'yyyyMMdd'_'HHmmss", CultureInfo.InvariantCulture);
        while (Encoding.UTF8.GetByteCount(table) + suffix.Length > LongestName)
        {
            table = char.IsLowSurrogate(table[^1]) ? table[..^2] : table[..^1];
        }

        return table + suffix;
    }

    /// <summary>The rows in it where an earlier attempt of the operation made it; null where there is none.</summary>
    /// <exception cref="EngineException"><c>side-table-exists</c>: there is one of that name that this operation did not make.</exception>
    public static async Task<long?> FindAsync(PostgresSource live, string schema, string name, string operation, CancellationToken ct)
    {
        await using var connection = await live.OpenAsync(ct);
        await using var find = new NpgsqlCommand("SELECT coalesce(obj_description(c.oid, 'pg_class'), '') FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2", connection);
        find.Parameters.Add(new NpgsqlParameter { Value = schema });
        find.Parameters.Add(new NpgsqlParameter { Value = name });
        switch (await find.ExecuteScalarAsync(ct))
        {
            case null:
                return null;
            case string comment when comment == operation:
                await using (var count = new NpgsqlCommand($"SELECT count(*) FROM {SqlName.Quote(schema, name)}", connection) { CommandTimeout = 0 })
                {
                    return (long)(await count.ExecuteScalarAsync(ct))!;
                }

            default:
                throw new EngineException("side-table-exists", ErrorKind.Conflict, $"there is a relation {schema}.{name} already, which this rescue did not make", "rename it, or ask for the rescue again");
        }
    }

    /// <summary>Makes and fills it.</summary>
    /// <param name="onlyMissing">Only rows whose key the living table does not have.</param>
    /// <param name="progress">Told bytes.</param>
    /// <param name="ct">Ends it; then nothing is there.</param>
    /// <returns>Rows copied.</returns>
    /// <exception cref="EngineException"><c>privilege-missing</c> where the source's role may not create tables there; or as any connection.</exception>
    public async Task<long> FillAsync(bool onlyMissing, IProgress<TransferProgress>? progress, CancellationToken ct)
    {
        await using var connection = await live.OpenAsync(ct);
        try
        {
            await using var transaction = await connection.BeginTransactionAsync(ct);
            var side = SqlName.Quote(shape.Schema, name);
            await ExecuteAsync(connection, $"CREATE TABLE {side} ({string.Join(", ", shape.Columns.Select(column => column.Definition))})", ct);
            await CopyAsync(connection, side, onlyMissing, progress, ct);
            if (shape.Key.Count > 0)
            {
                await ExecuteAsync(connection, $"ALTER TABLE {side} ADD PRIMARY KEY ({string.Join(", ", shape.Key.Select(SqlName.Quote))})", ct);
            }

            await ExecuteAsync(connection, $"COMMENT ON TABLE {side} IS {SqlName.Literal(operation)}", ct);
            await using var count = new NpgsqlCommand($"SELECT count(*) FROM {side}", connection) { CommandTimeout = 0 };
            var rows = (long)(await count.ExecuteScalarAsync(ct))!;
            await transaction.CommitAsync(ct);
            return rows;
        }
        catch (PostgresException denied) when (denied.SqlState == PostgresErrorCodes.InsufficientPrivilege)
        {
            throw new EngineException("privilege-missing", ErrorKind.Denied, $"{live.Address} refuses a table beside {shape.FullName}: {denied.MessageText}",
                $"GRANT CREATE ON SCHEMA {SqlName.Quote(shape.Schema)} TO {SqlName.Quote(live.Username)}, for as long as the rescue takes", denied);
        }
        catch (Exception fault) when (PostgresFault.Recognises(fault))
        {
            throw PostgresFault.From(fault, live);
        }
    }

    private string Digest => TableComparer.DigestOf(comparedBy);

    private string Missing(string columns) => $"SELECT {columns} FROM {shape.Quoted} WHERE {Digest} IN (SELECT key FROM {TableComparer.MissingKeys})";

    /// <summary>Without a key rows may be equal, and of those only as many are missing as the living table has fewer.</summary>
    private static string AsManyAsMissing(string missing, string columns) =>
        $"""
        SELECT {columns} FROM (SELECT *, row_number() OVER (PARTITION BY drconsole_digest) AS drconsole_number FROM ({missing}) AS drconsole_equal) AS drconsole_numbered
        JOIN (SELECT key AS drconsole_key, count(*) AS drconsole_missing FROM {TableComparer.MissingKeys} GROUP BY key) AS drconsole_counted
          ON drconsole_key = drconsole_digest AND drconsole_number <= drconsole_missing
        """;

    private async Task CopyAsync(NpgsqlConnection connection, string side, bool onlyMissing, IProgress<TransferProgress>? progress, CancellationToken ct)
    {
        var columns = string.Join(", ", shape.Columns.Select(column => column.Quoted));
        var rows = !onlyMissing ? $"SELECT {columns} FROM {shape.Quoted}" : shape.Key.Count > 0 && comparedBy.SequenceEqual(shape.Key) ? Missing(columns) : AsManyAsMissing(Missing($"{columns}, {Digest} AS drconsole_digest"), columns);
        await using var from = await past.BeginRawBinaryCopyAsync($"COPY ({rows}) TO STDOUT (FORMAT binary)", ct);
        await using var to = await connection.BeginRawBinaryCopyAsync($"COPY {side} ({columns}) FROM STDIN (FORMAT binary)", ct);
        var buffer = new byte[CopyBytes];
        var copied = 0L;
        try
        {
            while (await from.ReadAsync(buffer, ct) is > 0 and var read)
            {
                await to.WriteAsync(buffer.AsMemory(0, read), ct);
                progress?.Report(new TransferProgress("copy", 0, null, copied += read, null));
            }
        }
        catch
        {
            // Disposing would end the copy in good order, with what came so far.
            await to.CancelAsync();
            throw;
        }
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string text, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(text, connection) { CommandTimeout = 0 };
        await command.ExecuteNonQueryAsync(ct);
    }
}
