namespace Hexabase.DrConsole.Engine.Backups;

/// <summary>Two pieces of work of which neither is worth anything without the other.</summary>
internal static class Together
{
    /// <summary>
    /// Runs both. When one fails the other is cancelled, both have ended when this returns, and the failure that came first
    /// is thrown: the second is most often only its echo.
    /// </summary>
    public static async Task<T> RunAsync<T>(
        Func<CancellationToken, Task<T>> first, Func<CancellationToken, Task> second, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var one = first(stop.Token);
        var two = second(stop.Token);
        var ended = await Task.WhenAny(one, two);
        if (!ended.IsCompletedSuccessfully)
        {
            await stop.CancelAsync();
        }

        await Task.WhenAll(one, two).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        cancellationToken.ThrowIfCancellationRequested();
        await ended;
        await two;
        return await one;
    }
}
