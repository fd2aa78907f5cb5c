namespace Hexabase.DrConsole.Engine.Runs;

/// <summary>Ends a wait early. Any number of calls before it are one.</summary>
internal sealed class Wake : IDisposable
{
    private readonly SemaphoreSlim _set = new(0, 1);

    /// <summary>Ends the wait, or the next one.</summary>
    public void Set()
    {
        try
        {
            _set.Release();
        }
        catch (SemaphoreFullException)
        {
            // It is awake already.
        }
    }

    /// <summary>Returns when it was set, or after <paramref name="atMost"/>.</summary>
    public Task WaitAsync(TimeSpan atMost, CancellationToken ct) => _set.WaitAsync(atMost, ct);

    public void Dispose() => _set.Dispose();
}
