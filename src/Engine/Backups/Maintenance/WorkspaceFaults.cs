using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Engine.Backups.Maintenance;

/// <summary>What ended the work on single workspaces of a tier. The others have their turn all the same; the run says at its end what failed.</summary>
/// <param name="context">The run.</param>
/// <param name="phase">Names its warnings.</param>
internal sealed class WorkspaceFaults(RunContext context, string phase)
{
    private readonly List<(string Workspace, EngineException Fault)> _all = [];

    /// <summary>The workspaces of which something that is stored is damaged.</summary>
    public IEnumerable<string> Damaged => _all.Where(one => one.Fault.Kind == ErrorKind.Damaged).Select(one => one.Workspace);

    /// <summary>Does the work on one workspace.</summary>
    public async Task TryAsync(string workspace, Func<Task> work)
    {
        try
        {
            await work();
        }
        catch (EngineException fault) when (!context.Cancellation.IsCancellationRequested)
        {
            _all.Add((workspace, fault));
            context.Warn(phase, $"{workspace}: {fault.Message}");
        }
    }

    /// <summary>Fails where any workspace did, after all others.</summary>
    /// <exception cref="EngineException">Names each workspace with its fault; code, kind and hint are the first one's.</exception>
    public void ThrowIfAny()
    {
        if (_all is [var (_, first), ..])
        {
            throw new EngineException(first.Code, first.Kind, string.Join("; ", _all.Select(one => $"{one.Workspace}: {one.Fault.Message}")), first.Hint, first)
            {
                IsTransient = _all.TrueForAll(one => one.Fault.IsTransient),
            };
        }
    }
}
