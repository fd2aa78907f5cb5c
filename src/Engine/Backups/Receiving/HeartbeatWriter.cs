using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Catalog;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Backups.Receiving;

/// <summary>
/// Writes a source's heartbeat while this process holds the lease on receiving its WAL. Times in which none was written are
/// noted in the catalog when the next one is, also those in which no console ran: the row itself says when the last one was.
/// </summary>
internal sealed class HeartbeatWriter(PostgresSource server, string source, TimeSpan every, ReceiverLease lease, TimeProvider time, ILogger log)
{
    private string? _told;
    private bool _hasTold;
    private DateTimeOffset? _last;

    /// <summary>Writes until the lease is lost or it is cancelled.</summary>
    /// <exception cref="Postgres.Wal.WalFenceException">The lease is lost.</exception>
    public async Task RunAsync(CancellationToken ct)
    {
        using var timer = new PeriodicTimer(every, time);
        NpgsqlConnection? connection = null;
        try
        {
            do
            {
                await lease.RequireAsync(ct);
                connection = await BeatAsync(connection, ct);
            }
            while (await timer.WaitForNextTickAsync(ct));
        }
        finally
        {
            await CloseAsync(connection);
        }
    }

    private async Task<NpgsqlConnection?> BeatAsync(NpgsqlConnection? connection, CancellationToken ct)
    {
        try
        {
            connection ??= await OpenAsync(ct);
            var (at, before) = await HeartbeatTable.WriteAsync(connection, source, every, ct);
            var gap = before is { } last ? at - last : (TimeSpan?)null;
            if (gap is null || gap > HeartbeatTable.LongestGap(every))
            {
                // Without a row it is the first one ever, or the row was lost: then the time without begins at the last that is known.
                await lease.CommitAsync(transaction => DrillCatalog.RecordLapseAsync(transaction, source, before ?? _last, at, ct), ct);
            }

            _last = at;

            await TellAsync(null, ct);
            return connection;
        }
        catch (NpgsqlException fault)
        {
            await CloseAsync(connection);
            await TellAsync(HeartbeatTable.Explain(fault), ct);
        }
        catch (EngineException fault)
        {
            await CloseAsync(connection);
            await TellAsync(fault.Message, ct);
        }

        return null;
    }

    private async Task<NpgsqlConnection> OpenAsync(CancellationToken ct)
    {
        const int ShortestPatienceSeconds = 5;
        var patience = Math.Max(ShortestPatienceSeconds, (int)every.TotalSeconds);
        var settings = new NpgsqlConnectionStringBuilder(await server.ConnectionStringAsync(ct))
        {
            ApplicationName = "drconsole heartbeat", Pooling = false, Timeout = patience, CommandTimeout = patience,
        };
        var connection = new NpgsqlConnection(settings.ConnectionString);
        try
        {
            await connection.OpenAsync(ct);
            return connection;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    private async Task TellAsync(string? message, CancellationToken ct)
    {
        if (_hasTold && _told == message)
        {
            return;
        }

        if (message is not null)
        {
            log.LogWarning("the heartbeat of {Source} is not written: {Reason}", source, message);
        }

        await lease.CommitAsync(transaction => DrillCatalog.RecordHeartbeatAsync(transaction, source, message, ct), ct);
        (_told, _hasTold) = (message, true);
    }

    private static ValueTask CloseAsync(NpgsqlConnection? connection) => connection?.DisposeAsync() ?? ValueTask.CompletedTask;
}
