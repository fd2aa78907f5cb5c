using Bunit;
using Bunit.TestDoubles;
using Hexabase.DrConsole.Dashboard.Access;
using Hexabase.DrConsole.Dashboard.Pages.Sources;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Repository;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;

namespace Hexabase.DrConsole.Dashboard.Tests.Pages;

public sealed class ReachPanelTests : BunitContext
{
    private static readonly DateTimeOffset s_noon = new(2026, 11, 24, 12, 0, 0, TimeSpan.Zero);
    private static readonly WindowBase s_first = Base(0);
    private static readonly RecoverableWindow s_window = new("hot", s_noon.AddHours(4),
    [
        new WindowStretch(s_noon, s_noon.AddHours(1), 1, "0/9000000", [s_first]),
        new WindowStretch(s_noon.AddHours(2), s_noon.AddHours(3), 2, "0/F000000", [Base(120)]),
    ],
    [new WindowTimeline(1, s_noon), new WindowTimeline(2, s_noon.AddHours(2))]);

    public ReachPanelTests()
    {
        Services.AddSingleton<TimeProvider>(new FakeTimeProvider(s_noon.AddHours(4)));
        AddAuthorization().SetAuthorized("operator").SetPolicies(Policies.CanOperate);
    }

    [Fact]
    public void Moment_in_reach_says_from_which_base_backup_and_offers_a_plan()
    {
        DateTimeOffset? planned = null;
        var panel = Render<ReachPanel>(with => with.Add(one => one.Window, s_window).Add(one => one.Moment, s_noon.AddMinutes(20))
            .Add(one => one.Proven, new HashSet<string> { s_first.Id.Value }).Add(one => one.OnPlan, moment => planned = moment));

        Assert.Contains("Yes", panel.Find(".verdict-line").TextContent, StringComparison.Ordinal);
        Assert.Contains(s_first.Id.Short, panel.Markup, StringComparison.Ordinal);
        Assert.Contains("No restore was measured yet.", panel.Markup, StringComparison.Ordinal);
        panel.Find("button").Click();
        Assert.Equal(s_noon.AddMinutes(20), planned);
    }

    [Fact]
    public void Moment_in_a_hole_is_refused_with_the_two_moments_beside_it()
    {
        var planned = new List<DateTimeOffset>();
        var panel = Render<ReachPanel>(with => with.Add(one => one.Window, s_window).Add(one => one.Moment, s_noon.AddMinutes(90)).Add(one => one.OnPlan, planned.Add));

        Assert.Contains("lies in a hole", panel.Find(".verdict-line").TextContent, StringComparison.Ordinal);
        Assert.Contains("30m 00s before", panel.Markup, StringComparison.Ordinal);
        foreach (var index in new[] { 0, 1 })
        {
            panel.FindAll("button")[index].Click();
        }

        Assert.Equal([s_noon.AddHours(1), s_noon.AddHours(2)], planned);
    }

    [Fact]
    public void Moment_on_two_branches_says_along_which_it_is_recovered_and_names_the_other()
    {
        var window = s_window with { Stretches = [s_window.Stretches[0], s_window.Stretches[1] with { From = s_noon.AddMinutes(30), Bases = [s_first] }] };
        var panel = Render<ReachPanel>(with => with.Add(one => one.Window, window).Add(one => one.Moment, s_noon.AddMinutes(40)));

        Assert.Contains("along timeline 2", panel.Find(".branch").TextContent, StringComparison.Ordinal);
        Assert.Contains("timeline 1", panel.Find(".branch").TextContent, StringComparison.Ordinal);
        panel.Render(with => with.Add(one => one.Moment, s_noon.AddMinutes(20)));
        Assert.Equal("Recovered along timeline 1.", panel.Find(".branch").TextContent);
    }

    [Fact]
    public void Typed_moment_is_told_in_the_readers_zone_and_nonsense_is_none()
    {
        var told = new List<DateTimeOffset?>();
        var panel = Render<ReachPanel>(with => with.Add(one => one.Window, s_window).Add(one => one.MomentChanged, told.Add));

        panel.Find("input").Input("2026-11-24T12:20:05");
        panel.Find("input").Input("");

        Assert.Equal([s_noon.AddMinutes(20).AddSeconds(5), null], told);
    }

    [Fact]
    public void Window_draws_every_hole_and_says_what_it_shows()
    {
        var panel = Render<WindowPanel>(with => with.Add(one => one.Window, s_window));

        Assert.Single(panel.FindAll(".hole"));
        Assert.Equal(2, panel.FindAll(".stretch").Count);
        Assert.Contains("1 hole", panel.Find("[role=img]").GetAttribute("aria-label"), StringComparison.Ordinal);
        Assert.Equal(3, panel.FindAll("tbody tr").Count);
    }

    private static WindowBase Base(int minutes) => new(new RestorePointId(Guid.NewGuid().ToString("N")), s_noon.AddMinutes(minutes), 1, "0/2000028", "0/2000100");
}
