using System.Security.Cryptography;
using System.Text;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Backups.Postgres;

/// <summary>
/// Reads <see cref="ContentFacts"/> over one connection. Where the connection's transaction has a snapshot, everything but
/// the sequences is of that snapshot.
/// </summary>
/// <param name="connection">Open; its session's settings are pinned by <see cref="PinAsync"/> first.</param>
internal sealed class ContentFactsReader(NpgsqlConnection connection)
{
    private const int SequencesAtOnce = 200;

    private readonly int _server = connection.PostgreSqlVersion.Major * 10000 + connection.PostgreSqlVersion.Minor;

    /// <summary>Called after each table with its name and rows, for progress.</summary>
    public Action<TableFacts>? OnTable { get; init; }

    /// <summary>
    /// Facts of a whole database in a transaction of their own: how a restored database is read. Without unlogged tables
    /// where it was restored from files and WAL, which empties them.
    /// </summary>
    public static async Task<ContentFacts> ReadDatabaseAsync(
        NpgsqlConnection connection, IReadOnlyCollection<string>? onlyTables, Action<TableFacts>? onTable, CancellationToken cancellationToken,
        bool skipUnlogged = false)
    {
        await using var transaction = await connection.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead, cancellationToken);
        await PinAsync(connection, cancellationToken);
        var reader = new ContentFactsReader(connection) { OnTable = onTable };
        var tables = await reader.ListTablesAsync(cancellationToken);
        var chosen = onlyTables is null ? null : tables.Where(table => onlyTables.Contains(table.FullName)).Select(table => table.Oid).ToHashSet();
        var sequences = await reader.ReadSequencesAsync(cancellationToken);
        return await reader.ReadAsync(tables, chosen, skipUnlogged, sequences, cancellationToken);
    }

    /// <summary>Pins what decides how values are written as text, for this session.</summary>
    public static async Task PinAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        var text = string.Join(", ", ContentFactsQuery.PinnedSettings.Select(
            setting => $"set_config({SqlName.Literal(setting.Name)}, {SqlName.Literal(setting.Value)}, false)"));
        await using var command = new NpgsqlCommand($"SELECT {text}", connection);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>A table as the catalog lists it, before its rows are read. It hashes exactly where <see cref="DigestMethod.Record"/> is exact for it.</summary>
    internal sealed record ListedTable(
        long Oid, string Schema, string Name, string Persistence, string Tablespace, string Columns, bool HashesExactly)
    {
        public string FullName => $"{Schema}.{Name}";
    }

    public Task<List<ListedTable>> ListTablesAsync(CancellationToken cancellationToken) => QueryAsync(
        ContentFactsQuery.Tables,
        row => new ListedTable(row.GetInt64(0), row.GetString(1), row.GetString(2), row.GetString(3), row.GetString(4), row.GetString(5), row.GetBoolean(6)),
        cancellationToken);

    /// <summary>Sequences with their values now in both places of <see cref="SequenceFacts"/>.</summary>
    public async Task<List<SequenceFacts>> ReadSequencesAsync(CancellationToken cancellationToken)
    {
        var listed = await QueryAsync(ContentFactsQuery.Sequences, row => (row.GetString(0), row.GetString(1), row.GetInt64(2)), cancellationToken);
        var facts = new List<SequenceFacts>(listed.Count);
        foreach (var some in listed.Chunk(SequencesAtOnce))
        {
            var values = await QueryAsync(
                ContentFactsQuery.SequenceValues([.. some.Select(sequence => (sequence.Item1, sequence.Item2))]),
                row => (row.GetInt32(0), row.GetInt64(1), row.GetBoolean(2)), cancellationToken);
            facts.AddRange(values.OrderBy(value => value.Item1).Select(value => new SequenceFacts(
                some[value.Item1].Item1, some[value.Item1].Item2, some[value.Item1].Item3, value.Item2, value.Item3, value.Item2, value.Item3)));
        }

        return facts;
    }

    /// <summary>Everything. Rows of tables that are not chosen are not read and not listed.</summary>
    /// <param name="tables">What <see cref="ListTablesAsync"/> gave.</param>
    /// <param name="chosen">OIDs of chosen tables, or null for all.</param>
    /// <param name="skipUnlogged">True on a standby, which cannot read unlogged tables.</param>
    /// <param name="sequences">Values read before the dump.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <param name="known">Facts of tables that were read otherwise, by OID.</param>
    public async Task<ContentFacts> ReadAsync(
        IReadOnlyList<ListedTable> tables, IReadOnlySet<long>? chosen, bool skipUnlogged, IReadOnlyList<SequenceFacts> sequences,
        CancellationToken cancellationToken, IReadOnlyDictionary<long, TableFacts>? known = null)
    {
        var facts = await ReadDatabaseRowAsync(cancellationToken);
        var rows = await ReadTablesAsync(tables, chosen, skipUnlogged, cancellationToken, known);
        var settings = await QueryAsync(ContentFactsQuery.Settings, row => (row.IsDBNull(0) ? null : row.GetString(0), row.GetString(1)), cancellationToken);
        return facts with
        {
            AllTables = chosen is null,
            Tables = rows,
            Sequences = sequences,
            LargeObjects = chosen is null ? await ReadLargeObjectsAsync(cancellationToken) : null,
            Extensions = await QueryAsync(ContentFactsQuery.Extensions, row => new ExtensionFacts(row.GetString(0), row.GetString(1)), cancellationToken),
            Structure = await ReadStructureAsync(cancellationToken),
            Roles = await QueryAsync(StructureQuery.RolesText, row => row.GetString(0), cancellationToken),
            Tablespaces = await QueryAsync(ContentFactsQuery.Tablespaces, row => row.GetString(0), cancellationToken),
            Settings = [.. settings.Select(setting => setting.Item2.Split('=', 2) is [var name, var value]
                ? new DatabaseSetting(setting.Item1, name, value)
                : new DatabaseSetting(setting.Item1, setting.Item2, ""))],
            Grants = await QueryAsync(
                ContentFactsQuery.Grants,
                row => new DatabaseGrant(row.IsDBNull(0) ? null : row.GetString(0), row.GetString(1), row.GetBoolean(2)), cancellationToken),
            DanglingForeignKeys = chosen is null ? [] : await QueryAsync(
                ContentFactsQuery.DanglingForeignKeys,
                row => new DanglingForeignKey(row.GetString(0), row.GetString(1), row.GetString(2)), cancellationToken, chosen.ToArray()),
        };
    }

    /// <summary>The facts of tables alone; of those that are known nothing is read.</summary>
    public async Task<List<TableFacts>> ReadTablesAsync(
        IReadOnlyList<ListedTable> tables, IReadOnlySet<long>? chosen, bool skipUnlogged, CancellationToken cancellationToken,
        IReadOnlyDictionary<long, TableFacts>? known = null)
    {
        var rows = new List<TableFacts>();
        foreach (var table in tables.Where(table => chosen?.Contains(table.Oid) ?? true))
        {
            var read = known?.GetValueOrDefault(table.Oid) ?? await ReadTableAsync(table, skipUnlogged, cancellationToken);
            rows.Add(read);
            OnTable?.Invoke(read);
        }

        return rows;
    }

    /// <summary>How a table's rows are reduced on a server of that version.</summary>
    public static DigestMethod MethodFor(ListedTable table, int server) =>
        table.HashesExactly && ContentFactsQuery.HasRecordHash(server) ? DigestMethod.Record : DigestMethod.Text;

    private async Task<TableFacts> ReadTableAsync(ListedTable table, bool skipUnlogged, CancellationToken cancellationToken)
    {
        var persistence = table.Persistence == "u" ? "unlogged" : "permanent";
        if (skipUnlogged && table.Persistence == "u")
        {
            return new TableFacts(table.Schema, table.Name, 0, "0", DigestMethod.None, table.Columns, persistence);
        }

        var method = MethodFor(table, _server);
        var (count, digest) = await SingleAsync(
            ContentFactsQuery.Digest(table.Schema, table.Name, method), row => (row.GetInt64(0), row.GetString(1)), cancellationToken);
        return new TableFacts(table.Schema, table.Name, count, digest, method, table.Columns, persistence);
    }

    private Task<ContentFacts> ReadDatabaseRowAsync(CancellationToken cancellationToken) => SingleAsync(
        ContentFactsQuery.Database(_server),
        row => new ContentFacts
        {
            Version = ContentFacts.CurrentVersion,
            Database = row.GetString(0),
            ServerVersion = row.GetString(1),
            ServerVersionNumber = _server,
            Owner = row.GetString(2),
            Locale = new DatabaseLocale(row.GetString(3), row.GetString(4), row.GetString(5), row.GetString(6),
                row.IsDBNull(7) ? null : row.GetString(7), row.IsDBNull(8) ? null : row.GetString(8)),
            TakenAt = row.GetFieldValue<DateTimeOffset>(9),
            DatabaseBytes = row.GetInt64(10),
            AllTables = true,
            Tables = [],
            Sequences = [],
            LargeObjects = null,
            Extensions = [],
            Structure = [],
            Roles = [],
            Tablespaces = [],
            Settings = [],
            Grants = [],
            DanglingForeignKeys = [],
        }, cancellationToken);

    private Task<LargeObjectFacts> ReadLargeObjectsAsync(CancellationToken cancellationToken) => SingleAsync(
        ContentFactsQuery.LargeObjects, row => new LargeObjectFacts(row.GetInt64(0), row.GetInt64(1), row.GetString(2)), cancellationToken);

    private async Task<List<StructureFacts>> ReadStructureAsync(CancellationToken cancellationToken)
    {
        var names = await QueryAsync(StructureQuery.Text, row => (Kind: row.GetString(0), Name: row.GetString(1)), cancellationToken);
        return [.. names.GroupBy(name => name.Kind, name => name.Name, StringComparer.Ordinal)
            .OrderBy(kind => kind.Key, StringComparer.Ordinal).Select(kind => Fold(kind.Key, kind))];
    }

    private static StructureFacts Fold(string kind, IEnumerable<string> names)
    {
        var sorted = names.Order(StringComparer.Ordinal).ToArray();
        var digest = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', sorted))))[..16];
        return new StructureFacts(kind, sorted.Length, digest, sorted.Length <= StructureFacts.MaximumNames ? sorted : null);
    }

    private async Task<T> SingleAsync<T>(string text, Func<NpgsqlDataReader, T> read, CancellationToken cancellationToken) =>
        (await QueryAsync(text, read, cancellationToken)).Single();

    internal async Task<List<T>> QueryAsync<T>(
        string text, Func<NpgsqlDataReader, T> read, CancellationToken cancellationToken, params object[] parameters)
    {
        await using var command = new NpgsqlCommand(text, connection);
        foreach (var parameter in parameters)
        {
            command.Parameters.Add(new NpgsqlParameter { Value = parameter });
        }

        var rows = new List<T>();
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            rows.Add(read(reader));
        }

        return rows;
    }
}
