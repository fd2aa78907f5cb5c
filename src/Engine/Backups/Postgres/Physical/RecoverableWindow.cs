using System.Globalization;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Wal;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Physical;

/// <summary>A base backup on the line of time.</summary>
/// <param name="Id">The restore point.</param>
/// <param name="At">The earliest moment that it leads to.</param>
/// <param name="Timeline">Its timeline.</param>
/// <param name="StartLsn">Where its replay begins.</param>
/// <param name="StopLsn">Where it is consistent.</param>
public sealed record WindowBase(RestorePointId Id, DateTimeOffset At, uint Timeline, string StartLsn, string StopLsn);

/// <summary>Moments of one timeline that can be reached without a break: from a base backup as far as WAL follows it.</summary>
/// <param name="From">The earliest: a base backup's, or when the timeline had begun for certain.</param>
/// <param name="To">The latest: when the last of its WAL was stored.</param>
/// <param name="Timeline">The timeline that it is recovered along.</param>
/// <param name="EndLsn">The byte after its last WAL.</param>
/// <param name="Bases">The base backups that lead into it, oldest first; the first may be of a timeline before.</param>
public sealed record WindowStretch(DateTimeOffset From, DateTimeOffset To, uint Timeline, string EndLsn, IReadOnlyList<WindowBase> Bases)
{
    /// <summary>The cluster's system identifier: another cluster on the source's address counts its timelines anew.</summary>
    public string Cluster { get; init; } = "";

    /// <summary>True where WAL follows, so that there is more than the base backups' own moments.</summary>
    public bool HasLength => To > From;

    /// <summary>True where that base backup leads into it.</summary>
    public bool BeginsWith(RestorePointId id) => Bases.Any(basis => basis.Id == id);
}

/// <summary>A time that cannot be reached, between two that can.</summary>
/// <param name="From">The last moment before it.</param>
/// <param name="To">The first moment after it.</param>
/// <param name="Reason">Why.</param>
public sealed record WindowHole(DateTimeOffset From, DateTimeOffset To, string Reason)
{
    /// <summary>True where WAL is stored that would lead on, and is known to be damaged.</summary>
    public bool IsDamaged { get; init; }
}

/// <summary>WAL that is stored in a tier and known to be damaged: it leads nowhere.</summary>
/// <param name="Tier">The tier.</param>
/// <param name="Cluster">The cluster's system identifier.</param>
/// <param name="Timeline">The timeline.</param>
/// <param name="FromLsn">Its first byte.</param>
/// <param name="ToLsn">The byte after its last.</param>
public sealed record WindowDamage(string Tier, string Cluster, uint Timeline, string FromLsn, string ToLsn);

/// <summary>Where one timeline ends and the next begins.</summary>
public sealed record WindowTimeline(uint Timeline, DateTimeOffset From);

/// <summary>The answer to "can I get to that moment?".</summary>
/// <param name="IsReachable">True where it can be recovered.</param>
/// <param name="Base">The base backup to begin with; null where there is none.</param>
/// <param name="WalBytes">How much WAL is replayed from there, at most; null where it is unknown.</param>
/// <param name="Before">Where it cannot: the nearest moment before it that can; null where there is none.</param>
/// <param name="After">Likewise after it.</param>
/// <param name="Hole">The hole that it lies in; null where it lies before or after everything.</param>
public sealed record WindowReach(bool IsReachable, WindowBase? Base, long? WalBytes, DateTimeOffset? Before, DateTimeOffset? After, WindowHole? Hole)
{
    /// <summary>The timeline that it is recovered along; null where it cannot be reached.</summary>
    public uint? Timeline { get; init; }

    /// <summary>Older timelines that hold that moment too, each in its own state.</summary>
    public IReadOnlyList<uint> Others { get; init; } = [];
}

/// <summary>
/// What a source can be recovered to, from what one tier really holds: base backups, and WAL object by object. Times of WAL
/// are when the tier had stored it: every commit up to about a flush interval before is in it.
/// </summary>
/// <param name="Tier">The tier that was looked at.</param>
/// <param name="ReadAt">When.</param>
/// <param name="Stretches">By time, each of one timeline; where a timeline was left and went on they may overlap.</param>
/// <param name="Timelines">By time.</param>
public sealed record RecoverableWindow(string Tier, DateTimeOffset ReadAt, IReadOnlyList<WindowStretch> Stretches, IReadOnlyList<WindowTimeline> Timelines)
{
    /// <summary>WAL that is known to be damaged, in this tier and in the others that were looked at.</summary>
    public IReadOnlyList<WindowDamage> Damage { get; init; } = [];

    /// <summary>The times that no stretch covers, between the first and the last.</summary>
    public IReadOnlyList<WindowHole> Holes
    {
        get
        {
            var holes = new List<WindowHole>();
            WindowStretch? furthest = null;
            foreach (var stretch in Stretches.OrderBy(one => one.From))
            {
                if (furthest is not null && stretch.From > furthest.To)
                {
                    holes.Add(HoleOf(furthest, stretch));
                }

                furthest = furthest is null || stretch.To >= furthest.To ? stretch : furthest;
            }

            return holes;
        }
    }

    /// <summary>The branch that lives, as far as anybody knows: the last stretch of the newest timeline. Null where there is none.</summary>
    public WindowStretch? Living => Preferred(Stretches).FirstOrDefault();

    /// <summary>True where a source has been on more than one branch, so that it is worth saying which.</summary>
    public bool HasBranches => Stretches.Select(one => (one.Cluster, one.Timeline)).Distinct().Skip(1).Any();

    /// <summary>Reads it from a tier.</summary>
    /// <param name="unusable">Ids of restore points that do not count: their validation failed, or they are damaged there.</param>
    /// <exception cref="EngineException">The tier cannot be read, or what it holds is damaged.</exception>
    public static async Task<RecoverableWindow> ReadAsync(
        BackupRepository repository, string source, string tier, DateTimeOffset now, CancellationToken cancellationToken, IReadOnlySet<string>? unusable = null)
    {
        var bases = (await repository.ListAsync(cancellationToken)).Points
            .Where(point => point.Source == source && point.Strategy == PhysicalBackup.Strategy && point.Properties.ContainsKey(PhysicalBackup.SystemProperty)
                && unusable?.Contains(point.Id.Value) != true).ToList();
        var stretches = new List<WindowStretch>();
        var timelines = new List<WindowTimeline>();
        var damage = new List<WindowDamage>();
        foreach (var cluster in bases.GroupBy(point => point.Properties[PhysicalBackup.SystemProperty]))
        {
            var archive = await repository.OpenWalAsync(source, ulong.Parse(cluster.Key, CultureInfo.InvariantCulture), cancellationToken);
            var coverage = await archive.CoverageAsync(cancellationToken);
            var lines = new RecoveryLines(coverage);
            stretches.AddRange(Joined(cluster.SelectMany(point => StretchesOf(point, lines)).Select(stretch => stretch with { Cluster = cluster.Key })));
            damage.AddRange(DamageOf(coverage, tier, cluster.Key));
            timelines.AddRange(coverage.Timelines.Where(one => one.Spans.Count > 0).Select(one => new WindowTimeline(one.Timeline, one.Spans.Min(span => span.FirstStoredAt))));
        }

        return new RecoverableWindow(tier, now, [.. stretches.OrderBy(one => one.From).ThenBy(one => one.Timeline)], [.. timelines.OrderBy(one => one.From)]) { Damage = damage };
    }

    /// <summary>Damaged WAL that nothing sound covers, as the holes of each timeline name it; what two timelines have in common once.</summary>
    private static IEnumerable<WindowDamage> DamageOf(WalCoverage coverage, string tier, string cluster) => coverage.Timelines.SelectMany(one => coverage.HolesOf(one.Timeline))
        .Where(hole => hole.IsDamaged).Select(hole => new WindowDamage(tier, cluster, hole.Timeline, new Lsn(hole.StartLsn).ToString(), new Lsn(hole.EndLsn).ToString())).Distinct();

    /// <summary>Whether and how a moment can be reached: where several branches hold it, along the newest.</summary>
    public WindowReach Reach(DateTimeOffset moment)
    {
        var holding = Holding(moment);
        if (holding is [var within, ..])
        {
            var basis = within.Bases.Last(one => one.At <= moment);
            var next = within.Bases.FirstOrDefault(one => one.At > moment);
            var until = Lsn.Parse(next?.StartLsn ?? within.EndLsn).Value;
            return new WindowReach(true, basis, (long)(until - Math.Min(until, Lsn.Parse(basis.StartLsn).Value)), null, null, null)
            {
                Timeline = within.Timeline,
                Others = [.. holding.Skip(1).Where(other => other.Cluster == within.Cluster).Select(other => other.Timeline).Distinct()],
            };
        }

        return new WindowReach(
            false, null, null,
            Stretches.Where(stretch => stretch.To < moment).Select(stretch => (DateTimeOffset?)stretch.To).Max(),
            Stretches.Where(stretch => stretch.From > moment).Select(stretch => (DateTimeOffset?)stretch.From).Min(),
            Holes.FirstOrDefault(hole => hole.From < moment && moment < hole.To));
    }

    /// <summary>The stretches that hold a moment, that of the newest timeline first.</summary>
    public IReadOnlyList<WindowStretch> Holding(DateTimeOffset moment) => [.. Preferred(Stretches.Where(stretch => stretch.From <= moment && moment <= stretch.To))];

    private WindowHole HoleOf(WindowStretch before, WindowStretch after)
    {
        var end = Lsn.Parse(before.EndLsn).Value;
        var isDamaged = Damage.Any(one => one.Tier == Tier && one.Cluster == before.Cluster && one.Timeline == before.Timeline && Lsn.Parse(one.FromLsn).Value <= end && end < Lsn.Parse(one.ToLsn).Value);
        return new WindowHole(before.To, after.From, isDamaged ? "the WAL that leads on is damaged"
            : before.Timeline == after.Timeline ? "no WAL is stored that leads on" : $"no WAL is stored that leads to timeline {after.Timeline}") { IsDamaged = isDamaged };
    }

    private IEnumerable<WindowStretch> Preferred(IEnumerable<WindowStretch> some) => some
        .OrderByDescending(one => Stretches.Where(other => other.Cluster == one.Cluster).Max(other => other.To)).ThenByDescending(one => one.Timeline).ThenByDescending(one => one.To);

    private static IEnumerable<WindowStretch> StretchesOf(Manifest point, RecoveryLines lines)
    {
        var at = RecoveryPath.ConsistentAt(point);
        var basis = new WindowBase(
            point.Id, at, uint.Parse(point.Properties[PhysicalBackup.TimelineProperty], CultureInfo.InvariantCulture),
            point.Properties[PhysicalBackup.StartProperty], point.Properties[PhysicalBackup.StopProperty]);
        var hasOwn = false;
        foreach (var line in lines.From(basis.Timeline, Lsn.Parse(basis.StartLsn).Value, Lsn.Parse(basis.StopLsn).Value))
        {
            var from = Later(at, line.Begin ?? at);
            hasOwn |= from == at;
            yield return new WindowStretch(from, Later(from, line.End), line.Timeline, new Lsn(line.Until).ToString(), [basis]);
        }

        if (!hasOwn)
        {
            yield return new WindowStretch(at, at, basis.Timeline, basis.StopLsn, [basis]);
        }
    }

    /// <summary>Base backups whose WAL leads to one another along one timeline stand on one stretch.</summary>
    private static List<WindowStretch> Joined(IEnumerable<WindowStretch> stretches)
    {
        var joined = new List<WindowStretch>();
        foreach (var stretch in stretches.OrderBy(one => one.Timeline).ThenBy(one => one.From).ThenBy(one => one.Bases[0].At))
        {
            if (joined is [.., var last] && stretch.Timeline == last.Timeline && stretch.From <= last.To)
            {
                var longer = stretch.To >= last.To ? stretch : last;
                joined[^1] = last with { To = longer.To, EndLsn = longer.EndLsn, Bases = [.. last.Bases, .. stretch.Bases] };
            }
            else
            {
                joined.Add(stretch);
            }
        }

        return joined;
    }

    private static DateTimeOffset Later(DateTimeOffset one, DateTimeOffset other) => one > other ? one : other;
}
