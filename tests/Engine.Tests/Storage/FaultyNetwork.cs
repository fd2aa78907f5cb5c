using System.Net;
using System.Net.Sockets;

namespace Hexabase.DrConsole.Engine.Tests.Storage;

/// <summary>How a network misbehaves. After a random number of bytes each connection draws what becomes of it, and again after as many.</summary>
/// <param name="Seed">Names the run.</param>
/// <param name="CutShare">It breaks off, mostly in the middle of an upload.</param>
/// <param name="StallShare">It stays open and carries nothing any more.</param>
/// <param name="SlowShare">It carries a few hundred kilobytes per second until the next draw.</param>
/// <param name="MostBytes">Draws are at most so far apart.</param>
public sealed record NetworkFaults(int Seed, double CutShare, double StallShare, double SlowShare, int MostBytes);

/// <summary>The way to a real server on loopback, as bad as a plan says: what it breaks is broken for both sides, as in a real network.</summary>
public sealed class FaultyNetwork : IAsyncDisposable
{
    private const int SlowBytesPerSecond = 400_000;
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly int _port;
    private readonly NetworkFaults _faults;
    private readonly Random _random;
    private readonly List<Task> _connections = [];
    private readonly Task _accepting;

    public FaultyNetwork(int port, NetworkFaults faults)
    {
        (_port, _faults, _random) = (port, faults, new Random(faults.Seed));
        _listener.Start();
        Port = ((IPEndPoint)_listener.LocalEndpoint).Port;
        _accepting = AcceptAsync();
    }

    /// <summary>Where to connect instead of to the server.</summary>
    public int Port { get; }

    public int Cut { get; private set; }

    public int Stalled { get; private set; }

    /// <summary>Blocks that were carried slowly.</summary>
    public int Slowed { get; private set; }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        await _accepting;
        await Task.WhenAll(_connections);
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var client = await _listener.AcceptTcpClientAsync(_stop.Token);
                _connections.Add(CarryAsync(client, new Connection(_faults, new Random(_random.Next()))));
            }
        }
        catch (Exception end) when (end is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // Disposed.
        }
    }

    private async Task CarryAsync(TcpClient client, Connection connection)
    {
        using var closing = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
        using (client)
        using (var server = new TcpClient())
        {
            try
            {
                await server.ConnectAsync(IPAddress.Loopback, _port, closing.Token);
                client.NoDelay = server.NoDelay = true;
                await Task.WhenAny(
                    PumpAsync(client.GetStream(), server.GetStream(), connection, closing.Token),
                    PumpAsync(server.GetStream(), client.GetStream(), connection, closing.Token));
            }
            catch (Exception end) when (end is SocketException or OperationCanceledException)
            {
                // The server is away: so is the connection.
            }

            await closing.CancelAsync();
        }
    }

    private async Task PumpAsync(NetworkStream from, NetworkStream to, Connection connection, CancellationToken ct)
    {
        var buffer = new byte[16 * 1024];
        try
        {
            int read;
            while ((read = await from.ReadAsync(buffer, ct)) > 0)
            {
                switch (connection.Carry(read))
                {
                    case Fate.Cut:
                        Cut++;
                        return;
                    case Fate.Stalled:
                        Stalled++;
                        // Whoever waits has to give up by its own clock.
                        await Task.Delay(Timeout.Infinite, ct);
                        break;
                    case Fate.Slow:
                        Slowed++;
                        await Task.Delay(TimeSpan.FromSeconds((double)read / SlowBytesPerSecond), ct);
                        break;
                }

                await to.WriteAsync(buffer.AsMemory(0, read), ct);
            }
        }
        catch (Exception end) when (end is IOException or OperationCanceledException or ObjectDisposedException)
        {
            // One side has gone; the other hears of it when both are closed.
        }
    }

    private enum Fate
    {
        Good,
        Slow,
        Stalled,
        Cut,
    }

    private sealed class Connection(NetworkFaults faults, Random random)
    {
        private readonly Lock _gate = new();
        private int _left = random.Next(200, faults.MostBytes);
        private Fate _fate;

        public Fate Carry(int bytes)
        {
            lock (_gate)
            {
                _left -= bytes;
                if (_left <= 0 && _fate is (Fate.Good or Fate.Slow))
                {
                    _left = random.Next(200, faults.MostBytes);
                    var drawn = random.NextDouble();
                    _fate = drawn < faults.CutShare ? Fate.Cut
                        : drawn < faults.CutShare + faults.StallShare ? Fate.Stalled
                        : drawn < faults.CutShare + faults.StallShare + faults.SlowShare ? Fate.Slow
                        : Fate.Good;
                }

                return _fate;
            }
        }
    }
}
