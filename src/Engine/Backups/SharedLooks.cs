namespace Hexabase.DrConsole.Engine.Backups;

/// <summary>
/// Looks at places that may hang: a mount whose server is away does in the kernel, and hears of no cancel. One look at each is left
/// to hang there, and whoever asks again waits for that one, as long as they like.
/// </summary>
internal sealed class SharedLooks<TPlace, T>
    where TPlace : notnull
{
    private readonly Dictionary<TPlace, Task<T>> _open = [];

    /// <summary>The look that is under way, or a new one on a thread of its own.</summary>
    public Task<T> At(TPlace place, Func<Task<T>> look)
    {
        lock (_open)
        {
            return _open.TryGetValue(place, out var open) && !open.IsCompleted ? open : _open[place] = Task.Run(look);
        }
    }
}
