namespace Hexabase.DrConsole.Dashboard.Controls;

/// <summary>
/// One second hand for all ages of a circuit: a timer per figure would cost a message per figure. It runs only while
/// somebody listens.
/// </summary>
public sealed class PageClock(TimeProvider time) : IDisposable
{
    private readonly Lock _gate = new();
    private readonly List<Action> _listeners = [];
    private ITimer? _timer;

    /// <summary>Calls <paramref name="onTick"/> each second, on a thread of its own, until the answer is disposed.</summary>
    public IDisposable Listen(Action onTick)
    {
        lock (_gate)
        {
            _listeners.Add(onTick);
            _timer ??= time.CreateTimer(_ => Tick(), null, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1));
        }

        return new Listener(this, onTick);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            _listeners.Clear();
            _timer?.Dispose();
            _timer = null;
        }
    }

    private void Tick()
    {
        Action[] listeners;
        lock (_gate)
        {
            listeners = [.. _listeners];
        }

        foreach (var listener in listeners)
        {
            listener();
        }
    }

    private void Remove(Action onTick)
    {
        lock (_gate)
        {
            _listeners.Remove(onTick);
            if (_listeners.Count == 0)
            {
                _timer?.Dispose();
                _timer = null;
            }
        }
    }

    private sealed class Listener(PageClock clock, Action onTick) : IDisposable
    {
        public void Dispose() => clock.Remove(onTick);
    }
}
