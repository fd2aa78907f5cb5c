using System.Globalization;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Wal;
using Hexabase.DrConsole.Engine.Strategies.Retention;

namespace Hexabase.DrConsole.Engine.Backups.Maintenance;

/// <summary>WAL that was given up.</summary>
/// <param name="Source">Of which source.</param>
/// <param name="Before">Which, in words.</param>
/// <param name="Expiry">How much.</param>
internal sealed record WalGivenUp(string Source, string Before, WalExpiry Expiry);

/// <summary>What WAL retention did in one tier's repository.</summary>
/// <param name="GivenUp">What went, by stream.</param>
/// <param name="Kept">Why WAL stays beyond its time; it grows until that is seen to.</param>
internal sealed record WalRetentionReport(IReadOnlyList<WalGivenUp> GivenUp, IReadOnlyList<KeptWal> Kept);

/// <summary>
/// Gives up WAL that the point-in-time window needs no longer (<see cref="WalNeeds"/>): what lies before the newest usable base backup
/// that leads to the window's first moments, on each timeline. A cluster of which no base backup is left, and a timeline that leads
/// nowhere within the window, goes once all of it is older than that. What cannot be judged is kept.
/// </summary>
/// <param name="repository">Opened with the right to delete.</param>
/// <param name="tier">The tier's name.</param>
/// <param name="windowOf">Days of the window by source; null where nothing may be given up, or nothing is known.</param>
/// <param name="known">What the catalog knows of a restore point; null for one that it does not know.</param>
/// <param name="awaited">Clusters, by source and system identifier, of which the tier shall still get a base backup.</param>
internal sealed class WalRetention(
    BackupRepository repository, string tier, Func<string, int?> windowOf, Func<RestorePointId, RetainedPoint?> known, IReadOnlySet<(string Source, string System)> awaited)
{
    private readonly List<WalGivenUp> _done = [];
    private readonly List<KeptWal> _kept = [];

    /// <summary>Decides and deletes; may be killed at any instant and repeated.</summary>
    /// <param name="now">The time that the window is counted from.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="EngineException">Kind Denied where the store refuses to delete; Damaged where a stream's description cannot be read.</exception>
    public async Task<WalRetentionReport> ExpireAsync(DateTimeOffset now, CancellationToken cancellationToken)
    {
        var streams = await repository.ListWalAsync(cancellationToken);
        if (streams.Count == 0)
        {
            return new WalRetentionReport([], []);
        }

        var points = await repository.ListAsync(cancellationToken);
        if (points.Damaged.Count > 0)
        {
            // One of them may be the base backup that WAL is kept for.
            return new WalRetentionReport([], [new KeptWal(null, KeptWalCause.UnreadablePoints, points.Damaged.Count)]);
        }

        foreach (var stream in streams)
        {
            if (windowOf(stream.Source) is { } days)
            {
                await ExpireAsync(stream, [.. points.Points.Where(point => IsBaseOf(stream, point))], now.AddDays(-days), cancellationToken);
            }
        }

        return new WalRetentionReport(_done, [.. _kept.Distinct()]);
    }

    /// <summary>
    /// The base backups that WAL is kept for, by their ids, as the stored histories say. A timeline is stored as soon as it begins; of the
    /// restore points nobody can tell where it branched off before the first base backup was taken on it.
    /// </summary>
    /// <param name="stored">What the tier holds.</param>
    /// <param name="tier">Its name.</param>
    /// <param name="windowOf">Days of the window by source; null where nothing may be given up, or nothing is known.</param>
    /// <param name="known">What the catalog knows of a restore point; null for one that it does not know.</param>
    /// <param name="now">The time that the window is counted from.</param>
    public static IReadOnlySet<string> AnchorsOf(
        IReadOnlyList<StoredLine> stored, string tier, Func<string, int?> windowOf, Func<RestorePointId, RetainedPoint?> known, DateTimeOffset now)
    {
        var anchors = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (stream, coverage, bases) in stored)
        {
            if (windowOf(stream.Source) is { } days)
            {
                anchors.UnionWith(WithoutHistory(coverage, bases) is not null
                    ? bases.Select(point => point.Id.Value)
                    : WalNeeds.Of(coverage, [.. bases.Select(point => Judged(point, coverage, tier, known))], tier, now.AddDays(-days)).Anchors.Select(point => point.Id));
            }
        }

        return anchors;
    }

    private async Task ExpireAsync(WalStreamInfo stream, List<Manifest> bases, DateTimeOffset begin, CancellationToken cancellationToken)
    {
        if (bases.Count == 0 && awaited.Contains((stream.Source, SystemOf(stream))))
        {
            return;
        }

        var archive = await repository.OpenWalAsync(stream.Source, stream.SystemIdentifier, cancellationToken);
        var coverage = await archive.CoverageAsync(cancellationToken);
        if (WithoutHistory(coverage, bases) is { } timeline)
        {
            // From where it branched off nobody can say: the WAL before it may be all that leads to its first moments.
            _kept.Add(new KeptWal(stream.Source, KeptWalCause.Refused, 0, $"the history of timeline {timeline} of {stream.Source} cannot be read here"));
            return;
        }

        var needs = WalNeeds.Of(coverage, [.. bases.Select(point => Judged(point, coverage, tier, known))], tier, begin);
        if (needs.LacksUsableBase)
        {
            _kept.Add(new KeptWal(stream.Source, KeptWalCause.NoUsableBase, 0));
        }

        var horizon = new Dictionary<uint, ulong>(needs.Before);
        KeepForRuns(stream.Source, horizon, coverage, bases);
        if (horizon.Count > 0)
        {
            _done.Add(new WalGivenUp(stream.Source, BeforeText(horizon, coverage), await repository.ExpireWalAsync(stream.Stream, horizon, cancellationToken)));
        }
    }

    /// <summary>A timeline that cannot be the first of what is stored, and has no readable history; null where there is none.</summary>
    private static uint? WithoutHistory(WalCoverage coverage, IReadOnlyList<Manifest> bases)
    {
        var timelines = coverage.Timelines.Select(one => one.Timeline).Concat(bases.Select(TimelineOf)).Distinct().Order().ToList();
        return timelines.Skip(1).Where(one => coverage.Histories.All(history => history.Timeline != one)).Select(one => (uint?)one).FirstOrDefault();
    }

    private static string BeforeText(Dictionary<uint, ulong> horizon, WalCoverage coverage) => string.Join(", ", horizon.OrderBy(one => one.Key).Select(one =>
        coverage.Timelines.First(other => other.Timeline == one.Key).Extents.Any(extent => extent.EndLsn > one.Value)
            ? $"before {new Lsn(one.Value)} on timeline {one.Key}" : $"of timeline {one.Key}, which leads to no moment of the window,"));

    /// <summary>A restore that waits for its approval, or is under way, goes through the WAL behind its own base backup, however old that is.</summary>
    private void KeepForRuns(string source, Dictionary<uint, ulong> horizon, WalCoverage coverage, List<Manifest> bases)
    {
        foreach (var (used, runs) in bases.Select(point => (point, known(point.Id)?.UsedBy ?? [])).Where(one => one.Item2.Count > 0))
        {
            var start = Lsn.Parse(used.Properties[PhysicalBackup.StartProperty]).Value;
            // Those before it, and those that branch off behind it: which of them the run goes along is its own choice.
            var line = LineOf(coverage, TimelineOf(used));
            foreach (var timeline in horizon.Keys.Where(one => line.Contains(one) || LineOf(coverage, one).Contains(TimelineOf(used))).Where(one => horizon[one] > start).ToList())
            {
                horizon[timeline] = start;
                _kept.Add(new KeptWal(source, KeptWalCause.ForRun, 0, string.Join(", ", runs)) { FromLsn = new Lsn(start).ToString() });
            }
        }

        foreach (var (timeline, _) in horizon.Where(one => coverage.Timelines.First(other => other.Timeline == one.Key) is var there && there.Extents.Concat(there.Damaged).All(extent => extent.EndLsn > one.Value)).ToList())
        {
            horizon.Remove(timeline);
        }
    }

    /// <summary>As the catalog knows a base backup; one that it does not know is neither proven nor bad. Which timelines lie before its own the stored histories say.</summary>
    private static RetainedPoint Judged(Manifest point, WalCoverage coverage, string tier, Func<RestorePointId, RetainedPoint?> known) =>
        (known(point.Id) ?? new RetainedPoint(point.Id.Value, point.CreatedAt, false)) with
        {
            ConsistentAt = RecoveryPath.ConsistentAt(point),
            Place = new TimelinePlace(
                Lsn.Parse(point.Properties[PhysicalBackup.StartProperty]).Value, Lsn.Parse(point.Properties[PhysicalBackup.StopProperty]).Value, WalNeeds.LineOf(coverage, TimelineOf(point))),
            // It was read here a moment ago, whatever the catalog has missed.
            Tiers = [tier],
        };

    /// <summary>True for a base backup of the cluster whose WAL that is.</summary>
    internal static bool IsBaseOf(WalStreamInfo stream, Manifest point) =>
        point.Source == stream.Source && point.Strategy == PhysicalBackup.Strategy && point.Properties.GetValueOrDefault(PhysicalBackup.SystemProperty) == SystemOf(stream);

    private static string SystemOf(WalStreamInfo stream) => stream.SystemIdentifier.ToString(CultureInfo.InvariantCulture);

    private static uint TimelineOf(Manifest point) => uint.Parse(point.Properties[PhysicalBackup.TimelineProperty], CultureInfo.InvariantCulture);

    private static HashSet<uint> LineOf(WalCoverage coverage, uint timeline) => [.. coverage.LineageOf(timeline).Select(step => step.Timeline)];
}
