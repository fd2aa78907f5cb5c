using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Notifications.Outbox;
using Hexabase.DrConsole.Engine.Recovery.Actions;
using Hexabase.DrConsole.Engine.Recovery.Approvals;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Tests.Support;

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
            // An earlier sign that joins it was not in sight when the plan was made.
            await rig.Pool.Command("UPDATE incident SET first_evidence_at = first_evidence_at - interval '1 h' WHERE id = $1", incident.Value).RunAsync(Ct);
            Assert.Equal("corruption-since", (await Assert.ThrowsAsync<EngineException>(() => rig.Recoveries.RequestAsync(knowing, knowing.Hash, "olga", Ct))).Code);
            await rig.Pool.Command("UPDATE incident SET first_evidence_at = first_evidence_at + interval '1 h' WHERE id = $1", incident.Value).RunAsync(Ct);
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
    public async Task Recovery_waits_for_the_end_of_a_backup_that_was_at_work()
    {
        await rig.DamageAsync();
        var backup = (RunId)(await rig.Pool.Command(
            "INSERT INTO run (kind, source, request, request_hash, state, requested_by, attempt, lease_until) VALUES ('backup', $1, '{}', '', 'running', 'schedule', 1, clock_timestamp() + interval '1 h') RETURNING id",
            rig.Source.Name).FirstAsync(row => (object)new RunId(row.GetInt64(0)), Ct))!;

        var recovering = rig.RecoverAsync();
        await Eventually.UntilAsync(
            async () => await rig.Pool.Command("SELECT 'asked' FROM run WHERE id = $1 AND cancel_at IS NOT NULL", backup.Value).FirstAsync(row => row.GetString(0), Ct) is not null, () => "the backup to be asked to end", Ct);
        var ended = TimeProvider.System.GetUtcNow();
        await rig.Pool.Command("UPDATE run SET state = 'cancelled', ended_at = clock_timestamp(), lease_until = NULL WHERE id = $1", backup.Value).RunAsync(Ct);
        var recovered = await recovering;

        Assert.True(recovered.State == RunState.Completed, $"{recovered.ErrorJson}\n{await rig.LogAsync(recovered.Id)}");
        Assert.True((await rig.Catalog.StepsAsync(recovered.Id, Ct)).Min(step => step.StartedAt) >= ended);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Recovery_does_not_wait_for_a_backup_that_is_dead_and_takes_one_away_that_hangs(bool hangs)
    {
        await rig.DamageAsync();
        var backup = (RunId)(await rig.Pool.Command(
            "INSERT INTO run (kind, source, request, request_hash, state, requested_by, attempt, lease_until) VALUES ('backup', $1, '{}', '', 'running', 'schedule', 1, clock_timestamp() + $2) RETURNING id",
            rig.Source.Name, hangs ? TimeSpan.FromHours(1) : TimeSpan.FromSeconds(-1)).FirstAsync(row => (object)new RunId(row.GetInt64(0)), Ct))!;
        try
        {
            rig.LongestEnd = hangs ? TimeSpan.FromSeconds(1) : TimeSpan.FromMinutes(30);

            var recovered = await rig.RecoverAsync();

            Assert.True(recovered.State == RunState.Completed, $"{recovered.ErrorJson}\n{await rig.LogAsync(recovered.Id)}");
            var left = (await rig.Runs.FindAsync(backup, Ct))!;
            Assert.Equal((hangs ? RunState.Cancelled : RunState.Running, "engine"), (left.State, left.CancelRequestedBy));
        }
        finally
        {
            rig.LongestEnd = TimeSpan.FromMinutes(1);
            await rig.Pool.Command("UPDATE run SET state = 'cancelled', ended_at = clock_timestamp(), lease_until = NULL WHERE id = $1", backup.Value).RunAsync(Ct);
        }
    }

    [Fact]
    public async Task Recovery_whose_restore_was_left_out_ends_no_incident_and_measures_no_restore()
    {
        var incident = await rig.ConfirmIncidentAsync(TimeProvider.System.GetUtcNow());
        var plan = await rig.PlanAsync(incident);
        var restore = plan.Steps.Single(step => step.Action == RestoreFromBackup.ActionName);
        plan = plan with { OnFailure = FailurePolicy.Ask, Steps = [restore with { Position = 1, Retries = 0 }] };
        var standings = new StandingCatalog(rig.Pool, rig.Estate, TimeProvider.System);
        var before = Assert.Single(await standings.ReadAsync(Ct)).Facts.Drill;
        Run waiting;
        using (rig.Wrap(RestoreFromBackup.ActionName, inner => new HookedAction(inner, beforeAct: () => throw new EngineException("test-fault", ErrorKind.Unavailable, "the test made it fail"))))
        {
            waiting = await rig.RecoverAsync(plan);
        }

        Assert.Equal(RecoveryWait.Decision, (await rig.Catalog.FindAsync(waiting.Id, Ct))!.WaitsFor);
        await rig.Recoveries.DecideAsync(waiting.Id, StepChoice.Skip, "paul", "it is restored by other means", Ct);
        var ended = await rig.AdvanceAsync(waiting.Id);

        Assert.True(ended.State == RunState.Completed, ended.ErrorJson);
        Assert.Equal(IncidentState.Confirmed, (await rig.Incidents.FindAsync(incident, Ct))!.State);
        Assert.Contains("stays open: restore was left out", await rig.LogAsync(ended.Id), StringComparison.Ordinal);
        Assert.Contains(await rig.ToldAsync(ended.Id), told => told.Event == NotificationEvent.RecoveryEnded && told.ToString().Contains("left out by a person: restore", StringComparison.Ordinal));
        Assert.Equal(before, Assert.Single(await standings.ReadAsync(Ct)).Facts.Drill);
        await rig.Incidents.CloseAsync(incident, "only a test of it", "tester", Ct);
    }

    /// <summary>From its gate on, whether it has begun with its first step or is about to.</summary>
    [Theory]
    [InlineData("INSERT INTO run_step (run_id, position, name, state) SELECT id, 1, 'restore', 'intended' FROM asked RETURNING run_id")]
    [InlineData("INSERT INTO approval_gate (run_id, subject_hash, risk, needed, requester, state, approve_until, execute_within) SELECT id, '', 'destructive', 1, 'tester', 'used', clock_timestamp(), interval '1 h' FROM asked RETURNING run_id")]
    public async Task Recovery_does_not_begin_beside_a_restore_over_its_source(string began)
    {
        var plan = await rig.PlanAsync();
        var restore = (await rig.Pool.Command(
            $$$"""
            WITH asked AS (INSERT INTO run (kind, source, request, request_hash, state, requested_by)
                VALUES ('restore', $1, '{"plan": {"target": "", "difference": "abc"}}', '', 'running', 'tester') RETURNING id)
            {{{began}}}
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
    public async Task Recovery_that_waited_before_it_changed_anything_looks_again_and_goes_back_where_a_restore_has_begun_meanwhile()
    {
        var plan = await rig.PlanAsync();
        var look = plan.Steps[0] with { Name = "look", Action = CheckServices.ActionName, Safety = StepSafety.Idempotent, WayBack = WayBack.ChangesNothing };
        plan = plan with { Steps = [.. plan.Steps.Prepend(look).Select((step, at) => step with { Position = at + 1 })] };
        var run = await rig.ApprovedAsync(plan);
        using (rig.Wrap(CheckServices.ActionName, inner => new HookedAction(inner, afterAct: () => rig.Recoveries.PauseAsync(run, "olga", "let me look first", Ct))))
        {
            Assert.Equal(RunState.Waiting, (await rig.AdvanceAsync(run)).State);
        }

        var restore = await BeginRestoreAsync();
        try
        {
            await rig.Recoveries.ResumeAsync(run, "olga", Ct);
            var ended = await rig.AdvanceAsync(run);

            Assert.Equal(RunState.Failed, ended.State);
            Assert.NotEqual(RecoveryOutcome.Completed, await rig.OutcomeAsync(run));
            Assert.Contains($"{restore} writes over", ended.ErrorJson, StringComparison.Ordinal);
            Assert.Equal(1, await rig.ExecuteAsync("SELECT 1"));
            Assert.Equal([CheckServices.ActionName], (await rig.Catalog.StepsAsync(run, Ct)).Where(step => step.Attempt > 0).Select(step => step.Action));
        }
        finally
        {
            await rig.Pool.Command("UPDATE run SET state = 'completed', ended_at = clock_timestamp() WHERE id = $1", restore.Value).RunAsync(Ct);
        }
    }

    [Fact]
    public async Task Corruption_that_is_found_in_the_middle_of_a_recovery_stops_it_before_it_restores()
    {
        IncidentId? incident = null;
        using var finding = rig.Wrap(IsolateCorruptedData.ActionName, inner => new HookedAction(
            inner, afterAct: async () => incident = await rig.ConfirmIncidentAsync(TimeProvider.System.GetUtcNow().AddYears(-1))));
        var plan = await rig.PlanAsync();
        try
        {
            var ended = await rig.RecoverAsync(plan with { Steps = [.. plan.Steps.Select(step => step with { Retries = 0 })] });

            Assert.Equal(RunState.Failed, ended.State);
            Assert.Equal(RecoveryOutcome.RolledBack, await rig.OutcomeAsync(ended.Id));
            Assert.Contains("found corruption of", await rig.LogAsync(ended.Id), StringComparison.Ordinal);
            Assert.Equal(1, await rig.ExecuteAsync("SELECT 1"));
        }
        finally
        {
            await rig.Incidents.CloseAsync(incident!.Value, "only a test of it", "tester", Ct);
        }
    }

    private async Task<RunId> BeginRestoreAsync() => (RunId)(await rig.Pool.Command(
        """
        WITH asked AS (INSERT INTO run (kind, source, request, request_hash, state, requested_by)
            VALUES ('restore', $1, '{"plan": {"target": "", "difference": "abc"}}', '', 'running', 'tester') RETURNING id)
        INSERT INTO run_step (run_id, position, name, state) SELECT id, 1, 'restore', 'intended' FROM asked RETURNING run_id
        """, rig.Source.Name).FirstAsync(row => (object)new RunId(row.GetInt64(0)), Ct))!;

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
