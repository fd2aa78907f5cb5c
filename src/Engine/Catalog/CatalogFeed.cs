using System.Globalization;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Catalog;

/// <summary>
/// Hears from the catalog which rows changed, whichever process changed them. Only a hint: whoever listens reads again, and after
/// a lost connection everybody is told to read again.
/// </summary>
/// <typeparam name="TId">Names a row.</typeparam>
public abstract class CatalogFeed<TId>(NpgsqlDataSource catalog, string channel, Func<long, TId> read, TimeProvider time, ILogger log) : BackgroundService
    where TId : struct
{
    private readonly Lock _gate = new();
    private readonly List<Action<TId?>> _listeners = [];

    /// <summary>
    /// Calls <paramref name="changed"/> for each change; null means that any row may have changed. It must return at once
    /// and throttle by itself. Disposing ends the subscription.
    /// </summary>
    public IDisposable Subscribe(Action<TId?> changed)
    {
        lock (_gate)
        {
            _listeners.Add(changed);
        }

        return new Subscription(this, changed);
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await ListenAsync(stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception fault) when (fault is NpgsqlException or IOException)
            {
                log.LogWarning("the live feed lost its connection to the catalog ({Reason}); trying again", fault.Message);
                await Task.Delay(TimeSpan.FromSeconds(1), time, stoppingToken);
            }
        }
    }

    private async Task ListenAsync(CancellationToken stopping)
    {
        await using var connection = await catalog.OpenConnectionAsync(stopping);
        connection.Notification += (_, note) => Tell(long.TryParse(note.Payload, CultureInfo.InvariantCulture, out var id) ? read(id) : null);
        await using (var listen = new NpgsqlCommand($"LISTEN {channel}", connection))
        {
            await listen.ExecuteNonQueryAsync(stopping);
        }

        Tell(null);
        while (true)
        {
            // Wakes up now and then to notice a connection that died without a word.
            if (!await connection.WaitAsync(TimeSpan.FromSeconds(30), stopping))
            {
                await using var alive = new NpgsqlCommand("SELECT 1", connection);
                await alive.ExecuteNonQueryAsync(stopping);
            }
        }
    }

    /// <summary>Tells everybody who listens in this process.</summary>
    internal void Tell(TId? id)
    {
        Action<TId?>[] listeners;
        lock (_gate)
        {
            listeners = [.. _listeners];
        }

        foreach (var listener in listeners)
        {
            listener(id);
        }
    }

    private sealed class Subscription(CatalogFeed<TId> feed, Action<TId?> listener) : IDisposable
    {
        public void Dispose()
        {
            lock (feed._gate)
            {
                feed._listeners.Remove(listener);
            }
        }
    }
}
