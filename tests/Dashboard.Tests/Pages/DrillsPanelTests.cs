using Bunit;
using Bunit.TestDoubles;
using Hexabase.DrConsole.Dashboard.Access;
using Hexabase.DrConsole.Dashboard.Pages.Sources;
using Hexabase.DrConsole.Engine.Catalog;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;

namespace Hexabase.DrConsole.Dashboard.Tests.Pages;

public sealed class DrillsPanelTests : BunitContext
{
    private static readonly DateTimeOffset s_noon = new(2026, 11, 24, 12, 0, 0, TimeSpan.Zero);

    public DrillsPanelTests()
    {
        Services.AddSingleton<TimeProvider>(new FakeTimeProvider(s_noon));
        AddAuthorization().SetAuthorized("operator").SetPolicies(Policies.CanOperate);
    }

    [Fact]
    public void Drills_show_what_was_found_and_a_failed_one_is_no_duration()
    {
        var asked = 0;
        var panel = Render<DrillsPanel>(with => with.Add(one => one.Target, TimeSpan.FromMinutes(15)).Add(one => one.HasHeartbeat, true).Add(one => one.OnDrill, () => asked++)
            .Add(one => one.Drills, [Drill(8, "failed", "what was committed since is missing", null), Drill(7, "passed", "the newest heartbeat was written 3.1 s before", 92), Drill(6, "not_provable", "no PostgreSQL 15", null)]));

        Assert.Equal(["did not pass", "passed"], panel.FindAll("tbody tr").Take(2).Select(row => row.QuerySelectorAll("td")[1].TextContent.Trim()));
        Assert.Contains("what was committed since is missing", panel.Markup, StringComparison.Ordinal);
        Assert.Equal("/runs/8", panel.Find("tbody a").GetAttribute("href"));
        Assert.Single(panel.FindAll(".column.failed"));
        Assert.Contains("1m 32s", panel.Find(".figure").TextContent, StringComparison.Ordinal);
        Assert.Empty(panel.FindAll(".warning"));
        panel.Find("button").Click();
        Assert.Equal(1, asked);
    }

    [Theory]
    [InlineData(false, null, "No heartbeat is configured")]
    [InlineData(true, "the table drconsole.heartbeat is missing", "The heartbeat is not written: the table drconsole.heartbeat is missing")]
    public void Heartbeat_that_is_not_written_is_said(bool has, string? message, string words)
    {
        var panel = Render<DrillsPanel>(with => with.Add(one => one.Target, TimeSpan.FromMinutes(15)).Add(one => one.HasHeartbeat, has)
            .Add(one => one.Heartbeat, message is null ? null : new HeartbeatRow("orders", message, s_noon)));

        Assert.Contains(words, panel.Find(".warning").TextContent, StringComparison.Ordinal);
        Assert.Contains("No moment was recovered in a drill yet.", panel.Markup, StringComparison.Ordinal);
    }

    private static DrillRow Drill(long run, string outcome, string reason, double? seconds) => new(
        run, "orders", "abc", "hot", s_noon.AddHours(-3), outcome, reason, null, null, null, [new DrillPhase("fetch", 1), new DrillPhase("replay", 60)], seconds, s_noon.AddHours(-run));
}
