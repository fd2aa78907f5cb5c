namespace Hexabase.DrConsole.Dashboard.Live;

/// <summary>
/// One reading for all who want the same at the same moment: a change wakes every open page of the process, and what they show is often
/// the same for all. No reader gets what was read before they asked: a reading is shared only by those who asked before it began.
/// </summary>
public sealed class SharedReading
{
    /// <summary>So long a reading waits for others who were woken by the same change: far below what a page is allowed.</summary>
    internal static readonly TimeSpan Gathering = TimeSpan.FromMilliseconds(10);

    private readonly TimeProvider _clock;

    private readonly Lock _lock = new();

    /// <summary>Those that have not begun yet.</summary>
    private readonly Dictionary<(string What, Type Kind), Task> _coming = [];

    /// <summary>By the machine's clock, whatever that of the product is: it is about how fast threads come to run.</summary>
    public SharedReading()
        : this(TimeProvider.System)
    {
    }

    internal SharedReading(TimeProvider clock) => _clock = clock;

    /// <summary>Reads, together with whoever asks for the same before it begins.</summary>
    /// <param name="what">Names what is read, with all that it depends on; nothing of the person or the circuit may be in it, nor any text in a language.</param>
    /// <param name="read">Reads it; it is not broken off where one of its readers leaves.</param>
    /// <param name="cancellationToken">Ends this reader's wait.</param>
    public Task<T> ReadAsync<T>(string what, Func<CancellationToken, Task<T>> read, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(read);
        var key = (what, typeof(T));
        lock (_lock)
        {
            if (!_coming.TryGetValue(key, out var coming))
            {
                _coming.Add(key, coming = BeginAsync(key, read));
            }

            return ((Task<T>)coming).WaitAsync(cancellationToken);
        }
    }

    private async Task<T> BeginAsync<T>((string What, Type Kind) key, Func<CancellationToken, Task<T>> read)
    {
        await Task.Delay(Gathering, _clock, CancellationToken.None).ConfigureAwait(false);
        lock (_lock)
        {
            // Whoever asks from now on may know of a change that this reading misses.
            _coming.Remove(key);
        }

        return await read(CancellationToken.None).ConfigureAwait(false);
    }
}
