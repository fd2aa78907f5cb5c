using CsCheck;
using Hexabase.DrConsole.Engine.Strategies;
using Hexabase.DrConsole.Engine.Strategies.Retention;

namespace Hexabase.DrConsole.Engine.Tests.Strategies;

public sealed class TierRetentionTests
{
    private static readonly DateTimeOffset Now = new(2026, 3, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly string[] Tiers = ["hot", "warm", "cold"];
    private static readonly Dictionary<string, int> Days = new() { ["hot"] = 7, ["warm"] = 90, ["cold"] = 2555 };
    private static readonly RetentionPolicy Critical = new(24, 30, 12, 12, 7);

    private static readonly Gen<List<RetainedPoint>> Points =
        Gen.Select(Gen.Int[-2_000, 3_000_000], Gen.Bool, Gen.Int[0, 20], Gen.Int[1, 7], Gen.Int[0, 31]).Array[0, 100].Select(all => all.Select((one, index) =>
            new RetainedPoint($"p{index:000}", Now.AddMinutes(-one.Item1), one.Item2)
            {
                IsHeld = one.Item3 == 0,
                IsInUse = one.Item3 == 1,
                Tiers = [.. Tiers.Where((_, tier) => (one.Item4 & (1 << tier)) != 0)],
                // A quarter of the points has damaged copies, of any of its tiers.
                DamagedIn = [.. Tiers.Where((_, tier) => one.Item5 < 8 && (one.Item4 & one.Item5 & (1 << tier)) != 0)],
            }).ToList());

    [Fact]
    public void Decide_says_one_thing_for_each_copy_with_a_reason_or_an_expiry() => Points.Sample(points =>
    {
        var plan = Decide(points);
        return plan.Count == points.Sum(point => point.Tiers.Count)
            && plan.All(decision => decision.IsKept == (decision.Reasons.Count > 0));
    });

    [Fact]
    public void Decide_never_gives_up_a_held_used_last_proven_newest_or_future_point() => Points.Sample(points =>
    {
        var plan = Decide(points);
        var ordered = points.OrderByDescending(point => point.CreatedAt).ThenBy(point => point.Id, StringComparer.Ordinal).ToList();
        var proven = ordered.Find(point => point.IsProven && !point.IsDamaged);
        var newest = ordered.Find(point => point.CreatedAt <= Now);
        var newestSound = ordered.Find(point => point.CreatedAt <= Now && !point.IsDamaged);
        return plan.Where(decision => decision.Point.IsHeld || decision.Point.IsInUse || decision.Point == proven || decision.Point == newest || decision.Point == newestSound || decision.Point.CreatedAt > Now)
            .All(decision => decision.IsKept);
    });

    [Fact]
    public void Decide_never_gives_up_a_copy_while_a_tier_that_shall_have_it_has_it_not() => Points.Sample(points =>
        Decide(points).Where(decision => decision.Expiry?.Days is not null)
            .All(decision => Tiers.All(tier => decision.Point.IsSoundIn(tier) || Now - decision.Point.CreatedAt > TimeSpan.FromDays(Days[tier]))));

    [Fact]
    public void Decide_is_stable_what_it_keeps_it_keeps_again_when_the_rest_is_gone() => Points.Sample(points =>
    {
        var kept = Decide(points).Where(decision => decision.IsKept).ToList();
        var copies = kept.ToLookup(decision => decision.Point.Id, decision => decision.Tier);
        var left = points.Where(point => copies.Contains(point.Id)).Select(point => point with { Tiers = [.. copies[point.Id]], DamagedIn = [.. point.DamagedIn.Intersect(copies[point.Id])] }).ToList();
        return Decide(left).All(decision => decision.IsKept);
    });

    [Fact]
    public void Decide_step_by_step_fills_the_same_slots_as_all_at_once() =>
        Gen.Int[1, 40_000].Array[1, 80].Sample(gaps =>
        {
            var policy = new RetentionPolicy(6, 5, 4, 3, 2, 0);
            var all = new List<RetainedPoint>();
            var left = new List<RetainedPoint>();
            var at = Now.AddDays(-1500);
            foreach (var gap in gaps)
            {
                at = at.AddMinutes(gap);
                var point = new RetainedPoint(at.ToString("O"), at, false);
                all.Add(point);
                left.Add(point);
                left = [.. RetentionPlan.Decide(left, policy, at).Where(decision => decision.IsKept).Select(decision => decision.Point)];
            }

            var once = RetentionPlan.Decide(all, policy, at).Where(decision => decision.IsKept).Select(decision => decision.Point.Id);
            return once.ToHashSet().SetEquals(left.Select(point => point.Id));
        });

    [Fact]
    public void Decide_tier_days_are_a_ceiling_of_the_ladder()
    {
        var point = new RetainedPoint("weekly", Now.AddDays(-30), false) { Tiers = Tiers };
        var newest = new RetainedPoint("newest", Now.AddHours(-1), true) { Tiers = Tiers };

        var plan = Decide([point, newest]).Where(decision => decision.Point == point).ToDictionary(decision => decision.Tier);

        Assert.Equal(new ExpiryReason(7), plan["hot"].Expiry);
        Assert.True(plan["warm"].IsKept);
        Assert.Contains(plan["cold"].Reasons, reason => reason.Rung == Rung.Monthly);
    }

    [Fact]
    public void Decide_keeps_a_copy_beyond_its_days_until_the_next_tier_has_it()
    {
        var point = new RetainedPoint("alone", Now.AddDays(-30), false) { Tiers = ["hot"] };
        var newest = new RetainedPoint("newest", Now.AddHours(-1), true) { Tiers = Tiers };

        var decision = Decide([point, newest]).Single(one => one.Point == point);

        Assert.Equal("not yet in warm", Assert.Single(decision.Reasons).ToText());
    }

    [Fact]
    public void Decide_keeps_the_sound_copy_beyond_its_days_while_the_next_tiers_is_damaged()
    {
        var point = new RetainedPoint("rotten", Now.AddDays(-30), false) { Tiers = Tiers, DamagedIn = ["warm"] };
        var newest = new RetainedPoint("newest", Now.AddHours(-1), true) { Tiers = Tiers };

        var plan = Decide([point, newest]).Where(one => one.Point == point).ToDictionary(one => one.Tier);

        Assert.Equal("damaged in warm", Assert.Single(plan["hot"].Reasons).ToText());
        Assert.All(plan.Values, decision => Assert.True(decision.IsKept));
    }

    [Fact]
    public void Decide_the_last_proven_point_is_one_that_some_tier_can_still_read()
    {
        var rotten = new RetainedPoint("rotten", Now.AddDays(-3000), true) { Tiers = Tiers, DamagedIn = Tiers };
        var sound = new RetainedPoint("sound", Now.AddDays(-3300), true) { Tiers = Tiers, DamagedIn = ["hot"] };
        var newest = new RetainedPoint("newest", Now.AddHours(-1), false) { Tiers = Tiers };

        var plan = TierRetention.Decide([rotten, sound, newest], Critical with { Yearly = 1, Monthly = 0 }, Days, Tiers, Now);

        Assert.All(plan.Where(decision => decision.Point == sound), decision => Assert.Contains(decision.Reasons, reason => reason.Cause == KeepCause.LastProven));
        Assert.All(plan.Where(decision => decision.Point == rotten), decision => Assert.False(decision.IsKept));
    }

    [Fact]
    public void Decide_a_damaged_newest_point_does_not_let_the_newest_sound_one_age_away()
    {
        var rotten = new RetainedPoint("rotten", Now.AddDays(-2800), false) { Tiers = Tiers, DamagedIn = Tiers };
        var sound = new RetainedPoint("sound", Now.AddDays(-2900), false) { Tiers = Tiers };
        Assert.All(Decide([rotten, sound]), decision => Assert.Contains(decision.Reasons, reason => reason.Cause == KeepCause.Newest));
    }

    [Fact]
    public void Decide_a_slot_is_filled_by_the_copy_that_can_be_read()
    {
        var rotten = new RetainedPoint("rotten", Now.AddDays(-100).AddHours(2), false) { Tiers = Tiers, DamagedIn = Tiers };
        var sound = new RetainedPoint("sound", Now.AddDays(-100).AddHours(1), false) { Tiers = Tiers };
        var newest = new RetainedPoint("newest", Now.AddHours(-1), true) { Tiers = Tiers };
        Assert.Contains(Decide([rotten, sound, newest]), decision => decision.Point == sound && decision.Reasons.Any(reason => reason.Rung == Rung.Monthly));
    }

    [Fact]
    public void Decide_a_tier_that_no_class_names_has_no_ceiling()
    {
        var points = Enumerable.Range(0, 400).Select(day => new RetainedPoint($"{day:000}", Now.AddDays(-day).AddMinutes(-1), false) { Tiers = ["vault"] }).ToList();
        var plan = TierRetention.Decide(points, Critical, new Dictionary<string, int>(), ["vault"], Now);
        Assert.All(plan.Where(decision => !decision.IsKept), decision => Assert.Null(decision.Expiry!.Days));
        Assert.Contains(plan, decision => decision.IsKept && decision.Point.CreatedAt < Now.AddDays(-330));
    }

    [Fact]
    public void Decide_yearly_points_of_leap_years_stay_seven_years_in_the_cold_tier()
    {
        var points = Enumerable.Range(0, 8).Select(year => new RetainedPoint($"y{year}", new DateTimeOffset(2026 - year, 2, 28, 23, 59, 59, TimeSpan.Zero), false) { Tiers = ["cold"] }).ToList();
        var kept = Decide(points).Where(decision => decision.IsKept).Select(decision => decision.Point.Id);
        Assert.Equal(["y0", "y1", "y2", "y3", "y4", "y5", "y6"], kept);
    }

    [Fact]
    public void Decide_keeps_everything_of_the_last_hours()
    {
        var points = Enumerable.Range(0, 20).Select(minute => new RetainedPoint($"{minute:00}", Now.AddMinutes(-10 * minute), false) { Tiers = ["hot"] }).ToList();
        var plan = TierRetention.Decide(points, new RetentionPolicy(1, 0, 0, 0, 0, 2), Days, Tiers, Now);
        Assert.Equal(12, plan.Count(decision => decision.IsKept));
        Assert.Equal("younger than 2 h", plan[11].Reasons[0].ToText());
    }

    [Fact]
    public void Compare_names_what_a_smaller_ladder_would_lose_and_the_gaps_that_open()
    {
        var points = Enumerable.Range(0, 60).Select(day => new RetainedPoint($"{day:00}", Now.AddDays(-day).AddHours(-1), day == 0) { Tiers = Tiers }).ToList();

        var simulation = RetentionSimulation.Compare(points, Said(Critical), Said(Critical with { Daily = 7, Weekly = 0, Monthly = 1 }));

        Assert.NotEmpty(simulation.Lost);
        Assert.DoesNotContain(simulation.Lost, point => simulation.Kept.Contains(point));
        Assert.True(simulation.WidestGaps[0].Length > TimeSpan.FromDays(20));
        Assert.True(simulation.Freed["warm"] > 0);
        Assert.Equal(simulation.Kept[^1].CreatedAt, simulation.Oldest);
        Assert.Empty(RetentionSimulation.Compare(points, Said(Critical), Said(Critical)).Lost);

        IReadOnlyList<TierDecision> Said(RetentionPolicy policy) => TierRetention.Decide(points, policy, Days, Tiers, Now);
    }

    private static IReadOnlyList<TierDecision> Decide(List<RetainedPoint> points) => TierRetention.Decide(points, Critical, Days, Tiers, Now);
}
