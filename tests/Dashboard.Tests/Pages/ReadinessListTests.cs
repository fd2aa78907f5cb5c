using Bunit;
using Hexabase.DrConsole.Dashboard.Pages.Recovery;
using Hexabase.DrConsole.Engine.Recovery.Readiness;
using Hexabase.DrConsole.Engine.Runs;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;

namespace Hexabase.DrConsole.Dashboard.Tests.Pages;

public sealed class ReadinessListTests : BunitContext
{
    private static readonly DateTimeOffset s_noon = new(2026, 11, 24, 12, 0, 0, TimeSpan.Zero);

    public ReadinessListTests() => Services.AddSingleton<TimeProvider>(new FakeTimeProvider(s_noon));

    [Fact]
    public void Overview_says_a_line_of_each_and_what_a_drill_would_help_first()
    {
        ReadinessRow[] rows =
        [
            Row("impossible", ReadinessState.NotVerified, ReadinessCause.PlanImpossible, ReadinessCause.NoDrill), Row("good", ReadinessState.Verified),
            Row("failed", ReadinessState.NotVerified, ReadinessCause.DrillFailed, ReadinessCause.ApproversMissing), Row("old", ReadinessState.NeedsVerification, ReadinessCause.ProofTooOld),
        ];
        var ordered = ReadinessWords.InOrder(rows).ToList();

        var brief = Render<ReadinessList>(with => with.Add(one => one.Rows, ordered).Add(one => one.ShowPlan, true).Add(one => one.IsBrief, true));

        Assert.Equal(["failed", "old", "good", "impossible"], brief.FindAll("li a").Select(link => link.TextContent));
        Assert.All(brief.FindAll("li"), line => Assert.Single(line.QuerySelectorAll("p")));
        Assert.Equal(2, brief.Find("li p").GetAttribute("title")!.Split('\n').Length);

        var full = Render<ReadinessList>(with => with.Add(one => one.Rows, ordered).Add(one => one.ShowPlan, true));
        Assert.Equal(2, full.Find("li").QuerySelectorAll(".reason").Length);
    }

    private static ReadinessRow Row(string plan, ReadinessState state, params ReadinessCause[] causes) =>
        new(plan, "orders", 1, state, [.. causes.Select(cause => new ReadinessReason(cause, "so"))], state == ReadinessState.Verified ? new RunId(4) : null, s_noon, s_noon);
}
