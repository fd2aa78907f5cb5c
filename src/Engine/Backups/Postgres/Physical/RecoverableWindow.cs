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

/// <summary>Moments that can be reached without a break: from a base backup as far as WAL follows it.</summary>
/// <param name="From">The earliest.</param>
/// <param name="To">The latest: when the last of its WAL was stored.</param>
/// <param name="Timeline">The timeline that it is recovered along.</param>
/// <param name="EndLsn">The byte after its last WAL.</param>
/// <param name="Bases">The base backups on it, oldest first.</param>
public sealed record WindowStretch(DateTimeOffset From, DateTimeOffset To, uint Timeline, string EndLsn, IReadOnlyList<WindowBase> Bases);

/// <summary>A time that cannot be reached, between two that can.</summary>
/// <param name="From">The last moment before it.</param>
/// <param name="To">The first moment after it: a base backup.</param>
/// <param name="Reason">Why.</param>
public sealed record WindowHole(DateTimeOffset From, DateTimeOffset To, string Reason);

/// <summary>Where one timeline ends and the next begins.</summary>
public sealed record WindowTimeline(uint Timeline, DateTimeOffset From);

/// <summary>The answer to "can I get to that moment?".</summary>
/// <param name="IsReachable">True where it can be recovered.</param>
/// <param name="Base">The base backup to begin with; null where there is none.</param>
/// <param name="WalBytes">How much WAL is replayed from there, at most; null where it is unknown.</param>
/// <param name="Before">Where it cannot: the nearest moment before it that can; null where there is none.</param>
/// <param name="After">Likewise after it.</param>
/// <param name="Hole">The hole that it lies in; null where it lies before or after everything.</param>
public sealed record WindowReach(bool IsReachable, WindowBase? Base, long? WalBytes, DateTimeOffset? Before, DateTimeOffset? After, WindowHole? Hole);

/// <summary>
/// What a source can be recovered to, from what one tier really holds: base backups, and WAL object by object. Times of WAL
/// are when the tier had stored it: every commit up to about a flush interval before is in it.
/// </summary>
/// <param name="Tier">The tier that was looked at.</param>
/// <param name="ReadAt">When.</param>
/// <param name="Stretches">By time; they do not overlap.</param>
/// <param name="Timelines">By time.</param>
public sealed record RecoverableWindow(string Tier, DateTimeOffset ReadAt, IReadOnlyList<WindowStretch> Stretches, IReadOnlyList<WindowTimeline> Timelines)
{
    /// <summary>The times between the stretches.</summary>
    public IReadOnlyList<WindowHole> Holes =>
    [
        .. Stretches.Zip(Stretches.Skip(1)).Select(pair => new WindowHole(pair.First.To, pair.Second.From,
            pair.First.Timeline == pair.Second.Timeline ? "no WAL is stored that leads on" : $"no WAL is stored that leads to timeline {pair.Second.Timeline}")),
    ];

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
        foreach (var cluster in bases.GroupBy(point => point.Properties[PhysicalBackup.SystemProperty]))
        {
            var archive = await repository.OpenWalAsync(source, ulong.Parse(cluster.Key, CultureInfo.InvariantCulture), cancellationToken);
            var coverage = await archive.CoverageAsync(cancellationToken);
            stretches.AddRange(cluster.Select(point => StretchOf(point, coverage)));
            timelines.AddRange(coverage.Timelines.Where(one => one.Spans.Count > 0).Select(one => new WindowTimeline(one.Timeline, one.Spans.Min(span => span.FirstStoredAt))));
        }

        return new RecoverableWindow(tier, now, Joined(stretches), [.. timelines.OrderBy(one => one.From)]);
    }

    /// <summary>Whether and how a moment can be reached.</summary>
    public WindowReach Reach(DateTimeOffset moment)
    {
        if (Stretches.LastOrDefault(stretch => stretch.From <= moment && moment <= stretch.To) is { } within)
        {
            var basis = within.Bases.Last(one => one.At <= moment);
            var next = within.Bases.FirstOrDefault(one => one.At > moment);
            var until = Lsn.Parse(next?.StartLsn ?? within.EndLsn).Value;
            return new WindowReach(true, basis, (long)(until - Math.Min(until, Lsn.Parse(basis.StartLsn).Value)), null, null, null);
        }

        return new WindowReach(
            false, null, null,
            Stretches.LastOrDefault(stretch => stretch.To < moment)?.To,
            Stretches.FirstOrDefault(stretch => stretch.From > moment)?.From,
            Holes.FirstOrDefault(hole => hole.From < moment && moment < hole.To));
    }

    private static WindowStretch StretchOf(Manifest point, WalCoverage coverage)
    {
        var at = RecoveryPath.ConsistentAt(point);
        var basis = new WindowBase(
            point.Id, at, uint.Parse(point.Properties[PhysicalBackup.TimelineProperty], CultureInfo.InvariantCulture),
            point.Properties[PhysicalBackup.StartProperty], point.Properties[PhysicalBackup.StopProperty]);
        var stop = Lsn.Parse(basis.StopLsn).Value;
        var reached = RecoveryPath.Reaching(basis.Timeline, coverage, Lsn.Parse(basis.StartLsn).Value);
        return reached is { } far && far.Until > stop
            ? new WindowStretch(at, Later(at, far.Extents.Max(extent => extent.Extent.StoredAt)), far.Timeline, new Lsn(far.Until).ToString(), [basis])
            : new WindowStretch(at, at, basis.Timeline, basis.StopLsn, [basis]);
    }

    /// <summary>Base backups whose WAL leads to one another stand on one stretch.</summary>
    private static List<WindowStretch> Joined(IEnumerable<WindowStretch> stretches)
    {
        var joined = new List<WindowStretch>();
        foreach (var stretch in stretches.OrderBy(one => one.From))
        {
            if (joined is [.., var last] && stretch.From <= last.To)
            {
                var longer = stretch.To >= last.To ? stretch : last;
                joined[^1] = last with { To = longer.To, Timeline = longer.Timeline, EndLsn = longer.EndLsn, Bases = [.. last.Bases, .. stretch.Bases] };
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
