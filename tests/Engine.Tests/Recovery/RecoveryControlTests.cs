using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Recovery.Actions;
using Hexabase.DrConsole.Engine.Recovery.Approvals;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Tests.Support;

namespace Hexabase.DrConsole.Engine.Tests.Recovery;

/// <summary>What people may say to a recovery that is under way, and what a plan may say of its failures.</summary>
public sealed class RecoveryControlTests(CatalogServer catalog)
{
    private const string Disaster = "STORAGE_FAILURE";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_paused_recovery_stops_before_its_next_step_and_goes_on_when_somebody_says_so()
    {
        await using var rig = await FilledAsync();
        var plan = await PlanAsync(rig, "roll-back-all");
        RunId run = default;
        rig.Wrap = inner => inner.Name == RestoreInPlace.ActionName ? new HookedAction(inner, beforeAct: () => rig.Recoveries.PauseAsync(run, "olga", "the disk is hot", Ct)) : inner;
        run = (await rig.AskAsync(plan)).Id;
        await rig.ApproveAsync(run, "paul");

        Assert.Equal(RunState.Waiting, (await rig.AdvanceAsync(run)).State);

        var paused = (await rig.Catalog.FindAsync(run, Ct))!;
        Assert.Equal((RecoveryWait.Resume, "olga"), (paused.WaitsFor, paused.PauseBy));
        Assert.Equal([StepState.Done, StepState.Pending, StepState.Pending], await StatesAsync(rig, run));
        Assert.False(File.Exists(SwitchLog(rig)));
        Assert.Equal("recovery-refused", (await Assert.ThrowsAsync<EngineException>(() => rig.Recoveries.PauseAsync(run, "paul", "me too, please", Ct))).Code);
        Assert.Equal("recovery-refused", (await Assert.ThrowsAsync<EngineException>(() => rig.Recoveries.DecideAsync(run, StepChoice.Skip, "paul", "not needed here", Ct))).Code);

        await rig.Recoveries.ResumeAsync(run, "paul", Ct);
        Assert.Equal("recovery-refused", (await Assert.ThrowsAsync<EngineException>(() => rig.Recoveries.ResumeAsync(run, "paul", Ct))).Code);
        var ended = await rig.AdvanceAsync(run);
        Assert.True(ended.State == RunState.Completed, await rig.LogAsync(run));
        Assert.Equal(["there"], await File.ReadAllLinesAsync(SwitchLog(rig), Ct));
    }

    [Fact]
    public async Task A_step_whose_time_ends_while_a_check_says_no_says_what_it_said()
    {
        await using var rig = await FilledAsync();
        var plan = await PlanAsync(rig, "roll-back-step");
        rig.Wrap = inner => inner.Name == CheckServices.ActionName ? new HookedAction(inner, beforeVerify: () =>
        {
            File.Delete(Path.Combine(rig.Source.Volume!.Path!, "orders"));
            return Task.CompletedTask;
        }) : inner;

        var ended = await rig.RecoverAsync(plan with { Steps = [.. plan.Steps.Select(step => step.Action == CheckServices.ActionName ? step with { TimeoutSeconds = 6 } : step)] });

        Assert.Contains("it took longer than its 6 s, in which it waited for an answer that did not come: check 'orders are there' ended with 1", (await rig.Catalog.StepsAsync(ended.Id, Ct))[1].Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(StepChoice.Retry, RunState.Completed, null)]
    [InlineData(StepChoice.MarkDone, RunState.Completed, null)]
    [InlineData(StepChoice.Skip, RunState.Completed, null)]
    [InlineData(StepChoice.RollBack, RunState.Failed, RecoveryOutcome.RolledBack)]
    [InlineData(StepChoice.Abort, RunState.Failed, null)]
    public async Task A_plan_that_asks_leaves_all_as_it_is_until_a_person_has_decided(StepChoice choice, RunState expected, RecoveryOutcome? outcome)
    {
        await using var rig = await FilledAsync();
        var plan = await PlanAsync(rig, "ask");
        var fails = true;
        rig.Wrap = inner => fails && inner.Name == CheckServices.ActionName ? new FailingAction(inner, Fault.Act) : inner;
        var run = (await rig.RecoverAsync(plan)).Id;

        var waiting = (await rig.Catalog.FindAsync(run, Ct))!;
        Assert.True((RecoveryWait.Decision, 2) == (waiting.WaitsFor, waiting.WaitsStep), await rig.LogAsync(run));
        Assert.Equal("all of them", await ContentAsync(rig));
        fails = false;
        await OnlyASecondPersonChangesWhatWasApprovedAsync(rig, run, choice);
        var stale = await Assert.ThrowsAsync<EngineException>(() => rig.Recoveries.DecideAsync(run, choice, "paul", "I have looked at it", Ct, position: 1));
        Assert.Contains("step 2 that waits by now", stale.Message, StringComparison.Ordinal);
        await rig.Recoveries.DecideAsync(run, choice, "paul", "I have looked at it", Ct, position: 2);
        Assert.Contains("\"step\":\"check\"", Assert.Single(await AuditAsync(run, $"recovery.decided-{RecoveryNames.Of(choice).Replace('_', '-')}")), StringComparison.Ordinal);
        var ended = await rig.AdvanceAsync(run);

        Assert.True(expected == ended.State, $"{ended.State}\n{await rig.LogAsync(run)}");
        if (outcome is not null)
        {
            Assert.Equal(outcome, (await rig.Catalog.FindAsync(run, Ct))!.Outcome);
        }

        Assert.Equal(choice == StepChoice.RollBack ? "some" : "all of them", await ContentAsync(rig));
        Assert.Equal(expected == RunState.Completed, File.Exists(SwitchLog(rig)));
        var step = (await rig.Catalog.StepsAsync(run, Ct))[1];
        var carriedOut = await AuditAsync(run, "recovery.step-decided");
        Assert.Equal(choice is StepChoice.Retry or StepChoice.MarkDone or StepChoice.Skip ? 1 : 0, carriedOut.Count);
        Assert.All(carriedOut, details => Assert.Contains($"\"choice\":\"{RecoveryNames.Of(choice)}\",\"by\":\"paul\"", details, StringComparison.Ordinal));
        Assert.Equal(choice switch { StepChoice.Retry or StepChoice.MarkDone => StepState.Done, StepChoice.Skip => StepState.Skipped, StepChoice.RollBack => StepState.RolledBack, _ => step.State }, step.State);
    }

    /// <summary>Nobody leaves a step out, or marks it done, of what they asked for; the rest is theirs to say.</summary>
    private async Task OnlyASecondPersonChangesWhatWasApprovedAsync(InPlaceRig rig, RunId run, StepChoice choice)
    {
        if (choice is not (StepChoice.Skip or StepChoice.MarkDone))
        {
            return;
        }

        var puppet = $"sock-{Guid.NewGuid():n}"[..20];
        await catalog.Pool.Command("INSERT INTO app_user (name, password_hash, role, created_by) VALUES ($1, '', 'Approver', 'olga')", puppet).RunAsync(Ct);
        foreach (var (actor, why) in new[] { ("olga", "olga is nobody who may approve"), ("token/ci", "token/ci is nobody who may approve"), (puppet, "olga, who asked for it, made your account") })
        {
            var refused = await Assert.ThrowsAsync<EngineException>(() => rig.Recoveries.DecideAsync(run, choice, actor, "I have looked at it", Ct));
            Assert.Equal("decision-refused", refused.Code);
            Assert.Contains(why, refused.Message, StringComparison.Ordinal);
        }

        Assert.Equal(3, (await AuditAsync(run, "recovery.decision-refused")).Count);
        Assert.Null((await rig.Catalog.FindAsync(run, Ct))!.Decision);
        await using var connection = await catalog.Pool.OpenConnectionAsync(Ct);
        await using var transaction = await connection.BeginTransactionAsync(Ct);
        // Where one broke the glass nobody is asked here who was not asked there.
        await transaction.Command("UPDATE approval_gate SET is_break_glass = true WHERE run_id = $1", run.Value).RunAsync(Ct);
        await StepDecisions.RequireSecondPersonAsync(transaction, run, puppet, Ct);
    }

    private Task<IReadOnlyList<string>> AuditAsync(RunId run, string action) => catalog.Pool.Command(
        "SELECT details FROM audit_event WHERE subject = $1 AND action = $2 ORDER BY seq", run.ToString(), action).ListAsync(row => row.GetString(0), Ct);

    [Fact]
    public async Task Estimates_learn_from_no_step_that_failed_or_was_interrupted()
    {
        await using var rig = await FilledAsync();
        var durations = new StepDurations(catalog.Pool);
        rig.Wrap = inner => inner.Name == CheckServices.ActionName ? new FailingAction(inner, Fault.Act) : inner;
        var failed = await rig.RecoverAsync(await PlanAsync(rig, "roll-back-all"));
        Assert.Equal([StepState.RolledBack, StepState.RolledBack, StepState.Pending], await StatesAsync(rig, failed.Id));
        Assert.Equal([RestoreInPlace.ActionName], (await durations.ReadAsync(rig.Source.Name, Ct)).Keys);

        RunId run = default;
        var deaths = 0;
        rig.Wrap = inner => inner.Name == SwitchTraffic.ActionName ? new HookedAction(inner, beforeVerify: () => deaths++ == 0 ? catalog.DieAsync(run) : Task.CompletedTask) : inner;
        run = (await rig.AskAsync(await PlanAsync(rig, "roll-back-all"))).Id;
        await rig.ApproveAsync(run, "paul");
        Assert.Equal(RunState.Running, (await rig.AdvanceAsync(run)).State);
        await rig.ExpireLeaseAsync(run);
        Assert.Equal(RunState.Completed, (await rig.AdvanceAsync(run)).State);

        Assert.Equal(1, (await rig.Catalog.StepsAsync(run, Ct))[2].Attempt);
        Assert.Equal([CheckServices.ActionName, RestoreInPlace.ActionName], (await durations.ReadAsync(rig.Source.Name, Ct)).Keys.Order());
    }

    [Fact]
    public async Task Where_a_plan_rolls_back_only_the_failed_step_the_earlier_ones_stay_done()
    {
        await using var rig = await FilledAsync();
        rig.Wrap = inner => inner.Name == SwitchTraffic.ActionName ? new FailingAction(inner, Fault.Act) : inner;

        var ended = await rig.RecoverAsync(await PlanAsync(rig, "roll-back-step"));

        Assert.Equal(RunState.Failed, ended.State);
        Assert.Equal([StepState.Done, StepState.Done, StepState.RolledBack], await StatesAsync(rig, ended.Id));
        Assert.Equal("all of them", await ContentAsync(rig));
        Assert.Equal(["there", "back"], await File.ReadAllLinesAsync(SwitchLog(rig), Ct));
    }

    [Fact]
    public async Task A_step_is_tried_again_as_often_as_its_plan_says()
    {
        await using var rig = await FilledAsync();
        var tries = 0;
        rig.Wrap = inner => inner.Name == CheckServices.ActionName
            ? new HookedAction(inner, afterAct: () => ++tries < 3 ? throw new EngineException("test-fault", ErrorKind.Unavailable, "not yet") : Task.CompletedTask)
            : inner;

        var ended = await rig.RecoverAsync(await PlanAsync(rig, "roll-back-all", retries: 2));

        Assert.True(ended.State == RunState.Completed, await rig.LogAsync(ended.Id));
        Assert.Equal((3, 3), (tries, (await rig.Catalog.StepsAsync(ended.Id, Ct))[1].Attempt));
    }

    [Fact]
    public async Task A_point_that_is_too_old_for_the_plan_or_has_other_content_than_was_approved_is_not_restored()
    {
        await using var rig = await FilledAsync();
        var old = await Assert.ThrowsAsync<EngineException>(() => PlanAsync(rig, "roll-back-all", """ "maximumPointAgeHours": 0.0000001, """));
        Assert.Equal("no-valid-backup", old.Code);
        Assert.Contains("it is older than", old.Message, StringComparison.Ordinal);

        var plan = await PlanAsync(rig, "roll-back-all");
        var place = plan.Target.InPlace!;
        var ended = await rig.RecoverAsync(plan with { Target = plan.Target with { InPlace = place with { Plan = place.Plan with { ManifestHash = new string('0', 64) } } } });

        Assert.Equal((RunState.Failed, RecoveryOutcome.RolledBack), (ended.State, (await rig.Catalog.FindAsync(ended.Id, Ct))!.Outcome));
        Assert.Contains("the plan is for another restore point", await rig.LogAsync(ended.Id), StringComparison.Ordinal);
        Assert.Equal("some", await ContentAsync(rig));
    }

    private static async Task<IEnumerable<StepState>> StatesAsync(InPlaceRig rig, RunId run) => (await rig.Catalog.StepsAsync(run, Ct)).Select(step => step.State);

    private static string SwitchLog(InPlaceRig rig) => Path.Combine(Path.GetDirectoryName(rig.Source.Volume!.Path!)!, "switched");

    private static Task<string> ContentAsync(InPlaceRig rig) => File.ReadAllTextAsync(Path.Combine(rig.Source.Volume!.Path!, "orders"), Ct);

    /// <summary>Restore, ask, lead the clients over.</summary>
    private static async Task<RecoveryPlan> PlanAsync(InPlaceRig rig, string onFailure, string more = "", int retries = 0)
    {
        var name = $"control-{Guid.NewGuid():n}";
        await rig.Library.SaveAsync($$"""
            { "name": "{{name}}", "title": "Bring it back", "disasters": ["UNKNOWN"], "kind": "volume", {{more}} "gate": { "risk": "destructive" }, "onFailure": "{{onFailure}}", "steps": [
              { "name": "restore", "title": "Restore", "action": "restore_in_place", "estimateSeconds": 1, "timeoutSeconds": 60, "parameters": { "verify": "true" } },
              { "name": "check", "title": "Ask", "action": "check_services", "estimateSeconds": 1, "timeoutSeconds": 60, "retries": {{retries}} },
              { "name": "switch", "title": "Switch", "action": "switch_traffic", "estimateSeconds": 1, "timeoutSeconds": 60 } ] }
            """, "adam", "for the test", 0, Ct);
        return await rig.Recoveries.PlanAsync(name, new PlanRequest(rig.Source.Name, Disaster), Ct);
    }

    /// <summary>A volume whose only file has changed since its backup.</summary>
    private async Task<InPlaceRig> FilledAsync()
    {
        var rig = new InPlaceRig(catalog, (name, folder) => new Source(name, SourceKind.Volume, "standard", "shop")
        {
            Volume = new VolumeSettings(folder.Combine("volume")),
            Recovery = new RecoverySettings(
                null, [new OperatorCheck("orders are there", Command: ["test", "-s", Path.Combine(folder.Combine("volume"), "orders")])],
                ["sh", "-c", $"echo there >> {folder.Combine("switched")}"], ["sh", "-c", $"echo back >> {folder.Combine("switched")}"]),
        });
        Directory.CreateDirectory(rig.Source.Volume!.Path!);
        await File.WriteAllTextAsync(Path.Combine(rig.Source.Volume.Path!, "orders"), "all of them", Ct);
        await rig.BackUpAsync();
        await rig.PersonAsync("olga", "Operator");
        await rig.PersonAsync("paul", "Approver");
        await File.WriteAllTextAsync(Path.Combine(rig.Source.Volume.Path!, "orders"), "some", Ct);
        return rig;
    }
}
