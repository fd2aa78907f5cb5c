using Microsoft.Extensions.Logging;
using Npgsql;

namespace Hexabase.DrConsole.Lab.Postgres;

/// <summary>
/// The shop at work: a heartbeat each second, and a few orders with their items and changes of status. It goes on when the
/// server is stopped and started under it.
/// </summary>
/// <param name="settings">A connection as the shop's application.</param>
/// <param name="time">The clock.</param>
/// <param name="logger">Hears of it when the server is away.</param>
public sealed partial class WriteLoad(NpgsqlConnectionStringBuilder settings, TimeProvider time, ILogger<WriteLoad> logger)
{
    private const string Round = """
        insert into heartbeat default values;
        with placed as (
          insert into orders (ordered_at, customer_id, status, total, note)
          select clock_timestamp(), 1 + floor(random() * (select count(*) from customers))::bigint, 'placed', 10 * n + 9.90,
            case when n = 1 then 'Please ring twice; the bell is quiet.' end
          from generate_series(1, 3) n
          returning id, ordered_at)
        insert into order_items (order_id, ordered_at, line, product_id, quantity, unit_price)
        select id, ordered_at, line, (select id from products where id >= 1000 + floor(random() * 100) order by id limit 1), line, 9.90
        from placed cross join generate_series(1, 2) line;
        update orders set status = 'paid' where (id, ordered_at) in (
          select id, ordered_at from orders where status = 'placed' and ordered_at > now() - interval '1 hour' order by ordered_at limit 2);
        """;

    private static readonly TimeSpan s_interval = TimeSpan.FromSeconds(1);
    private long _rounds;

    /// <summary>Rounds written so far: heartbeats.</summary>
    public long Rounds => Interlocked.Read(ref _rounds);

    /// <summary>Writes until cancelled, then returns.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var source = NpgsqlDataSource.Create(settings);
        await using (source.ConfigureAwait(false))
        {
            using var timer = new PeriodicTimer(s_interval, time);
            var isAway = false;
            while (!cancellationToken.IsCancellationRequested)
            {
                try
                {
                    await WriteAsync(source, cancellationToken).ConfigureAwait(false);
                    isAway = false;
                    await timer.WaitForNextTickAsync(cancellationToken).ConfigureAwait(false);
                }
                catch (NpgsqlException exception)
                {
                    if (!isAway)
                    {
                        LogAway(logger, exception.Message);
                    }

                    isAway = true;
                    await WaitAsync(timer, cancellationToken).ConfigureAwait(false);
                }
                catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
                {
                    return;
                }
            }
        }
    }

    private static async Task WaitAsync(PeriodicTimer timer, CancellationToken cancellationToken)
    {
        try
        {
            await timer.WaitForNextTickAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return;
        }
    }

    private async Task WriteAsync(NpgsqlDataSource source, CancellationToken cancellationToken)
    {
        var command = source.CreateCommand(Round);
        await using (command.ConfigureAwait(false))
        {
            await command.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
            Interlocked.Increment(ref _rounds);
        }
    }

    [LoggerMessage(1, LogLevel.Warning, "the write load pauses: {Cause}")]
    private static partial void LogAway(ILogger logger, string cause);
}
