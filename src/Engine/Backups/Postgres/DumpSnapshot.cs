using Npgsql;

namespace Hexabase.DrConsole.Engine.Backups.Postgres;

/// <summary>
/// The one transaction behind a logical backup: its exported snapshot is what pg_dump reads, the content facts are computed
/// in it, and its ACCESS SHARE locks keep TRUNCATE and ALTER, which ignore snapshots, from coming between the two.
/// </summary>
internal sealed class DumpSnapshot : IAsyncDisposable
{
    private const int LocksAtOnce = 200;

    private readonly NpgsqlConnection _connection;
    private readonly PostgresSource _source;
    private readonly ContentFactsReader _reader;
    private IReadOnlyList<SequenceFacts> _sequences = [];
    private IReadOnlyList<ContentFactsReader.ListedTable> _tables = [];
    private IReadOnlySet<long>? _chosen;
    private int _tablesRead;

    private DumpSnapshot(NpgsqlConnection connection, PostgresSource source)
    {
        _connection = connection;
        _source = source;
        _reader = new ContentFactsReader(connection) { OnTable = table => TablesRead = _tablesRead + 1 };
    }

    /// <summary>The name that <c>pg_dump --snapshot</c> takes.</summary>
    public string Name { get; private set; } = "";

    public int ServerMajor => _connection.PostgreSqlVersion.Major;

    public string ServerVersion => _connection.PostgreSqlVersion.ToString();

    /// <summary>True where the user may read the password verifiers of roles.</summary>
    public bool CanReadPasswords { get; private set; }

    public DumpSelection Selection { get; private set; } = new(false, false, []);

    /// <summary>How many tables' rows will be in the dump.</summary>
    public int TableCount { get; private set; }

    /// <summary>How many tables' facts have been computed so far.</summary>
    public int TablesRead { get => Volatile.Read(ref _tablesRead); private set => Volatile.Write(ref _tablesRead, value); }

    /// <summary>What the dump may be long: the size of the tables on disk, without indexes.</summary>
    public long EstimatedBytes { get; private set; }

    /// <summary>Opens the transaction, checks the source, takes the locks and exports the snapshot.</summary>
    /// <exception cref="EngineException">
    /// The server refuses or is too old (<c>server-too-old</c>), chosen tables do not exist (<c>tables-missing</c>, all of them
    /// named), or a lock is not to be had within 20 seconds (<c>table-locked</c>).
    /// </exception>
    public static async Task<DumpSnapshot> OpenAsync(PostgresSource source, CancellationToken cancellationToken)
    {
        var snapshot = new DumpSnapshot(await source.OpenAsync(cancellationToken), source);
        try
        {
            await snapshot.GuardAsync(() => snapshot.BeginAsync(cancellationToken));
            return snapshot;
        }
        catch
        {
            await snapshot.DisposeAsync();
            throw;
        }
    }

    /// <summary>Computes the facts; may run while pg_dump does.</summary>
    public async Task<ContentFacts> ReadFactsAsync(CancellationToken cancellationToken)
    {
        ContentFacts? facts = null;
        await GuardAsync(async () => facts = await _reader.ReadAsync(_tables, _chosen, Selection.WithoutUnlogged, _sequences, cancellationToken));
        return facts!;
    }

    /// <summary>The facts with the sequences' values now, when the dump has ended.</summary>
    public async Task<ContentFacts> CloseFactsAsync(ContentFacts facts, CancellationToken cancellationToken)
    {
        List<SequenceFacts> after = [];
        await GuardAsync(async () => after = await _reader.ReadSequencesAsync(cancellationToken));
        var values = after.ToDictionary(sequence => (sequence.Schema, sequence.Name));
        return facts with
        {
            Sequences = [.. facts.Sequences.Select(sequence => values.TryGetValue((sequence.Schema, sequence.Name), out var now)
                ? sequence with { LastValueAfter = now.LastValue, IsCalledAfter = now.IsCalled }
                : sequence)],
        };
    }

    public ValueTask DisposeAsync() => _connection.DisposeAsync();

    private async Task BeginAsync(CancellationToken cancellationToken)
    {
        if (_connection.PostgreSqlVersion.Major * 10000 < ContentFactsQuery.OldestServer)
        {
            throw new EngineException("server-too-old", ErrorKind.Unsupported,
                $"{_source.Address} runs PostgreSQL {_connection.PostgreSqlVersion}",
                $"version {ContentFactsQuery.OldestServer / 10000} is the oldest that is supported");
        }

        await ExecuteAsync("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL lock_timeout = '20s'", cancellationToken);
        await ContentFactsReader.PinAsync(_connection, cancellationToken);
        Name = (await _reader.QueryAsync("SELECT pg_export_snapshot()", row => row.GetString(0), cancellationToken)).Single();
        var (isStandby, canReadPasswords) = (await _reader.QueryAsync(
            "SELECT pg_is_in_recovery(), has_table_privilege('pg_catalog.pg_authid', 'SELECT')",
            row => (row.GetBoolean(0), row.GetBoolean(1)), cancellationToken)).Single();
        CanReadPasswords = canReadPasswords;
        _tables = await _reader.ListTablesAsync(cancellationToken);
        _chosen = _source.Tables.Count > 0 ? await ChooseAsync(cancellationToken) : null;
        Selection = new DumpSelection(isStandby, _chosen is not null,
            _chosen is null ? [] : [.. _tables.Where(table => !_chosen.Contains(table.Oid)).Select(table => (table.Schema, table.Name))]);
        var dumped = _tables.Where(table => _chosen?.Contains(table.Oid) ?? true).ToList();
        TableCount = dumped.Count;
        await LockAsync(dumped, cancellationToken);
        _sequences = await _reader.ReadSequencesAsync(cancellationToken);
        EstimatedBytes = (await _reader.QueryAsync(
            "SELECT coalesce(sum(pg_table_size(oid::oid)), 0)::bigint FROM unnest($1::bigint[]) AS oid",
            row => row.GetInt64(0), cancellationToken, dumped.Select(table => table.Oid).ToArray())).Single();
    }

    private async Task<HashSet<long>> ChooseAsync(CancellationToken cancellationToken)
    {
        var wanted = _source.Tables.Select(SqlName.ParseTable).ToArray();
        var found = await _reader.QueryAsync(
            ContentFactsQuery.ChosenTables, row => (Position: row.GetInt64(0), Oid: row.IsDBNull(1) ? (long?)null : row.GetInt64(1)),
            cancellationToken, wanted.Select(table => table.Schema).ToArray(), wanted.Select(table => table.Name).ToArray());
        var missing = found.Where(table => table.Oid is null).Select(table => _source.Tables[(int)table.Position - 1]).ToList();
        return missing.Count == 0
            ? [.. found.Select(table => table.Oid!.Value)]
            : throw new EngineException("tables-missing", ErrorKind.Input,
                $"{_source.Address} has no table {string.Join(", ", missing)}",
                "correct the source's Tables; write schema.table, with double quotes around names that have capitals or dots")
            {
                Context = new Dictionary<string, string> { ["tables"] = string.Join(',', missing) },
            };
    }

    private async Task LockAsync(IEnumerable<ContentFactsReader.ListedTable> tables, CancellationToken cancellationToken)
    {
        foreach (var some in tables.Chunk(LocksAtOnce))
        {
            var names = string.Join(", ", some.Select(table => $"ONLY {SqlName.Quote(table.Schema, table.Name)}"));
            await ExecuteAsync($"LOCK TABLE {names} IN ACCESS SHARE MODE", cancellationToken);
        }
    }

    private async Task ExecuteAsync(string text, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(text, _connection);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    private async Task GuardAsync(Func<Task> work)
    {
        try
        {
            await work();
        }
        catch (Exception exception) when (PostgresFault.Recognises(exception))
        {
            throw PostgresFault.From(exception, _source);
        }
    }
}
