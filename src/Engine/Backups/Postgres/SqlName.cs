namespace Hexabase.DrConsole.Engine.Backups.Postgres;

/// <summary>Quoting of names and texts for statements that take no parameters.</summary>
internal static class SqlName
{
    /// <summary>An identifier in double quotes, whatever it holds.</summary>
    public static string Quote(string name) => $"\"{name.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";

    /// <summary>A schema-qualified name in double quotes. pg_dump reads the same spelling as a pattern that matches literally.</summary>
    public static string Quote(string schema, string name) => $"{Quote(schema)}.{Quote(name)}";

    /// <summary>A text literal, right with standard_conforming_strings on, which the server's sessions of this room have.</summary>
    public static string Literal(string text) => $"'{text.Replace("'", "''", StringComparison.Ordinal)}'";

    /// <summary>Reads <c>table</c>, <c>schema.table</c> or <c>"Any schema"."Any table"</c>; without a schema it is <c>public</c>.</summary>
    public static (string Schema, string Name) ParseTable(string text)
    {
        var parts = new List<string>();
        var part = new System.Text.StringBuilder();
        var quoted = false;
        for (var i = 0; i < text.Length; i++)
        {
            var c = text[i];
            if (c == '"' && quoted && i + 1 < text.Length && text[i + 1] == '"')
            {
                part.Append('"');
                i++;
            }
            else if (c == '"')
            {
                quoted = !quoted;
            }
            else if (c == '.' && !quoted && parts.Count == 0)
            {
                parts.Add(part.ToString());
                part.Clear();
            }
            else
            {
                part.Append(c);
            }
        }

        parts.Add(part.ToString());
        return parts.Count == 2 ? (parts[0], parts[1]) : ("public", parts[0]);
    }
}
