using System.Security.Cryptography;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;

namespace Hexabase.DrConsole.Engine.Validation.Drills;

/// <summary>What a drill is about to recover: written down before it acts, so that one that was killed recovers the same.</summary>
/// <param name="Moment">The moment.</param>
/// <param name="RestorePoint">The base backup to begin with: the newest before it.</param>
/// <param name="Tier">The tier that is read.</param>
public sealed record DrillMoment(DateTimeOffset Moment, string RestorePoint, string Tier)
{
    /// <summary>The timeline that it is recovered along; null in what was written down by an older build.</summary>
    public uint? Timeline { get; init; }

    /// <summary>
    /// What the source's and the console's clocks may differ by: a moment that the console takes for the window's end may be yet to
    /// come on the source's.
    /// </summary>
    private static readonly TimeSpan s_clocks = TimeSpan.FromSeconds(5);

    /// <summary>Chooses a whole second of the window, each with the same chance.</summary>
    /// <param name="window">What can be recovered.</param>
    /// <param name="wanted">The moment, where a person asked for one.</param>
    /// <param name="randomBelow">A random number from 0 to below its argument; cryptographic where null.</param>
    /// <exception cref="EngineException"><c>window-empty</c>; <c>recovery-out-of-reach</c> for a wanted moment outside of it.</exception>
    public static DrillMoment Choose(RecoverableWindow window, DateTimeOffset? wanted, Func<int, int>? randomBelow = null)
    {
        ArgumentNullException.ThrowIfNull(window);
        if (wanted is { } asked)
        {
            return window.Holding(asked) is [var newest, ..] ? In(newest, asked, window.Tier) : throw new EngineException(
                "recovery-out-of-reach", ErrorKind.NotFound, $"{asked.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC cannot be reached: {Text(window)}", "choose a moment in the window");
        }

        var stretches = window.Stretches.Select(stretch => (Stretch: stretch, Seconds: Seconds(stretch))).Where(stretch => stretch.Seconds > 0).ToList();
        if (stretches.Count == 0)
        {
            throw new EngineException("window-empty", ErrorKind.NotFound, $"there is no moment to recover to yet: {Text(window)}", "wait until WAL is stored that follows a base backup");
        }

        var chosen = (randomBelow ?? RandomNumberGenerator.GetInt32)(stretches.Sum(stretch => stretch.Seconds));
        foreach (var (stretch, seconds) in stretches)
        {
            if (chosen < seconds)
            {
                return In(stretch, Ceiling(stretch.From).AddSeconds(chosen), window.Tier);
            }

            chosen -= seconds;
        }

        throw new System.Diagnostics.UnreachableException("the number is below the sum");
    }

    /// <summary>Along the stretch's own timeline: a branch that was left is in the window like the one that lives.</summary>
    private static DrillMoment In(WindowStretch stretch, DateTimeOffset moment, string tier) =>
        new(moment, stretch.Bases.Last(basis => basis.At <= moment).Id.Value, tier) { Timeline = stretch.Timeline };

    private static int Seconds(WindowStretch stretch) =>
        stretch.To - s_clocks < Ceiling(stretch.From) ? 0 : 1 + (int)Math.Min(int.MaxValue / 4, Math.Floor((stretch.To - s_clocks - Ceiling(stretch.From)).TotalSeconds));

    private static DateTimeOffset Ceiling(DateTimeOffset time) => time.Ticks % TimeSpan.TicksPerSecond is 0 ? time : time.AddTicks(TimeSpan.TicksPerSecond - (time.Ticks % TimeSpan.TicksPerSecond));

    private static string Text(RecoverableWindow window) => window.Stretches.Count == 0
        ? "no base backup with WAL is stored"
        : string.Join(", ", window.Stretches.Select(stretch => $"{stretch.From.UtcDateTime:yyyy-MM-dd HH:mm:ss} to {stretch.To.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC"));
}
