using CsCheck;
using Hexabase.DrConsole.Engine.Strategies;
using Hexabase.DrConsole.Engine.Strategies.Retention;

namespace Hexabase.DrConsole.Engine.Tests.Strategies;

public sealed class RetentionPlanTests
{
    private static readonly DateTimeOffset Epoch = new(2024, 2, 28, 23, 30, 0, TimeSpan.Zero);

    private static readonly DateTimeOffset Now = Epoch.AddYears(8);

    private static readonly Gen<List<RetainedPoint>> Points =
        Gen.Select(Gen.Int[0, 3_000_000], Gen.Bool).Array[0, 120].Select(all => all.Select((one, index) =>
            new RetainedPoint($"p{index:000}", Epoch.AddMinutes(one.Item1), one.Item2)).ToList());

    private static readonly Gen<RetentionPolicy> Policies =
        Gen.Select(Gen.Int[0, 24], Gen.Int[0, 30], Gen.Int[0, 12], Gen.Int[0, 12], Gen.Int[0, 7])
            .Select((hourly, daily, weekly, monthly, yearly) => new RetentionPolicy(hourly, daily, weekly, monthly, yearly, 0));

    [Fact]
    public void Decide_never_gives_up_the_last_proven_point() =>
        Gen.Select(Points, Policies).Sample((points, policy) =>
            points.All(point => !point.IsProven) || RetentionPlan.Decide(points, policy, Now).First(decision => decision.Point.IsProven).IsKept);

    [Fact]
    public void Decide_keeps_the_newest_base_that_is_as_old_as_the_point_in_time_window_beyond_any_days()
    {
        List<RetainedPoint> points = [.. Enumerable.Range(0, 200).Select(hour => new RetainedPoint($"p{hour:000}", Now.AddHours(-hour), false) { IsBase = hour % 5 == 0 })];

        var decisions = RetentionPlan.Decide(points, new RetentionPolicy(1, 0, 0, 0, 0, 0) { PointInTimeDays = 7 }, Now);

        var (basis, reason) = Assert.Single(decisions.SelectMany(one => one.Reasons.Select(reason => (one.Point, reason))), one => one.reason.Cause == KeepCause.WindowBase);
        Assert.Equal("p170", basis.Id);
        Assert.True(reason.OutlivesDays);
    }

    [Fact]
    public void Decide_the_point_in_time_window_begins_with_a_base_that_neither_failed_nor_rotted()
    {
        string[] tiers = ["hot", "warm"];
        IReadOnlyList<TimelinePart> line = [new(1, 0, ulong.MaxValue)];
        var place = new TimelinePlace(100, 200, line);
        List<RetainedPoint> points =
        [
            new("young", Now.AddHours(-1), true) { IsBase = true, Place = place, Tiers = tiers },
            new("failed", Now.AddDays(-7).AddHours(-1), false) { IsBase = true, Place = place, HasFailed = true, Tiers = tiers },
            new("rotten", Now.AddDays(-7).AddHours(-2), true) { IsBase = true, Place = place, Tiers = tiers, DamagedIn = tiers },
            new("unread", Now.AddDays(-7).AddHours(-3), false) { IsBase = true, Place = place, Tiers = tiers, DamagedIn = ["hot"] },
            new("proven", Now.AddDays(-7).AddHours(-4), true) { IsBase = true, Place = place, Tiers = tiers },
            new("older", Now.AddDays(-7).AddHours(-5), true) { IsBase = true, Place = place, Tiers = tiers },
        ];

        var decisions = RetentionPlan.Decide(points, new RetentionPolicy(1, 0, 0, 0, 0, 0) { PointInTimeDays = 7 }, Now);

        var kept = decisions.Where(one => one.Reasons.Any(reason => reason.Cause == KeepCause.WindowBase)).Select(one => one.Point.Id);
        Assert.Equal(["unread", "proven"], kept);
        Assert.Equal("proven", WindowAnchor.InTier(points, "hot", Now.AddDays(-7), line)!.Id);
        Assert.Equal("proven", WindowAnchor.InTier(points, "warm", Now.AddDays(-7), line)!.Id);
        Assert.Equal("unread", WindowAnchor.InTier(points.Where(point => !point.IsProven), "warm", Now.AddDays(-7), line)!.Id);
    }

    [Fact]
    public void Decide_a_base_that_became_consistent_within_the_window_is_not_its_beginning()
    {
        var began = Now.AddDays(-7).AddMinutes(-10);
        List<RetainedPoint> points =
        [
            new("slow", began, true) { IsBase = true, ConsistentAt = began.AddMinutes(20) },
            new("before", began.AddHours(-1), true) { IsBase = true, ConsistentAt = began.AddMinutes(-50) },
        ];

        var decisions = RetentionPlan.Decide(points, new RetentionPolicy(1, 0, 0, 0, 0, 0) { PointInTimeDays = 7 }, Now);

        Assert.Equal("before", Assert.Single(decisions, one => one.Reasons.Any(reason => reason.Cause == KeepCause.WindowBase)).Point.Id);
    }

    [Fact]
    public void Decide_dumps_and_base_backups_fill_ladders_of_their_own()
    {
        List<RetainedPoint> points = [.. Enumerable.Range(0, 12).Select(half => new RetainedPoint($"p{half:00}", Now.AddMinutes(-30 * half).AddSeconds(-1), half is 4 or 7) { Strategy = half % 2 == 0 ? "physical" : "logical" })];

        var decisions = RetentionPlan.Decide(points, new RetentionPolicy(3, 0, 0, 0, 0, 0), Now);

        foreach (var strategy in (string[])["physical", "logical"])
        {
            Assert.Equal(3, decisions.Count(one => one.Point.Strategy == strategy && one.Reasons.Any(reason => reason.Rung == Rung.Hourly)));
        }

        Assert.Equal(["p04", "p07"], decisions.Where(one => one.Reasons.Any(reason => reason.Cause == KeepCause.LastProven)).Select(one => one.Point.Id));
    }

    [Fact]
    public void Decide_keeps_on_each_rung_at_most_its_number_and_never_two_of_one_day() =>
        Gen.Select(Points, Policies).Sample((points, policy) =>
        {
            var daily = RetentionPlan.Decide(points, policy, Now).Where(decision => decision.Reasons.Any(reason => reason.Rung == Rung.Daily)).ToList();
            return daily.Count <= policy.Daily && daily.Select(decision => decision.Point.CreatedAt.UtcDateTime.Date).Distinct().Count() == daily.Count;
        });

    [Fact]
    public void Decide_keeps_the_newest_point_while_any_rung_keeps_anything() =>
        Gen.Select(Points, Policies).Where((points, policy) => points.Count > 0 && !policy.KeepsNothing)
            .Sample((points, policy) => RetentionPlan.Decide(points, policy, Now)[0].IsKept);

    [Fact]
    public void Decide_a_new_point_never_brings_back_an_expired_one() =>
        Gen.Select(Points, Policies).Sample((points, policy) =>
        {
            var expired = RetentionPlan.Decide(points, policy, Now).Where(decision => !decision.IsKept).Select(decision => decision.Point.Id).ToHashSet();
            var newer = new RetainedPoint("new", (points.Count == 0 ? Epoch : points.Max(point => point.CreatedAt)).AddMinutes(5), false);
            return RetentionPlan.Decide([.. points, newer], policy, Now).Where(decision => decision.IsKept).All(decision => !expired.Contains(decision.Point.Id));
        });

    [Fact]
    public void Decide_leap_day_and_year_end_fall_into_their_own_periods()
    {
        var points = new[]
        {
            Point("new-year", 2025, 1, 1, 0, 0), Point("old-year", 2024, 12, 31, 23, 59),
            Point("leap-day", 2024, 2, 29, 12, 0), Point("day-before", 2024, 2, 28, 12, 0),
        };

        var plan = RetentionPlan.Decide(points, new RetentionPolicy(0, 4, 0, 0, 2, 0), Now).ToDictionary(decision => decision.Point.Id);

        Assert.All(plan.Values, decision => Assert.Contains(decision.Reasons, reason => reason.Rung == Rung.Daily));
        Assert.Contains(plan["new-year"].Reasons, reason => reason is { Rung: Rung.Yearly, Position: 1, Of: 2 });
        Assert.Contains(plan["old-year"].Reasons, reason => reason is { Rung: Rung.Yearly, Position: 2 });
    }

    [Fact]
    public void Decide_a_missed_week_costs_no_older_point()
    {
        var points = Enumerable.Range(0, 5).Where(week => week != 2).Select(week => new RetainedPoint($"w{week}", Epoch.AddDays(-7 * week), false));
        var plan = RetentionPlan.Decide(points, new RetentionPolicy(0, 0, 4, 0, 0, 0), Now);
        Assert.All(plan, decision => Assert.True(decision.IsKept));
    }

    private static RetainedPoint Point(string id, int year, int month, int day, int hour, int minute) =>
        new(id, new DateTimeOffset(year, month, day, hour, minute, 0, TimeSpan.Zero), false);
}
