using Bunit;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Pages.Incidents;
using Hexabase.DrConsole.Engine.Health;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;

namespace Hexabase.DrConsole.Dashboard.Tests.Pages;

public sealed class HealthHistoryTests : BunitContext
{
    private static readonly DateTimeOffset s_noon = new(2026, 11, 24, 12, 0, 0, TimeSpan.Zero);

    public HealthHistoryTests() => Services.AddSingleton<TimeProvider>(new FakeTimeProvider(s_noon));

    [Fact]
    public void Each_stretch_shows_the_worst_that_was_seen_in_it_and_none_where_nobody_looked()
    {
        // Eight stretches of an hour: answered twice, missed in part, missed, a gap, damaged, cannot tell, answered.
        ProbeSummary[] seen =
        [
            Seen(0, answered: 2), Seen(1, answered: 1), Seen(2, answered: 1, missed: 1), Seen(3, missed: 2), Seen(5, answered: 1, corrupt: 1), Seen(6, unknown: 2), Seen(7, answered: 1),
        ];

        var strip = Assert.Single(HealthStrip.Of(seen, s_noon.AddHours(-8), s_noon, 8));

        Assert.Equal(
            [new(0, 2, Status.Answers), new(2, 1, Status.Degraded), new(3, 1, Status.Failed), new(5, 1, Status.Damaged), new(6, 1, Status.NotDetectable), new(7, 1, Status.Answers)],
            strip.Cells);
        // What could not be told counts neither as answered nor as missed.
        Assert.Equal((12, 4, 0.6), (strip.Looks, strip.Missed, strip.Answered));
        Assert.Null(Assert.Single(HealthStrip.Of([Seen(6, unknown: 2)], s_noon.AddHours(-8), s_noon, 8)).Answered);
    }

    [Fact]
    public void Panel_says_in_words_what_its_strips_show_and_changes_the_time()
    {
        var chosen = TimeSpan.Zero;
        var strips = HealthStrip.Of([Seen(0, answered: 3), Seen(4, missed: 1)], s_noon.AddHours(-8), s_noon, HealthHistoryPanel.Stretches);
        var panel = Render<HealthHistoryPanel>(with => with.Add(one => one.Strips, strips).Add(one => one.Span, HealthHistoryPanel.Spans[0])
            .Add(one => one.From, s_noon.AddHours(-8)).Add(one => one.SpanChanged, span => chosen = span));

        Assert.Contains("asked 4 times, 1 without a good answer", panel.Find("svg").GetAttribute("aria-label"), StringComparison.Ordinal);
        Assert.Equal(2, panel.FindAll("rect").Count);
        Assert.Contains("75 % answered", panel.Markup, StringComparison.Ordinal);
        panel.FindAll("button")[1].Click();
        Assert.Equal(TimeSpan.FromDays(7), chosen);

        Assert.Contains("Nobody looked", Render<HealthHistoryPanel>(with => with.Add(one => one.Strips, []).Add(one => one.Span, HealthHistoryPanel.Spans[0]).Add(one => one.From, s_noon)).Markup, StringComparison.Ordinal);
    }

    private static ProbeSummary Seen(int hour, int answered = 0, int missed = 0, int corrupt = 0, int unknown = 0) =>
        new(s_noon.AddHours(hour - 8), "tcp", answered, missed, corrupt, unknown, 1, 5);
}
