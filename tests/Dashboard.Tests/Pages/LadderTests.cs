using Bunit;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Pages.Retention;
using Hexabase.DrConsole.Dashboard.Tests.Controls;
using Hexabase.DrConsole.Engine.Strategies;
using static Hexabase.DrConsole.Dashboard.Tests.Pages.RetentionRig;

namespace Hexabase.DrConsole.Dashboard.Tests.Pages;

public sealed class LadderTests : ControlTests
{
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);
    private static readonly ProtectionClass Hourly = Class(new RetentionPolicy(4, 0, 0, 0, 0), Hour);

    [Fact]
    public void Slot_that_the_rpo_asked_for_is_missing_and_never_not_due()
    {
        var rung = Rung(Hourly, Start.AddDays(-2), Verified(-3), Verified(-2), Verified(-0.1));
        Assert.Equal([Status.ReadBack, Status.ReadBack, Status.Missing, Status.ReadBack], rung.Cells.Select(cell => cell.Status));
        Assert.True(rung.IsShort);
        Assert.Equal("3 of 4", rung.Count);
        Assert.StartsWith("Tue 24 Nov 02:00 missing", rung.Why, StringComparison.Ordinal);
    }

    [Fact]
    public void Slot_of_now_is_not_due_until_the_rpo_is_over()
    {
        var rung = Rung(Hourly, Start.AddDays(-2), Verified(-0.25), Verified(-1.25), Verified(-2.25), Verified(-3.25));
        Assert.Equal(Status.NotDue, rung.Cells[^1].Status);
        Assert.Contains("due by 03:57:44", rung.Cells[^1].Reason, StringComparison.Ordinal);
        Assert.True(rung.Cells[^1].IsNow);
        Assert.Equal(Status.Missing, Rung(Class(Hourly.Retention, Hour / 6), Start.AddDays(-2), Verified(-0.25)).Cells[^1].Status);
    }

    [Fact]
    public void Slots_before_the_source_was_known_are_not_due()
    {
        var rung = Rung(Hourly, Start.AddHours(-1.5), Verified(-0.1), Verified(-1.1));
        Assert.Equal([Status.NotDue, Status.NotDue, Status.ReadBack, Status.ReadBack], rung.Cells.Select(cell => cell.Status));
        Assert.False(rung.IsShort);
        Assert.Contains("2 not due yet", rung.Why, StringComparison.Ordinal);
    }

    [Fact]
    public void Rung_finer_than_the_rpo_asks_for_no_point_in_each_slot()
    {
        var rung = Rung(Class(Hourly.Retention, TimeSpan.FromDays(1)), Start.AddDays(-9), Verified(-0.1), Verified(-23));
        Assert.Equal([Status.NotDue, Status.NotDue, Status.NotDue, Status.ReadBack], rung.Cells.Select(cell => cell.Status));
    }

    [Fact]
    public void Slot_older_than_the_days_of_every_tier_is_not_kept()
    {
        var one = Class(new RetentionPolicy(0, 4, 0, 0, 0), TimeSpan.FromDays(1), ("hot", 1));
        var rung = LadderRungs.Of(Source(one, Start.AddDays(-60), ["hot"], Verified(-1)), Time)[1];
        Assert.Equal([Status.NotKept, Status.NotKept, Status.Missing, Status.ReadBack], rung.Cells.Select(cell => cell.Status));
    }

    [Fact]
    public void Slot_tells_the_best_that_is_known_of_its_point()
    {
        var rung = Rung(
            Hourly, Start.AddDays(-2), Verified(-0.1).Validated("hot", true), Point(Start.AddHours(-1), ("hot", "stored")), Verified(-2).Validated("hot", false),
            Point(Start.AddHours(-3), ("hot", "damaged"), ("warm", "verified")));
        Assert.Equal([Status.ReadBack, Status.Damaged, Status.Stored, Status.Proven], rung.Cells.Select(cell => cell.Status));
        Assert.Contains("its validation failed", rung.Cells[1].Reason, StringComparison.Ordinal);
        Assert.True(rung.IsShort);
    }

    [Fact]
    public void Rung_without_slots_says_that_the_class_asks_for_none()
    {
        var rung = LadderRungs.Of(Source(Hourly, Start, ["hot"]), Time)[^1];
        Assert.Empty(rung.Cells);
        Assert.Equal("none asked", rung.Count);
    }

    [Fact]
    public void Chart_draws_missing_unlike_not_due_and_has_a_table_beside_it()
    {
        var chart = Chart();
        Assert.Single(chart.FindAll(".slot.missing"));
        Assert.Single(chart.FindAll(".slot.notdue"));
        Assert.NotEqual(StatusWords.Of(Status.Missing), StatusWords.Of(Status.NotDue));
        Assert.Equal(3, chart.FindAll("tbody tr").Count);
        Assert.Equal("Hourly 1 of 3", chart.Find("[role=group]").GetAttribute("aria-label"));
        Assert.Equal("true", chart.Find(".cells").GetAttribute("aria-hidden"));
    }

    [Fact]
    public void Arrows_move_the_slot_and_the_line_says_it()
    {
        var chart = Chart();
        chart.Find(".chart").Focus();
        Assert.Equal("c: Read back. here", chart.Find(".said").TextContent);
        chart.Find(".chart").KeyDown("ArrowLeft");
        Assert.Equal("b: Missing. none came", chart.Find(".said").TextContent);
        chart.Find(".chart").KeyDown("ArrowDown");
        chart.Find(".chart").KeyDown("ArrowLeft");
        chart.Find(".chart").KeyDown("ArrowLeft");
        Assert.Equal("a: Not due yet. younger", chart.Find(".said").TextContent);
        chart.Find(".chart").KeyDown("End");
        Assert.Equal("c: Read back. here", chart.Find(".said").TextContent);
        chart.Find(".chart").KeyDown("Home");
        Assert.Equal("a: Not due yet. younger", chart.Find(".said").TextContent);
    }

    private IRenderedComponent<LadderChart> Chart() => Render<LadderChart>(parameters => parameters
        .Add(self => self.Conclusion, "Hourly 1 of 3")
        .Add(self => self.Rungs,
        [
            new LadderRung("Hourly", [new(Status.NotDue, "a", "younger"), new(Status.Missing, "b", "none came"), new(Status.ReadBack, "c", "here", "/restore-points/c")], "1 of 3", "", true),
            new LadderRung("Yearly", [], "none asked", "", false),
        ]));

    private static KeptPoint Verified(double hours) => Point(Start.AddHours(hours), ("hot", "verified"));

    private LadderRung Rung(ProtectionClass one, DateTimeOffset since, params KeptPoint[] points) => LadderRungs.Of(Source(one, since, ["hot"], points), Time)[0];
}
