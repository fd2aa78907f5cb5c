using Bunit;
using Bunit.TestDoubles;
using Hexabase.DrConsole.Dashboard.Access;
using Hexabase.DrConsole.Dashboard.Pages.Points;
using Hexabase.DrConsole.Dashboard.Tests.Controls;
using Hexabase.DrConsole.Engine.Catalog;

namespace Hexabase.DrConsole.Dashboard.Tests.Pages;

public sealed class HoldPanelTests : ControlTests
{
    private static readonly HoldRow Standing = new(Guid.NewGuid(), "ab", "audit of March", "ito", Start.AddHours(-2), null, null, null, null);
    private readonly List<HoldRequest> _placed = [];
    private readonly List<HoldRelease> _released = [];

    [Fact]
    public void Hold_tells_who_why_since_when_and_until_when()
    {
        var panel = Panel("Viewer", [Standing, Standing with { Id = Guid.NewGuid(), Until = Start.AddDays(1) }]);
        Assert.Contains("audit of March", panel.Markup, StringComparison.Ordinal);
        Assert.Contains("by ito, since 01:12:44, until somebody releases it", panel.Markup, StringComparison.Ordinal);
        Assert.Contains("until Wed 25 Nov 03:12", panel.Markup, StringComparison.Ordinal);
    }

    [Fact]
    public void Viewer_gets_no_button()
    {
        Assert.Empty(Panel("Viewer", [Standing]).FindAll("button"));
    }

    [Fact]
    public void Ended_holds_are_folded_and_do_not_count()
    {
        var released = Standing with { ReleasedBy = "sato", ReleasedAt = Start };
        var over = Standing with { Id = Guid.NewGuid(), Until = Start.AddMinutes(-1) };
        var panel = Panel("Operator", [released, over]);
        Assert.Contains("Nobody holds it", panel.Markup, StringComparison.Ordinal);
        Assert.Equal("Ended holds, 2", panel.Find("summary").TextContent);
        Assert.Contains("ended by sato", panel.Find("details").TextContent, StringComparison.Ordinal);
        Assert.Contains("ended by itself", panel.Find("details").TextContent, StringComparison.Ordinal);
    }

    [Fact]
    public void Operator_places_a_hold_with_a_reason_and_an_end()
    {
        var panel = Panel("Operator", []);
        panel.Find("button").Click();
        panel.Find("textarea").Input("lawyers ask for it");
        panel.Find("input").Input("2026-12-01T08:30");
        panel.Find("form").Submit();
        Assert.Equal(new HoldRequest("lawyers ask for it", new DateTimeOffset(2026, 12, 1, 8, 30, 0, TimeSpan.Zero)), Assert.Single(_placed));
        Assert.Empty(panel.FindAll("form"));
    }

    [Fact]
    public void Hold_without_reason_or_that_ended_already_is_not_sent()
    {
        var panel = Panel("Operator", []);
        panel.Find("button").Click();
        panel.Find("input").Input("2026-11-24T03:12");
        panel.Find("form").Submit();
        Assert.Equal(2, panel.FindAll("[role=alert]").Count);
        Assert.Empty(_placed);
    }

    [Fact]
    public void What_was_typed_stays_where_it_could_not_be_done()
    {
        var panel = Panel("Operator", [], succeeds: false);
        panel.Find("button").Click();
        panel.Find("textarea").Input("keep");
        panel.Find("form").Submit();
        Assert.Single(_placed);
        Assert.Equal("keep", panel.Find("textarea").GetAttribute("value"));
    }

    [Fact]
    public void Release_asks_for_a_reason_of_its_own()
    {
        var panel = Panel("Admin", [Standing]);
        panel.Find("li button").Click();
        Assert.Empty(panel.FindAll("input"));
        panel.Find("textarea").Input("audit is over");
        panel.Find("form").Submit();
        Assert.Equal(new HoldRelease(Standing.Id, "audit is over"), Assert.Single(_released));
    }

    [Fact]
    public void Tier_that_was_not_told_is_named_with_what_that_means()
    {
        var panel = Panel("Viewer", [Standing], away: ["cold: does not answer"]);
        Assert.Contains("cold: does not answer", panel.Find("[role=status]").TextContent, StringComparison.Ordinal);
    }

    private IRenderedComponent<HoldPanel> Panel(string role, IReadOnlyList<HoldRow> holds, bool succeeds = true, IReadOnlyList<string>? away = null)
    {
        var session = this.AddAuthorization();
        session.SetAuthorized("ito");
        if (role is "Operator" or "Admin")
        {
            session.SetPolicies(Policies.CanOperate);
        }

        return Render<HoldPanel>(parameters => parameters
            .Add(self => self.Holds, holds)
            .Add(self => self.Away, away ?? [])
            .Add(self => self.OnPlace, asked => Remember(_placed, asked, succeeds))
            .Add(self => self.OnRelease, asked => Remember(_released, asked, succeeds)));
    }

    private static Task<bool> Remember<T>(List<T> into, T one, bool succeeds)
    {
        into.Add(one);
        return Task.FromResult(succeeds);
    }
}
