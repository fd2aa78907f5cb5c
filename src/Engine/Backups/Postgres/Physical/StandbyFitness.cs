using Hexabase.DrConsole.Engine.Repository.Wal;
using Npgsql;
using NpgsqlTypes;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Physical;

/// <summary>
/// Whether a standby may be backed up in its server's stead: it is that server's, it still replays, and it has replayed all that the
/// server had written when the backup began. So a restore point of a standby is no older than it says. Where the WAL has a gap, its backup
/// must also begin behind that: replay begins at a standby's last restart point, which may be minutes behind what it has replayed.
/// </summary>
internal static class StandbyFitness
{
    private static readonly TimeSpan s_lookEvery = TimeSpan.FromMilliseconds(200);

    /// <summary>Why the standby is of no use now, in words; null where it is.</summary>
    /// <param name="source">The server, with its standby.</param>
    /// <param name="gaps">The open gaps in WAL, of any cluster.</param>
    /// <param name="time">The clock.</param>
    /// <param name="log">Told a phase and a line of text.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="EngineException">The server itself does not answer: then nobody can say how far behind its standby is.</exception>
    public static async Task<string?> FaultOfAsync(
        PostgresSource source, IReadOnlyList<WalGapEnd> gaps, TimeProvider time, Action<string, string>? log, CancellationToken cancellationToken)
    {
        var standby = source.Standby!;
        var (system, isStandby, written, begins) = await LookAsync(source, cancellationToken);
        var behind = gaps.Where(gap => gap.SystemIdentifier == system).Select(gap => gap.EndLsn.Value).DefaultIfEmpty().Max();
        if (isStandby)
        {
            return $"{source.Host}:{source.Port} is a standby itself";
        }

        if (begins.Value < behind)
        {
            // The standby's restart points are at checkpoints of the server, and none has been behind the gap yet.
            await CheckpointAsync(source, log, cancellationToken);
            written = (await LookAsync(source, cancellationToken)).At;
        }

        try
        {
            var began = time.GetTimestamp();
            var isAsked = false;
            while (true)
            {
                var (other, replays, replayed, restarts) = await LookAsync(standby, cancellationToken);
                if (other != system)
                {
                    return $"it belongs to cluster {other}, and the source is cluster {system}";
                }

                if (!replays)
                {
                    return "it is no standby any more: it was promoted";
                }

                if (replayed >= written && restarts.Value >= behind)
                {
                    return null;
                }

                if (replayed >= written && !isAsked)
                {
                    isAsked = true;
                    await CheckpointAsync(standby, log, cancellationToken);
                    continue;
                }

                if (time.GetElapsedTime(began) >= standby.CatchUp)
                {
                    return replayed >= written
                        ? $"after {standby.CatchUp.TotalSeconds:0} s its backup would still begin at {restarts}, before {new Lsn(behind)}, where WAL that is stored nowhere ends: it would not end that gap"
                        : $"it is too far behind: after {standby.CatchUp.TotalSeconds:0} s it has replayed up to {replayed}, and the source had written up to {written}";
                }

                await Task.Delay(s_lookEvery, time, cancellationToken);
            }
        }
        catch (EngineException away)
        {
            return away.Message;
        }
    }

    /// <summary>Asks for a checkpoint, of a standby for a restart point. A role that may not waits for one that comes by itself.</summary>
    private static async Task CheckpointAsync(PostgresSource server, Action<string, string>? log, CancellationToken ct)
    {
        await using var connection = await server.OpenAsync(ct);
        try
        {
            await using var command = new NpgsqlCommand("CHECKPOINT", connection);
            await command.ExecuteNonQueryAsync(ct);
            log?.Invoke("preflight", $"asked {server.Address} for a checkpoint, so that the backup begins behind the gap in the WAL");
        }
        catch (PostgresException refusal) when (refusal.SqlState == PostgresErrorCodes.InsufficientPrivilege)
        {
            log?.Invoke("preflight", $"the role may ask {server.Address} for no checkpoint (pg_checkpoint); waiting for the next one, so that the backup begins behind the gap in the WAL");
        }
        catch (Exception exception) when (PostgresFault.Recognises(exception))
        {
            throw PostgresFault.From(exception, server);
        }
    }

    private static async Task<(string System, bool IsStandby, Lsn At, Lsn Redo)> LookAsync(PostgresSource server, CancellationToken ct)
    {
        await using var connection = await server.OpenAsync(ct);
        try
        {
            await using var command = new NpgsqlCommand(
                """
                SELECT (SELECT system_identifier::text FROM pg_control_system()), pg_is_in_recovery(),
                       CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END,
                       (SELECT redo_lsn FROM pg_control_checkpoint())
                """, connection);
            await using var row = await command.ExecuteReaderAsync(ct);
            await row.ReadAsync(ct);
            return (
                row.GetString(0), row.GetBoolean(1), new Lsn(row.IsDBNull(2) ? 0 : (ulong)row.GetFieldValue<NpgsqlLogSequenceNumber>(2)),
                new Lsn((ulong)row.GetFieldValue<NpgsqlLogSequenceNumber>(3)));
        }
        catch (Exception exception) when (PostgresFault.Recognises(exception))
        {
            throw PostgresFault.From(exception, server);
        }
    }
}
