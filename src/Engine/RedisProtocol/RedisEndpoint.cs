using System.Globalization;

namespace Hexabase.DrConsole.Engine.RedisProtocol;

/// <summary>Where a Redis server is and how to sign in. Holds the name of the password's file, never the password.</summary>
/// <param name="Host">Host name, address, or the path of a unix socket.</param>
/// <param name="Port">TCP port; 0 for a socket.</param>
public sealed record RedisEndpoint(string Host, int Port)
{
    /// <summary>The ACL user; null for <c>default</c>.</summary>
    public string? Username { get; init; }

    /// <summary>A file whose first line is the password; null where the server asks for none.</summary>
    public string? PasswordFile { get; init; }

    /// <summary>True where the port speaks TLS.</summary>
    public bool Tls { get; init; }

    /// <summary>A file of PEM certificates, one of which must have signed the server's; null for those that this machine trusts.</summary>
    public string? CaFile { get; init; }

    /// <summary>How long connecting and signing in may take.</summary>
    internal TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>How long the server may take for nothing at all. Long enough for what keeps it busy: the emptying of a large one, or its fork.</summary>
    internal TimeSpan IdlePatience { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>True for a unix socket.</summary>
    public bool IsSocket => Host.StartsWith('/');

    /// <summary>Host and port, as messages show them.</summary>
    public string Address => IsSocket ? Host : string.Create(CultureInfo.InvariantCulture, $"{Host}:{Port}");

    /// <summary>The password, or null where no file is named.</summary>
    /// <exception cref="EngineException"><c>password-file-empty</c>, <c>password-file-unreadable</c>.</exception>
    internal async Task<string?> ReadPasswordAsync(CancellationToken cancellationToken)
    {
        if (PasswordFile is null)
        {
            return null;
        }

        try
        {
            var text = await File.ReadAllTextAsync(PasswordFile, cancellationToken);
            var password = text.Split('\n', 2)[0].TrimEnd('\r');
            return password.Length > 0
                ? password
                : throw new EngineException("password-file-empty", ErrorKind.Input, $"password file {PasswordFile} of {Address} is empty", "put the password on its first line");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new EngineException("password-file-unreadable", ErrorKind.Input, $"password file {PasswordFile} of {Address} cannot be read: {exception.Message}",
                "name a file that exists and that the console may read", exception);
        }
    }
}
