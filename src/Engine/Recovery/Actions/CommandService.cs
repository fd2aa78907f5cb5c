using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Recovery.Actions;

/// <summary>A service behind commands: of systemd, or of the operators' own.</summary>
/// <param name="unit">The unit, where it is systemd's.</param>
public sealed class CommandService(IReadOnlyList<string> start, IReadOnlyList<string> stop, IReadOnlyList<string> status, ProcessRegistry registry, string? unit = null) : IServiceControl
{
    public string StopText => string.Join(' ', stop);

    public string StartText => string.Join(' ', start);

    public async Task<bool> IsRunningAsync(CancellationToken cancellationToken) => (await RunAsync(status, cancellationToken)).ExitCode == 0;

    /// <summary>A unit that systemd does not know would be found only when it is to be stopped.</summary>
    public async Task<ActionOutlook> LookAsync(CancellationToken cancellationToken)
    {
        if (unit is null || ChildProcess.TryResolve("systemctl") is null)
        {
            return ActionOutlook.Nothing;
        }

        var result = await RunAsync(["systemctl", "show", "--property=LoadState", "--value", unit], cancellationToken);
        return (result.ExitCode, result.Output.Trim()) switch
        {
            (0, "loaded") => ActionOutlook.Nothing,
            (0, var state) => new ActionOutlook([], [$"systemd has no unit {unit} that it could start ({state}): look at Recovery:Service:Unit"]),
            _ => new ActionOutlook([], [$"systemd does not say whether it has the unit {unit}: {result.ErrorTail.Trim()}"]),
        };
    }

    public Task<IReadOnlyList<string>> ReadOptionsAsync(CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<string>>([]);

    public async Task StopAsync(Action<string> log, CancellationToken cancellationToken)
    {
        log(StopText);
        var result = await RunAsync(stop, cancellationToken);
        if (result.ExitCode != 0 || await IsRunningAsync(cancellationToken))
        {
            throw Failed("service-stop", $"the service did not stop: {StopText} ended with {result.ExitCode}", result);
        }
    }

    public async Task StartAsync(IReadOnlyList<string> options, Action<string> log, CancellationToken cancellationToken)
    {
        log(StartText);
        var result = await RunAsync(start, cancellationToken);
        if (result.ExitCode != 0 || !await IsRunningAsync(cancellationToken))
        {
            throw Failed("service-start", $"the service did not start: {StartText} ended with {result.ExitCode}", result);
        }
    }

    private Task<ToolResult> RunAsync(IReadOnlyList<string> words, CancellationToken cancellationToken) =>
        ToolProcess.RunAsync(new ToolCommand(words[0], [.. words.Skip(1)]) { Purpose = string.Join(' ', words) }, registry, cancellationToken);

    private static EngineException Failed(string code, string message, ToolResult result) =>
        new(code, ErrorKind.Unavailable, $"{message}{(result.ErrorTail.Length > 0 ? $": {result.ErrorTail}" : "")}", "look at the service's own log");
}
