using Bunit;
using Bunit.TestDoubles;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Pages.Incidents;
using Hexabase.DrConsole.Dashboard.Pages.Recovery;
using Hexabase.DrConsole.Dashboard.Tests.Controls;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Health.Probes;
using Hexabase.DrConsole.Engine.Recovery.Approvals;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Strategies;
using Microsoft.AspNetCore.Components.Forms;
using Microsoft.Extensions.DependencyInjection;

namespace Hexabase.DrConsole.Dashboard.Tests.Pages;

/// <summary>What a recovery's pages say of its time, its evidence and its approvals.</summary>
public sealed class RecoveryPageTests : ControlTests
{
    private static readonly Evidence s_card = new(
        Start.AddMinutes(-10),
        [
            new SubjectEvidence("orders", SubjectKind.Database, "10.0.0.1:5432", 4, Start.AddMinutes(-11),
            [
                new ProbeEvidence("tcp", ProbeKind.Reach, ProbeAnswer.Answered, 0.4, null, null, Start, 0),
                new ProbeEvidence("checksums", ProbeKind.Integrity, ProbeAnswer.Corrupt, 3, "7 checksum failures", null, Start, 4),
            ]),
        ],
        [new EvidenceRemark(Remark.AnswersButCorrupt, "orders")], [new EvidenceRemark(Remark.FailingDisk, "orders")]);

    private static readonly RecoveryPlan s_plan = new()
    {
        Template = "postgres-corruption",
        TemplateVersion = 3,
        TemplateHash = "ab",
        Title = "Recover a damaged database",
        Disaster = "DATABASE_CORRUPTION",
        Source = "orders",
        Workspace = "shop",
        Incident = 12,
        Basis = new RecoveryBasis("4f19c2", Start.AddHours(-2), "cd", null, true, null),
        Loss = new LossWindow(Start.AddMinutes(-12), null, "to the end of the WAL"),
        Target = new RecoveryTarget("/var/lib/orders", "127.0.0.1", 5432, "postgres", "postgres", null, null, []),
        Gate = new PlanGate("destructive"),
        OnFailure = FailurePolicy.RollBackAll,
        Steps = [Step(1, "stop"), Step(2, "restore"), Step(3, "start")],
        Notes = [],
        RtoSeconds = 900,
    };

    private static Incident Incident { get; } = new(
        new IncidentId(12), DisasterKind.DatabaseCorruption, ["orders"], IncidentState.Confirmed, Start.AddMinutes(-11), Start.AddMinutes(-9), s_card.ToJson());

    private static Run Running => new(
        new RunId(58), RunKinds.Recovery, "orders", null, System.Text.Json.JsonSerializer.Serialize(new RecoveryRequest(s_plan.ToJson(), s_plan.Hash), System.Text.Json.JsonSerializerOptions.Web), "ef",
        RunState.Running, 1, 2, "olga", null, null) { CreatedAt = Start.AddMinutes(-4) };

    [Fact]
    public void Forecast_is_there_only_while_the_plan_goes_forward()
    {
        var forward = new[] { Row(1, StepState.Done, -3, -2), Row(2, StepState.Running, -2), Row(3, StepState.Pending) };
        Assert.Equal(Start.AddMinutes(8 + 10), RecoveryForecast.Of(Running, s_plan, Recovery(), forward, Start));
        Assert.Null(RecoveryForecast.Of(Running with { CancelRequestedBy = "olga" }, s_plan, Recovery(), forward, Start));
        Assert.Null(RecoveryForecast.Of(Running, s_plan, Recovery() with { WaitsFor = RecoveryWait.Approval }, forward, Start));
        foreach (var state in new[] { StepState.Failed, StepState.VerificationFailed, StepState.RollingBack, StepState.RolledBack, StepState.RollbackFailed })
        {
            Assert.Null(RecoveryForecast.Of(Running, s_plan, Recovery(), [forward[0], Row(2, state, -2, -1), forward[2]], Start));
        }
    }

    [Fact]
    public void Way_back_is_drawn_and_what_was_broken_off_does_not_go_on_growing()
    {
        RecoveryStepRow[] rows =
        [
            Row(1, StepState.RollingBack, -6, -5) with { RollbackStartedAt = Start.AddMinutes(-1) },
            // Broken off when the third failed beside it: it has no end of its own.
            Row(2, StepState.Running, -5),
            Row(3, StepState.RolledBack, -5, -4) with { Error = "no space", RollbackStartedAt = Start.AddMinutes(-3), RollbackEndedAt = Start.AddMinutes(-2) },
        ];
        var timeline = Render<StepTimeline>(with => with.Add(one => one.Plan, s_plan).Add(one => one.Rows, rows).Add(one => one.From, Start.AddMinutes(-9)));
        Assert.Equal(["being undone for 1m 00s", "undone 1m 00s"], timeline.FindAll(".lane .back").Select(bar => bar.GetAttribute("title")));
        var before = Lasts(timeline);

        Time.Advance(TimeSpan.FromMinutes(30));
        timeline.Render();

        Assert.Equal(before, Lasts(timeline));
        Assert.Contains("being undone for 31m", timeline.Markup, StringComparison.Ordinal);

        static string Lasts(IRenderedComponent<StepTimeline> timeline) => timeline.FindAll(".lane")[1].QuerySelector(".late")!.TextContent;
    }

    [Fact]
    public void Steps_that_will_not_be_begun_have_no_estimate_once_the_plan_goes_back()
    {
        RecoveryStepRow[] rows = [Row(1, StepState.Done, -6, -5), Row(2, StepState.Failed, -5, -4) with { Error = "no space" }, Row(3, StepState.Pending)];
        var timeline = Render<StepTimeline>(with => with.Add(one => one.Plan, s_plan).Add(one => one.Rows, rows).Add(one => one.From, Start.AddMinutes(-9)));
        Assert.Equal([1, 1, 0], timeline.FindAll(".lane").Select(lane => lane.QuerySelectorAll(".estimate").Length));
        var asking = Render<StepTimeline>(with => with.Add(one => one.Plan, s_plan with { OnFailure = FailurePolicy.Ask }).Add(one => one.Rows, rows).Add(one => one.From, Start.AddMinutes(-9)));
        Assert.Equal(3, asking.FindAll(".lane .estimate").Count);
    }

    [Fact]
    public void Step_whose_way_back_failed_says_why_it_failed_itself_too()
    {
        RecoveryStepRow[] rows = [Row(1, StepState.RollbackFailed, -6, -5) with { Error = "the disk is full", RollbackError = "no server starts" }, Row(2, StepState.Pending), Row(3, StepState.Pending)];
        var timeline = Render<StepTimeline>(with => with.Add(one => one.Plan, s_plan).Add(one => one.Rows, rows).Add(one => one.From, Start.AddMinutes(-9)));

        Assert.Contains("the disk is full; its way back failed: no server starts", timeline.Markup, StringComparison.Ordinal);
    }

    [Fact]
    public void Time_counts_from_the_confirmation_of_the_incident()
    {
        var strip = RecoveryFigures.Of(Running, Reading(), Time);
        Assert.Equal(("Since confirmed, 03:03:44", "9m 00s"), (strip[0].Label, strip[0].Value));
        Assert.Contains(strip, figure => figure.Label == "Forecast of the end");
        Assert.Equal("6m 00s", strip.Single(figure => figure.Label.StartsWith("Left before RTO", StringComparison.Ordinal)).Value);
        var without = RecoveryFigures.Of(Running, Reading() with { Brief = null }, Time);
        Assert.Equal(("Since it was asked for", "4m 00s"), (without[0].Label, without[0].Value));
    }

    public RecoveryPageTests() => Services.AddSingleton(new ProtectedEstate("test", "/unused", ProtectionClass.Defaults, [], [], []));

    [Theory]
    [InlineData(null, "Unproven")]
    [InlineData(1, "Proven")]
    [InlineData(31, "Stale")]
    public void Proof_that_holds_no_longer_is_not_green_before_the_approvers_eyes(int? daysAgo, string expected)
    {
        var plan = s_plan with { Basis = s_plan.Basis with { ProvenAt = daysAgo is { } days ? Start.AddDays(-days) : null } };
        var facts = Render<PlanGateFacts>(with => with.Add(one => one.Gate, OpenGate).Add(one => one.Plan, plan).Add(one => one.Beside, PlanGateReading.Nothing));

        Assert.Equal(expected, facts.FindComponents<StatusIcon>().First(icon => icon.Instance.Status is Status.Unproven or Status.Proven or Status.Stale).Instance.Status.ToString());
    }

    [Fact]
    public void Evidence_is_before_the_approvers_eyes_with_whether_its_watcher_can_be_believed()
    {
        var facts = Gate(Watch());
        Assert.Equal("/incidents/12", facts.Find(".brief a").GetAttribute("href"));
        var probes = facts.FindAll(".brief .probes li").Select(row => row.TextContent).ToList();
        Assert.Contains("7 checksum failures", probes[0], StringComparison.Ordinal);
        Assert.Contains("stored bytes", facts.Find(".brief .body").TextContent, StringComparison.Ordinal);
        Assert.Contains("Watcher not cut off", facts.Markup, StringComparison.Ordinal);
        Assert.Contains("4 looked at 03:12:38", facts.Markup, StringComparison.Ordinal);
        Assert.Contains("may be cut off itself", Gate(Watch() with { IsIsolated = true }).Markup, StringComparison.Ordinal);
        Assert.Contains("nobody has looked lately", Gate(Watch() with { LookedAt = Start.AddHours(-1) }).Markup, StringComparison.Ordinal);
        Assert.Empty(Render<PlanGateFacts>(with => with.Add(one => one.Gate, OpenGate).Add(one => one.Plan, s_plan).Add(one => one.Beside, PlanGateReading.Nothing)).FindAll(".brief"));
    }

    [Fact]
    public void Beside_a_run_stands_who_answered_at_its_gates_and_how_long_an_open_one_waits()
    {
        var votes = Render<GateVotes>(with => with.Add(one => one.Gates, [OpenGate with { Needed = 3 }])
            .Add(one => one.Votes, [new ApprovalVote(5, "paul", true, "it is damaged", "", Start), new ApprovalVote(5, "petra", true, "it is damaged", "", Start) { Counts = false }]));
        Assert.Equal("/approvals/5", votes.Find("a").GetAttribute("href"));
        Assert.Contains("Waiting, 1 of 3, 20m 00s left", votes.Find(".chip").TextContent, StringComparison.Ordinal);
        Assert.Equal(["paul", "petra"], votes.FindAll(".vote > span:nth-of-type(1)").Select(name => name.TextContent));
        Assert.Contains("counts no longer", votes.FindAll(".vote")[1].TextContent, StringComparison.Ordinal);
    }

    [Fact]
    public void Decision_that_changes_what_was_approved_is_posted_with_the_password_and_not_by_whoever_asked()
    {
        Services.AddDataProtection();
        Services.AddSingleton<AntiforgeryStateProvider, NoToken>();
        var authorization = this.AddAuthorization();
        authorization.SetAuthorized("paul");
        authorization.SetPolicies(Hexabase.DrConsole.Dashboard.Access.Policies.CanApprove);
        var reading = Reading() with { Recovery = Recovery() with { WaitsFor = RecoveryWait.Decision, WaitsStep = 2 } };

        var form = Decision(reading).Find("form");
        Assert.Equal("/runs/58/decision", form.GetAttribute("action"));
        Assert.Equal(["mark_done", "skip"], form.QuerySelectorAll("button[name=choice]").Select(button => button.GetAttribute("value")));
        Assert.NotNull(form.QuerySelector("[name=password][required]"));
        Assert.True(form.QuerySelector("button")!.HasAttribute("disabled"));

        authorization.SetAuthorized("olga");
        authorization.SetPolicies(Hexabase.DrConsole.Dashboard.Access.Policies.CanApprove);
        Assert.Empty(Decision(reading).FindAll("form"));
        Assert.Contains("somebody else decides that", Decision(reading).Markup, StringComparison.Ordinal);
        Assert.NotEmpty(Decision(reading with { Gates = [OpenGate with { IsBreakGlass = true }] }).FindAll("form"));
        Assert.Empty(Decision(Reading()).FindAll("form"));
    }

    private IRenderedComponent<DecisionForm> Decision(RecoveryReading reading) => Render<DecisionForm>(with => with.Add(one => one.Run, Running).Add(one => one.Reading, reading));

    private IRenderedComponent<PlanGateFacts> Gate(WatchStanding watch) => Render<PlanGateFacts>(
        with => with.Add(one => one.Gate, OpenGate).Add(one => one.Plan, s_plan).Add(one => one.Beside, new PlanGateReading(null, null, null, new IncidentBrief(Incident, s_card, watch))));

    private static WatchStanding Watch() => new(Start.AddSeconds(-6), "tokyo-1", 4, 1, false, TimeSpan.FromSeconds(30));

    private static RecoveryReading Reading() => new(
        Recovery(), [Row(1, StepState.Done, -3, -2), Row(2, StepState.Running, -2), Row(3, StepState.Pending)], [OpenGate], [], null, new IncidentBrief(Incident, s_card, Watch()));

    private static ApprovalGate OpenGate => new(
        5, new RunId(58), null, s_plan.Hash, "destructive", 1, "olga", GateState.Open, Start.AddMinutes(-4), Start.AddMinutes(20), TimeSpan.FromMinutes(30), null, null, null, false);

    private static RecoveryRow Recovery() => new(new RunId(58), s_plan.Template, 3, s_plan.Hash, "orders", s_plan.Disaster, 12, false, null, null, null, null, null, null, false, null);

    private static RecoveryStepRow Row(int position, StepState state, double? from = null, double? to = null) => new(position, $"step-{position}", "restore_from_backup", state, from is null ? 0 : 1)
    {
        StartedAt = from is { } begin ? Start.AddMinutes(begin) : null, EndedAt = to is { } end ? Start.AddMinutes(end) : null,
    };

    private static PlannedStep Step(int position, string name) => new(
        position, name, $"Title of {name}", "restore_from_backup", ["does it"], new Dictionary<string, string>(), 600, 0, 3600, 0, StepSafety.Idempotent, WayBack.Always, false);

    private sealed class NoToken : AntiforgeryStateProvider
    {
        public override AntiforgeryRequestToken? GetAntiforgeryToken() => null;
    }
}
