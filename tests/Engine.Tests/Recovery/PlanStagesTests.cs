using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Recovery.Plans;

namespace Hexabase.DrConsole.Engine.Tests.Recovery;

/// <summary>The order of a plan for several sources, its estimate, and what a template may say of it.</summary>
public sealed class PlanStagesTests
{
    private static readonly string[] s_actions = ["restore_in_place"];

    [Fact]
    public void Estimate_counts_steps_side_by_side_once_and_stages_one_after_the_other()
    {
        var plan = PlanOf(parallel: 2, (1, 10), (2, 5), (2, 7), (2, 4), (3, 1));

        // 5 and 4 in one lane, 7 in the other.
        Assert.Equal(10 + 9 + 1, plan.EstimateSeconds);
        Assert.Equal([1, 3, 1], PlanStages.Of(plan).Select(stage => stage.Count));
        Assert.Equal(27, (plan with { Several = null, Steps = [.. plan.Steps.Select(step => step with { Stage = null })] }).EstimateSeconds);
    }

    [Fact]
    public void Plan_of_one_source_has_the_text_that_it_always_had()
    {
        var single = PlanOf(1, (1, 10)) with { Several = null };
        var text = (single with { Steps = [single.Steps[0] with { Stage = null, Part = null }] }).ToJson();

        foreach (var member in new[] { "several", "stage", "\"part\"", "proof", "application", "redis" })
        {
            Assert.DoesNotContain(member, text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Template_that_mixes_what_is_for_one_source_and_for_several_is_refused_with_all_mistakes()
    {
        var fault = Assert.Throws<EngineException>(() => PlanTemplate.Read("""
            { "name": "mixed", "title": "Mixed", "disasters": ["UNKNOWN"], "kind": "volume", "parallel": 99, "gate": { "risk": "destructive" }, "onFailure": "roll-back-all",
              "steps": [ { "name": "r", "title": "R", "action": "restore_in_place", "estimateSeconds": 1, "timeoutSeconds": 1, "together": true } ] }
            """, s_actions));

        Assert.Equal("plan-invalid", fault.Code);
        Assert.Contains("parallel is 99", fault.Message, StringComparison.Ordinal);
        Assert.Contains("are for plans that cover a set or several sources", fault.Message, StringComparison.Ordinal);
        Assert.Contains("its first step has none before it", fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""["DATABASE_CORUPTION"]""", "{ \"name\": \"r\", \"title\": \"R\", \"action\": \"restore_in_place\", \"estimateSeconds\": 1, \"timeoutSeconds\": 1 }", "'DATABASE_CORUPTION' in disasters is none of DATABASE_CORRUPTION, DATABASE_OUTAGE")]
    [InlineData("""["UNKNOWN"]""", "null", "one of its steps is empty")]
    public void Disaster_that_nobody_knows_and_a_step_that_is_not_there_are_refused(string disasters, string step, string why)
    {
        var fault = Assert.Throws<EngineException>(() => PlanTemplate.Read(
            $$"""{ "name": "one", "title": "One", "disasters": {{disasters}}, "kind": "volume", "gate": { "risk": "destructive" }, "onFailure": "roll-back-all", "steps": [ {{step}} ] }""", s_actions));

        Assert.Equal("plan-invalid", fault.Code);
        Assert.Contains(why, fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("workspace", true)]
    [InlineData("volume", false)]
    public void Plan_for_a_set_is_of_kind_workspace(string kind, bool isRight)
    {
        var text = $$"""
            { "name": "set", "title": "Set", "disasters": ["UNKNOWN"], "kind": "{{kind}}", "covers": "set", "gate": { "risk": "destructive" }, "onFailure": "roll-back-all",
              "steps": [ { "name": "r", "title": "R", "action": "restore_in_place", "estimateSeconds": 1, "timeoutSeconds": 1 } ] }
            """;

        Assert.Equal(isRight, Record.Exception(() => PlanTemplate.Read(text, s_actions)) is null);
        if (isRight)
        {
            var template = PlanTemplate.Read(text, s_actions);
            Assert.Equal(template.ToText(), PlanTemplate.Read(template.ToText(), s_actions).ToText());
            Assert.False(template.IsFor(new Source("uploads", SourceKind.Volume, "standard", "shop")));
        }
    }

    private static RecoveryPlan PlanOf(int parallel, params (int Stage, double Seconds)[] steps)
    {
        var target = new RecoveryTarget("/data", "", 0, "", "", null, null, []);
        var basis = new RecoveryBasis("point", DateTimeOffset.UnixEpoch, "hash", null, false, null);
        var loss = new LossWindow(DateTimeOffset.UnixEpoch, null, "told");
        return new RecoveryPlan
        {
            Template = "t", TemplateVersion = 1, TemplateHash = "h", Title = "T", Disaster = "UNKNOWN", Source = "workspace shop", Workspace = "shop", Basis = basis, Loss = loss, Target = target,
            Gate = new PlanGate("destructive"), OnFailure = FailurePolicy.RollBackAll, Notes = [], RtoSeconds = 1,
            Several = new RecoveryScope(1, parallel, [new RecoveryPart("a", "volume", basis, loss, target, "standard", 1, 1, 0)], []),
            Steps = [.. steps.Select((step, index) => new PlannedStep(
                index + 1, $"s{index}", "S", "restore_in_place", [], new Dictionary<string, string>(), step.Seconds, 0, 1, 0, StepSafety.Probeable, WayBack.Always, false) { Stage = step.Stage, Part = "a" })],
        };
    }
}
