using Npgsql;
using NpgsqlTypes;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Physical;

/// <summary>Content facts that are true at a place in the WAL.</summary>
/// <param name="Facts">Of the tables that held still.</param>
/// <param name="Name">The named restore point, or null.</param>
/// <param name="Lsn">Where it is; null without one.</param>
/// <param name="Moving">Tables that could not be held still.</param>
/// <param name="Without">Why there is no restore point.</param>
/// <param name="Ranges">The facts by parts of tables, of those that can be told so; empty without a restore point.</param>
internal sealed record MarkedFacts(
    ContentFacts Facts, string? Name, NpgsqlLogSequenceNumber? Lsn, IReadOnlyList<string> Moving, string? Without, IReadOnlyList<TableRanges> Ranges);

/// <summary>
/// Makes a named restore point in the WAL whose content is known. A snapshot alone says nothing about a place in the WAL, so
/// for the blink of an eye all tables are locked against writers (SHARE): what the snapshot sees then is what a recovery to
/// the restore point yields. The locks go at once, the digests are computed in the exported snapshot.
/// </summary>
internal sealed class FactsAtRestorePoint(PostgresSource source)
{
    /// <summary>A writer that holds a table longer than this is not waited for: others would queue behind us.</summary>
    private const int LockPatienceMs = 300;

    /// <summary>Should this process stand still while it holds the tables, the server lets go of them.</summary>
    private const int HoldLimitMs = 5000;

    /// <summary>Nobody is kept waiting longer than this, however many tables there are.</summary>
    private static readonly TimeSpan s_allPatience = TimeSpan.FromSeconds(2);

    /// <summary>Marks and reads. Without the right to make restore points the facts are of no certain place.</summary>
    /// <param name="name">The restore point's name in the WAL.</param>
    /// <param name="time">The clock.</param>
    /// <param name="onMarked">Called when it is there and nobody is held any more, with its place; says what need not be read.</param>
    /// <param name="log">Told how much was read.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<MarkedFacts> ReadAsync(
        string name, TimeProvider time, Func<NpgsqlLogSequenceNumber?, Task<KnownTables>> onMarked, Action<string, string>? log, CancellationToken cancellationToken)
    {
        try
        {
            return await MarkAsync(name, time, onMarked, log, cancellationToken);
        }
        catch (Exception exception) when (PostgresFault.Recognises(exception))
        {
            throw PostgresFault.From(exception, source);
        }
    }

    private async Task<MarkedFacts> MarkAsync(
        string name, TimeProvider time, Func<NpgsqlLogSequenceNumber?, Task<KnownTables>> onMarked, Action<string, string>? log, CancellationToken ct)
    {
        await using var reading = await source.OpenAsync(ct);
        var lister = new ContentFactsReader(reading);
        // Before anything is read: names and types are written as these settings say.
        await ContentFactsReader.PinAsync(reading, ct);
        var tables = await lister.ListTablesAsync(ct);
        var before = await lister.ReadSequencesAsync(ct);
        // Connected before any table is held: signing in takes its time.
        await using var marking = await source.OpenAsync(ct);
        await using var second = await source.OpenAsync(ct);
        await ContentFactsReader.PinAsync(second, ct);
        await using var holding = await source.OpenAsync(ct);
        await RunAsync(
            holding,
            $"BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL lock_timeout = '{LockPatienceMs}ms'; SET LOCAL idle_in_transaction_session_timeout = '{HoldLimitMs}ms'", ct);
        var (moving, denied) = await LockAsync(holding, tables, time, ct);
        var snapshot = (string)(await ScalarAsync(holding, "SELECT pg_export_snapshot()", ct))!;
        foreach (var seeing in new[] { reading, second })
        {
            await RunAsync(seeing, $"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT {SqlName.Literal(snapshot)}", ct);
        }

        var (lsn, without) = await MarkAsync(marking, name, ct);
        await RunAsync(holding, "ROLLBACK", ct);

        var still = moving.Count == 0 ? null : tables.Where(table => !moving.Contains(table.FullName)).Select(table => table.Oid).ToHashSet();
        var known = await onMarked(lsn);
        var settled = lsn is null ? [] : tables.Where(table => (still?.Contains(table.Oid) ?? true) && !denied.Contains(table.FullName)).ToList();
        var server = (reading.PostgreSqlVersion.Major * 10000) + reading.PostgreSqlVersion.Minor;
        var ranged = new RangedFactsReader([reading, second], server);
        var (read, ranges) = await ranged.ReadAsync(settled, known, ct);
        await RunAsync(second, "COMMIT", ct);
        log?.Invoke("facts", $"{ranged.Read} parts of tables were read, {ranged.Known} are as they were in the parent restore point");
        var facts = await lister.ReadAsync(tables, still, skipUnlogged: true, before, ct, read);
        await RunAsync(reading, "COMMIT", ct);
        facts = await LookAgainAsync(reading, lister, facts, tables, denied, moving, ct);
        var after = (await lister.ReadSequencesAsync(ct)).ToDictionary(sequence => (sequence.Schema, sequence.Name));
        facts = facts with
        {
            // Sequences obey no lock: their values lie between the two looks.
            Sequences = [.. facts.Sequences.Select(sequence => after.TryGetValue((sequence.Schema, sequence.Name), out var now)
                ? sequence with { LastValueAfter = now.LastValue, IsCalledAfter = now.IsCalled }
                : sequence)],
        };
        return new MarkedFacts(facts, lsn is null ? null : name, lsn, moving, without, ranges);
    }

    private async Task<(NpgsqlLogSequenceNumber? Lsn, string? Without)> MarkAsync(NpgsqlConnection marking, string name, CancellationToken ct)
    {
        try
        {
            return ((NpgsqlLogSequenceNumber)(await ScalarAsync(marking, $"SELECT pg_create_restore_point({SqlName.Literal(name)})", ct))!, null);
        }
        catch (PostgresException refusal) when (refusal.SqlState == "42501")
        {
            return (null, $"user {source.Username} may not make a restore point (GRANT EXECUTE ON FUNCTION pg_create_restore_point TO {source.Username})");
        }
    }

    /// <summary>
    /// Tables that this user may not lock are read once more, in a snapshot after the restore point: what is equal before and
    /// after it was so at it. Others are moving.
    /// </summary>
    private static async Task<ContentFacts> LookAgainAsync(
        NpgsqlConnection reading, ContentFactsReader reader, ContentFacts facts, IReadOnlyList<ContentFactsReader.ListedTable> tables,
        HashSet<string> denied, List<string> moving, CancellationToken ct)
    {
        if (denied.Count == 0)
        {
            return facts;
        }

        await RunAsync(reading, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", ct);
        var chosen = tables.Where(table => denied.Contains(table.FullName)).Select(table => table.Oid).ToHashSet();
        var again = (await reader.ReadTablesAsync(tables, chosen, skipUnlogged: true, ct)).ToDictionary(table => table.FullName);
        await RunAsync(reading, "COMMIT", ct);
        moving.AddRange(facts.Tables.Where(table => again.TryGetValue(table.FullName, out var now) && now != table).Select(table => table.FullName));
        return facts with
        {
            Tables = [.. facts.Tables.Where(table => !moving.Contains(table.FullName))],
            AllTables = moving.Count == 0,
            // Large objects are rows of one table that nobody may lock.
            LargeObjects = moving.Count == 0 ? facts.LargeObjects : null,
        };
    }

    /// <summary>One after the other, each in a savepoint: a busy one costs only itself. Returns those that were busy, and those that this user may not lock.</summary>
    private static async Task<(List<string> Moving, HashSet<string> Denied)> LockAsync(
        NpgsqlConnection holding, IEnumerable<ContentFactsReader.ListedTable> tables, TimeProvider time, CancellationToken ct)
    {
        var (moving, denied) = (new List<string>(), new HashSet<string>(StringComparer.Ordinal));
        var began = time.GetTimestamp();
        foreach (var table in tables.Where(table => table.Persistence == "p"))
        {
            var wait = time.GetElapsedTime(began) < s_allPatience ? "" : " NOWAIT";
            try
            {
                await RunAsync(holding, $"SAVEPOINT hold; LOCK TABLE ONLY {SqlName.Quote(table.Schema, table.Name)} IN SHARE MODE{wait}; RELEASE SAVEPOINT hold", ct);
            }
            catch (PostgresException refusal) when (refusal.SqlState is "55P03" or "42501" or "42P01" or "40P01" or "42809")
            {
                await RunAsync(holding, "ROLLBACK TO SAVEPOINT hold; RELEASE SAVEPOINT hold", ct);
                if (refusal.SqlState == "42501")
                {
                    denied.Add(table.FullName);
                }
                else
                {
                    moving.Add(table.FullName);
                }
            }
        }

        return (moving, denied);
    }

    private static async Task RunAsync(NpgsqlConnection connection, string text, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(text, connection);
        await command.ExecuteNonQueryAsync(ct);
    }

    private static async Task<object?> ScalarAsync(NpgsqlConnection connection, string text, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(text, connection);
        return await command.ExecuteScalarAsync(ct);
    }
}
