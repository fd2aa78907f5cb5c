using Npgsql;
using Npgsql.Replication;
using NpgsqlTypes;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Wal;

/// <summary>Tells the server what is safe: only what as many tiers hold as the class asks for, under pressure what one does; never what was merely received.</summary>
internal sealed class WalFeedback(WalReceiverOptions options, WalSession session, PhysicalReplicationConnection replication) : IDisposable
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(500);
    private readonly SemaphoreSlim _wake = new(0, 1);

    /// <summary>Some tier has more.</summary>
    public void Wake()
    {
        try
        {
            _wake.Release();
        }
        catch (Exception exception) when (exception is SemaphoreFullException or ObjectDisposedException)
        {
            // It looks anyway, or the session is over.
        }
    }

    public async Task RunAsync(CancellationToken ct)
    {
        while (true)
        {
            await _wake.WaitAsync(ct);
            // A synchronous commit returns when this says so: then it must say what was promised, and commits wait where it cannot.
            var durable = session.DurableIn(session.IsPressed && !options.IsSynchronous ? 1 : options.RequiredTiers);
            if (durable <= session.Told)
            {
                continue;
            }

            try
            {
                replication.SetReplicationStatus(new NpgsqlLogSequenceNumber(durable));
                await replication.SendStatusUpdate(ct);
                session.Told = durable;
            }
            catch (Exception exception) when (exception is InvalidOperationException or NpgsqlException)
            {
                // The stream is beginning or ending. The connection's own reader says what is wrong; the next status tells it again.
            }

            if (!options.IsSynchronous)
            {
                await Task.Delay(Pause, session.Time, ct);
            }
        }
    }

    public void Dispose() => _wake.Dispose();
}
