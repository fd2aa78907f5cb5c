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
/// <param name="UntilTime">When the last of it was stored: where the receiver kept pace, every commit up to about then is in it.</param>
internal sealed record RecoveryPath(uint Timeline, ulong From, ulong Until, ulong Enough, DateTimeOffset UntilTime)
{
    /// <summary>Other timelines that hold what was asked for, in another state.</summary>
    public IReadOnlyList<uint> Others { get; init; } = [];

    /// <summary>True where a younger timeline is stored: this one was left.</summary>
    public bool WasLeft { get; init; }

    /// <summary>The cluster's segment size.</summary>
    public int SegmentBytes { get; init; }

    /// <summary>What to say of the timeline to whoever chose no other; null where there is only one.</summary>
    public string? Note => (Others.Count, WasLeft) switch
    {
        ( > 0, _) => $"along timeline {Timeline}; timeline {string.Join(" and ", Others)} {(Others.Count > 1 ? "hold" : "holds")} that moment too, in another state: name it as timeline={Others[0]} where it is meant",
        (_, true) => $"along timeline {Timeline}, which was left for another later",
        _ => null,
    };

    /// <summary>What a plan says of the WAL that is replayed.</summary>
    public IEnumerable<string> Notes =>
        [$"WAL: timeline {Timeline}, from {new Lsn(From)} to about {new Lsn(Enough)} of {new Lsn(Until)}", .. Note is { } note ? [note] : Array.Empty<string>()];

    /// <summary>The same for a plan that is confirmed by its hash: without what grows while WAL comes in.</summary>
    public IEnumerable<string> SteadyNotes => [$"WAL: timeline {Timeline}, from {new Lsn(From)} on", .. Note is { } note ? [note] : Array.Empty<string>()];

    /// <summary>Finds the path.</summary>
    /// <exception cref="EngineException">
    /// <c>recovery-out-of-reach</c>, naming the window; <c>wal-missing</c> where no WAL is stored that continues the base backup.
    /// </exception>
    public static RecoveryPath Find(Manifest manifest, ClusterFacts facts, WalCoverage coverage, PgDataTarget target)
    {
        var (from, stop) = (Lsn.Parse(facts.StartLsn).Value, Lsn.Parse(facts.StopLsn).Value);
        var all = new RecoveryLines(coverage).From(facts.Timeline, from, stop);
        if (all.Count == 0)
        {
            throw new EngineException("wal-missing", ErrorKind.NotFound,
                $"no WAL is stored that continues restore point {manifest.Id.Short} (timeline {facts.Timeline}, from {facts.StartLsn})",
                "restore the restore point itself, or look at the source's WAL: drconsole wal status");
        }

        var reach = new Reach(manifest, facts, coverage, target, all);
        var fitting = target.Time is { } time ? reach.At(time) : target.Lsn is { } lsn ? reach.At(Lsn.Parse(lsn).Value) : reach.Wanted;
        var chosen = fitting[0];
        return new RecoveryPath(chosen.Timeline, from, chosen.Until, EnoughFor(target, chosen, new WalSegmentSize(coverage.SegmentBytes)), chosen.End)
        {
            Others = [.. fitting.Skip(1).Select(line => line.Timeline)],
            WasLeft = !chosen.IsNewest,
            SegmentBytes = coverage.SegmentBytes,
        };
    }

    /// <summary>The earliest moment that a base backup can be recovered to.</summary>
    public static DateTimeOffset ConsistentAt(Manifest manifest) =>
        manifest.Properties.GetValueOrDefault(PhysicalBackup.ConsistentProperty) is { } text
            ? DateTimeOffset.Parse(text, CultureInfo.InvariantCulture, DateTimeStyles.RoundtripKind)
            : manifest.CompletedAt;

    private static ulong EnoughFor(PgDataTarget target, RecoveryLine line, WalSegmentSize size)
    {
        if (target.Lsn is { } lsn)
        {
            // Replay stops at a record that begins there or later, which may be in the next segment.
            return Math.Min(size.StartOf(size.SegmentOf(Lsn.Parse(lsn).Value) + 2), line.Until);
        }

        // The first WAL that was stored well after the moment most likely holds a commit after it, which is where replay stops.
        return target.Time is { } time && line.Extents.FirstOrDefault(extent => extent.Extent.StoredAt > time + RecoveryLines.Slack) is { EndLsn: > 0 } first
            ? Math.Min(first.EndLsn, line.Until)
            : line.Until;
    }

    /// <summary>Which of the timelines that a base backup leads to hold what is asked for, the one to take first.</summary>
    private sealed class Reach(Manifest manifest, ClusterFacts facts, WalCoverage coverage, PgDataTarget target, IReadOnlyList<RecoveryLine> all)
    {
        private readonly DateTimeOffset _consistent = ConsistentAt(manifest);

        /// <summary>All, or the one that was named.</summary>
        public IReadOnlyList<RecoveryLine> Wanted => target.Timeline is not { } named ? [all[0]]
            : all.FirstOrDefault(line => line.Timeline == named) is { } one ? [one]
            : throw OutOfReach($"timeline {named} is not in reach", "leave the timeline out, or name another");

        public IReadOnlyList<RecoveryLine> At(DateTimeOffset time)
        {
            if (time < _consistent)
            {
                throw OutOfReach($"{target.MomentText} lies before the end of restore point {manifest.Id.Short}", "choose an older restore point");
            }

            var candidates = target.Timeline is null ? all : Wanted;
            List<RecoveryLine> holding = [.. candidates.Where(line => line.Holds(time, TimeSpan.Zero))];
            if (holding.Count > 0)
            {
                return holding;
            }

            // Only a timeline that nothing followed may have gone on after the last of its WAL that is stored.
            if (candidates.FirstOrDefault(line => line.HasBegunAt(time) && (target.ToEnd || (line.IsNewest && line.Holds(time, RecoveryLines.ClockSlack)))) is { } near)
            {
                return [near];
            }

            var isAfter = candidates.Any(line => line.IsNewest && line.HasBegunAt(time));
            throw OutOfReach($"{target.MomentText} {(isAfter ? "lies after the last WAL that is stored" : "is not in reach")}", "choose a moment in the window, or end=true");
        }

        public IReadOnlyList<RecoveryLine> At(ulong lsn)
        {
            List<RecoveryLine> holding = [.. (target.Timeline is null ? all : Wanted).Where(line => lsn <= line.Until)];
            if (lsn < Lsn.Parse(facts.StopLsn).Value || holding.Count == 0)
            {
                throw OutOfReach($"{target.MomentText} is not in reach", holding.Count > 0 ? "choose an older restore point" : "choose a place in the window, or end=true");
            }

            // Up to where two of them part it is the same place.
            return [holding[0], .. holding.Skip(1).Where(line => lsn > PartedAt(holding[0], line))];
        }

        private ulong PartedAt(RecoveryLine one, RecoveryLine other) =>
            coverage.LineageOf(one.Timeline).Join(coverage.LineageOf(other.Timeline), step => step.Timeline, step => step.Timeline, (left, right) => Math.Min(left.EndLsn, right.EndLsn))
                .DefaultIfEmpty().Max();

        private EngineException OutOfReach(string what, string hint) =>
            new("recovery-out-of-reach", ErrorKind.NotFound, $"{what}; in reach from this restore point: {string.Join("; ", all.Select(Text))}", hint);

        private string Text(RecoveryLine line) =>
            $"{Text(line.Begin is { } begin && begin > _consistent ? begin : _consistent)} to {Text(line.End)}, or LSN {facts.StopLsn} to {new Lsn(line.Until)}{(all.Count > 1 ? $", along timeline {line.Timeline}" : "")}";

        private static string Text(DateTimeOffset time) => $"{time.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC";
    }
}
