using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Physical;

/// <summary>A restored server that is started for good: by pg_ctl, as a person would. It is nobody's child and outlives the console.</summary>
internal static class LastingServer
{
    /// <summary>Starts it, unless one runs on the directory.</summary>
    /// <param name="data">The data directory.</param>
    /// <param name="port">Where it is to listen, for the log.</param>
    /// <param name="options">Options of pg_ctl beyond the usual ones.</param>
    /// <param name="binaries">Programs of its major version.</param>
    /// <param name="registry">Records pg_ctl.</param>
    /// <param name="log">Told a line.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="EngineException"><c>restored-server-start</c> with the end of its log.</exception>
    public static async Task StartAsync(
        string data, int port, IReadOnlyList<string> options, PostgresBinaries binaries, ProcessRegistry registry, Action<string, string>? log, CancellationToken cancellationToken)
    {
        if (PostmasterFile.FindLiving(data) is not null)
        {
            return;
        }

        log?.Invoke("start", $"starting PostgreSQL {binaries.Version} on 127.0.0.1:{port}");
        var logFile = Path.Combine(data, "drconsole-start.log");
        var result = await ToolProcess.RunAsync(
            new ToolCommand(binaries.PathOf("pg_ctl"), ["start", "--wait", "--timeout=300", "--silent", $"--pgdata={data}", $"--log={logFile}", .. options])
            {
                RunAs = ServerUser.ForPostgres(),
                Purpose = $"pg_ctl start of {data}",
            },
            registry, cancellationToken);
        if (result.ExitCode != 0)
        {
            var tail = File.Exists(logFile) ? string.Join("; ", File.ReadLines(logFile).TakeLast(5)) : result.ErrorTail;
            throw new EngineException("restored-server-start", ErrorKind.Unavailable,
                $"the cluster was restored into {data} and replayed, but its server does not start on port {port}: {tail}",
                "correct its configuration and start it: the data is whole");
        }
    }
}
