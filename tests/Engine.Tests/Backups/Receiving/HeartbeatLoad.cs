using System.Collections.Concurrent;
using System.Diagnostics;
using Hexabase.DrConsole.Engine.Repository.Wal;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Receiving;

/// <summary>A commit that the server acknowledged.</summary>
/// <param name="Id">Its heartbeat.</param>
/// <param name="Lsn">Where the server's WAL ended right after it.</param>
/// <param name="At">When, on the stopwatch.</param>
internal sealed record Heartbeat(long Id, ulong Lsn, long At);

/// <summary>Writes heartbeats into a server that may be killed under it, and remembers those that were acknowledged.</summary>
/// <param name="open">A connection to the server as it is now.</param>
internal sealed class HeartbeatLoad(Func<Task<NpgsqlConnection>> open) : IDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private Task _writer = Task.CompletedTask;

    public ConcurrentQueue<Heartbeat> Heartbeats { get; } = [];

    public void Start(TimeSpan pause, int fillerBytes) => _writer = WriteAsync(pause, fillerBytes, _stop.Token);

    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        await _writer;
    }

    public void Dispose() => _stop.Dispose();

    private async Task WriteAsync(TimeSpan pause, int fillerBytes, CancellationToken ct)
    {
        var id = 0L;
        NpgsqlConnection? connection = null;
        while (!ct.IsCancellationRequested)
        {
            try
            {
                connection ??= await open();
                id++;
                await using (var insert = new NpgsqlCommand("INSERT INTO heartbeat (id, filler) VALUES ($1, repeat(md5(random()::text), $2))", connection))
                {
                    insert.Parameters.Add(new NpgsqlParameter { Value = id });
                    insert.Parameters.Add(new NpgsqlParameter { Value = Math.Max(1, fillerBytes / 32) });
                    await insert.ExecuteNonQueryAsync(CancellationToken.None);
                }

                var at = Stopwatch.GetTimestamp();
                await using var where = new NpgsqlCommand("SELECT pg_current_wal_flush_lsn()::text", connection);
                Heartbeats.Enqueue(new Heartbeat(id, Lsn.Parse((string)(await where.ExecuteScalarAsync(CancellationToken.None))!).Value, at));
                await Task.Delay(pause, ct);
            }
            catch (Exception fault) when (fault is NpgsqlException or OperationCanceledException or ObjectDisposedException)
            {
                await (connection?.DisposeAsync() ?? ValueTask.CompletedTask);
                connection = null;
                await Task.Delay(50, CancellationToken.None);
            }
        }

        await (connection?.DisposeAsync() ?? ValueTask.CompletedTask);
    }
}
