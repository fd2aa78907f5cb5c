using System.Globalization;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Wal;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Physical;

/// <summary>
/// How a base backup and stored WAL lead to a moment: along which timeline, from where to where. Decided from the store's
/// listing before anything is fetched, so that a moment out of reach is refused with what is in reach.
/// </summary>
/// <param name="Timeline">The timeline to recover along.</param>
/// <param name="From">The first byte of WAL that is needed.</param>
/// <param name="Until">The byte after the last that there is without a hole.</param>
/// <param name="Enough">What most likely suffices: up to this byte.</param>
/// <param name="UntilTime">When the last of it was stored: every commit up to about then is in it.</param>
internal sealed record RecoveryPath(uint Timeline, ulong From, ulong Until, ulong Enough, DateTimeOffset UntilTime)
{
    /// <summary>Commits become durable in a store a little after they were made, and clocks differ a little.</summary>
    private static readonly TimeSpan s_slack = TimeSpan.FromMinutes(1);

    /// <summary>Finds the path.</summary>
    /// <exception cref="EngineException">
    /// <c>recovery-out-of-reach</c>, naming the window; <c>wal-missing</c> where no WAL is stored that continues the base backup.
    /// </exception>
    public static RecoveryPath Find(Manifest manifest, ClusterFacts facts, WalCoverage coverage, PgDataTarget target)
    {
        var from = Lsn.Parse(facts.StartLsn).Value;
        var stop = Lsn.Parse(facts.StopLsn).Value;
        var consistent = ConsistentAt(manifest);
        var best = Reaching(facts.Timeline, coverage, from);
        if (best is not { Until: var until } || until <= stop)
        {
            throw new EngineException("wal-missing", ErrorKind.NotFound,
                $"no WAL is stored that continues restore point {manifest.Id.Short} (timeline {facts.Timeline}, from {facts.StartLsn})",
                "restore the restore point itself, or look at the source's WAL: drconsole wal status");
        }

        var untilTime = best.Extents.Max(extent => extent.Extent.StoredAt);
        var window = $"in reach from this restore point: {Text(consistent)} to {Text(untilTime)}, or LSN {facts.StopLsn} to {new Lsn(until)}";
        if (target.Time is { } time)
        {
            if (time < consistent)
            {
                throw OutOfReach($"{target.MomentText} lies before the end of restore point {manifest.Id.Short}", window, "choose an older restore point");
            }

            if (time > untilTime + s_slack && !target.ToEnd)
            {
                throw OutOfReach($"{target.MomentText} lies after the last WAL that is stored", window, "choose a moment in the window, or end=true");
            }
        }

        if (target.Lsn is { } lsn && Lsn.Parse(lsn).Value is var wanted && (wanted < stop || wanted > until))
        {
            throw OutOfReach($"{target.MomentText} is not in reach", window, wanted < stop ? "choose an older restore point" : "choose a place in the window, or end=true");
        }

        return new RecoveryPath(best.Timeline, from, until, EnoughFor(target, best, until), untilTime);
    }

    /// <summary>The earliest moment that a base backup can be recovered to.</summary>
    public static DateTimeOffset ConsistentAt(Manifest manifest) =>
        manifest.Properties.GetValueOrDefault(PhysicalBackup.ConsistentProperty) is { } text
            ? DateTimeOffset.Parse(text, CultureInfo.InvariantCulture, DateTimeStyles.RoundtripKind)
            : manifest.CompletedAt;

    /// <summary>The timeline that leads furthest from the base backup; the newest of them, since that is the server's present.</summary>
    public static ReachedTimeline? Reaching(uint basis, WalCoverage coverage, ulong from)
    {
        var candidates = coverage.Timelines.Select(one => one.Timeline).Where(timeline => LeadsFrom(coverage, timeline, basis, from));
        return candidates.Select(timeline =>
        {
            var until = coverage.ReadableUntil(timeline, from);
            var extents = coverage.UsableOf(timeline).Where(extent => extent.StartLsn < until && extent.EndLsn > from).OrderBy(extent => extent.StartLsn).ToList();
            return new ReachedTimeline(timeline, until, extents);
        }).Where(reached => reached.Extents.Count > 0).OrderByDescending(reached => reached.Timeline).ThenByDescending(reached => reached.Until).FirstOrDefault();
    }

    private static bool LeadsFrom(WalCoverage coverage, uint timeline, uint basis, ulong from) =>
        coverage.LineageOf(timeline).Any(step => step.Timeline == basis && step.StartLsn <= from && from < step.EndLsn);

    private static ulong EnoughFor(PgDataTarget target, ReachedTimeline best, ulong until)
    {
        if (target.Lsn is { } lsn)
        {
            return Lsn.Parse(lsn).Value;
        }

        // The first WAL that was stored well after the moment most likely holds a commit after it, which is where replay stops.
        return target.Time is { } time && best.Extents.FirstOrDefault(extent => extent.Extent.StoredAt > time + s_slack) is { EndLsn: > 0 } first
            ? Math.Min(first.EndLsn, until)
            : until;
    }

    private static EngineException OutOfReach(string what, string window, string hint) =>
        new("recovery-out-of-reach", ErrorKind.NotFound, $"{what}; {window}", hint);

    private static string Text(DateTimeOffset time) => $"{time.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC";
}

/// <summary>How far a timeline leads.</summary>
/// <param name="Timeline">The timeline.</param>
/// <param name="Until">The byte after the last without a hole.</param>
/// <param name="Extents">What is stored on the way, by LSN.</param>
internal sealed record ReachedTimeline(uint Timeline, ulong Until, IReadOnlyList<UsableExtent> Extents);
