using Npgsql;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Rescue;

/// <summary>A column as a copy of its table needs it.</summary>
/// <param name="Type">As the server writes it, with its modifiers.</param>
/// <param name="Collation">Quoted, where it is not the type's own; else null.</param>
internal sealed record ShapedColumn(string Name, string Type, string? Collation, bool IsNotNull)
{
    public string Quoted => SqlName.Quote(Name);

    /// <summary>The column in a <c>CREATE TABLE</c>: generated ones become plain, since their values are copied.</summary>
    public string Definition => $"{Quoted} {Type}{(Collation is null ? "" : $" COLLATE {Collation}")}{(IsNotNull ? " NOT NULL" : "")}";
}

/// <summary>What a table looks like on one server.</summary>
internal sealed record TableShape(string Schema, string Name, IReadOnlyList<ShapedColumn> Columns, IReadOnlyList<string> Key)
{
    private const string ColumnsOf =
        """
        SELECT a.attname::text, format_type(a.atttypid, a.atttypmod),
               CASE WHEN a.attcollation <> 0 AND a.attcollation <> t.typcollation THEN a.attcollation::regcollation::text END, a.attnotnull,
               coalesce(array_position(i.indkey::int2[], a.attnum), -1)
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
        WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p') ORDER BY a.attnum
        """;

    /// <summary>In messages and as a person writes it.</summary>
    public string FullName => $"{Schema}.{Name}";

    public string Quoted => SqlName.Quote(Schema, Name);

    /// <summary>Reads it; null where there is no such table.</summary>
    public static async Task<TableShape?> ReadAsync(NpgsqlConnection connection, string schema, string name, CancellationToken ct)
    {
        var columns = new List<(ShapedColumn Column, int Key)>();
        await using var command = new NpgsqlCommand(ColumnsOf, connection);
        command.Parameters.Add(new NpgsqlParameter { Value = schema });
        command.Parameters.Add(new NpgsqlParameter { Value = name });
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            columns.Add((new ShapedColumn(reader.GetString(0), reader.GetString(1), reader.IsDBNull(2) ? null : reader.GetString(2), reader.GetBoolean(3)), reader.GetInt32(4)));
        }

        return columns.Count == 0 ? null
            : new TableShape(schema, name, [.. columns.Select(one => one.Column)], [.. columns.Where(one => one.Key >= 0).OrderBy(one => one.Key).Select(one => one.Column.Name)]);
    }
}
