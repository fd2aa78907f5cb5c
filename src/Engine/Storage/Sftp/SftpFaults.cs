using System.Net.Sockets;
using Renci.SshNet.Common;

namespace Hexabase.DrConsole.Engine.Storage.Sftp;

/// <summary>Turns what SSH and its SFTP subsystem say into what a person can act on.</summary>
internal static class SftpFaults
{
    /// <summary>True for what the transport throws; bugs and cancellation are not among it.</summary>
    public static bool IsOperational(Exception fault) =>
        fault is SshException or SocketException or IOException or ObjectDisposedException or TimeoutException;

    /// <summary>A failed connect or login; null where it was the caller who gave up, or a bug.</summary>
    public static EngineException? FromConnecting(Exception fault, SftpLocation location, CancellationToken cancellationToken) => fault switch
    {
        OperationCanceledException when cancellationToken.IsCancellationRequested => null,
        EngineException => null,
        SshAuthenticationException => new EngineException(
            "sftp-login-refused", ErrorKind.Denied, $"{location.Address} does not let user {location.User} in",
            "check the user, and that the key (its .pub line in authorized_keys there) or the password file is the right one", fault),
        SocketException { SocketErrorCode: SocketError.HostNotFound or SocketError.NoData } => new EngineException(
            "sftp-host-missing", ErrorKind.Unavailable, $"there is no host {location.Host}", "check the host's name in the store's URL", fault),
        OperationCanceledException or SshOperationTimeoutException => Unreachable(location.Address, "it did not answer in time", fault),
        _ when IsOperational(fault) => Unreachable(location.Address, fault.Message, fault),
        _ => null,
    };

    /// <summary>A failed operation on <paramref name="path"/>.</summary>
    public static EngineException From(Exception fault, string url, string path) => fault switch
    {
        SftpPermissionDeniedException => Denied(url, path, fault),
        SftpPathNotFoundException => new EngineException(
            "store-folder-missing", ErrorKind.NotFound, $"{path} does not exist in {url}", "check the path in the store's URL", fault),
        SftpException sftp => new EngineException(
            "store-failed", ErrorKind.Unavailable, $"{url} refuses {path}: {sftp.StatusCode} {fault.Message}", "look at the server's log and disk, then run the command again", fault)
        {
            IsTransient = sftp.StatusCode is Renci.SshNet.Sftp.StatusCode.ConnectionLost or Renci.SshNet.Sftp.StatusCode.NoConnection,
        },
        SshOperationTimeoutException or TimeoutException => Unreachable(url, "it did not answer in time", fault),
        _ => Unreachable(url, fault.Message, fault),
    };

    public static EngineException Denied(string url, string path, Exception? fault) => new(
        "store-denied", ErrorKind.Denied, $"{url} refuses access to {path}", "give the user read and write rights to the store's directory on that server", fault);

    public static EngineException Full(string url, string path, Exception? fault) => new(
        "store-full", ErrorKind.OutOfSpace, $"no space is left in {url} for {path}",
        "free space on that server or enlarge the store, then run the backup again; what was stored is used again", fault);

    private static EngineException Unreachable(string where, string why, Exception fault) => new(
        "store-unreachable", ErrorKind.Unavailable, $"{where} does not work: {why.TrimEnd('.')}", "check the network and the server, then run the command again", fault)
    {
        IsTransient = true,
    };
}
