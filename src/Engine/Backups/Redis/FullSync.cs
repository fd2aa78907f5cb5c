using System.Globalization;
using System.Text;
using Hexabase.DrConsole.Engine.RedisProtocol;

namespace Hexabase.DrConsole.Engine.Backups.Redis;

/// <summary>
/// The snapshot that a server sends to a new replica. It asks for that alone (<c>rdb-only</c>), so that no change is buffered
/// for it meanwhile. Two framings exist: a length before the bytes where the server wrote a file first, and 40 random bytes
/// after them where a child of it sends them straight from memory.
/// </summary>
internal sealed class FullSync : ReadOnceStream
{
    private const int MarkBytes = 40;
    private const string MarkPrefix = "$EOF:";

    // A server that makes its snapshot sends an empty line each second; one that sends it sends it.
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(3);
    private readonly RedisConnection _connection;
    private readonly byte[]? _mark;
    private readonly byte[] _held = new byte[MarkBytes];
    private readonly byte[] _joined = new byte[(64 * 1024) + MarkBytes];
    private int _heldCount;
    private long _left;
    private bool _isDone;

    private FullSync(RedisConnection connection, byte[]? mark, long length)
    {
        _connection = connection;
        _mark = mark;
        _left = length;
    }

    /// <summary>True where the server sends from memory, without a file of its own.</summary>
    public bool IsDiskless => _mark is not null;

    /// <summary>Asks for the snapshot; the server may refuse.</summary>
    /// <exception cref="EngineException">The refusal, in the product's words: <c>redis-privilege-missing</c>, <c>redis-loading</c>, <c>redis-replica-detached</c> …</exception>
    public static async Task RequestAsync(RedisConnection connection, CancellationToken cancellationToken)
    {
        // Unknown before Redis 6.2, which then buffers the changes for us up to its limit.
        var only = await connection.CallAsync(["REPLCONF", "rdb-only", "1"], cancellationToken);
        if (only.IsError && only.Text.StartsWith("NOPERM", StringComparison.Ordinal))
        {
            throw RedisFault.Of(only.Text, connection.Endpoint, "REPLCONF");
        }

        await connection.RequireAsync(["REPLCONF", "capa", "eof", "capa", "psync2"], cancellationToken);
        connection.Write(["PSYNC", "?", "-1"]);
        await connection.SendAsync(cancellationToken);
        var line = await LineAsync(connection, cancellationToken);
        if (!line.StartsWith("+FULLRESYNC", StringComparison.Ordinal))
        {
            throw RedisFault.Of(line.TrimStart('-', '+'), connection.Endpoint, "PSYNC");
        }
    }

    /// <summary>Waits for the first byte.</summary>
    /// <exception cref="EngineException"><c>redis-fork-failed</c>; <c>redis-sync-cut</c>.</exception>
    public static async Task<FullSync> BeginAsync(RedisConnection connection, CancellationToken cancellationToken)
    {
        string line;
        try
        {
            line = await LineAsync(connection, cancellationToken);
        }
        catch (EngineException fault) when (fault.Code == "connection-ended")
        {
            throw Cut(connection.Endpoint, "before the first byte", fault);
        }

        if (line.StartsWith(MarkPrefix, StringComparison.Ordinal) && line.Length == MarkPrefix.Length + MarkBytes)
        {
            return new FullSync(connection, Encoding.ASCII.GetBytes(line[MarkPrefix.Length..]), 0);
        }

        return line.StartsWith('$') && long.TryParse(line.AsSpan(1), NumberStyles.None, CultureInfo.InvariantCulture, out var length)
            ? new FullSync(connection, null, length)
            : throw new EngineException("redis-fork-failed", ErrorKind.Unavailable, $"{connection.Endpoint.Address} cannot make a snapshot: {line.TrimStart('-')}",
                "look into its log: mostly the machine gives no memory for a fork (vm.overcommit_memory), or its disk is full")
            { IsTransient = true };
    }

    /// <inheritdoc/>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (_isDone)
        {
            return 0;
        }

        return _mark is null ? await ReadCountedAsync(buffer, cancellationToken) : await ReadMarkedAsync(buffer, cancellationToken);
    }

    /// <summary>The server, or what lies between, ended the synchronisation before its end.</summary>
    internal static EngineException Cut(RedisEndpoint endpoint, string where, Exception? inner = null) => new(
        "redis-sync-cut", ErrorKind.Unavailable, $"{endpoint.Address} ended the synchronisation {where}", "look into its log, and back up again", inner) { IsTransient = true };

    private static async Task<string> LineAsync(RedisConnection connection, CancellationToken cancellationToken)
    {
        while (true)
        {
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            patience.CancelAfter(s_patience);
            try
            {
                if (await connection.ReadLineAsync(patience.Token) is { Length: > 0 } line)
                {
                    return line;
                }
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                throw Stalled(connection.Endpoint);
            }
        }
    }

    private static EngineException Stalled(RedisEndpoint endpoint) => new(
        "redis-sync-stalled", ErrorKind.Unavailable, $"{endpoint.Address} sent nothing for {s_patience.TotalMinutes:0} minutes in the middle of a synchronisation", "look into its log") { IsTransient = true };

    private async ValueTask<int> ReadCountedAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        if (_left == 0)
        {
            _isDone = true;
            return 0;
        }

        var read = await ReceiveAsync(buffer[..(int)Math.Min(buffer.Length, _left)], cancellationToken);
        _left -= read > 0 ? read : throw Cut(_connection.Endpoint, string.Create(CultureInfo.InvariantCulture, $"{_left} bytes before its end"));
        return read;
    }

    /// <summary>The last 40 bytes are held back until it is known that they are not the mark.</summary>
    private async ValueTask<int> ReadMarkedAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        while (true)
        {
            _held.AsSpan(0, _heldCount).CopyTo(_joined);
            var most = Math.Min(_joined.Length, buffer.Length + MarkBytes) - _heldCount;
            var read = await ReceiveAsync(_joined.AsMemory(_heldCount, most), cancellationToken);
            if (read == 0)
            {
                throw Cut(_connection.Endpoint, "before its end");
            }

            var have = _heldCount + read;
            var ends = have >= MarkBytes && _joined.AsSpan(have - MarkBytes, MarkBytes).SequenceEqual(_mark);
            var give = Math.Max(0, have - MarkBytes);
            _heldCount = have - give;
            _joined.AsSpan(give, _heldCount).CopyTo(_held);
            _joined.AsMemory(0, give).CopyTo(buffer);
            _isDone = ends;
            if (give > 0 || ends)
            {
                return give;
            }
        }
    }

    private async ValueTask<int> ReceiveAsync(Memory<byte> into, CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(s_patience);
        try
        {
            return await _connection.ReadRawAsync(into, patience.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw Stalled(_connection.Endpoint);
        }
    }
}
