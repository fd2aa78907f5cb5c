using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Notifications.Outbox;
using Hexabase.DrConsole.Engine.Recovery.Actions;
using Hexabase.DrConsole.Engine.Recovery.Approvals;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Engine.Tests.Recovery;

/// <summary>What a recovery must be kept apart from, and what it leaves to others.</summary>
public sealed partial class RecoveryRunTests
{
    [Fact]
    public async Task Step_that_is_undone_finds_what_was_before_it_and_not_what_it_left_to_another_of_its_kind()
    {
        using var failing = rig.Wrap(IsolateCorruptedData.ActionName, inner => new FailingAction(inner, Fault.Act));
        await rig.ExecuteAsync("CHECKPOINT");
        var before = rig.Digest();
        var plan = await rig.PlanAsync();
        var again = plan.Steps[0] with { Name = "stop-again" };
        plan = plan with { Steps = [.. plan.Steps.Take(1).Append(again).Concat(plan.Steps.Skip(1)).Select((step, at) => step with { Position = at + 1 })] };

        var ended = await rig.RecoverAsync(plan);

        Assert.True(RecoveryOutcome.RolledBack == await rig.OutcomeAsync(ended.Id), await rig.LogAsync(ended.Id));
        Assert.Equal(1, await rig.ExecuteAsync("SELECT 1"));
        Assert.Equal(before, rig.Digest());
    }

    [Fact]
    public async Task Plan_that_does_not_know_of_a_corruption_cannot_be_asked_for_and_one_that_does_can()
    {
        var plan = await rig.Recoveries.PlanAsync("postgres-outage", new PlanRequest(rig.Source.Name, "DATABASE_OUTAGE"), Ct);
        plan = plan with { Basis = plan.Basis with { ToEnd = true } };
        var incident = await rig.ConfirmIncidentAsync(TimeProvider.System.GetUtcNow());
        try
        {
            var refused = await Assert.ThrowsAsync<EngineException>(() => rig.Recoveries.RequestAsync(plan, plan.Hash, "olga", Ct));
            Assert.Equal("corruption-since", refused.Code);

            var knowing = await rig.Recoveries.PlanAsync("postgres-outage", new PlanRequest(rig.Source.Name, "DATABASE_OUTAGE", Moment: TimeProvider.System.GetUtcNow()), Ct);
            Assert.Equal(incident.Value, knowing.Basis.Corruption);
            var run = await rig.Recoveries.RequestAsync(knowing, knowing.Hash, "olga", Ct);
            await rig.Recoveries.CancelAsync(run.Id, rollBack: false, "olga", "only a test of it", Ct);
            await rig.AdvanceAsync(run.Id);
        }
        finally
        {
            await rig.Incidents.CloseAsync(incident, "only a test of it", "tester", Ct);
        }
    }

    [Fact]
    public async Task Incident_of_others_too_stays_open_when_one_of_its_sources_is_recovered()
    {
        var incident = await rig.ConfirmIncidentAsync(TimeProvider.System.GetUtcNow());
        await rig.Pool.Command("UPDATE incident SET sources = sources || ARRAY['another'] WHERE id = $1", incident.Value).RunAsync(Ct);
        await rig.DamageAsync();

        var ended = await rig.RecoverAsync(await rig.PlanAsync(incident));

        Assert.True(ended.State == RunState.Completed, ended.ErrorJson);
        Assert.Equal(IncidentState.Confirmed, (await rig.Incidents.FindAsync(incident, Ct))!.State);
        Assert.Contains("stays open: it is about another too", await rig.LogAsync(ended.Id), StringComparison.Ordinal);
        await rig.Incidents.CloseAsync(incident, "only a test of it", "tester", Ct);
    }

    [Fact]
    public async Task Recovery_ends_the_open_backup_of_its_source_and_none_is_taken_while_it_is_at_work()
    {
        Run? beside = null;
        using var looking = rig.Wrap(IsolateCorruptedData.ActionName, inner => new HookedAction(
            inner, afterAct: async () => beside = await rig.AdvanceAsync((await rig.Requests.BackupAsync(rig.Source.Name, "schedule", Ct)).Id)));
        await rig.DamageAsync();
        var open = await rig.Requests.BackupAsync(rig.Source.Name, "schedule", Ct);

        var ended = await rig.RecoverAsync();

        Assert.True(ended.State == RunState.Completed, $"{ended.ErrorJson}\n{await rig.LogAsync(ended.Id)}");
        Assert.Equal(RunState.Cancelled, (await rig.Runs.FindAsync(open.Id, Ct))!.State);
        Assert.Contains($"{open.Id} is ended", await rig.LogAsync(ended.Id), StringComparison.Ordinal);
        Assert.Equal(RunState.Failed, beside!.State);
        Assert.Contains("source-recovering", beside.ErrorJson, StringComparison.Ordinal);
        Assert.Contains(ended.Id.ToString(), beside.ErrorJson, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Recovery_does_not_begin_beside_a_restore_over_its_source()
    {
        var plan = await rig.PlanAsync();
        var restore = (await rig.Pool.Command(
            """
            WITH asked AS (INSERT INTO run (kind, source, request, request_hash, state, requested_by)
                VALUES ('restore', $1, '{"plan": {"target": "", "difference": "abc"}}', '', 'running', 'tester') RETURNING id)
            INSERT INTO run_step (run_id, position, name, state) SELECT id, 1, 'restore', 'intended' FROM asked RETURNING run_id
            """, rig.Source.Name).FirstAsync(row => (object)new RunId(row.GetInt64(0)), Ct))!;
        try
        {
            var refused = await Assert.ThrowsAsync<EngineException>(() => rig.Recoveries.RequestAsync(plan, plan.Hash, "olga", Ct));
            Assert.Equal("restore-at-work", refused.Code);
            Assert.Contains(restore.ToString()!, refused.Message, StringComparison.Ordinal);
        }
        finally
        {
            await rig.Pool.Command("UPDATE run SET state = 'completed', ended_at = clock_timestamp() WHERE id = $1", ((RunId)restore).Value).RunAsync(Ct);
        }
    }

    [Fact]
    public async Task Step_that_is_tried_again_asks_for_its_approval_by_itself()
    {
        var plan = await rig.PlanAsync();
        plan = plan with
        {
            OnFailure = FailurePolicy.Ask,
            Steps = [.. plan.Steps.Select(step => step with { NeedsApproval = step.Action == RestartServices.ActionName, Retries = 0 })],
        };
        Run waiting;
        using (rig.Wrap(RestartServices.ActionName, inner => new FailingAction(inner, Fault.Act)))
        {
            waiting = await rig.RecoverAsync(plan);
            await rig.ApproveAsync(waiting.Id, "paul");
            Assert.Equal(RunState.Waiting, (await rig.AdvanceAsync(waiting.Id)).State);
            Assert.Equal(RecoveryWait.Decision, (await rig.Catalog.FindAsync(waiting.Id, Ct))!.WaitsFor);
        }

        await rig.Recoveries.DecideAsync(waiting.Id, StepChoice.Retry, "paul", "it was the network", Ct);
        Assert.Equal(RunState.Waiting, (await rig.AdvanceAsync(waiting.Id)).State);

        Assert.Equal([GateState.Used, GateState.Void, GateState.Open], (await rig.Gates.OfRunAsync(waiting.Id, Ct)).Select(gate => gate.State));
        Assert.Equal(3, (await rig.ToldAsync(waiting.Id)).Count(one => one.Event == NotificationEvent.GateOpened));
        await rig.ApproveAsync(waiting.Id, "paul");
        Assert.Equal(RunState.Completed, (await rig.AdvanceAsync(waiting.Id)).State);
    }
}
