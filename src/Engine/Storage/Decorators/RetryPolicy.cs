namespace Hexabase.DrConsole.Engine.Storage.Decorators;

/// <summary>
/// When a failed call is made again: only after a fault that is marked as transient, after pauses that double and are chosen
/// at random up to their length (many writers that failed together must not come back together), for a bounded time.
/// </summary>
public sealed record RetryPolicy
{
    /// <summary>For stores behind a network.</summary>
    public static RetryPolicy Default { get; } = new();

    /// <summary>No call begins anew later than this after the first one failed.</summary>
    public TimeSpan TotalTime { get; init; } = TimeSpan.FromSeconds(60);

    public TimeSpan FirstPause { get; init; } = TimeSpan.FromMilliseconds(200);

    public TimeSpan LongestPause { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>The pause before a retry.</summary>
    /// <param name="retry">1 for the first.</param>
    /// <param name="share">A random number from 0 to below 1.</param>
    public TimeSpan Pause(int retry, double share)
    {
        var longest = Math.Min(FirstPause.TotalSeconds * Math.Pow(2, Math.Min(retry - 1, 30)), LongestPause.TotalSeconds);
        // At least half: a pause of nearly nothing would not let a busy server breathe.
        return TimeSpan.FromSeconds(longest * (0.5 + (share / 2)));
    }
}

/// <summary>
/// What the stores of one place know of each other's failures: where one has tried again in vain for all its time, the others
/// fail at once until a call succeeds. A tier that is down then costs a run that time once and not at every step.
/// </summary>
public sealed class SharedPatience
{
    private volatile bool _isOver;

    /// <summary>True while nothing is tried again.</summary>
    public bool IsOver => _isOver;

    internal void End() => _isOver = true;

    internal void Renew() => _isOver = false;
}

/// <summary>A call that failed and will be made again.</summary>
/// <param name="Fault">Why it failed.</param>
/// <param name="Retry">1 for the first retry.</param>
/// <param name="Pause">How long is waited before it.</param>
public sealed record RetryNotice(EngineException Fault, int Retry, TimeSpan Pause);
