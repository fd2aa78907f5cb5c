using Npgsql;

namespace Hexabase.DrConsole.Engine.Backups.Postgres;

/// <summary>Where a PostgreSQL database is and how to sign in. Holds the name of the password's file, never the password.</summary>
public sealed record PostgresSource
{
    /// <summary>The values of <see cref="SslMode"/>.</summary>
    public static readonly IReadOnlyList<string> SslModes = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

    /// <summary>Host name, address, or the folder of a unix socket.</summary>
    public required string Host { get; init; }

    public int Port { get; init; } = 5432;

    public required string Database { get; init; }

    public required string Username { get; init; }

    /// <summary>A file whose first line is the password; null where the server asks for none.</summary>
    public string? PasswordFile { get; init; }

    /// <summary>
    /// Tables whose rows are protected, as <c>schema.table</c> or <c>table</c> (then in <c>public</c>); empty means all.
    /// A partitioned table stands for its partitions too. The structure of the whole database is always captured, because
    /// a table without its types, functions and extensions cannot be restored.
    /// </summary>
    public IReadOnlyList<string> Tables { get; init; } = [];

    /// <summary>One of <see cref="SslModes"/>; null leaves it to libpq's default.</summary>
    public string? SslMode { get; init; }

    /// <summary>
    /// The server's data directory where this process can read it: then physical backups read it and store only what changed.
    /// Null: the server sends its files.
    /// </summary>
    public string? DataDirectory { get; init; }

    /// <summary>The node that has <see cref="DataDirectory"/>; null for the console's machine.</summary>
    public string? Node { get; init; }

    /// <summary>A standby of this server, which physical backups read instead of it; null where there is none.</summary>
    public PostgresSource? Standby { get; init; }

    /// <summary>Of a standby: how long a backup waits until it has replayed what its server had written.</summary>
    public TimeSpan CatchUp { get; init; }

    /// <summary>Host, port and database, as messages show them.</summary>
    public string Address => $"{Host}:{Port}/{Database}";

    /// <summary>Opens one connection that is not pooled, with a short time to connect and none to run.</summary>
    /// <exception cref="EngineException">The server cannot be reached, or refuses the user, the password or the database.</exception>
    public async Task<NpgsqlConnection> OpenAsync(CancellationToken cancellationToken)
    {
        var connection = new NpgsqlConnection(await ConnectionStringAsync(cancellationToken));
        try
        {
            await connection.OpenAsync(cancellationToken);
            return connection;
        }
        catch (Exception exception) when (PostgresFault.Recognises(exception))
        {
            await connection.DisposeAsync();
            throw PostgresFault.From(exception, this);
        }
    }

    /// <summary>The password, or null where no file is named.</summary>
    /// <exception cref="EngineException">The file is missing, unreadable or empty.</exception>
    public async Task<string?> ReadPasswordAsync(CancellationToken cancellationToken)
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
                : throw new EngineException("password-file-empty", ErrorKind.Input,
                    $"password file {PasswordFile} of {Address} is empty", "put the password on its first line");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new EngineException("password-file-unreadable", ErrorKind.Input,
                $"password file {PasswordFile} of {Address} cannot be read: {exception.Message}",
                "name a file that exists and that the console may read", exception);
        }
    }

    internal async Task<string> ConnectionStringAsync(CancellationToken cancellationToken)
    {
        var builder = new NpgsqlConnectionStringBuilder
        {
            Host = Host,
            Port = Port,
            Database = Database,
            Username = Username,
            Password = await ReadPasswordAsync(cancellationToken),
            Pooling = false,
            Timeout = 15,
            // A digest over a large table takes as long as it takes; the caller's cancellation ends it.
            CommandTimeout = 0,
            KeepAlive = 30,
            ApplicationName = "drconsole",
            IncludeErrorDetail = false,
        };
        if (SslMode is not null)
        {
            builder.SslMode = ParseSslMode(SslMode);
        }

        return builder.ConnectionString;
    }

    private static SslMode ParseSslMode(string text) => text switch
    {
        "disable" => Npgsql.SslMode.Disable,
        "allow" => Npgsql.SslMode.Allow,
        "prefer" => Npgsql.SslMode.Prefer,
        "require" => Npgsql.SslMode.Require,
        "verify-ca" => Npgsql.SslMode.VerifyCA,
        "verify-full" => Npgsql.SslMode.VerifyFull,
        _ => throw new EngineException("ssl-mode-unknown", ErrorKind.Input, $"ssl mode '{text}' is unknown",
            $"use one of {string.Join(", ", SslModes)}"),
    };
}
