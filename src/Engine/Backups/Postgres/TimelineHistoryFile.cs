using System.Text;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Backups.Postgres;

/// <summary>Reads what a server says of the timelines before one of its own.</summary>
internal static class TimelineHistoryFile
{
    /// <summary>
    /// A timeline's history file, or null where the server no longer has it. By psql: since PostgreSQL 15 the server calls the
    /// content text, and Npgsql 10 reads it as bytea and fails.
    /// </summary>
    /// <exception cref="EngineException">psql is not installed, or the server refuses.</exception>
    public static async Task<byte[]?> ReadAsync(PostgresSource source, uint timeline, ProcessRegistry registry, CancellationToken cancellationToken)
    {
        var clients = PostgresBinaries.FindClients();
        var binaries = clients.Count > 0 ? clients.MaxBy(client => client.Major)! : throw new EngineException(
            "psql-missing", ErrorKind.Unavailable, "psql is not installed on this machine, and the timeline's history can only be read by it", "install PostgreSQL's client programs (apt-get install postgresql-client)");
        using var tools = await SourceTools.OpenAsync(source, binaries, registry, cancellationToken);
        var tool = tools.TimelineHistory(timeline);
        var result = await ToolProcess.RunAsync(tool.Command, registry, cancellationToken);
        if (result.ExitCode != 0)
        {
            return result.ErrorTail.Contains("No such file", StringComparison.Ordinal) ? null : throw new EngineException(
                "timeline-history-unreadable", ErrorKind.Unavailable, $"{source.Host}:{source.Port} does not give the history of timeline {timeline}: {result.ErrorTail.Trim()}", "see the server's log") { IsTransient = true };
        }

        // One line end is psql's own.
        return Encoding.UTF8.GetBytes(result.Output[(result.Output.IndexOf('|', StringComparison.Ordinal) + 1)..^1]);
    }
}
