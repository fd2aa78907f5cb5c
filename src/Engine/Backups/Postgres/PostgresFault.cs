using System.Net.Sockets;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Backups.Postgres;

/// <summary>Turns what Npgsql throws into failures that say what to do.</summary>
internal static class PostgresFault
{
    /// <summary>True for failures of the server or the way to it; never for a cancellation or a bug.</summary>
    public static bool Recognises(Exception exception) =>
        exception is NpgsqlException or SocketException or IOException or TimeoutException;

    /// <summary>The fault as an <see cref="EngineException"/> that names the server.</summary>
    public static EngineException From(Exception exception, PostgresSource source) =>
        exception is PostgresException refusal
            ? FromState(refusal, source)
            : new EngineException("server-unreachable", ErrorKind.Unavailable,
                $"{source.Host}:{source.Port} does not answer: {Innermost(exception).Message}",
                "check that the server runs, that host and port are right, and that no firewall is between", exception)
            {
                IsTransient = true,
                Context = Where(source),
            };

    private static EngineException FromState(PostgresException refusal, PostgresSource source)
    {
        var (code, kind, hint, transient) = refusal.SqlState switch
        {
            "28P01" => ("wrong-password", ErrorKind.Denied, $"check the password file of user {source.Username}", false),
            "28000" => ("access-denied", ErrorKind.Denied, "check the user's name and the server's pg_hba.conf", false),
            "3D000" => ("database-missing", ErrorKind.NotFound, "check the database's name", false),
            "42P01" => ("table-missing", ErrorKind.NotFound, "a table was dropped meanwhile; run it again", true),
            "42501" when refusal.MessageText.Contains("row-level security", StringComparison.Ordinal) =>
                ("row-security", ErrorKind.Denied,
                    $"let user {source.Username} bypass row-level security (ALTER ROLE … BYPASSRLS), or the dump would silently miss rows", false),
            "42501" => ("privilege-missing", ErrorKind.Denied,
                $"grant user {source.Username} what the message names; pg_read_all_data reads every table", false),
            "55P03" => ("table-locked", ErrorKind.Conflict,
                "another session holds or awaits an exclusive lock; run it again when it is done", true),
            "53300" => ("too-many-connections", ErrorKind.Unavailable, "raise max_connections or run it again later", true),
            "XX001" or "XX002" or "58030" => ("source-damaged", ErrorKind.Damaged,
                "the server reads pages that are not what it wrote: look at the incident and at the server's disk before anything else", false),
            "53100" => ("server-disk-full", ErrorKind.OutOfSpace, "free space on the database server", false),
            "57P01" or "57P02" or "57P04" or "08006" => ("connection-ended", ErrorKind.Unavailable,
                "the server shut down, or the database was dropped, while it was read", true),
            "57P03" => ("server-starting", ErrorKind.Unavailable, "the server is starting or stopping; run it again", true),
            _ => ("postgres-refused", ErrorKind.Unavailable, "see the server's log for the whole story", false),
        };
        return new EngineException(code, kind, $"{source.Address}: {refusal.MessageText}", hint, refusal)
        {
            IsTransient = transient,
            Context = new Dictionary<string, string>(Where(source)) { ["sqlState"] = refusal.SqlState },
        };
    }

    private static Exception Innermost(Exception exception)
    {
        while (exception.InnerException is { } inner)
        {
            exception = inner;
        }

        return exception;
    }

    private static Dictionary<string, string> Where(PostgresSource source) =>
        new() { ["host"] = source.Host, ["port"] = source.Port.ToString(System.Globalization.CultureInfo.InvariantCulture), ["database"] = source.Database };
}
