using System.Globalization;
using System.Text;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Servers;

/// <summary>The command that starts a PostgreSQL server, and the query that shows that it runs.</summary>
internal static class PostgresLaunch
{
    private const int SocketPathLimit = 107;

    /// <summary>The server's command line. Where it listens is given last and cannot be set otherwise.</summary>
    /// <exception cref="EngineException"><c>socket-path-too-long</c>.</exception>
    internal static ToolCommand Describe(PostgresClusterOptions options, PostgresBinaries binaries, int port, ServerUser user, string logFile)
    {
        EnsureSocketPathFits(options.SocketFolder, port);
        // In the order in which they were given: the server takes some of them after one another only.
        var settings = new OrderedDictionary<string, string>(options.Settings, StringComparer.Ordinal)
        {
            ["port"] = port.ToString(CultureInfo.InvariantCulture),
            ["listen_addresses"] = options.ListenAddress ?? "",
            ["unix_socket_directories"] = options.SocketFolder,
            ["logging_collector"] = "off",
            ["log_destination"] = "stderr",
            // The log is read here, and neither the machine's language nor the cluster's may change its words.
            ["lc_messages"] = "C",
        };
        List<string> arguments = ["-D", options.DataFolder];
        foreach (var (name, value) in settings)
        {
            arguments.AddRange(["-c", $"{name}={value}"]);
        }

        return new ToolCommand(binaries.PathOf("postgres"), arguments)
        {
            RunAs = user,
            WorkingFolder = options.DataFolder,
            Isolation = options.Isolation,
            OutputFile = logFile,
            Purpose = $"PostgreSQL server {options.Name}",
        };
    }

    /// <summary>Connects anew and asks for a row. Throws what the driver throws.</summary>
    internal static async Task QueryAsync(NpgsqlConnectionStringBuilder settings, CancellationToken cancellationToken)
    {
        settings.Pooling = false;
        settings.Timeout = 10;
        settings.ApplicationName = "drconsole probe";
        var connection = new NpgsqlConnection(settings.ConnectionString);
        await using (connection.ConfigureAwait(false))
        {
            await connection.OpenAsync(cancellationToken).ConfigureAwait(false);
            var command = new NpgsqlCommand("select 1", connection);
            await using (command.ConfigureAwait(false))
            {
                await command.ExecuteScalarAsync(cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private static void EnsureSocketPathFits(string folder, int port)
    {
        var socket = string.Create(CultureInfo.InvariantCulture, $"{folder}/.s.PGSQL.{port}");
        if (Encoding.UTF8.GetByteCount(socket) > SocketPathLimit)
        {
            throw new EngineException(
                "socket-path-too-long", ErrorKind.Input, $"{socket} is too long for a unix socket ({SocketPathLimit} bytes at most)",
                "choose a data folder with a shorter path");
        }
    }
}

/// <summary>A point in time after which waiting is given up.</summary>
internal readonly struct Deadline(TimeProvider time, TimeSpan limit)
{
    private readonly long _start = time.GetTimestamp();

    internal bool IsOver => time.GetElapsedTime(_start) > limit;
}
