using Bunit;
using Hexabase.DrConsole.Dashboard.Pages.Retention;
using Hexabase.DrConsole.Dashboard.Tests.Controls;
using Hexabase.DrConsole.Engine.Strategies;
using Hexabase.DrConsole.Engine.Strategies.Retention;
using static Hexabase.DrConsole.Dashboard.Tests.Pages.RetentionRig;

namespace Hexabase.DrConsole.Dashboard.Tests.Pages;

public sealed class RetentionSimulatorTests : ControlTests
{
    private static readonly ProtectionClass Daily = Class(new RetentionPolicy(0, 10, 0, 0, 0), TimeSpan.FromDays(1), ("hot", 5));
    private static readonly KeptSource Present = Source(Daily, Start.AddDays(-9), ["hot", "warm"], [.. Enumerable.Range(0, 5).Select(day => Point(Start.AddDays(-day).AddHours(-1), ("hot", "verified")))]);
    private readonly List<(RetentionPolicy Policy, IReadOnlyDictionary<string, int> Days)> _asked = [];

    [Fact]
    public void Form_begins_with_the_present_policy_and_nothing_was_run()
    {
        var page = Simulator();
        Assert.Equal(["0", "10", "0", "0", "0", "2", "5", ""], page.FindAll("input").Select(input => input.GetAttribute("value")));
        Assert.Contains("Nothing is saved", page.Markup, StringComparison.Ordinal);
    }

    [Fact]
    public void Shorter_ladder_tells_what_becomes_unreachable_what_is_freed_and_what_to_paste()
    {
        var page = Simulator();
        page.FindAll("input")[1].Input("2");
        page.FindAll("input")[7].Input("30");
        page.Find("form").Submit();
        Assert.Equal(30, Assert.Single(_asked).Days["warm"]);
        Assert.Equal("3 moments become unreachable", page.Find(".answer").TextContent);
        Assert.Equal(3, page.FindAll(".moments a").Count);
        Assert.Contains("2 restore points stay", page.Markup, StringComparison.Ordinal);
        Assert.Contains("3 copies in hot", page.Markup, StringComparison.Ordinal);
        Assert.Contains("1d without a point", page.Find(".gaps").TextContent, StringComparison.Ordinal);
        using var pasted = System.Text.Json.JsonDocument.Parse("{" + page.Find(".json").TextContent + "}");
        Assert.Equal(2, pasted.RootElement.GetProperty("Classes").GetProperty("own").GetProperty("Retention").GetProperty("Daily").GetInt32());
        Assert.Contains("/etc/console.json", page.Markup, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("0", "keeps nothing")]
    [InlineData("-1", "Whole numbers")]
    [InlineData("many", "Whole numbers")]
    public void Policy_that_the_console_would_refuse_is_not_run(string daily, string why)
    {
        var page = Simulator();
        page.FindAll("input")[1].Input(daily);
        page.Find("form").Submit();
        Assert.Contains(why, page.Find("[role=alert]").TextContent, StringComparison.Ordinal);
        Assert.Empty(_asked);
    }

    [Fact]
    public void What_was_typed_stays_when_new_figures_come()
    {
        var page = Simulator();
        page.FindAll("input")[1].Input("3");
        page.Render(parameters => parameters.Add(self => self.Source, Present with { Now = Start.AddSeconds(15) }));
        Assert.Equal("3", page.FindAll("input")[1].GetAttribute("value"));
    }

    [Fact]
    public void Removals_name_point_tier_and_reason_and_the_next_by_days()
    {
        var source = Source(Daily, Start.AddDays(-9), ["hot"], Point(Start.AddDays(-1), ("hot", "verified")), Point(Start.AddDays(-4), ("hot", "verified")), Point(Start.AddDays(-6), ("hot", "verified")));
        var list = Render<RemovalList>(parameters => parameters.Add(self => self.Source, source));
        Assert.Contains("older than this tier's 5 days", Assert.Single(list.FindAll("tbody tr")).TextContent, StringComparison.Ordinal);
        Assert.Contains("Wed 25 Nov 03:12", list.Find(".next").TextContent, StringComparison.Ordinal);
    }

    private IRenderedComponent<RetentionSimulator> Simulator() => Render<RetentionSimulator>(parameters => parameters
        .Add(self => self.Source, Present)
        .Add(self => self.Others, ["orders"])
        .Add(self => self.File, "/etc/console.json")
        .Add(self => self.OnRun, Run));

    private Task<RetentionSimulation?> Run(RetentionPolicy policy, IReadOnlyDictionary<string, int> days)
    {
        _asked.Add((policy, days));
        var points = Present.Points.Select(point => new RetainedPoint(point.Id, point.CreatedAt, false) { Tiers = ["hot"] }).ToList();
        return Task.FromResult<RetentionSimulation?>(RetentionSimulation.Compare(points, Said(Daily.Retention, Daily.TierDays), Said(policy, days)));

        IReadOnlyList<TierDecision> Said(RetentionPolicy asked, IReadOnlyDictionary<string, int> tierDays) => TierRetention.Decide(points, asked, tierDays, ["hot", "warm"], Now);
    }
}
