using System.Net.Sockets;
using System.Security.Authentication;

namespace Hexabase.DrConsole.Engine.RedisProtocol;

/// <summary>Says what went wrong with a Redis server in the product's words, the same wherever it is met.</summary>
internal static class RedisFault
{
    /// <summary>True for what a connection throws.</summary>
    public static bool Recognises(Exception exception) => exception is IOException or SocketException or AuthenticationException;

    /// <summary>A connection that could not be made, or broke.</summary>
    public static EngineException From(Exception exception, RedisEndpoint endpoint)
    {
        for (var inner = exception; inner is not null; inner = inner.InnerException)
        {
            switch (inner)
            {
                case AuthenticationException:
                    return inner.Message.Contains("certificate", StringComparison.OrdinalIgnoreCase)
                        ? new EngineException("redis-tls-untrusted", ErrorKind.Denied, $"{endpoint.Address} shows a certificate that is not trusted: {inner.Message}",
                            "name the certificate authority's file with Redis:CaFile, and the host by the name that the certificate bears", exception)
                        : NoTls(endpoint, exception);
                case SocketException { SocketErrorCode: SocketError.ConnectionRefused or SocketError.HostNotFound or SocketError.TimedOut or SocketError.HostUnreachable } socket:
                    return new EngineException("server-unreachable", ErrorKind.Unavailable, $"{endpoint.Address} cannot be reached: {socket.Message}",
                        "start the server, or correct host and port", exception)
                    { IsTransient = true };
            }
        }

        // A server without TLS hears nonsense in the greeting and hangs up.
        return endpoint.Tls && exception.Message.Contains("frame", StringComparison.OrdinalIgnoreCase)
            ? NoTls(endpoint, exception)
            : new EngineException("connection-ended", ErrorKind.Unavailable, $"the connection to {endpoint.Address} ended: {exception.Message}",
                "look into the server's log: it may have been stopped, or may have cut the client off", exception)
            { IsTransient = true };
    }

    /// <summary>The server hung up at the first word of a connection without TLS.</summary>
    public static EngineException WantsTls(RedisEndpoint endpoint) => new(
        "redis-tls-mismatch", ErrorKind.Input, $"{endpoint.Address} hangs up at the first word without TLS", "set Redis:Tls to true if the port speaks TLS only; else look into the server's log");

    /// <summary>An answer that refuses.</summary>
    /// <param name="error">As the server wrote it.</param>
    /// <param name="command">The command's name, for the message.</param>
    public static EngineException Of(string error, RedisEndpoint endpoint, string command)
    {
        var user = endpoint.Username ?? "default";
        return error.Split(' ', 2)[0] switch
        {
            "WRONGPASS" => new("wrong-password", ErrorKind.Denied, $"{endpoint.Address} refuses user {user}: {error}", "correct the user's name or the password file"),
            "NOAUTH" => new("password-missing", ErrorKind.Denied, $"{endpoint.Address} asks for a password", "name its file with PasswordFile"),
            "NOPERM" => new("redis-privilege-missing", ErrorKind.Denied, $"user {user} of {endpoint.Address} may not run {command}: {error}",
                $"grant it: ACL SETUSER {user} -@all +psync +sync +replconf +ping +info"),
            "LOADING" => new("redis-loading", ErrorKind.Unavailable, $"{endpoint.Address} is still loading its data", "wait until it has loaded") { IsTransient = true },
            "NOMASTERLINK" or "MASTERDOWN" => new("redis-replica-detached", ErrorKind.Unavailable, $"{endpoint.Address} is a replica whose master is away, and gives no full synchronisation: {error}",
                "bring its master back, or name the master as the source")
            { IsTransient = true },
            "OOM" => new("redis-out-of-memory", ErrorKind.OutOfSpace, $"{endpoint.Address} has reached maxmemory and takes no more: {error}", "raise maxmemory, or restore into a server with more memory"),
            "READONLY" => new("redis-read-only", ErrorKind.Conflict, $"{endpoint.Address} is a replica and takes no writes", "name its master"),
            "BUSY" => new("redis-busy", ErrorKind.Unavailable, $"{endpoint.Address} is busy with a script: {error}", "wait for the script, or end it with SCRIPT KILL") { IsTransient = true },
            "MISCONF" => new("redis-cannot-save", ErrorKind.Unavailable, $"{endpoint.Address} cannot write its own snapshots: {error}", "free space on the server's disk, or mend its dir setting"),
            _ when error.Contains("max number of clients", StringComparison.Ordinal) => new("redis-too-many-clients", ErrorKind.Unavailable, $"{endpoint.Address} takes no more clients", "raise maxclients") { IsTransient = true },
            _ when error.Contains("invalid password", StringComparison.Ordinal) || error.Contains("without any password configured", StringComparison.Ordinal) =>
                new("wrong-password", ErrorKind.Denied, $"{endpoint.Address} refuses user {user}: {error}", "correct the user's name or the password file"),
            _ => new("redis-refused", ErrorKind.Unavailable, $"{endpoint.Address} refuses {command}: {error}", "look into the server's log"),
        };
    }

    /// <summary>It took the connection, and did not answer in TLS: a server without TLS waits for the end of what it takes for a command.</summary>
    public static EngineException NoTls(RedisEndpoint endpoint, Exception? exception) => new(
        "redis-tls-mismatch", ErrorKind.Input, $"{endpoint.Address} does not answer in TLS{(exception is null ? "" : $": {exception.Message}")}", "set Redis:Tls to false, or name the port that speaks TLS", exception);
}
