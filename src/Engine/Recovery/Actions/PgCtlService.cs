using System.Globalization;
using System.Text.RegularExpressions;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Recovery.Actions;

/// <summary>A PostgreSQL server by pg_ctl, as the owner of its data directory.</summary>
public sealed partial class PgCtlService(string dataDirectory, ProcessRegistry registry) : IServiceControl
{
    /// <summary>A damaged server may not reach its shutdown checkpoint; then it is stopped without one.</summary>
    private static readonly TimeSpan s_fastPatience = TimeSpan.FromSeconds(60);

    private static readonly TimeSpan s_immediatePatience = TimeSpan.FromSeconds(30);

    public string StopText => $"pg_ctl stop -m fast -D {dataDirectory} (after {s_fastPatience.TotalSeconds:0} s: -m immediate)";

    public string StartText => $"pg_ctl start -D {dataDirectory}, with the options that it ran with";

    public Task<bool> IsRunningAsync(CancellationToken cancellationToken) => Task.FromResult(PostmasterFile.FindLiving(dataDirectory) is not null);

    /// <summary>From postmaster.opts, without the data directory: a configuration that lies elsewhere, a port of its own.</summary>
    public async Task<IReadOnlyList<string>> ReadOptionsAsync(CancellationToken cancellationToken)
    {
        var file = Path.Combine(dataDirectory, "postmaster.opts");
        if (!File.Exists(file))
        {
            return [];
        }

        var words = Words().Matches(await File.ReadAllTextAsync(file, cancellationToken)).Select(match => match.Groups[1].Value).ToList();
        var directory = words.IndexOf("-D");
        if (directory >= 0)
        {
            words.RemoveRange(directory, Math.Min(2, words.Count - directory));
        }

        return words;
    }

    public async Task StopAsync(Action<string> log, CancellationToken cancellationToken)
    {
        if (PostmasterFile.FindLiving(dataDirectory) is not { } living)
        {
            log("the server does not run");
            return;
        }

        var binaries = Binaries();
        var result = await RunAsync(binaries, ["stop", "--mode=fast", "--wait", Timeout(s_fastPatience), "--silent"], cancellationToken);
        if (result.ExitCode != 0 && living.Process.IsAlive())
        {
            log($"a fast shutdown did not end it ({result.ErrorTail.Trim()}); stopping it without a checkpoint");
            result = await RunAsync(binaries, ["stop", "--mode=immediate", "--wait", Timeout(s_immediatePatience), "--silent"], cancellationToken);
        }

        if (PostmasterFile.FindLiving(dataDirectory) is not null)
        {
            throw new EngineException("service-stop", ErrorKind.Unavailable, $"the server on {dataDirectory} still runs: {result.ErrorTail.Trim()}",
                "stop it by hand, then try again");
        }
    }

    public async Task StartAsync(IReadOnlyList<string> options, Action<string> log, CancellationToken cancellationToken)
    {
        if (PostmasterFile.FindLiving(dataDirectory) is not null)
        {
            log("the server runs already");
            return;
        }

        var serverLog = Path.Combine(dataDirectory, "drconsole-start.log");
        List<string> arguments = ["start", "--wait", "--timeout=300", "--silent", $"--log={serverLog}"];
        if (options.Count > 0)
        {
            arguments.Add($"--options={string.Join(' ', options.Select(Quote))}");
        }

        var result = await RunAsync(Binaries(), arguments, cancellationToken);
        if (result.ExitCode != 0)
        {
            var tail = File.Exists(serverLog) ? string.Join("; ", File.ReadLines(serverLog).TakeLast(5)) : result.ErrorTail;
            throw new EngineException("service-start", ErrorKind.Unavailable, $"the server on {dataDirectory} does not start: {tail}", $"its log is {serverLog}");
        }
    }

    /// <summary>One word for the shell that pg_ctl hands the options to.</summary>
    private static string Quote(string word) => $"'{word.Replace("'", "'\\''", StringComparison.Ordinal)}'";

    private static string Timeout(TimeSpan patience) => string.Create(CultureInfo.InvariantCulture, $"--timeout={patience.TotalSeconds:0}");

    private PostgresBinaries Binaries() =>
        PostgresBinaries.Find(int.Parse(File.ReadAllText(Path.Combine(dataDirectory, "PG_VERSION")).Trim(), CultureInfo.InvariantCulture));

    private Task<ToolResult> RunAsync(PostgresBinaries binaries, IReadOnlyList<string> arguments, CancellationToken cancellationToken) =>
        ToolProcess.RunAsync(
            new ToolCommand(binaries.PathOf("pg_ctl"), [.. arguments, $"--pgdata={dataDirectory}"])
            {
                RunAs = ServerUser.ForPostgres(),
                Purpose = $"pg_ctl {arguments[0]} of {dataDirectory}",
                Environment = new Dictionary<string, string> { ["LC_MESSAGES"] = "C" },
            },
            registry, cancellationToken);

    [GeneratedRegex("\"([^\"]*)\"")]
    private static partial Regex Words();
}
