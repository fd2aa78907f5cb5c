using Bunit;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Pages.Retention;
using Hexabase.DrConsole.Dashboard.Tests.Controls;
using Hexabase.DrConsole.Engine.Strategies;
using static Hexabase.DrConsole.Dashboard.Tests.Pages.RetentionRig;

namespace Hexabase.DrConsole.Dashboard.Tests.Pages;

public sealed class TierDaysTests : ControlTests
{
    private static readonly ProtectionClass Daily = Class(new RetentionPolicy(0, 10, 0, 0, 0), TimeSpan.FromDays(1), ("hot", 2), ("warm", 30));

    [Fact]
    public void Day_shows_restored_only_in_the_tier_that_the_restore_read()
    {
        var point = Point(Start.AddHours(-1), ("hot", "verified"), ("warm", "verified")).Validated("warm", true);
        var source = Source(Daily, Start.AddHours(-2), ["hot", "warm"], point);
        Assert.Equal(Status.ReadBack, Today(source, "hot").Status);
        Assert.Equal(Status.Proven, Today(source, "warm").Status);
    }

    [Fact]
    public void Worst_copy_of_a_day_shows()
    {
        var source = Source(Daily, Start.AddDays(-3), ["hot"], Point(Start.AddHours(-1), ("hot", "verified")), Point(Start.AddHours(-2), ("hot", "damaged")));
        Assert.Equal(Status.Damaged, Today(source, "hot").Status);
        source = Source(Daily, Start.AddDays(-3), ["hot"], Point(Start.AddHours(-1), ("hot", "behind")), Point(Start.AddHours(-2), ("hot", "verified")));
        Assert.Equal(Status.Behind, Today(source, "hot").Status);
    }

    [Fact]
    public void Day_past_the_tiers_days_is_not_kept_and_a_day_before_the_source_is_not_due()
    {
        var source = Source(Daily, Start.AddDays(-4), ["hot", "warm"], Points());
        Assert.Equal(Status.NotKept, Day(source, "hot", -4).Status);
        Assert.Equal(Status.ReadBack, Day(source, "warm", -4).Status);
        Assert.Equal(Status.NotDue, Day(source, "warm", -6).Status);
    }

    [Fact]
    public void Day_of_which_the_daily_rung_has_nothing_is_missing()
    {
        var source = Source(Daily, Start.AddDays(-4), ["warm"], [.. Points().Where((_, index) => index != 2)]);
        var day = Day(source, "warm", -2);
        Assert.Equal(Status.Missing, day.Status);
        Assert.Contains("one was due by", day.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Copy_that_another_tier_holds_and_this_one_should_have_is_missing()
    {
        var source = Source(Daily, Start.AddDays(-1), ["hot", "warm"], Point(Start.AddHours(-1), ("hot", "verified")));
        var today = Today(source, "warm");
        Assert.Equal(Status.Missing, today.Status);
        Assert.Contains("hot holds it", today.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Calendar_says_its_conclusion_draws_no_day_to_come_and_lists_the_days_in_a_table()
    {
        var source = Source(Daily, Start.AddDays(-4), ["warm"], Points());
        var calendar = Render<TierCalendar>(parameters => parameters.Add(self => self.Model, TierDays.Of(source, Time)[0]));
        Assert.Equal("warm of orders: 5 days hold restore points, 0 damaged, 0 missing, 0 behind", calendar.Find("[role=group]").GetAttribute("aria-label"));
        Assert.Equal((20 * 7) + 2, calendar.FindAll(".slot").Count);
        Assert.Equal(5, calendar.FindAll("tbody tr").Count);
        Assert.Single(calendar.FindAll(".slot.now"));
        calendar.Find(".chart").Focus();
        calendar.Find(".chart").KeyDown("ArrowDown");
        Assert.StartsWith("Tue 24 Nov: Read back.", calendar.Find(".said").TextContent, StringComparison.Ordinal);
    }

    private static KeptPoint[] Points() => [.. Enumerable.Range(0, 5).Select(day => Point(Start.AddDays(-day).AddHours(-1), ("warm", "verified")))];

    private SlotCell Today(KeptSource source, string tier) => Day(source, tier, 0);

    private SlotCell Day(KeptSource source, string tier, int day)
    {
        var cells = TierDays.Of(source, Time).Single(one => one.Tier == tier).Weeks.SelectMany(week => week).OfType<SlotCell>().ToList();
        return cells[cells.Count - 1 + day];
    }
}
