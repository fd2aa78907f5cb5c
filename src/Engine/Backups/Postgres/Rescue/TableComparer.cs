using System.Globalization;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Rescue;

/// <summary>
/// Compares a table in a recovered copy with the living one: both sides send digests of keys and rows in the same order, and
/// the two streams are merged, so that nothing but what differs is kept here. Keys of rows that only the past has go into a
/// temporary table of the copy, from which they can be copied later.
/// </summary>
/// <remarks>All connections are pinned (<see cref="ContentFactsReader.PinAsync"/>), so that both sides write values alike and types with their schemas.</remarks>
/// <param name="past">The copy, as its superuser; keeps the temporary table for as long as it is open.</param>
/// <param name="reader">A second connection to the copy.</param>
/// <param name="live">The source.</param>
internal sealed class TableComparer(NpgsqlConnection past, NpgsqlConnection reader, NpgsqlConnection live)
{
    /// <summary>Digests of the keys that only the past has.</summary>
    public const string MissingKeys = "pg_temp.drconsole_missing";

    private const int MostExamples = 100;
    private const int LongestValue = 200;
    private readonly Dictionary<string, List<string>> _examples = new(StringComparer.Ordinal)
    {
        [RowStates.OnlyPast] = [], [RowStates.OnlyLive] = [], [RowStates.Changed] = [],
    };

    /// <summary>The columns whose digest tells rows apart: the primary key, or all that both sides have. Known after the comparison.</summary>
    public IReadOnlyList<string> ComparedBy { get; private set; } = [];

    /// <summary>Some columns of a row as one digest.</summary>
    public static string DigestOf(IReadOnlyList<string> columns) => $"md5(ROW({Columns(columns)})::text)";

    /// <summary>Compares.</summary>
    /// <param name="then">The table in the copy.</param>
    /// <param name="now">The living one, or null.</param>
    /// <param name="progress">Told rows.</param>
    /// <param name="ct">Ends it.</param>
    public async Task<TableDifference> CompareAsync(TableShape then, TableShape? now, IProgress<TransferProgress>? progress, CancellationToken ct)
    {
        await ExecuteAsync(past, $"CREATE TEMPORARY TABLE {MissingKeys["pg_temp.".Length..]} (key text NOT NULL)", ct);
        var common = then.Columns.Where(column => now?.Columns.Any(other => other.Name == column.Name) != false).Select(column => column.Name).ToList();
        var hasKey = then.Key.Count > 0 && (now is null || now.Key.SequenceEqual(then.Key));
        var key = ComparedBy = hasKey ? then.Key : common;
        var counts = await MergeAsync(then, now, key, common, hasKey, progress, ct);
        return new TableDifference(
            then.FullName, hasKey ? then.Key : [], now is not null, counts.Past, counts.Live, counts.OnlyPast, counts.OnlyLive, counts.Changed,
            [.. then.Columns.Select(column => column.Name).Except(common)], now is null ? [] : [.. now.Columns.Select(column => column.Name).Except(common)],
            await ExamplesAsync(then, now, key, common, ct));
    }

    private async Task<(long Past, long Live, long OnlyPast, long OnlyLive, long Changed)> MergeAsync(
        TableShape then, TableShape? now, IReadOnlyList<string> key, IReadOnlyList<string> common, bool hasKey, IProgress<TransferProgress>? progress, CancellationToken ct)
    {
        await using var missing = await past.BeginTextImportAsync($"COPY {MissingKeys} FROM STDIN", ct);
        await using var pastRows = await DigestsAsync(reader, then, key, common, hasKey, ct);
        await using var liveRows = now is null ? null : await DigestsAsync(live, now, key, common, hasKey, ct);
        var (pastCount, liveCount, onlyPast, onlyLive, changed) = (0L, 0L, 0L, 0L, 0L);
        var (hasPast, hasLive) = (await pastRows.ReadAsync(ct), liveRows is not null && await liveRows.ReadAsync(ct));
        while (hasPast || hasLive)
        {
            var order = !hasPast ? 1 : !hasLive ? -1 : string.CompareOrdinal(pastRows.GetString(0), liveRows!.GetString(0));
            if (order < 0)
            {
                onlyPast++;
                Note(RowStates.OnlyPast, pastRows.GetString(0));
                await missing.WriteAsync(pastRows.GetString(0).AsMemory(), ct);
                await missing.WriteAsync("\n".AsMemory(), ct);
            }
            else if (order > 0)
            {
                onlyLive++;
                Note(RowStates.OnlyLive, liveRows!.GetString(0));
            }
            else if (pastRows.GetString(1) != liveRows!.GetString(1))
            {
                changed++;
                Note(RowStates.Changed, pastRows.GetString(0));
            }

            (pastCount, liveCount) = (pastCount + (order <= 0 ? 1 : 0), liveCount + (order >= 0 ? 1 : 0));
            if ((pastCount + liveCount) % 10_000 == 0)
            {
                progress?.Report(new TransferProgress("compare", pastCount + liveCount, null, 0, null));
            }

            hasPast = order <= 0 ? await pastRows.ReadAsync(ct) : hasPast;
            hasLive = order >= 0 ? await liveRows!.ReadAsync(ct) : hasLive;
        }

        return (pastCount, liveCount, onlyPast, onlyLive, changed);
    }

    /// <summary>Digests are ASCII, so that both servers and this merge sort them alike, whatever their collations.</summary>
    private static async Task<NpgsqlDataReader> DigestsAsync(
        NpgsqlConnection connection, TableShape shape, IReadOnlyList<string> key, IReadOnlyList<string> common, bool hasKey, CancellationToken ct)
    {
        var row = hasKey ? DigestOf(common) : "''";
        await using var command = new NpgsqlCommand($"SELECT {DigestOf(key)} COLLATE \"C\" AS k, {row} FROM {shape.Quoted} ORDER BY k", connection) { CommandTimeout = 0 };
        return await command.ExecuteReaderAsync(ct);
    }

    private void Note(string state, string key)
    {
        if (_examples[state].Count < MostExamples)
        {
            _examples[state].Add(key);
        }
    }

    private async Task<IReadOnlyList<RowDifference>> ExamplesAsync(TableShape then, TableShape? now, IReadOnlyList<string> key, IReadOnlyList<string> common, CancellationToken ct)
    {
        var pastRows = await RowsAsync(past, then, key, common, [.. _examples[RowStates.OnlyPast], .. _examples[RowStates.Changed]], ct);
        var liveRows = now is null ? [] : await RowsAsync(live, now, key, common, [.. _examples[RowStates.OnlyLive], .. _examples[RowStates.Changed]], ct);
        var rows = new List<RowDifference>();
        foreach (var (state, digests) in _examples)
        {
            rows.AddRange(digests.Where(digest => pastRows.ContainsKey(digest) || liveRows.ContainsKey(digest)).Select(digest =>
            {
                var (before, after) = (pastRows.GetValueOrDefault(digest), liveRows.GetValueOrDefault(digest));
                var changed = state != RowStates.Changed || before is null || after is null ? [] : common.Select((column, at) => new ValueDifference(column, Cut(before.Values[at]), Cut(after.Values[at])))
                    .Where((_, at) => before.Values[at] != after.Values[at]).ToList();
                return new RowDifference(state, Cut((before ?? after)!.Key)!, changed);
            }).OrderBy(row => row.Key, StringComparer.Ordinal));
        }

        return rows;
    }

    private static async Task<Dictionary<string, ShownRow>> RowsAsync(
        NpgsqlConnection connection, TableShape shape, IReadOnlyList<string> key, IReadOnlyList<string> common, string[] digests, CancellationToken ct)
    {
        var rows = new Dictionary<string, ShownRow>(StringComparer.Ordinal);
        if (digests.Length == 0)
        {
            return rows;
        }

        var values = string.Join(", ", common.Select(column => $"{SqlName.Quote(column)}::text"));
        await using var command = new NpgsqlCommand(
            $"SELECT {DigestOf(key)}, ROW({Columns(key)})::text, {values} FROM {shape.Quoted} WHERE {DigestOf(key)} = ANY ($1)", connection) { CommandTimeout = 0 };
        command.Parameters.Add(new NpgsqlParameter { Value = digests });
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            rows[reader.GetString(0)] = new ShownRow(reader.GetString(1), [.. Enumerable.Range(2, common.Count).Select(at => reader.IsDBNull(at) ? null : reader.GetString(at))]);
        }

        return rows;
    }

    private sealed record ShownRow(string Key, string?[] Values);

    private static string Columns(IEnumerable<string> names) => string.Join(", ", names.Select(SqlName.Quote));

    private static string? Cut(string? text) => text is { Length: > LongestValue } ? string.Create(CultureInfo.InvariantCulture, $"{text[..LongestValue]}…") : text;

    private static async Task ExecuteAsync(NpgsqlConnection connection, string text, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(text, connection);
        await command.ExecuteNonQueryAsync(ct);
    }
}
