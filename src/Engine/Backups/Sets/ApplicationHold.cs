using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Backups.Sets;

/// <summary>
/// Holds an application still by its operators' own command, and lets it go on again. Both commands may be called again after a
/// crash, so they must not mind that there is nothing left to do.
/// </summary>
internal sealed class ApplicationHold(WorkspaceSettings settings, ProcessRegistry registry, TimeProvider time)
{
    private const int Tries = 3;
    private static readonly TimeSpan s_between = TimeSpan.FromSeconds(2);

    /// <summary>True where the workspace has the commands for it.</summary>
    public bool IsConfigured => settings.Quiesce is not null;

    /// <summary>Holds it still.</summary>
    /// <param name="hint">What whoever asks is told where that fails: only the caller knows what was not begun then.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="EngineException"><c>quiesce-failed</c>; whoever calls lets it go on, since it may be half done.</exception>
    public async Task BeginAsync(string hint, CancellationToken cancellationToken)
    {
        if (await FaultOfAsync(settings.Quiesce!, cancellationToken) is { } fault)
        {
            throw new EngineException("quiesce-failed", ErrorKind.Unavailable, $"the application of workspace {settings.Name} could not be held still: {fault}", hint);
        }
    }

    /// <summary>Lets it go on, trying three times. Not cancellable: an application that stands still is an outage.</summary>
    /// <returns>Why it may still stand still; null where it goes on.</returns>
    public async Task<string?> EndAsync(Action<string, string> warn)
    {
        string? fault = null;
        for (var attempt = 1; attempt <= Tries; attempt++)
        {
            fault = await FaultOfAsync(settings.Resume!, CancellationToken.None);
            if (fault is null)
            {
                return null;
            }

            warn("hold", $"the application could not be let go on (try {attempt} of {Tries}): {fault}");
            await Task.Delay(attempt < Tries ? s_between : TimeSpan.Zero, time);
        }

        return fault;
    }

    private Task<string?> FaultOfAsync(IReadOnlyList<string> words, CancellationToken cancellationToken) => OperatorCommand.FaultOfAsync(
        new ToolCommand(words[0], [.. words.Skip(1)]) { Purpose = string.Join(' ', words) }, settings.LongestHold, registry, cancellationToken);
}
