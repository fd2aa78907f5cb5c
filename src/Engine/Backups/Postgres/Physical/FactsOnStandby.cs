using Npgsql;
using NpgsqlTypes;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Physical;

/// <summary>
/// Content facts of a standby at a place in the WAL. Nothing can be written there, no restore point and no lock; but replay can
/// be paused for an instant: a snapshot that is taken meanwhile sees exactly what the WAL up to that place yields. The backup's
/// WAL is cut there, so that whoever replays all of it gets the same.
/// </summary>
internal sealed class FactsOnStandby(PostgresSource source)
{
    private const string Begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
    private const string State = "SELECT pg_get_wal_replay_pause_state()";
    private const string Running = "not paused";

    /// <summary>
    /// Sent at once and each executed whatever the others do, so that a process that dies here leaves no standby paused.
    /// PostgreSQL pauses between two records, which takes as long as the one that it is at.
    /// </summary>
    private static readonly string[] s_mark =
    [
        """
        DO $$
        BEGIN
          PERFORM pg_wal_replay_pause();
          FOR i IN 1..200 LOOP
            EXIT WHEN pg_get_wal_replay_pause_state() = 'paused';
            PERFORM pg_sleep(0.01);
          END LOOP;
        END $$
        """,
        Begin,
        "SELECT pg_get_wal_replay_pause_state(), pg_last_wal_replay_lsn()",
    ];

    private const string Resume = "SELECT pg_wal_replay_resume()";

    /// <summary>Pauses, looks, lets replay go on, and reads what was seen.</summary>
    /// <param name="stop">Where the files are consistent; the facts must not be of an earlier place.</param>
    /// <param name="onMarked">Called with the place before anything is read.</param>
    /// <param name="ct">Ends it.</param>
    public async Task<MarkedFacts> ReadAsync(NpgsqlLogSequenceNumber stop, Func<NpgsqlLogSequenceNumber?, Task<KnownTables>> onMarked, CancellationToken ct)
    {
        await using var connection = await source.OpenAsync(ct);
        await ContentFactsReader.PinAsync(connection, ct);
        var reader = new ContentFactsReader(connection);
        var (lsn, without) = await MarkAsync(connection, ct);
        if (lsn is { } place && place < stop)
        {
            (lsn, without) = (null, $"the standby had replayed to {place} only, and the files are consistent at {stop}");
        }

        await onMarked(lsn);
        try
        {
            // Listed in the snapshot: without locks a table may be gone or another by now.
            var tables = await reader.ListTablesAsync(ct);
            var facts = await reader.ReadAsync(tables, null, skipUnlogged: true, await reader.ReadSequencesAsync(ct), ct);
            await using var end = new NpgsqlCommand("COMMIT", connection);
            await end.ExecuteNonQueryAsync(ct);
            return new MarkedFacts(facts, null, lsn, [], without, []);
        }
        catch (PostgresException conflict) when (conflict.SqlState is "40001" or "40P01" or "42P01")
        {
            throw new EngineException("standby-conflict", ErrorKind.Unavailable,
                $"{source.Address} needed what the backup was reading to replay on: {conflict.MessageText}",
                "set hot_standby_feedback = on on the standby, or a longer max_standby_streaming_delay; or take the backup at a calmer time", conflict) { IsTransient = true };
        }
    }

    private async Task<(NpgsqlLogSequenceNumber? Lsn, string? Without)> MarkAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        await using var may = new NpgsqlCommand(
            "SELECT has_function_privilege('pg_wal_replay_pause()', 'EXECUTE') AND has_function_privilege('pg_wal_replay_resume()', 'EXECUTE')", connection);
        if (await may.ExecuteScalarAsync(ct) is not true)
        {
            await using var begin = new NpgsqlCommand(Begin, connection);
            await begin.ExecuteNonQueryAsync(ct);
            return (null, $"it was taken from a standby, and user {source.Username} may not pause its replay for an instant "
                + $"(GRANT EXECUTE ON FUNCTION pg_wal_replay_pause(), pg_wal_replay_resume() TO {source.Username})");
        }

        // A replay that somebody else paused stays paused.
        var isOurs = await StateAsync(connection, ct) == Running;
        (string State, NpgsqlLogSequenceNumber Lsn) marked;
        try
        {
            // Not cancelled: a cancel between pause and resume would leave the standby paused, and it takes two seconds at most.
            marked = await MarkAsync(connection, isOurs);
        }
        catch (Exception exception) when (exception is NpgsqlException or TimeoutException && isOurs)
        {
            await ResumeAsync();
            throw;
        }

        ct.ThrowIfCancellationRequested();
        return marked.State == "paused" ? (marked.Lsn, null) : (null, "the standby did not pause its replay within two seconds");
    }

    private static async Task<(string State, NpgsqlLogSequenceNumber Lsn)> MarkAsync(NpgsqlConnection connection, bool isOurs)
    {
        await using var batch = new NpgsqlBatch(connection) { EnableErrorBarriers = true };
        foreach (var text in isOurs ? [.. s_mark, Resume] : s_mark)
        {
            batch.BatchCommands.Add(new NpgsqlBatchCommand(text));
        }

        await using var rows = await batch.ExecuteReaderAsync(CancellationToken.None);
        await rows.ReadAsync(CancellationToken.None);
        var marked = (rows.GetString(0), rows.GetFieldValue<NpgsqlLogSequenceNumber>(1));
        // To the end: a replay that does not go on again must not go unnoticed.
        while (await rows.NextResultAsync(CancellationToken.None))
        {
        }

        return marked;
    }

    /// <summary>A statement of the mark failed, and nobody knows which came after it: the connection may be in a failed transaction, or gone.</summary>
    private async Task ResumeAsync()
    {
        await using var connection = await source.OpenAsync(CancellationToken.None);
        if (await StateAsync(connection, CancellationToken.None) != Running)
        {
            await using var resume = new NpgsqlCommand(Resume, connection);
            await resume.ExecuteNonQueryAsync(CancellationToken.None);
        }
    }

    private static async Task<string?> StateAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(State, connection);
        return (string?)await command.ExecuteScalarAsync(ct);
    }
}
