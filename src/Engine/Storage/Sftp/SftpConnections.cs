using System.Collections.Concurrent;
using Renci.SshNet;
using Renci.SshNet.Common;

namespace Hexabase.DrConsole.Engine.Storage.Sftp;

/// <summary>
/// A bounded number of SFTP sessions to one server, each used by one operation at a time. Streams have a bound of their own:
/// who reads a stream may make other calls meanwhile and must not wait for itself.
/// </summary>
internal sealed class SftpConnections : IDisposable
{
    private static readonly TimeSpan IdleLimit = TimeSpan.FromSeconds(60);
    private readonly SftpLocation _location;
    private readonly TimeProvider _time;
    private readonly SemaphoreSlim _operations;
    private readonly SemaphoreSlim _streams;
    private readonly ConcurrentStack<(SftpClient Client, long Since)> _idle = new();
    private volatile bool _isClosed;

    public SftpConnections(SftpLocation location, TimeProvider time)
    {
        (_location, _time) = (location, time);
        _operations = new SemaphoreSlim(location.Connections);
        _streams = new SemaphoreSlim(location.Connections);
    }

    public int Bound => _location.Connections;

    public string Address => _location.Address;

    /// <summary>A connected session for the caller alone.</summary>
    /// <exception cref="EngineException">The server cannot be reached, is not the one that is meant, or does not let the user in.</exception>
    public async Task<SftpLease> RentAsync(bool isForStream, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_isClosed, this);
        var bound = isForStream ? _streams : _operations;
        await bound.WaitAsync(cancellationToken);
        try
        {
            while (_idle.TryPop(out var idle))
            {
                // A firewall may have forgotten a connection that was silent for long; the server says nothing about that.
                if (idle.Client.IsConnected && _time.GetElapsedTime(idle.Since) < IdleLimit)
                {
                    return new SftpLease(this, idle.Client, bound);
                }

                Close(idle.Client);
            }

            return new SftpLease(this, await ConnectAsync(cancellationToken), bound);
        }
        catch
        {
            bound.Release();
            throw;
        }
    }

    public void Dispose()
    {
        _isClosed = true;
        while (_idle.TryPop(out var idle))
        {
            Close(idle.Client);
        }
    }

    internal void Return(SftpClient client, bool isSound, SemaphoreSlim bound)
    {
        if (isSound && !_isClosed && client.IsConnected)
        {
            _idle.Push((client, _time.GetTimestamp()));
        }
        else
        {
            Close(client);
        }

        bound.Release();
    }

    private static void Close(SftpClient client)
    {
        try
        {
            client.Dispose();
        }
        catch (Exception fault) when (fault is SshException or System.Net.Sockets.SocketException or ObjectDisposedException)
        {
            // Saying goodbye on a connection that is broken already: there is nothing left to close.
        }
    }

    private async Task<SftpClient> ConnectAsync(CancellationToken cancellationToken)
    {
        var check = new HostKeyCheck(_location);
        var (methods, secrets) = SftpLogin.Read(_location);
        var info = new ConnectionInfo(_location.Host, _location.Port, _location.User, methods) { Timeout = _location.ConnectTimeout };
        foreach (var algorithm in info.HostKeyAlgorithms.Where(one => !check.Prefers(one.Key)).ToList())
        {
            // Moved behind those for which a key is on record.
            info.HostKeyAlgorithms.Remove(algorithm.Key);
            info.HostKeyAlgorithms.Add(algorithm.Key, algorithm.Value);
        }

        foreach (var cipher in info.Encryptions.Where(one => !one.Key.Contains("-gcm@", StringComparison.Ordinal)).ToList())
        {
            info.Encryptions.Remove(cipher.Key);
            info.Encryptions.Add(cipher.Key, cipher.Value);
        }

        var client = new SftpClient(info) { OperationTimeout = _location.Timeout, KeepAliveInterval = TimeSpan.FromSeconds(20) };
        EngineException? refusal = null;
        client.HostKeyReceived += (_, shown) =>
        {
            refusal = check.Refusal(shown.HostKeyName, shown.HostKey);
            shown.CanTrust = refusal is null;
        };
        try
        {
            await client.ConnectAsync(cancellationToken);
            SftpSockets.TryBoundSending(client, _location.Timeout);
            return client;
        }
        catch (Exception fault)
        {
            Close(client);
            if (refusal is not null)
            {
                throw refusal;
            }

            if (SftpFaults.FromConnecting(fault, _location, cancellationToken) is { } said)
            {
                throw said;
            }

            throw;
        }
        finally
        {
            foreach (var secret in secrets)
            {
                secret.Dispose();
            }
        }
    }
}

/// <summary>A session that is in use.</summary>
internal sealed class SftpLease(SftpConnections owner, SftpClient client, SemaphoreSlim bound) : IDisposable
{
    private int _isReturned;

    public SftpClient Client { get; } = client;

    /// <summary>Set when the session's state is in doubt; it is closed then instead of being used again.</summary>
    public bool IsBroken { get; set; }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _isReturned, 1) == 0)
        {
            owner.Return(Client, !IsBroken, bound);
        }
    }
}
