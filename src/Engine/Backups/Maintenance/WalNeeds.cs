using Hexabase.DrConsole.Engine.Repository.Wal;
using Hexabase.DrConsole.Engine.Strategies.Retention;

namespace Hexabase.DrConsole.Engine.Backups.Maintenance;

/// <summary>
/// Which WAL of a cluster the point-in-time window needs, timeline by timeline along the stored histories. A timeline of whose own time
/// something lies within the window is reached from its anchor; so of each timeline on the way everything stays from the anchor on. A
/// timeline that leads nowhere within the window goes as a whole once all of it is older, whatever base backups are left on it: they
/// carry the WAL that makes them consistent themselves.
/// </summary>
/// <param name="Before">Per timeline the first byte that stays; the end of what is stored where all of it may go. Others are not touched.</param>
/// <param name="Anchors">The base backups that WAL is kept for.</param>
/// <param name="LacksUsableBase">True where every base backup that is as old as the window on some timeline is of no use: its WAL stays.</param>
internal sealed record WalNeeds(IReadOnlyDictionary<uint, ulong> Before, IReadOnlyList<RetainedPoint> Anchors, bool LacksUsableBase)
{
    /// <summary>Decides from what a listing showed; reads nothing.</summary>
    /// <param name="coverage">What the tier holds.</param>
    /// <param name="bases">The base backups of the cluster there.</param>
    /// <param name="tier">The tier's name.</param>
    /// <param name="begin">Where the window begins.</param>
    public static WalNeeds Of(WalCoverage coverage, IReadOnlyList<RetainedPoint> bases, string tier, DateTimeOffset begin)
    {
        var stays = new Dictionary<uint, ulong>();
        var anchors = new List<RetainedPoint>();
        var lacks = false;
        foreach (var timeline in coverage.Timelines.Where(one => IsWithin(one, coverage, bases, begin)).Select(one => one.Timeline))
        {
            var line = LineOf(coverage, timeline);
            if (WindowAnchor.InTier(bases, tier, begin, line) is { } anchor)
            {
                anchors.Add(anchor);
                foreach (var part in line.Where(part => part.Timeline >= anchor.Place!.Timeline))
                {
                    stays[part.Timeline] = Math.Min(stays.GetValueOrDefault(part.Timeline, ulong.MaxValue), anchor.Place!.StartLsn);
                }
            }
            else
            {
                // Bases that are younger than the window need no word: all of the WAL is within it. Where older ones are there, none of them is of use.
                lacks |= WindowAnchor.Leading(bases, begin, line).Any();
                foreach (var part in line)
                {
                    stays[part.Timeline] = 0;
                }
            }
        }

        return new WalNeeds(
            coverage.Timelines.Select(one => (one.Timeline, Before: BeforeOf(one, stays))).Where(one => one.Before > 0).ToDictionary(one => one.Timeline, one => one.Before),
            [.. anchors.Distinct()], lacks);
    }

    /// <summary>A timeline with those before it, as the stored histories say.</summary>
    public static IReadOnlyList<TimelinePart> LineOf(WalCoverage coverage, uint timeline) =>
        [.. coverage.LineageOf(timeline).Select(step => new TimelinePart(step.Timeline, step.StartLsn, step.EndLsn))];

    /// <summary>
    /// True where something of it was stored within the window. The newest counts however old it is, as long as a base backup leads to it:
    /// its server stands still, or is away.
    /// </summary>
    private static bool IsWithin(TimelineCoverage one, WalCoverage coverage, IReadOnlyList<RetainedPoint> bases, DateTimeOffset begin) =>
        AllOf(one).Any(extent => extent.StoredAt >= begin)
        || (one.Timeline == coverage.Timelines[^1].Timeline && bases.Any(point => point.Place is { } place && place.LeadsAlong(LineOf(coverage, one.Timeline))));

    private static ulong BeforeOf(TimelineCoverage one, Dictionary<uint, ulong> stays) =>
        !stays.TryGetValue(one.Timeline, out var from) ? AllOf(one).Max(extent => extent.EndLsn)
        : AllOf(one).Any(extent => extent.EndLsn <= from) ? from : 0;

    /// <summary>Damaged objects go with the others.</summary>
    private static IEnumerable<WalExtent> AllOf(TimelineCoverage one) => one.Extents.Concat(one.Damaged);
}
