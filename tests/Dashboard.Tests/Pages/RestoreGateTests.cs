using Bunit;
using Hexabase.DrConsole.Dashboard.Pages.Recovery;
using Hexabase.DrConsole.Dashboard.Tests.Controls;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Recovery.Approvals;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Strategies;
using Microsoft.AspNetCore.Components.Forms;
using Microsoft.Extensions.DependencyInjection;

namespace Hexabase.DrConsole.Dashboard.Tests.Pages;

/// <summary>The gate of a restore over what lives as an approver sees it, and its run's page.</summary>
public sealed class RestoreGateTests : ControlTests
{
    private static readonly RestorePlan s_plan = new()
    {
        FormatVersion = RestorePlan.CurrentVersion, RestorePointId = "0123456789abcdef0123456789abcdef", ManifestHash = "00", Source = "uploads", Kind = "volume", Target = "dir:/srv/uploads?inPlace=true",
        Artifacts = [new PlannedArtifact("files", "tree", 2_100_000)], Notes = ["0 created, 1 changed", "~ photos/letter"], Difference = "ab",
    };

    public RestoreGateTests()
    {
        Services.AddSingleton<AntiforgeryStateProvider, NoToken>();
        Services.AddSingleton(new ProtectedEstate("test", "/unused", ProtectionClass.Defaults, [], [], []));
    }

    [Fact]
    public void Approver_sees_what_is_written_over_by_what_and_every_line_of_the_plan()
    {
        var facts = Render<RestoreGateFacts>(with => with.Add(one => one.Plan, s_plan).Add(one => one.Point, Point));

        Assert.Contains("dir:/srv/uploads?inPlace=true", facts.Find("dl").TextContent, StringComparison.Ordinal);
        Assert.Contains("uploads, 01234567", facts.Find("dl").TextContent, StringComparison.Ordinal);
        Assert.Contains("never restored", facts.Find("dl").TextContent, StringComparison.Ordinal);
        Assert.Equal("0 created, 1 changed\n~ photos/letter", facts.Find("pre").TextContent);
        Assert.StartsWith(s_plan.Hash[..4] + " " + s_plan.Hash[4..8], facts.Find(".hash .mono").TextContent, StringComparison.Ordinal);
        var failed = Render<RestoreGateFacts>(with => with.Add(one => one.Plan, s_plan).Add(one => one.Point, Point)
            .Add(one => one.Proof, new ValidationRow(1, s_plan.RestorePointId, 2, "hot", false, "[]", null, null, null, Start, false)));
        Assert.Contains("failed its validation", failed.Markup, StringComparison.Ordinal);
    }

    [Fact]
    public void Form_posts_the_hash_that_was_seen_and_says_that_a_restore_ends_where_it_is_declined()
    {
        var form = Decision(Gate()).Find("form");

        Assert.Equal(("/approvals/5/answer", "post"), (form.GetAttribute("action"), form.GetAttribute("method")));
        Assert.Equal(s_plan.Hash, form.QuerySelector("[name=hash]")!.GetAttribute("value"));
        Assert.Equal(["approve", "decline"], form.QuerySelectorAll("button[name=act]").Select(button => button.GetAttribute("value")));
        Assert.Equal(["Approve this restore", "Decline, restore ends"], form.QuerySelectorAll("button[name=act]").Select(button => button.TextContent));
        Assert.NotNull(form.QuerySelector("[name=password][required]"));
        // Enter in a field presses the form's first button: it answers nothing.
        Assert.True(form.QuerySelector("button")!.HasAttribute("disabled") && !form.QuerySelector("button")!.HasAttribute("name"));
        Assert.Contains("the run ends and nothing is changed", Decision(Gate()).Markup, StringComparison.Ordinal);
    }

    [Fact]
    public void Review_after_broken_glass_is_posted_with_the_password()
    {
        var form = Render<ReviewForm>(with => with.Add(one => one.Gate, 5).Add(one => one.Person, "rita")).Find("form");

        Assert.Equal(("/approvals/5/review", "post"), (form.GetAttribute("action"), form.GetAttribute("method")));
        Assert.NotNull(form.QuerySelector("[name=review][required][minlength='8'][maxlength='500']"));
        Assert.NotNull(form.QuerySelector("[name=password][required]"));
    }

    [Fact]
    public void Requester_who_waits_gets_no_form_who_has_approved_may_take_it_back_and_only_an_incident_lets_one_go_alone()
    {
        Assert.Empty(Decision(Gate(), person: "olga").FindAll("form"));
        Assert.Contains("you asked for it yourself", Decision(Gate(), person: "olga").Markup, StringComparison.Ordinal);
        Assert.Contains("got its role or its password after this was asked for", Render<GateDecision>(with => Fill(with, Gate()).Add(one => one.Tie, Tie.ChangedLate)).Markup, StringComparison.Ordinal);
        Assert.Contains("made on the command line", Render<GateDecision>(with => Fill(with, Gate()).Add(one => one.Tie, Tie.MadeLate)).Markup, StringComparison.Ordinal);
        var gone = Render<GateDecision>(with => Fill(with, Gate()).Add(one => one.Votes, [new ApprovalVote(5, "petra", true, "it is damaged", "", Start) { Counts = false }]));
        Assert.Contains("counts no longer", gone.Markup, StringComparison.Ordinal);
        Assert.Contains("Approver is needed", Decision(Gate(), role: "Operator").Markup, StringComparison.Ordinal);
        var answered = Render<GateDecision>(with => Fill(with, Gate()).Add(one => one.Votes, [new ApprovalVote(5, "paul", true, "it is damaged", "", Start)]));
        Assert.Contains("You have approved", answered.Markup, StringComparison.Ordinal);
        Assert.Equal(["decline"], answered.FindAll("button[name=act]").Select(button => button.GetAttribute("value")));
        Assert.Empty(Decision(Gate(GateState.Declined)).FindAll("form"));

        var alone = Render<GateDecision>(with => Fill(with, Gate(), person: "olga").Add(one => one.Incident, 12L).Add(one => one.Answers, 12L));
        Assert.Equal("I-12", alone.Find("[name=incident]").GetAttribute("value"));
        Assert.Single(alone.FindAll("button[value=break-glass]"));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("approve ")]
    [InlineData("Approve")]
    public async Task What_is_no_answer_declines_nothing(string? act) =>
        Assert.Equal(Said.Unknown, await new GateAnswering(null!, null!).AnswerAsync("paul", "secret", act, 5, s_plan.Hash, "it is damaged", "INC-1", Xunit.TestContext.Current.CancellationToken));

    [Fact]
    public void Plan_is_still_approved_step_by_step_and_waits_where_it_is_declined()
    {
        var decision = Render<GateDecision>(with => Fill(with, Gate()).Add(one => one.Steps, 5));

        Assert.Equal(["Approve these 5 steps", "Decline, run waits"], decision.FindAll("button[name=act]").Select(button => button.TextContent));
        Assert.Contains("the run stays waiting", decision.Markup, StringComparison.Ordinal);
    }

    [Fact]
    public void Where_nobody_was_asked_it_is_shown()
    {
        var waived = Gate(GateState.Used) with { Needed = 0, ClosedWhy = "nobody's approval is asked for by the configuration" };

        Assert.Contains("RestoreApprovals 0", Decision(waived).Markup, StringComparison.Ordinal);
        var panel = Render<RestoreGatePanel>(with => with.Add(one => one.Gate, waived));
        Assert.Contains("No approval asked for", panel.Markup, StringComparison.Ordinal);
        Assert.Contains("nobody's approval", panel.Find(".second").TextContent, StringComparison.Ordinal);
        var table = Render<GateTable>(with => with.Add(one => one.Rows, [new GateStanding(waived, "uploads", RunKinds.Restore, 0)]));
        Assert.Contains("No approval asked for", table.Markup, StringComparison.Ordinal);
    }

    [Fact]
    public void Run_that_waits_leads_to_its_gate_and_the_list_names_it_a_restore()
    {
        var panel = Render<RestoreGatePanel>(with => with.Add(one => one.Gate, Gate()));
        Assert.Equal("/approvals/5", panel.Find("a").GetAttribute("href"));
        Assert.Contains("Waits for approval", panel.Markup, StringComparison.Ordinal);

        var rows = Render<GateTable>(with => with.Add(one => one.Rows, [new GateStanding(Gate(), "uploads", RunKinds.Restore, 0), new GateStanding(Gate(), "orders", RunKinds.Recovery, 0)]).Add(one => one.IsOpen, true));
        Assert.Equal(["R-7 of uploads: restore over what lives", "R-7 of orders: the whole plan"], rows.FindAll("tbody a").Select(link => link.TextContent));
    }

    private static RestorePointRow Point => new(s_plan.RestorePointId, "uploads", "volume", "standard", "shop", Start.AddHours(-3), Start.AddHours(-3), 2_100_000, 1, "[]", null, "{}", 1);

    private static ApprovalGate Gate(GateState state = GateState.Open) => new(
        5, new RunId(7), null, s_plan.Hash, "destructive", 1, "olga", state, Start, Start.AddHours(1), TimeSpan.FromMinutes(30), null, null, null, false);

    private IRenderedComponent<GateDecision> Decision(ApprovalGate gate, string person = "paul", string role = "Approver") => Render<GateDecision>(with => Fill(with, gate, person, role));

    private static ComponentParameterCollectionBuilder<GateDecision> Fill(ComponentParameterCollectionBuilder<GateDecision> with, ApprovalGate gate, string person = "paul", string role = "Approver") =>
        with.Add(one => one.Gate, gate).Add(one => one.Person, person).Add(one => one.Role, role);

    private sealed class NoToken : AntiforgeryStateProvider
    {
        public override AntiforgeryRequestToken? GetAntiforgeryToken() => null;
    }
}
