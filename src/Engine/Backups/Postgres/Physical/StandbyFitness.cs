using Hexabase.DrConsole.Engine.Repository.Wal;
using Npgsql;
using NpgsqlTypes;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Physical;

/// <summary>
/// Whether a standby may be backed up in its server's stead: it is that server's, it still replays, and it has replayed all that the
/// server had written when the backup began. So a restore point of a standby is no older than it says.
/// </summary>
internal static class StandbyFitness
{
    private static readonly TimeSpan s_lookEvery = TimeSpan.FromMilliseconds(200);

    /// <summary>Why the standby is of no use now, in words; null where it is.</summary>
    /// <param name="source">The server, with its standby.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="EngineException">The server itself does not answer: then nobody can say how far behind its standby is.</exception>
    public static async Task<string?> FaultOfAsync(PostgresSource source, TimeProvider time, CancellationToken cancellationToken)
    {
        var standby = source.Standby!;
        var (system, isStandby, written) = await LookAsync(source, cancellationToken);
        if (isStandby)
        {
            return $"{source.Host}:{source.Port} is a standby itself";
        }

        try
        {
            var began = time.GetTimestamp();
            while (true)
            {
                var (other, replays, replayed) = await LookAsync(standby, cancellationToken);
                if (other != system)
                {
                    return $"it belongs to cluster {other}, and the source is cluster {system}";
                }

                if (!replays)
                {
                    return "it is no standby any more: it was promoted";
                }

                if (replayed >= written)
                {
                    return null;
                }

                if (time.GetElapsedTime(began) >= standby.CatchUp)
                {
                    return $"it is too far behind: after {standby.CatchUp.TotalSeconds:0} s it has replayed up to {replayed}, and the source had written up to {written}";
                }

                await Task.Delay(s_lookEvery, time, cancellationToken);
            }
        }
        catch (EngineException away)
        {
            return away.Message;
        }
    }

    private static async Task<(string System, bool IsStandby, Lsn At)> LookAsync(PostgresSource server, CancellationToken ct)
    {
        await using var connection = await server.OpenAsync(ct);
        try
        {
            await using var command = new NpgsqlCommand(
                """
                SELECT (SELECT system_identifier::text FROM pg_control_system()), pg_is_in_recovery(),
                       CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END
                """, connection);
            await using var row = await command.ExecuteReaderAsync(ct);
            await row.ReadAsync(ct);
            return (row.GetString(0), row.GetBoolean(1), new Lsn(row.IsDBNull(2) ? 0 : (ulong)row.GetFieldValue<NpgsqlLogSequenceNumber>(2)));
        }
        catch (Exception exception) when (PostgresFault.Recognises(exception))
        {
            throw PostgresFault.From(exception, server);
        }
    }
}
