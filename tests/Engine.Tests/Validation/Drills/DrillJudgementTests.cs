using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Wal;
using Hexabase.DrConsole.Engine.Validation.Drills;

namespace Hexabase.DrConsole.Engine.Tests.Validation.Drills;

public sealed class DrillJudgementTests
{
    private static readonly DateTimeOffset s_moment = new(2026, 11, 24, 14, 32, 10, TimeSpan.Zero);

    [Theory]
    [InlineData(-4.0, -0.5, 0.5, null, "passed", "4.0 s before the moment, within 7.5 s")]
    [InlineData(-8.0, -0.5, 0.5, null, "failed", "8.0 s before the moment, and 7.5 s is the longest")]
    [InlineData(-60.0, -0.5, 0.5, -60.0, "passed", "the last before a time in which none was written")]
    [InlineData(-90.0, -0.5, 0.5, -60.0, "failed", "and 60.0 s is the longest")]
    [InlineData(0.2, -0.5, 0.5, null, "failed", "after the moment")]
    [InlineData(-4.0, 0.1, null, null, "failed", "holds a commit of 2026-11-24 14:32:10.100 UTC, which is after the moment")]
    [InlineData(-4.0, -3.0, -1.0, null, "failed", "belongs into the copy")]
    [InlineData(null, -0.5, 0.5, null, "failed", "has no heartbeat")]
    [InlineData(-4.0, null, null, null, "passed", "no commit in it since its base backup, and no later one is stored: some up to the moment may be missing")]
    public void Copy_is_of_the_moment_by_its_newest_heartbeat(double? beat, double? last, double? next, double? lapse, string outcome, string reason)
    {
        var found = new RecoveredMoment(At(beat) is { } at ? new HeartbeatBeat(at, TimeSpan.FromSeconds(5)) : null, At(last), At(next), null);

        var judged = DrillJudgement.Judge(s_moment, found, hasHeartbeat: true, At(lapse));

        Assert.Equal(outcome, judged.Outcome);
        Assert.Contains(reason, judged.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Without_a_heartbeat_the_commits_decide_and_the_reason_says_so()
    {
        var found = new RecoveredMoment(null, At(-3), At(2), null);

        var never = DrillJudgement.Judge(s_moment, found, hasHeartbeat: false, null);
        var notYet = DrillJudgement.Judge(s_moment, found, hasHeartbeat: true, DateTimeOffset.UnixEpoch);
        var damaged = DrillJudgement.Judge(s_moment, found with { Damage = "heap table \"a\": block 3 is wrong" }, hasHeartbeat: false, null);

        Assert.Equal(("passed", "no heartbeat is configured, so the copy is judged by its commits: last commit in it 2026-11-24 14:32:07.000 UTC, the next 2026-11-24 14:32:12.000 UTC"), never);
        Assert.StartsWith("no heartbeat was written yet", notYet.Reason, StringComparison.Ordinal);
        Assert.Equal(("failed", "the recovered cluster is damaged: heap table \"a\": block 3 is wrong"), damaged);
    }

    [Fact]
    public void Every_second_of_the_window_is_chosen_and_none_outside()
    {
        var window = new RecoverableWindow("hot", s_moment.AddHours(1),
        [
            Stretch(s_moment.AddMilliseconds(-300), s_moment.AddSeconds(9.5)),
            Stretch(s_moment.AddMinutes(1), s_moment.AddMinutes(1).AddSeconds(3)),
            Stretch(s_moment.AddMinutes(2), s_moment.AddMinutes(2).AddSeconds(6)),
        ], []);
        var bounds = new List<int>();
        var chosen = Enumerable.Range(0, 7).Select(number => DrillMoment.Choose(window, null, below =>
        {
            bounds.Add(below);
            return number;
        }).Moment).ToList();

        // Five seconds before each end are left out, for clocks that differ; the stretch in the middle is too short for that.
        Assert.All(bounds, below => Assert.Equal(7, below));
        Assert.Equal([.. Enumerable.Range(0, 5).Select(second => s_moment.AddSeconds(second)), s_moment.AddMinutes(2), s_moment.AddMinutes(2).AddSeconds(1)], chosen);
        Assert.Equal("recovery-out-of-reach", Assert.Throws<EngineException>(() => DrillMoment.Choose(window, s_moment.AddSeconds(30))).Code);
        Assert.Equal("window-empty", Assert.Throws<EngineException>(() => DrillMoment.Choose(window with { Stretches = [] }, null)).Code);
    }

    [Fact]
    public void Log_of_a_replay_tells_the_commits_on_both_sides_of_the_moment()
    {
        var log = ReplayLog.Read("""
            2026-11-24 14:40:01.000 UTC [1] LOG:  recovery stopping before commit of transaction 740, time 2026-11-24 14:32:10.123456+00
            2026-11-24 14:40:01.000 UTC [1] LOG:  redo done at 0/3000148 system usage: CPU: user: 0.00 s
            2026-11-24 14:40:01.000 UTC [1] LOG:  last completed transaction was at log time 2026-11-24 14:32:09.5+00
            """);

        Assert.Equal(("2026-11-24 14:32:09.5+00", s_moment.AddSeconds(-0.5), s_moment.AddMicroseconds(123456)), (log.LastText, log.Last, log.Next));
        Assert.Equal(new Lsn(0x3000148), log.Done);
        Assert.Equal(new ReplayLog(null, null, null), ReplayLog.Read("nothing of that sort"));
    }

    [Theory]
    [InlineData("0/3000148", false)]
    [InlineData("0/4FFFFD8", false)]
    [InlineData("0/5000001", true)]
    [InlineData("0/7000000", true)]
    public void Replay_that_ended_segments_before_the_WAL_does_is_told(string until, bool isShort)
    {
        var log = new ReplayLog(null, null, null) { Done = Lsn.Parse("0/3000148") };

        var fault = ReplayEnd.FaultOf(log, new RecoveryPath(1, 0x2000000, Lsn.Parse(until).Value, 0x3000000, s_moment) { SegmentBytes = 16 << 20 });

        Assert.Equal(isShort ? $"replay ended at 0/3000148, though WAL is stored up to {until}: what lies between could not be read" : null, fault);
    }

    private static DateTimeOffset? At(double? seconds) => seconds is { } known ? s_moment.AddSeconds(known) : null;

    private static WindowStretch Stretch(DateTimeOffset from, DateTimeOffset to) =>
        new(from, to, 1, "0/9000000", [new WindowBase(new RestorePointId(Guid.NewGuid().ToString("N")), from, 1, "0/2000028", "0/2000100")]);
}
