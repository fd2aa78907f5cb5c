using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Repository.Wal;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Postgres.Physical;

public sealed class RecoveryLinesTests
{
    private const int SegmentBytes = 1 << 20;
    private static readonly DateTimeOffset s_ten = new(2026, 11, 24, 10, 0, 0, TimeSpan.Zero);

    /// <summary>From 10:00 on; at 12:00 back to where the WAL stood at 11:00, and on as timeline 2.</summary>
    private static WalCoverage Branched => new(SegmentBytes,
        [Timeline(1, (1, 0), (2, 30), (3, 75), (4, 115)), Timeline(2, (3, 121), (4, 180))],
        [new TimelineHistory(2, [new TimelineSwitch(1, Lsn(3, 500))]) { StoredAt = s_ten.AddMinutes(122) }]);

    [Fact]
    public void Branch_that_was_left_keeps_its_own_moments_and_the_next_one_begins_when_it_was_seen()
    {
        var lines = new RecoveryLines(Branched).From(1, Lsn(1, 40), Lsn(1, 90));

        Assert.Equal([(2u, true, Lsn(5)), (1u, false, Lsn(5))], lines.Select(line => (line.Timeline, line.IsNewest, line.Until)));
        Assert.Equal([(s_ten.AddMinutes(121), s_ten.AddMinutes(180)), ((DateTimeOffset?)null, s_ten.AddMinutes(115))], lines.Select(line => (line.Begin, line.End)));
        Assert.Equal([false, true], lines.Select(line => line.Holds(s_ten.AddMinutes(90), TimeSpan.Zero)));
        Assert.Equal([false, false], lines.Select(line => line.Holds(s_ten.AddMinutes(118), TimeSpan.Zero)));
        Assert.Equal([true, false], lines.Select(line => line.Holds(s_ten.AddMinutes(150), TimeSpan.Zero)));
    }

    [Fact]
    public void Base_backup_that_was_consistent_only_after_its_timeline_was_left_leads_to_no_other()
    {
        var lines = new RecoveryLines(Branched);

        Assert.Equal([1u], lines.From(1, Lsn(3, 600), Lsn(3, 700)).Select(line => line.Timeline));
        Assert.Equal([1u], lines.From(1, Lsn(3, 400), Lsn(3, 501)).Select(line => line.Timeline));
        Assert.Equal([2u, 1u], lines.From(1, Lsn(3, 400), Lsn(3, 500)).Select(line => line.Timeline));
    }

    [Theory]
    [InlineData(20, 0)]
    [InlineData(300, 300)]
    public void Timeline_whose_parent_ended_where_it_begins_follows_it_at_once_where_little_time_passed(int seconds, int begin)
    {
        var coverage = new WalCoverage(SegmentBytes,
            [new TimelineCoverage(1, [], [Extent(1, 0, 600, 0)]), new TimelineCoverage(2, [], [Extent(1, 600, 900, seconds / 60.0)])],
            [new TimelineHistory(2, [new TimelineSwitch(1, Lsn(1, 600))])]);

        Assert.Equal(s_ten.AddSeconds(begin), new RecoveryLines(coverage).From(1, Lsn(1, 10), Lsn(1, 90))[0].Begin);
    }

    [Fact]
    public void Old_segment_that_was_written_again_moves_no_end()
    {
        var lines = new RecoveryLines(new WalCoverage(SegmentBytes, [Timeline(1, (1, 0), (2, 240), (3, 60))], []));

        Assert.Equal(s_ten.AddMinutes(60), Assert.Single(lines.From(1, Lsn(1, 40), Lsn(1, 90))).End);
    }

    private static ulong Lsn(int segment, int offset = 0) => ((ulong)segment * SegmentBytes) + (ulong)offset;

    private static TimelineCoverage Timeline(uint number, params (int Segment, int Minutes)[] segments) =>
        new(number, [], [.. segments.Select(one => Extent(one.Segment, 0, SegmentBytes, one.Minutes))]);

    private static WalExtent Extent(int segment, int from, int to, double minutes) => new(Lsn(segment, from), Lsn(segment, to), s_ten.AddMinutes(minutes), to - from, to == SegmentBytes);
}
