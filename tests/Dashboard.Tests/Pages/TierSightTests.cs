using Bunit;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Pages.Tiers;
using Hexabase.DrConsole.Dashboard.Tests.Controls;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Dashboard.Tests.Pages;

public sealed class TierSightTests : ControlTests
{
    private static readonly TierUsage Usage = new("hot", Start.AddSeconds(-20), 1_000_000, 212, Start.AddMinutes(-3), 100_000_000, 60_000_000, null);
    private static readonly TierCheckRow Check = new("hot", "shop", "L2", Start.AddHours(-9), 212, 1_000_000, [], null);
    private static readonly TierSight Good = new(
        new StorageTier("hot", "file:///hot", "/key", null), 0, Usage, new TierHoldings("hot", 12, 12, 0, 0, null, 8_000_000), ["shop"], [Check], [], []);

    [Fact]
    public void Tier_is_green_only_where_every_workspace_was_read_back_lately()
    {
        Assert.Equal(Status.ReadBack, Good.StatusOf(Start));
        Assert.Equal(Status.Stored, (Good with { Checks = [] }).StatusOf(Start));
        Assert.Equal(Status.Stored, (Good with { Workspaces = ["shop", "finance"] }).StatusOf(Start));
        Assert.Equal(Status.Stored, (Good with { Checks = [Check with { Level = "L1" }] }).StatusOf(Start));
        Assert.Equal(Status.Stored, (Good with { Checks = [Check with { Detail = "7 packs wait for the next check" }] }).StatusOf(Start));
        Assert.Equal(Status.Stored, (Good with { Checks = [Check with { Level = "L3" }] }).StatusOf(Start));
        Assert.Equal(Status.Stale, (Good with { Checks = [Check with { CheckedAt = Start.AddDays(-40) }] }).StatusOf(Start));
        Assert.Equal(Status.Unproven, (Good with { Usage = null }).StatusOf(Start));
        Assert.Equal(Status.NotRun, (Good with { Workspaces = [], Checks = [], Holdings = TierHoldings.Nothing("hot") }).StatusOf(Start));
    }

    [Fact]
    public void What_is_wrong_comes_before_what_is_proven()
    {
        Assert.Equal(Status.Behind, (Good with { Holdings = Good.Holdings with { Behind = 2, OldestBehind = Start.AddHours(-3) } }).StatusOf(Start));
        Assert.Equal(Status.Damaged, (Good with { Checks = [Check with { Damaged = ["packs/a0"] }] }).StatusOf(Start));
        Assert.Equal(Status.Failed, (Good with { Usage = Usage with { Fault = "connection refused", UsedBytes = null } }).StatusOf(Start));
    }

    [Fact]
    public void Growth_and_the_day_when_it_is_full_come_from_the_days_on_record()
    {
        var today = DateOnly.FromDateTime(Start.UtcDateTime);
        var grown = Good with { Days = [new TierUsageDay("hot", today.AddDays(-10), 0, 1), new TierUsageDay("hot", today, 10_000_000, 9)] };
        Assert.Equal(1_000_000, grown.GrowthPerDay);
        Assert.Equal(TimeSpan.FromDays(60), grown.FullIn);
        Assert.Null(Good.GrowthPerDay);
        Assert.Null((grown with { Usage = Usage with { FreeBytes = null } }).FullIn);
        Assert.Equal(8, Good.Deduplication);
    }

    [Fact]
    public void Panel_writes_not_measured_where_nothing_was()
    {
        var panel = Render<TierPanel>(parameters => parameters.Add(self => self.Sight, Good with { Usage = null, Checks = [], Holdings = TierHoldings.Nothing("hot") }));
        Assert.Equal(["Not measured", "Not measured", "Not measured", "never"], panel.FindAll(".value").Take(4).Select(value => value.TextContent));
        Assert.True(panel.Find(".used").ClassList.Contains("hollow"));
        Assert.DoesNotContain("tone-proven", panel.Markup, StringComparison.Ordinal);
    }

    [Fact]
    public void Panel_tells_room_scrub_lag_and_failures()
    {
        var panel = Render<TierPanel>(parameters => parameters.Add(self => self.Sight, Good with
        {
            Holdings = new TierHoldings("hot", 12, 11, 1, 2, Start.AddHours(-3), 8_000_000),
            Failures = [Failed(7, RunKinds.Retention)],
        }));
        foreach (var text in new[] { "1.0 MB", "8.0×", "9h ago", "the oldest was made 3h ago", "11 read back, 1 damaged", "Retention, R-7", "60 MB free of 100 MB" })
        {
            Assert.Contains(text, panel.Markup, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Failure_stands_until_a_run_of_its_kind_ends_well()
    {
        Run[] runs = [Failed(9, RunKinds.Repair), Failed(8, RunKinds.Retention) with { State = RunState.Completed }, Failed(7, RunKinds.Retention), Failed(6, RunKinds.Repair)];
        Assert.Equal([9, 6], TierReading.StandingFailures(runs).Select(run => run.Id.Value));
    }

    [Fact]
    public void Checks_name_a_workspace_that_was_never_read_and_the_damage_that_was_found()
    {
        var table = Render<CheckTable>(parameters => parameters
            .Add(self => self.Workspaces, ["finance", "shop"])
            .Add(self => self.Checks, [Check with { Damaged = ["packs/a0c4e7d2"] }, Check with { Level = "L1" }]));
        var rows = table.FindAll("tbody tr").Select(row => row.TextContent).ToList();
        Assert.Contains("finance", rows[0], StringComparison.Ordinal);
        Assert.Contains("Not run", rows[0], StringComparison.Ordinal);
        Assert.Contains("packs/a0c4e7d2", rows[1], StringComparison.Ordinal);
        Assert.Contains("Stored, not read", rows[2], StringComparison.Ordinal);
    }

    [Fact]
    public void Check_of_a_part_is_not_read_back()
    {
        var table = Render<CheckTable>(parameters => parameters
            .Add(self => self.Workspaces, ["shop"])
            .Add(self => self.Checks, [Check with { Detail = "7 packs wait for the next check" }]));
        Assert.Equal("Part read", table.Find(".chip").TextContent.Trim());
        Assert.DoesNotContain("tone-proven", table.Markup, StringComparison.Ordinal);
        Assert.Contains("7 packs wait", table.Markup, StringComparison.Ordinal);
    }

    [Fact]
    public void Slices_that_covered_all_packs_within_days_are_a_scrub_since_the_oldest_of_them()
    {
        var slice = Check with { Level = "L3", Objects = 7, CheckedAt = Start.AddHours(-1) };
        var covered = slice with { Slice = "3/28", There = 200, EverRead = 200, OldestRead = Start.AddDays(-20) };
        Assert.Equal(Start.AddDays(-20), (Good with { Checks = [covered] }).ScrubbedAt);
        Assert.Equal(Start.AddHours(-9), (Good with { Checks = [Check, covered] }).ScrubbedAt);
        Assert.Null((Good with { Checks = [covered with { EverRead = 199 }] }).ScrubbedAt);
        Assert.Equal(Status.Stale, (Good with { Checks = [covered with { OldestRead = Start.AddDays(-36) }] }).StatusOf(Start));

        var table = TableOf(covered);
        Assert.Contains("a part (3/28) read in full on 02:12:44; all of them within 20 days", table.Markup, StringComparison.Ordinal);
        Assert.DoesNotContain("Part read", table.Markup, StringComparison.Ordinal);
        table = TableOf(covered with { EverRead = 14 });
        Assert.Contains("a part (3/28) read in full on 02:12:44; 14 of 200 objects so far", table.Markup, StringComparison.Ordinal);
        Assert.Equal("Part read", table.Find(".chip").TextContent.Trim());
    }

    [Theory]
    [InlineData(1, "1 object damaged or missing")]
    [InlineData(2, "2 objects damaged or missing")]
    public void Numbers_agree_with_their_nouns(int damaged, string said)
    {
        var sight = Good with { Checks = [Check with { Damaged = [.. Enumerable.Range(0, damaged).Select(n => $"packs/{n}")] }] };
        Assert.Contains(sight.Figured(TimeProvider.System), figure => figure.Second == said);
    }

    private IRenderedComponent<CheckTable> TableOf(TierCheckRow check) => Render<CheckTable>(parameters => parameters
        .Add(self => self.Workspaces, ["shop"])
        .Add(self => self.Checks, [check]));

    [Fact]
    public void Day_without_a_look_is_a_hole_in_the_growth()
    {
        var today = DateOnly.FromDateTime(Start.UtcDateTime);
        var chart = Render<GrowthChart>(parameters => parameters.Add(self => self.Days, [new TierUsageDay("hot", today.AddDays(-2), 1000, 1), new TierUsageDay("hot", today, 3000, 2)]));
        Assert.Equal(2, chart.FindAll(".bar").Count);
        Assert.Single(chart.FindAll(".hole"));
        Assert.Equal(3, chart.FindAll("tbody tr").Count);
        Assert.Contains("1 kB on Sun 22 Nov, 3 kB on Tue 24 Nov", chart.Find("[role=img]").GetAttribute("aria-label"), StringComparison.Ordinal);
    }

    private static Run Failed(long id, string kind) =>
        new(new RunId(id), kind, "hot", null, "{}", "00", RunState.Failed, 1, 1, "schedule", null, null) { CreatedAt = Start };
}
