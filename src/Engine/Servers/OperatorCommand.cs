namespace Hexabase.DrConsole.Engine.Servers;

/// <summary>A command that an operator configured: what goes wrong with it is an answer, since whoever calls has something to put right then.</summary>
internal static class OperatorCommand
{
    private const int LinesKept = 3;

    /// <summary>Runs it to its end, or stops it when its time is over.</summary>
    /// <returns>What went wrong; null where it ended well.</returns>
    public static async Task<string?> FaultOfAsync(ToolCommand command, TimeSpan limit, ProcessRegistry registry, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(limit, registry.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            var result = await ToolProcess.RunAsync(command, registry, either.Token).ConfigureAwait(false);
            var said = string.Join("; ", (result.ErrorTail + '\n' + result.Output).Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).TakeLast(LinesKept));
            return result.ExitCode == 0 ? null : $"{command.Executable} ended with {result.ExitCode}{(said.Length > 0 ? ": " + said : "")}";
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return FormattableString.Invariant($"{command.Executable} did not end within {limit.TotalSeconds:0.#} s and was stopped");
        }
        catch (EngineException missing)
        {
            return missing.Message;
        }
    }
}
