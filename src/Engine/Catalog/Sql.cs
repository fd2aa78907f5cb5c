using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Npgsql;
using NpgsqlTypes;

namespace Hexabase.DrConsole.Engine.Catalog;

/// <summary>JSON text for a jsonb parameter, told apart from plain text.</summary>
/// <param name="Text">A JSON document, or null for SQL NULL.</param>
public readonly record struct Jsonb(string? Text);

/// <summary>Short forms for positional parameters ($1, $2 …) and rows.</summary>
public static partial class Sql
{
    /// <summary>
    /// Sets the positional parameters in order. Null becomes SQL NULL, <see cref="Jsonb"/> a jsonb value. PostgreSQL's text holds no NUL:
    /// what a tool has said or a key is called must not fail the write that tells of it, and is kept with U+FFFD in its place.
    /// </summary>
    public static NpgsqlCommand With(this NpgsqlCommand command, params ReadOnlySpan<object?> values)
    {
        foreach (var value in values)
        {
            command.Parameters.Add(value switch
            {
                Jsonb json => new NpgsqlParameter { Value = (object?)WithoutNul(json) ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Jsonb },
                NpgsqlLogSequenceNumber lsn => new NpgsqlParameter { Value = lsn, NpgsqlDbType = NpgsqlDbType.PgLsn },
                null => new NpgsqlParameter { Value = DBNull.Value },
                string text => new NpgsqlParameter { Value = text.Replace('\0', '\uFFFD') },
                _ => new NpgsqlParameter { Value = value },
            });
        }

        return command;
    }

    /// <summary>A command inside <paramref name="transaction"/>.</summary>
    public static NpgsqlCommand Command(this NpgsqlTransaction transaction, string sql, params ReadOnlySpan<object?> values) =>
        new NpgsqlCommand(sql, transaction.Connection, transaction).With(values);

    /// <summary>A command of its own on the pool.</summary>
    public static NpgsqlCommand Command(this NpgsqlDataSource pool, string sql, params ReadOnlySpan<object?> values) =>
        pool.CreateCommand(sql).With(values);

    /// <summary>Runs the command and disposes it; the number of rows changed.</summary>
    public static async Task<int> RunAsync(this NpgsqlCommand command, CancellationToken cancellationToken)
    {
        await using (command)
        {
            return await command.ExecuteNonQueryAsync(cancellationToken);
        }
    }

    /// <summary>Runs the command and disposes it; each row through <paramref name="map"/>.</summary>
    public static async IAsyncEnumerable<T> RowsAsync<T>(
        this NpgsqlCommand command, Func<NpgsqlDataReader, T> map, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using (command)
        {
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            while (await reader.ReadAsync(cancellationToken))
            {
                yield return map(reader);
            }
        }
    }

    /// <summary>The rows as a list.</summary>
    public static async Task<IReadOnlyList<T>> ListAsync<T>(
        this NpgsqlCommand command, Func<NpgsqlDataReader, T> map, CancellationToken cancellationToken)
    {
        var rows = new List<T>();
        await foreach (var row in command.RowsAsync(map, cancellationToken))
        {
            rows.Add(row);
        }

        return rows;
    }

    /// <summary>The first row, or null.</summary>
    public static async Task<T?> FirstAsync<T>(this NpgsqlCommand command, Func<NpgsqlDataReader, T> map, CancellationToken cancellationToken)
        where T : class
    {
        await foreach (var row in command.RowsAsync(map, cancellationToken))
        {
            return row;
        }

        return null;
    }

    public static string? TextOrNull(this NpgsqlDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetString(column);

    public static DateTimeOffset Time(this NpgsqlDataReader reader, int column) => reader.GetFieldValue<DateTimeOffset>(column);

    public static DateTimeOffset? TimeOrNull(this NpgsqlDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.Time(column);

    public static long? LongOrNull(this NpgsqlDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetInt64(column);

    public static double? DoubleOrNull(this NpgsqlDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetDouble(column);

    private static string? WithoutNul(Jsonb json) =>
        json.Text is { } text && text.Contains("\\u0000", StringComparison.Ordinal) ? Escapes().Replace(text, escape => escape.Length == 2 ? escape.Value : "\\uFFFD") : json.Text;

    /// <summary>JSON's escapes of a backslash, so that none of them is taken for the beginning of another, and of NUL.</summary>
    [GeneratedRegex("""\\\\|\\u0000""", RegexOptions.NonBacktracking)]
    private static partial Regex Escapes();
}
