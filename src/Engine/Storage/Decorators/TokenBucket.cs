namespace Hexabase.DrConsole.Engine.Storage.Decorators;

/// <summary>
/// A rate of bytes per second that any number of callers share. A caller takes what it needs and waits until the rate allows
/// it, in the order of asking; an hour without traffic earns no more than a second's worth.
/// </summary>
public sealed class TokenBucket
{
    private readonly double _bytesPerSecond;
    private readonly TimeProvider _time;
    private readonly long _start;
    private readonly Lock _gate = new();
    private double _freeAt = double.NegativeInfinity;

    /// <param name="bytesPerSecond">More than 0.</param>
    /// <param name="time">The clock.</param>
    public TokenBucket(double bytesPerSecond, TimeProvider? time = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bytesPerSecond);
        _bytesPerSecond = bytesPerSecond;
        _time = time ?? TimeProvider.System;
        _start = _time.GetTimestamp();
    }

    /// <summary>Waits until so many bytes may be sent.</summary>
    public async Task TakeAsync(long bytes, CancellationToken cancellationToken)
    {
        TimeSpan wait;
        lock (_gate)
        {
            // A time line without jumps: whoever comes is booked behind those who came before, even over the rate for a moment.
            var now = _time.GetElapsedTime(_start).TotalSeconds;
            _freeAt = Math.Max(_freeAt, now - 1) + (bytes / _bytesPerSecond);
            wait = TimeSpan.FromSeconds(Math.Max(0, _freeAt - now));
        }

        if (wait > TimeSpan.Zero)
        {
            await Task.Delay(wait, _time, cancellationToken);
        }
    }
}
