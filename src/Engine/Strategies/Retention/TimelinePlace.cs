namespace Hexabase.DrConsole.Engine.Strategies.Retention;

/// <summary>A part of a line of timelines: that timeline counts from one place in the WAL up to another.</summary>
/// <param name="Timeline">The timeline.</param>
/// <param name="BeginLsn">Where it was made; 0 for the first.</param>
/// <param name="EndLsn">Where the next one leaves it; the largest number for the last.</param>
public readonly record struct TimelinePart(uint Timeline, ulong BeginLsn, ulong EndLsn);

/// <summary>Where a base backup stands in the WAL of its cluster.</summary>
/// <param name="StartLsn">Where its replay begins.</param>
/// <param name="StopLsn">Where it is consistent.</param>
/// <param name="Line">Its timeline and those before it, oldest first; only its own where nobody wrote down which those are.</param>
public sealed record TimelinePlace(ulong StartLsn, ulong StopLsn, IReadOnlyList<TimelinePart> Line)
{
    /// <summary>Its own timeline.</summary>
    public uint Timeline => Line[^1].Timeline;

    /// <summary>True where replay from here can go along that line: it is on a timeline of it, and consistent before that one is left.</summary>
    public bool LeadsAlong(IReadOnlyList<TimelinePart> line) => line.Any(part => part.Timeline == Timeline && part.BeginLsn <= StartLsn && StopLsn <= part.EndLsn);
}
