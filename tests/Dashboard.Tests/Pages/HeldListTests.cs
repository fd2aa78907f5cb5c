using Bunit;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Live;
using Hexabase.DrConsole.Dashboard.Pages.Points;
using Hexabase.DrConsole.Dashboard.Pages.Runs;
using Hexabase.DrConsole.Dashboard.Tests.Controls;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Strategies;
using Hexabase.DrConsole.Engine.Strategies.Retention;

namespace Hexabase.DrConsole.Dashboard.Tests.Pages;

public sealed class HeldListTests : ControlTests
{
    private static readonly RetainedPoint Point = new("ab", Start.AddDays(-3), false) { Tiers = ["hot", "warm"] };
    private static readonly ProtectionClass Class = ProtectionClass.Defaults["critical"];

    [Fact]
    public void Kept_copy_tells_its_rungs_and_how_long_the_tier_may_keep_it()
    {
        var text = Verdict(new TierDecision(Point, "hot", [new KeepReason(KeepCause.Rung, Rung.Daily, 3, 30)], null));
        Assert.Equal("Kept: daily 3 of 30, at most until Sat 28 Nov 03:12, 7 days", text);
    }

    [Fact]
    public void Copy_that_outlives_the_days_names_no_end()
    {
        Assert.Equal("Kept: on hold", Verdict(new TierDecision(Point, "hot", [new KeepReason(KeepCause.Hold)], null)));
    }

    [Fact]
    public void Leaving_copy_tells_why()
    {
        Assert.Contains("older than this tier's 7 days", Verdict(new TierDecision(Point, "hot", [], new ExpiryReason(7))), StringComparison.Ordinal);
        Assert.Contains("no rung of the ladder wants it", Verdict(new TierDecision(Point, "hot", [], new ExpiryReason((int?)null))), StringComparison.Ordinal);
    }

    [Fact]
    public void Ladder_names_its_rungs_and_leaves_empty_ones_out()
    {
        Assert.Equal("14 daily, 8 weekly, 3 monthly, all of 2 h", RetentionWords.Of(ProtectionClass.Defaults["standard"].Retention));
    }

    [Fact]
    public void Run_of_a_tier_is_not_called_a_source()
    {
        var run = new Run(new RunId(7), RunKinds.Retention, "hot", null, "{}", "00", RunState.Queued, 0, 0, "schedule", null, null) { CreatedAt = Start };
        Assert.Equal("Retention of tier hot", RunTexts.Title(run));
        Assert.Equal("tier hot", RunTexts.Serves(run));
        Assert.Equal("workspace shop", RunTexts.Serves(run with { Kind = RunKinds.Rotation, Source = "shop" }));
        Assert.Null(RunTexts.ServesHref(run with { Kind = RunKinds.Rotation }));
        Assert.Equal("/tiers/hot", RunTexts.ServesHref(run));
        Assert.Equal("Backup of orders", RunTexts.Title(run with { Kind = RunKinds.Backup, Source = "orders" }));
    }

    [Theory]
    [InlineData(0, 0, Status.Done)]
    [InlineData(3, 0, Status.Degraded)]
    [InlineData(3, 2, Status.Degraded)]
    public void Restore_with_warnings_is_not_shown_as_done(int warnings, int notRestored, Status status)
    {
        var result = new RestoreRunResult("vcluster:n/c", "hot", 1000, 2, [.. Enumerable.Range(0, warnings).Select(at => $"warning {at}")]) { NotRestored = notRestored, Notes = ["kept aside"] };
        var run = new Run(new RunId(7), RunKinds.Restore, "tenant", null, "{}", "00", RunState.Completed, 1, 0, "anna", null, null)
        {
            CreatedAt = Start,
            ResultJson = System.Text.Json.JsonSerializer.Serialize(result, System.Text.Json.JsonSerializerOptions.Web),
        };
        Assert.Equal(status, RunTexts.StatusOf(run));
        var facts = RunResultFacts.Of(run).ToDictionary(fact => fact.Name, fact => fact.Value);
        Assert.Equal(warnings > 0 ? $"{warnings}" : null, facts.GetValueOrDefault("Warnings"));
        Assert.Equal(notRestored > 0 ? $"{notRestored}" : null, facts.GetValueOrDefault("Not restored"));
    }

    [Fact]
    public void Expired_point_tells_when_why_and_what_was_measured()
    {
        this.AddAuthorization().SetAuthorized("ito");
        var row = new RestorePointRow("abcdef0123", "orders", "postgres", "critical", "shop", Start.AddDays(-40), Start.AddDays(-40), 1000, 100, "[]", null, "{}", 1)
        {
            ExpiredAt = Start.AddDays(-1),
        };
        var by = new Run(new RunId(7), RunKinds.Retention, "hot", null, "{}", "00", RunState.Completed, 1, 1, "schedule", null, null) { CreatedAt = Start };
        var validation = new ValidationRow(1, row.Id, 3, "hot", true, "[]", null, 12, null, Start.AddDays(-39), false);
        var page = Render<ExpiredPoint>(parameters => parameters
            .Add(self => self.Point, row)
            .Add(self => self.Kept, new PointKept([], new Dictionary<string, TierDecision>(), Class, by) { Expiries = [new PointExpiry("hot", Start.AddDays(-1), "older than the tier's 7 days")] })
            .Add(self => self.Validations, [validation]));
        Assert.Contains("Expired", page.Find(".chip").TextContent, StringComparison.Ordinal);
        Assert.Contains("Mon 23 Nov 03:12", page.Find(".strip").TextContent, StringComparison.Ordinal);
        Assert.Equal("Given up by R-7, Retention of tier hot", page.Find("a[href='/runs/7']").TextContent);
        Assert.Contains("Class critical keeps 24 hourly, 30 daily", page.Markup, StringComparison.Ordinal);
        Assert.Contains("tier hot, Mon 23 Nov 03:12: older than the tier's 7 days", page.Find(".why").TextContent, StringComparison.Ordinal);
        Assert.Contains("12s", page.Find("tbody").TextContent, StringComparison.Ordinal);
        Assert.Empty(page.FindAll("button"));
    }

    private string Verdict(TierDecision decision)
    {
        var list = Render<HeldList>(parameters => parameters
            .Add(self => self.Tiers, [new RestorePointTierRow("ab", "hot", "verified", Start, Start, null)])
            .Add(self => self.Kept, new PointKept([], new Dictionary<string, TierDecision> { ["hot"] = decision }, Class, null)));
        return list.Find(".verdict-line").TextContent;
    }
}
