using Bunit;
using Bunit.TestDoubles;
using Hexabase.DrConsole.Dashboard.Access;
using Hexabase.DrConsole.Dashboard.Pages.Runs;
using Hexabase.DrConsole.Engine.Backups.Postgres.Rescue;
using Hexabase.DrConsole.Engine.Validation.Rescue;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;

namespace Hexabase.DrConsole.Dashboard.Tests.Pages;

public sealed class RescuePanelTests : BunitContext
{
    private static readonly DateTimeOffset s_noon = new(2026, 11, 24, 12, 0, 0, TimeSpan.Zero);
    private static readonly TableDifference s_difference = new("public.prices", ["id"], true, 101, 90, 11, 0, 1, [], [],
        [new RowDifference(RowStates.OnlyPast, "(91)", []), new RowDifference(RowStates.Changed, "(1)", [new ValueDifference("cents", "1", null)])]);

    public RescuePanelTests()
    {
        Services.AddSingleton<TimeProvider>(new FakeTimeProvider(s_noon));
        AddAuthorization().SetAuthorized("operator").SetPolicies(Policies.CanOperate);
    }

    [Fact]
    public void Difference_is_shown_before_anything_is_decided()
    {
        var decided = new List<string>();
        var panel = Render<RescuePanel>(with => with.Add(one => one.Offer, new RescueOffer(s_difference, "public.prices_rescued_1", s_noon.AddMinutes(30))).Add(one => one.IsWaiting, true)
            .Add(one => one.OnDecide, decided.Add));

        Assert.Contains("101 rows then, 90 now; 11 only then, 0 only now, 1 changed", panel.Markup, StringComparison.Ordinal);
        Assert.Equal(["only then", "changed"], panel.FindAll("tbody tr").Select(row => row.QuerySelector("td")!.TextContent));
        Assert.Contains("NULL", panel.FindAll("tbody tr")[1].TextContent, StringComparison.Ordinal);
        Assert.Contains("public.prices_rescued_1", panel.Find(".decide").TextContent, StringComparison.Ordinal);
        foreach (var index in new[] { 0, 1, 2 })
        {
            panel.FindAll(".decide button")[index].Click();
        }

        Assert.Equal([RescueDecisions.CopyAll, RescueDecisions.CopyMissing, RescueDecisions.Discard], decided);
    }

    [Fact]
    public void Rows_of_the_source_are_for_operators()
    {
        AddAuthorization().SetAuthorized("viewer");

        var panel = Render<RescuePanel>(with => with.Add(one => one.Offer, new RescueOffer(s_difference, "public.prices_rescued_1", s_noon.AddMinutes(30))).Add(one => one.IsWaiting, true));

        Assert.Contains("101 rows then, 90 now", panel.Markup, StringComparison.Ordinal);
        Assert.Empty(panel.FindAll("tbody tr"));
        Assert.DoesNotContain("cents", panel.Markup, StringComparison.Ordinal);
        Assert.Contains("operators only", panel.Markup, StringComparison.Ordinal);
    }

    [Fact]
    public void Nothing_is_offered_when_it_was_decided_or_where_no_row_is_missing()
    {
        var offer = new RescueOffer(s_difference with { OnlyPast = 0, Changed = 0, Examples = [], IsLive = false }, "public.x", s_noon);

        Assert.Empty(Render<RescuePanel>(with => with.Add(one => one.Offer, offer)).FindAll("button"));
        var waiting = Render<RescuePanel>(with => with.Add(one => one.Offer, offer).Add(one => one.IsWaiting, true));
        Assert.True(waiting.FindAll(".decide button")[1].HasAttribute("disabled"));
        Assert.Contains("gone from the source", waiting.Markup, StringComparison.Ordinal);
    }
}
