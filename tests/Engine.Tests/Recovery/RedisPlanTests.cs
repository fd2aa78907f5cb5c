using Hexabase.DrConsole.Engine.Recovery.Actions;
using Hexabase.DrConsole.Engine.Recovery.Drills;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Recovery.Readiness;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Tests.Support;

namespace Hexabase.DrConsole.Engine.Tests.Recovery;

/// <summary>A Redis whose data was lost is stopped, gets its snapshot, and is started again; or is as it was before.</summary>
[Collection("Redis servers")]
public sealed class RedisPlanTests(CatalogServer catalog)
{
    private const string Plan = "redis-failure";
    private const string Disaster = "DATABASE_CORRUPTION";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Lost_keys_are_back_a_failed_recovery_leaves_them_lost_and_a_drill_proves_the_plan()
    {
        await using var rig = await WorkspaceRig.StartAsync(catalog);
        await rig.Engine.BackUpAsync(rig.Cache);
        var wanted = await rig.RedisAsync("DEBUG", "DIGEST");
        await rig.RedisAsync("FLUSHALL");
        await rig.RedisAsync("SET", "after", "the accident");
        var lost = await rig.RedisAsync("DEBUG", "DIGEST");

        rig.Engine.AfterAct = context => context.Step.Action == RestartServices.ActionName ? throw new EngineException("test-fault", ErrorKind.Unavailable, "the test made it fail") : Task.CompletedTask;
        var failed = await rig.Engine.RecoverAsync(await PlanAsync(rig));
        Assert.True(RecoveryOutcome.RolledBack == await rig.Engine.OutcomeAsync(failed.Id), await rig.Engine.LogAsync(failed.Id));
        Assert.Equal(lost, await rig.RedisAsync("DEBUG", "DIGEST"));
        Assert.Empty(Directory.GetDirectories(rig.RedisFolder, "drconsole-aside-*"));

        rig.Engine.AfterAct = _ => Task.CompletedTask;
        var plan = await PlanAsync(rig);
        Assert.Contains(plan.Steps[1].Does, line => line.Contains("as the stopped server leaves them", StringComparison.Ordinal));
        var ended = await rig.Engine.RecoverAsync(plan);
        Assert.True(ended.State == RunState.Completed, $"{ended.ErrorJson}\n{await rig.Engine.LogAsync(ended.Id)}");
        Assert.Equal(wanted, await rig.RedisAsync("DEBUG", "DIGEST"));
        var steps = await rig.Engine.Catalog.StepsAsync(ended.Id, Ct);
        Assert.Contains("by their digests", steps[1].Verification, StringComparison.Ordinal);
        Assert.Contains("answers with", steps[2].Verification, StringComparison.Ordinal);
        Assert.Equal(LossEnd.ServiceStopped, MeasuredLoss.Of(plan, steps)!.End);

        // The server writes on, and is not noticed by a drill.
        await rig.RedisAsync("SET", "written", "later");
        var before = await rig.RedisAsync("DEBUG", "DIGEST");
        using var turn = await DrillTurn.TakeAsync(Ct);
        var drilled = await rig.Engine.AdvanceAsync((await rig.Engine.Get<DrillRequests>().RequestAsync(Plan, rig.Cache, "olga", Ct)).Id);
        Assert.True(drilled.State == RunState.Completed, $"{drilled.ErrorJson}\n{await rig.Engine.LogAsync(drilled.Id)}");
        Assert.True(await rig.Engine.Get<PlanDrillCatalog>().FindAsync(drilled.Id, Ct) is { Passed: true, Cleanup.IsProven: true });
        var practised = await rig.Engine.Catalog.StepsAsync(drilled.Id, Ct);
        Assert.Equal([StepState.Skipped, StepState.Done, StepState.Skipped], practised.Select(step => step.State));
        Assert.Contains("compared items are equal", practised[1].Verification, StringComparison.Ordinal);
        Assert.Equal(before, await rig.RedisAsync("DEBUG", "DIGEST"));
        await rig.Engine.Get<PlanReadiness>().EvaluateAsync(new HashSet<string> { rig.Cache }, Ct);
        var ready = (await rig.Engine.Get<ReadinessCatalog>().ListAsync(Ct)).Single(row => row.Plan == Plan && row.Source == rig.Cache);
        Assert.True(ready.State == ReadinessState.Verified && ready.Proof == drilled.Id, string.Join("; ", ready.Reasons));
    }

    [Fact]
    public async Task Redis_without_a_directory_has_no_plan_and_the_refusal_says_what_to_declare()
    {
        await using var rig = await WorkspaceRig.StartAsync(catalog, declaresDirectory: false);

        var refused = await Assert.ThrowsAsync<EngineException>(() => PlanAsync(rig));

        Assert.Equal("recovery-not-configured", refused.Code);
        Assert.Contains("Redis:DataDirectory", refused.Hint, StringComparison.Ordinal);
    }

    private static Task<RecoveryPlan> PlanAsync(WorkspaceRig rig) => rig.Engine.Recoveries.PlanAsync(Plan, new PlanRequest(rig.Cache, Disaster), Ct);
}
