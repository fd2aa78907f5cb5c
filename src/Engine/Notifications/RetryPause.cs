namespace Hexabase.DrConsole.Engine.Notifications;

/// <summary>How long a failed delivery waits: twice as long each time, up to a bound, and never quite the same for two that failed together.</summary>
internal static class RetryPause
{
    public static readonly TimeSpan First = TimeSpan.FromSeconds(5);
    public static readonly TimeSpan Longest = TimeSpan.FromMinutes(15);

    private const int MostDoublings = 20;

    /// <param name="attempt">The tries that were begun, from 1.</param>
    /// <param name="random">0 to 1.</param>
    public static TimeSpan After(int attempt, double random)
    {
        var whole = TimeSpan.FromTicks(Math.Min(First.Ticks << Math.Clamp(attempt - 1, 0, MostDoublings), Longest.Ticks));
        return whole * (0.5 + (random / 2));
    }

    /// <summary>The receiver's own wish, within bounds: one that asks for a year is not obeyed.</summary>
    public static TimeSpan After(int attempt, double random, TimeSpan? wish) =>
        wish is { } asked && asked > TimeSpan.Zero ? TimeSpan.FromTicks(Math.Min(asked.Ticks, Longest.Ticks)) : After(attempt, random);
}
