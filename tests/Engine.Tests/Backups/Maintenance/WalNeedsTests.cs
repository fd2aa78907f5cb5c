using CsCheck;
using Hexabase.DrConsole.Engine.Backups.Maintenance;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Repository.Wal;
using Hexabase.DrConsole.Engine.Strategies.Retention;
using static Hexabase.DrConsole.Engine.Tests.Repository.Wal.WalFixture;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Maintenance;

/// <summary>Which WAL and which base backups a window needs where its cluster was on more than one timeline.</summary>
public sealed class WalNeedsTests
{
    private static readonly DateTimeOffset s_start = new(2026, 11, 1, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Timeline_that_went_back_behind_the_newest_old_base_keeps_the_base_and_the_WAL_that_lead_to_it()
    {
        var cluster = new Cluster();
        cluster.Live(segments: 8, days: 1, basesAt: [2, 6]);
        cluster.Switch(At(4));
        cluster.Live(segments: 6, days: 1, basesAt: [5]);
        var begin = s_start.AddDays(7);

        Assert.Equal(["1-2", "1-6"], WindowAnchor.KeptOf(cluster.Bases, begin).Select(point => point.Id).Order(StringComparer.Ordinal));
        var needs = WalNeeds.Of(cluster.Coverage, cluster.Bases, "hot", begin);
        Assert.Equal(At(2), Assert.Single(needs.Before, one => one.Key == 1).Value);
        Assert.DoesNotContain(needs.Before, one => one.Key == 2);
        Assert.Equal(["1-2", "1-6"], needs.Anchors.Select(point => point.Id).Order(StringComparer.Ordinal));

        // Once the window begins on the new timeline, the one that was left leads nowhere: all of it goes, also what lies further on in the WAL, and whatever base is left there.
        needs = WalNeeds.Of(cluster.Coverage, cluster.Bases, "hot", s_start.AddDays(11));
        Assert.Equal(At(9), needs.Before[1]);
        Assert.Equal(At(5), needs.Before[2]);
        Assert.Equal("2-5", Assert.Single(needs.Anchors).Id);
        Assert.Equal("2-5", Assert.Single(WindowAnchor.KeptOf(cluster.Bases, s_start.AddDays(11))).Id);
    }

    [Fact]
    public void Newest_timeline_of_a_server_that_stands_still_is_kept_from_its_base_and_one_without_any_base_goes()
    {
        var cluster = new Cluster();
        cluster.Live(segments: 6, days: 1, basesAt: [2, 5]);
        var later = s_start.AddDays(100);

        Assert.Equal(At(5), WalNeeds.Of(cluster.Coverage, cluster.Bases, "hot", later).Before[1]);
        Assert.Equal(At(7), WalNeeds.Of(cluster.Coverage, [], "hot", later).Before[1]);
    }

    [Fact]
    public void No_moment_of_the_window_is_lost_on_any_timeline_and_nothing_stays_that_leads_nowhere() => Gen.Int[0, 1_000_000].Sample(
        seed =>
        {
            var cluster = Cluster.Random(new Random(seed));
            var begin = cluster.Now.AddDays(-7);
            var kept = WindowAnchor.KeptOf(cluster.Bases, begin).Select(point => point.Id).ToHashSet();
            List<RetainedPoint> left = [.. cluster.Bases.Where(point => kept.Contains(point.Id) || point.ConsistentAt > begin || point.Id.Length % 2 == 0)];

            var needs = WalNeeds.Of(cluster.Coverage, left, "hot", begin);
            var after = Without(cluster.Coverage, needs.Before);

            var lost = Reach(cluster.Coverage, cluster.Bases, begin).Except(Reach(after, left, begin)).ToList();
            Assert.True(lost.Count == 0, $"seed {seed}: {string.Join("; ", lost.Take(5))}");
            var living = cluster.Coverage.Timelines.Where(one => one.Extents.Any(extent => extent.StoredAt >= begin)).Append(cluster.Coverage.Timelines[^1])
                .SelectMany(one => cluster.Coverage.LineageOf(one.Timeline)).Select(step => step.Timeline).ToHashSet();
            Assert.All(after.Timelines, one => Assert.Contains(one.Timeline, living));
        },
        iter: 400);

    /// <summary>Every hour of the window that some usable base leads to, by timeline.</summary>
    private static HashSet<(uint Timeline, DateTimeOffset At)> Reach(WalCoverage coverage, IEnumerable<RetainedPoint> bases, DateTimeOffset begin)
    {
        var found = new HashSet<(uint, DateTimeOffset)>();
        var lines = new RecoveryLines(coverage);
        foreach (var point in bases.Where(point => !point.HasFailed))
        {
            foreach (var line in lines.From(point.Place!.Timeline, point.Place.StartLsn, point.Place.StopLsn))
            {
                var from = new[] { begin, point.ConsistentAt, line.Begin ?? begin }.Max();
                for (var hour = Math.Ceiling((from - s_start).TotalHours); s_start.AddHours(hour) <= line.End; hour++)
                {
                    found.Add((line.Timeline, s_start.AddHours(hour)));
                }
            }
        }

        return found;
    }

    private static WalCoverage Without(WalCoverage coverage, IReadOnlyDictionary<uint, ulong> before) => coverage with
    {
        Timelines =
        [
            .. coverage.Timelines.Select(one => one.Extents.Where(extent => extent.EndLsn > before.GetValueOrDefault(one.Timeline)).ToList() is var left
                ? new TimelineCoverage(one.Timeline, WalCoverage.SpansOf(left), left) : one).Where(one => one.Extents.Count > 0),
        ],
    };

    /// <summary>A cluster that writes a segment every few hours, is backed up now and then, is promoted, and goes back.</summary>
    private sealed class Cluster
    {
        private readonly SortedDictionary<uint, List<WalExtent>> _extents = [];
        private readonly List<TimelineHistory> _histories = [];
        private readonly List<RetainedPoint> _bases = [];
        private uint _timeline = 1;
        private int _next = 1;

        public DateTimeOffset Now { get; private set; } = s_start;

        public IReadOnlyList<RetainedPoint> Bases => _bases;

        public WalCoverage Coverage => new(SegmentBytes, [.. _extents.Select(pair => new TimelineCoverage(pair.Key, WalCoverage.SpansOf(pair.Value), pair.Value))], [.. _histories]);

        public static Cluster Random(Random random)
        {
            var cluster = new Cluster();
            cluster.Write(TimeSpan.FromHours(6), isBase: true);
            for (var step = 0; step < 80; step++)
            {
                if (random.Next(14) == 0 && cluster.ChooseFork(random) is { } fork)
                {
                    // Every timeline gets a base of its own soon after it began: the receiver sees to that.
                    cluster.Switch(fork);
                    cluster.Write(TimeSpan.FromHours(6), isBase: true);
                }
                else
                {
                    cluster.Write(TimeSpan.FromHours(6), isBase: random.Next(3) == 0, isProven: random.Next(2) == 0, hasFailed: random.Next(8) == 0);
                }
            }

            return cluster;
        }

        public void Live(int segments, int days, int[] basesAt)
        {
            for (var i = 0; i < segments; i++)
            {
                Write(TimeSpan.FromDays(days), basesAt.Contains(_next));
            }
        }

        /// <summary>Another timeline begins at a place of the present line: its end, as at a promotion, or before it.</summary>
        public void Switch(ulong fork)
        {
            var ancestors = Coverage.LineageOf(_timeline).Where(step => step.StartLsn <= fork).Select(step => new TimelineSwitch(step.Timeline, Math.Min(step.EndLsn, fork))).ToList();
            _timeline = _extents.Keys.Max() + 1;
            _histories.Add(new TimelineHistory(_timeline, ancestors) { StoredAt = Now });
            _next = (int)(fork / SegmentBytes);
        }

        private ulong? ChooseFork(Random random)
        {
            var end = At(_next);
            var fork = random.Next(2) == 0 ? end : end - Math.Min(end - At(1), (ulong)random.Next(1, 12) * SegmentBytes);
            // Nobody goes back to where no base leads.
            var line = Coverage.LineageOf(_timeline).Where(step => step.StartLsn < fork).Select(step => new TimelinePart(step.Timeline, step.StartLsn, Math.Min(step.EndLsn, fork))).ToList();
            return _bases.Exists(point => !point.HasFailed && point.Place!.LeadsAlong(line)) ? fork : null;
        }

        private void Write(TimeSpan took, bool isBase, bool isProven = false, bool hasFailed = false)
        {
            var began = Now;
            Now += took;
            if (!_extents.TryGetValue(_timeline, out var list))
            {
                _extents.Add(_timeline, list = []);
            }

            list.Add(new WalExtent(At(_next), At(_next + 1), Now, SegmentBytes, true));
            if (isBase)
            {
                _bases.Add(new RetainedPoint($"{_timeline}-{_next}", began, isProven)
                {
                    IsBase = true,
                    HasFailed = hasFailed,
                    Tiers = ["hot"],
                    Place = new TimelinePlace(At(_next), At(_next, 100), WalNeeds.LineOf(Coverage, _timeline)),
                });
            }

            _next++;
        }
    }
}
