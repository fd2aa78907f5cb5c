using System.Buffers;
using System.Globalization;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Hexabase.DrConsole.Engine.Trust;

namespace Hexabase.DrConsole.Engine.RedisProtocol;

/// <summary>
/// One connection to a Redis server that speaks RESP 2. Commands can be written ahead of their answers; bytes that follow
/// an answer can be read as they come, which a full synchronisation needs. Not safe for calls at the same time.
/// </summary>
public sealed class RedisConnection : IAsyncDisposable
{
    private const int BufferBytes = 256 * 1024;
    private const int MostNested = 16;
    private const long LargestBulk = 1L << 30;
    private readonly Stream _stream;
    private readonly ArrayBufferWriter<byte> _out = new(4096);
    private readonly byte[] _buffer = new byte[BufferBytes];
    private int _start;
    private int _end;
    private bool _hasHeard;

    private RedisConnection(RedisEndpoint endpoint, Stream stream)
    {
        Endpoint = endpoint;
        _stream = stream;
    }

    /// <summary>Whom it speaks with.</summary>
    public RedisEndpoint Endpoint { get; }

    /// <summary>Bytes of commands that were written and not sent yet.</summary>
    public int Unsent => _out.WrittenCount;

    /// <summary>Connects and signs in.</summary>
    /// <exception cref="EngineException">
    /// <c>server-unreachable</c>, <c>wrong-password</c>, <c>redis-tls-mismatch</c>, <c>redis-tls-untrusted</c>, <c>ca-file-unreadable</c>, or what the password's file says.
    /// </exception>
    public static async Task<RedisConnection> OpenAsync(RedisEndpoint endpoint, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(endpoint);
        var password = await endpoint.ReadPasswordAsync(cancellationToken);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(endpoint.Patience);
        RedisConnection? connection = null;
        Stream? plain = null;
        try
        {
            plain = await ConnectAsync(endpoint, patience.Token);
            connection = new RedisConnection(endpoint, endpoint.Tls ? await EncryptAsync(plain, endpoint, patience.Token) : plain);
            if (password is not null)
            {
                await connection.RequireAsync(endpoint.Username is { } user ? ["AUTH", user, password] : ["AUTH", password], patience.Token);
            }

            return connection;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            await (connection?.DisposeAsync() ?? ValueTask.CompletedTask);
            throw plain is not null && connection is null
                ? RedisFault.NoTls(endpoint, null)
                : new EngineException("server-unreachable", ErrorKind.Unavailable, $"{endpoint.Address} did not answer within {endpoint.Patience.TotalSeconds:0} s", "start the server, or correct host and port") { IsTransient = true };
        }
        catch (Exception exception)
        {
            await (connection?.DisposeAsync() ?? ValueTask.CompletedTask);
            if (RedisFault.Recognises(exception))
            {
                throw RedisFault.From(exception, endpoint);
            }

            throw;
        }
    }

    /// <summary>Sends one command and reads its answer, which may be an error.</summary>
    public async Task<RespValue> CallAsync(IReadOnlyList<string> command, CancellationToken cancellationToken)
    {
        Write(command);
        await SendAsync(cancellationToken);
        return await ReadAsync(cancellationToken);
    }

    /// <summary>Sends one command; an error is thrown.</summary>
    public async Task<RespValue> RequireAsync(IReadOnlyList<string> command, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(command);
        var answer = await CallAsync(command, cancellationToken);
        return answer.IsError ? throw RedisFault.Of(answer.Text, Endpoint, command[0]) : answer;
    }

    /// <summary>Writes a command into the buffer; <see cref="SendAsync"/> sends what was written.</summary>
    public void Write(IReadOnlyList<string> command)
    {
        ArgumentNullException.ThrowIfNull(command);
        BeginCommand(command.Count);
        foreach (var argument in command)
        {
            WriteArgument(Encoding.UTF8.GetBytes(argument));
        }
    }

    /// <summary>Begins a command whose arguments follow by <see cref="WriteArgument"/>.</summary>
    public void BeginCommand(int arguments) => WriteHeader('*', arguments);

    /// <summary>Writes one argument.</summary>
    public void WriteArgument(ReadOnlySpan<byte> argument)
    {
        WriteHeader('$', argument.Length);
        _out.Write(argument);
        _out.Write("\r\n"u8);
    }

    /// <summary>Sends what was written.</summary>
    public async Task SendAsync(CancellationToken cancellationToken)
    {
        try
        {
            await PatientlyAsync(async token =>
            {
                await _stream.WriteAsync(_out.WrittenMemory, token);
                await _stream.FlushAsync(token);
                return 0;
            }, cancellationToken);
            _out.ResetWrittenCount();
        }
        catch (Exception exception) when (RedisFault.Recognises(exception))
        {
            throw !_hasHeard && !Endpoint.Tls && !Endpoint.IsSocket ? RedisFault.WantsTls(Endpoint) : RedisFault.From(exception, Endpoint);
        }
    }

    /// <summary>Reads one answer.</summary>
    public Task<RespValue> ReadAsync(CancellationToken cancellationToken) => ReadAsync(0, cancellationToken);

    /// <summary>Reads a line without its end. A server that is busy sends empty ones to keep the connection.</summary>
    internal async Task<string> ReadLineAsync(CancellationToken cancellationToken)
    {
        for (var from = 0; ;)
        {
            var at = _buffer.AsSpan(_start + from, _end - _start - from).IndexOf((byte)'\n');
            if (at >= 0)
            {
                var line = Encoding.UTF8.GetString(_buffer, _start, from + at).TrimEnd('\r');
                _start += from + at + 1;
                return line;
            }

            from = _end - _start;
            if (from >= BufferBytes / 2)
            {
                throw NotRedis("");
            }

            await FillAsync(cancellationToken);
        }
    }

    /// <summary>Reads bytes as they are; 0 at the end of the connection.</summary>
    internal async ValueTask<int> ReadRawAsync(Memory<byte> into, CancellationToken cancellationToken)
    {
        if (_end > _start)
        {
            var count = Math.Min(into.Length, _end - _start);
            _buffer.AsMemory(_start, count).CopyTo(into);
            _start += count;
            return count;
        }

        try
        {
            return await PatientlyAsync(token => _stream.ReadAsync(into, token), cancellationToken);
        }
        catch (Exception exception) when (RedisFault.Recognises(exception))
        {
            return 0;
        }
    }

    public async ValueTask DisposeAsync() => await _stream.DisposeAsync();

    private async Task<RespValue> ReadAsync(int depth, CancellationToken cancellationToken)
    {
        var line = await ReadLineAsync(cancellationToken);
        _hasHeard = true;
        var rest = line.Length > 0 ? line[1..] : "";
        switch (line.Length > 0 ? line[0] : '\0')
        {
            case '+':
                return new RespValue(RespKind.Text, Encoding.UTF8.GetBytes(rest), 0, []);
            case '-':
                return new RespValue(RespKind.Error, Encoding.UTF8.GetBytes(rest), 0, []);
            case ':':
                return new RespValue(RespKind.Integer, [], Number(rest), []);
            case '$':
                var length = Number(rest);
                if (length >= LargestBulk)
                {
                    // What follows would be taken for answers: nothing can be read here any more.
                    await _stream.DisposeAsync();
                    throw new EngineException("redis-value-too-large", ErrorKind.Unsupported,
                        string.Create(CultureInfo.InvariantCulture, $"{Endpoint.Address} answers with a value of {length} bytes, and no more than {LargestBulk} are taken at once"),
                        "grant +psync +sync +replconf to the user of backups: a snapshot has no such limit; restore such a key in place with redisdata:/path");
                }

                return length >= 0 ? new RespValue(RespKind.Text, await ReadBulkAsync((int)length, cancellationToken), 0, []) : RespValue.Nothing;
            case '*' when depth < MostNested:
                var count = Number(rest);
                if (count < 0)
                {
                    return RespValue.Nothing;
                }

                var items = new List<RespValue>();
                while (items.Count < count)
                {
                    items.Add(await ReadAsync(depth + 1, cancellationToken));
                }

                return new RespValue(RespKind.Array, [], 0, items);
            default:
                throw NotRedis(line);
        }
    }

    private async Task<byte[]> ReadBulkAsync(int length, CancellationToken cancellationToken)
    {
        var bytes = new byte[length + 2];
        for (var have = 0; have < bytes.Length;)
        {
            var read = await ReadRawAsync(bytes.AsMemory(have), cancellationToken);
            have += read > 0 ? read : throw Ended();
        }

        return bytes[..length];
    }

    private async Task FillAsync(CancellationToken cancellationToken)
    {
        if (_start > 0)
        {
            _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
            _end -= _start;
            _start = 0;
        }

        int read;
        try
        {
            read = await PatientlyAsync(token => _stream.ReadAsync(_buffer.AsMemory(_end), token), cancellationToken);
        }
        catch (Exception exception) when (RedisFault.Recognises(exception))
        {
            throw !_hasHeard && !Endpoint.Tls && !Endpoint.IsSocket ? RedisFault.WantsTls(Endpoint) : RedisFault.From(exception, Endpoint);
        }

        _end += read > 0 ? read : throw Ended();
    }

    /// <summary>A host that vanished, or a process that stands still, closes nothing: without an end of patience it would be waited for for ever.</summary>
    private async ValueTask<int> PatientlyAsync(Func<CancellationToken, ValueTask<int>> act, CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(Endpoint.IdlePatience);
        try
        {
            return await act(patience.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new EngineException("redis-stalled", ErrorKind.Unavailable, $"{Endpoint.Address} has neither sent nor taken anything for {Endpoint.IdlePatience.TotalSeconds:0} s",
                "Look whether the server still answers (redis-cli PING) and whether its host is reachable; then do it again.") { IsTransient = true };
        }
    }

    private EngineException Ended() => !_hasHeard && !Endpoint.Tls && !Endpoint.IsSocket
        ? RedisFault.WantsTls(Endpoint)
        : RedisFault.From(new IOException("the server closed it"), Endpoint);

    /// <summary>What was heard may be somebody's data, and is not told.</summary>
    private EngineException NotRedis(string heard) => !Endpoint.Tls && heard.StartsWith('\u0015')
        ? RedisFault.WantsTls(Endpoint)
        : new EngineException("redis-not-understood", ErrorKind.Unsupported, $"{Endpoint.Address} answers with what is no Redis protocol", "correct host and port");

    private static long Number(string text) => long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) ? number : -1;

    private void WriteHeader(char kind, int number)
    {
        var span = _out.GetSpan(16);
        span[0] = (byte)kind;
        number.TryFormat(span[1..], out var written, default, CultureInfo.InvariantCulture);
        "\r\n"u8.CopyTo(span[(1 + written)..]);
        _out.Advance(written + 3);
    }

    private static async Task<Stream> ConnectAsync(RedisEndpoint endpoint, CancellationToken cancellationToken)
    {
        var socket = endpoint.IsSocket ? new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) : new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            if (endpoint.IsSocket)
            {
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(endpoint.Host), cancellationToken);
            }
            else
            {
                await socket.ConnectAsync(endpoint.Host, endpoint.Port, cancellationToken);
                socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
            }

            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static async Task<Stream> EncryptAsync(Stream plain, RedisEndpoint endpoint, CancellationToken cancellationToken)
    {
        var encrypted = new SslStream(plain);
        try
        {
            await encrypted.AuthenticateAsClientAsync(TlsOptions(endpoint), cancellationToken);
            return encrypted;
        }
        catch
        {
            await encrypted.DisposeAsync();
            throw;
        }
    }

    private static SslClientAuthenticationOptions TlsOptions(RedisEndpoint endpoint)
    {
        var options = new SslClientAuthenticationOptions { TargetHost = endpoint.Host };
        if (endpoint.CaFile is { } file)
        {
            try
            {
                options.CertificateChainPolicy = TrustedRoots.Of(file);
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or System.Security.Cryptography.CryptographicException)
            {
                throw new EngineException("ca-file-unreadable", ErrorKind.Input, $"{file} cannot be read as certificates: {exception.Message}", "name a file of PEM certificates", exception);
            }
        }

        return options;
    }
}
