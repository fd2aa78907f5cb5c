namespace Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;

/// <summary>The pause of a restore in place, with its record in the ledger: whatever becomes of this process, the tenant's cluster is started again.</summary>
/// <param name="pause">The cluster's pause.</param>
/// <param name="ledger">Where it is recorded; null where nothing looks through it.</param>
/// <param name="source">The source's name.</param>
/// <param name="access">The cluster.</param>
/// <param name="target">Where the restore goes.</param>
/// <param name="operation">Names the run.</param>
internal sealed class RecordedPause(ClusterPause pause, PauseLedger? ledger, string source, VClusterAccess access, VClusterTarget target, string operation)
{
    private PauseRecord? _record;

    /// <summary>True where it is stopped for this restore, or about to be.</summary>
    public Task<bool> IsHeldAsync(CancellationToken cancellationToken) => pause.IsHeldAsync(operation, cancellationToken);

    /// <summary>Takes a stop over that an interrupted attempt has left, so that nobody who looks through the ledger starts it in the middle of this one.</summary>
    /// <returns>False where it is not stopped for this restore.</returns>
    public async Task<bool> TakeOverAsync(CancellationToken cancellationToken)
    {
        if (!await IsHeldAsync(cancellationToken).ConfigureAwait(false))
        {
            return false;
        }

        _record = Write();
        if (await IsHeldAsync(cancellationToken).ConfigureAwait(false))
        {
            return true;
        }

        // Whoever found the record of the interrupted attempt has started it just now.
        ledger?.Forget(source, operation);
        _record = null;
        return false;
    }

    /// <summary>Leaves what was taken over to whoever looks through the ledger.</summary>
    public void GiveUp()
    {
        if (_record is { } record)
        {
            ledger?.GiveUp(record);
        }
    }

    /// <summary>Stops it.</summary>
    /// <exception cref="EngineException"><c>vcluster-paused</c>: somebody else holds it; <c>pause-timeout</c>.</exception>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        if (ledger?.Find(source) is { IsResumed: false } other && other.Purpose != operation)
        {
            throw Paused($"by a {other.Purpose} that has not started it again yet");
        }

        _record = Write();
        if (!await pause.PauseAsync(operation, cancellationToken).ConfigureAwait(false))
        {
            ledger?.Forget(source, operation);
            throw Paused("by somebody else");
        }
    }

    /// <summary>Makes sure that nothing of it runs: whoever finds a pause may start it again.</summary>
    /// <exception cref="EngineException"><c>pause-broken</c>.</exception>
    public async Task RequireStoppedAsync(CancellationToken cancellationToken)
    {
        if (!await pause.IsHeldAsync(operation, cancellationToken).ConfigureAwait(false) || !await pause.IsStoppedAsync(cancellationToken).ConfigureAwait(false))
        {
            throw new EngineException("pause-broken", ErrorKind.Conflict, $"{access.Name} was started by somebody else while it was to be restored", "see who starts it, and restore again");
        }
    }

    /// <summary>Starts what was stopped, for minutes where the host does not answer; then it is left to whoever looks through the ledger.</summary>
    /// <returns>True where it was paused by this restore.</returns>
    public async Task<bool> StartAsync()
    {
        try
        {
            var resumed = await pause.ResumePatientlyAsync(operation).ConfigureAwait(false);
            ledger?.Forget(source, operation);
            return resumed;
        }
        catch (EngineException)
        {
            ledger?.GiveUp(_record ?? Write()!);
            throw;
        }
    }

    private PauseRecord? Write() => ledger?.Write(source, access, target.Settings, operation, target.Store);

    private EngineException Paused(string by) => new("vcluster-paused", ErrorKind.Conflict, $"{access.Name} is paused {by}", "resume it, or let them; then restore again");
}
