using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Notifications.Outbox;
using Hexabase.DrConsole.Engine.Recovery;
using Hexabase.DrConsole.Engine.Recovery.Actions;
using Hexabase.DrConsole.Engine.Recovery.Approvals;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Engine.Tests.Recovery;

/// <summary>A damaged cluster is recovered by its plan, or is as it was before.</summary>
public sealed partial class RecoveryRunTests(RecoveryRig rig) : IClassFixture<RecoveryRig>, IAsyncLifetime
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync() => await rig.SetRightAsync();

    [Fact]
    public async Task A_damaged_cluster_is_recovered_after_the_approval_of_another_person()
    {
        await rig.DamageAsync();

        var plan = await rig.PlanAsync();
        Assert.Equal(["stop-service", "isolate-data", "restore", "verify", "restart"], plan.Steps.Select(step => step.Name));
        var ended = await rig.RecoverAsync(plan);

        Assert.True(ended.State == RunState.Completed, $"{ended.ErrorJson}\n{await rig.LogAsync(ended.Id)}");
        Assert.Equal(RecoveryOutcome.Completed, await rig.OutcomeAsync(ended.Id));
        Assert.All(await rig.StatesAsync(ended.Id), state => Assert.Equal(StepState.Done, state));
        Assert.True(await rig.IsWholeAsync());
        Assert.Single(rig.Beside(), name => name.Contains(".aside-", StringComparison.Ordinal));
        var told = await rig.ToldAsync(ended.Id);
        Assert.Equal(
            [NotificationEvent.GateOpened, NotificationEvent.GateApproved, NotificationEvent.RecoveryStarted, NotificationEvent.RecoveryEnded], told.Select(one => one.Event));
        Assert.Equal(("completed", true, NotificationSeverity.Info), (told[^1].Facts.Outcome, told[^1].Closes, told[^1].Severity));
        Assert.True(told[^1].Facts.Seconds > 0);
        // What was measured, not what was planned.
        var loss = MeasuredLoss.Of(plan, await rig.Catalog.StepsAsync(ended.Id, Ct))!;
        Assert.Equal((loss.Restored, loss.Until), (told[^1].Facts.KeepsUntil!.Value, told[^1].Facts.LossUntil));
        Assert.Equal(("olga", 1, plan.Loss.From), (told[0].Facts.Requester, told[0].Facts.Needed, told[0].Facts.KeepsUntil));
        Assert.All((await rig.PlanAsync()).Steps, step => Assert.True(step.MeasuredFrom > 0));
    }

    [Fact]
    public async Task An_unapproved_plan_changes_nothing_and_a_declined_one_waits_until_it_is_asked_for_again()
    {
        var plan = await rig.PlanAsync();
        var run = await rig.Recoveries.RequestAsync(plan, plan.Hash, "olga", Ct);
        await rig.AdvanceAsync(run.Id);
        var gate = Assert.Single(await rig.Gates.OfRunAsync(run.Id, Ct));

        await rig.Desk.DeclineAsync(new(gate.Id, "paul", gate.SubjectHash, "not in business hours", ""), Ct);
        Assert.Equal(RunState.Waiting, (await rig.AdvanceAsync(run.Id)).State);
        await rig.Desk.AskAgainAsync(run.Id, "olga", Ct);
        Assert.Equal(RunState.Waiting, (await rig.AdvanceAsync(run.Id)).State);
        Assert.Equal(1, await rig.ExecuteAsync("SELECT 1"));

        await rig.ApproveAsync(run.Id, "paul");
        Assert.Equal(RunState.Completed, (await rig.AdvanceAsync(run.Id)).State);
    }

    [Fact]
    public async Task A_run_that_is_ended_between_its_steps_is_undone_where_that_was_asked_for()
    {
        Run? run = null;
        using var ending = rig.Wrap(IsolateCorruptedData.ActionName, inner => new HookedAction(
            inner, afterAct: async () =>
            {
                await rig.Recoveries.CancelAsync(run!.Id, rollBack: true, "olga", "the damage is elsewhere", Ct);
                // Who comes later does not take the way back from it.
                var late = await Assert.ThrowsAsync<EngineException>(() => rig.Recoveries.CancelAsync(run.Id, rollBack: false, "oskar", "it may stay so", Ct));
                Assert.Equal("recovery-refused", late.Code);
            }));
        await rig.ExecuteAsync("CHECKPOINT");
        var before = rig.Digest();
        var plan = await rig.PlanAsync();
        run = await rig.Recoveries.RequestAsync(plan, plan.Hash, "olga", Ct);
        await rig.AdvanceAsync(run.Id);
        await rig.ApproveAsync(run.Id, "paul");

        var ended = await rig.AdvanceAsync(run.Id);

        Assert.True(ended.State == RunState.Cancelled, $"{ended.State}\n{await rig.LogAsync(run.Id)}");
        Assert.Equal(RecoveryOutcome.Cancelled, await rig.OutcomeAsync(run.Id));
        Assert.Equal(1, await rig.ExecuteAsync("SELECT 1"));
        Assert.Equal(before, rig.Digest());
    }

    [Fact]
    public async Task A_confirmed_incident_gets_a_proposal_and_is_closed_by_its_recovery()
    {
        var incident = await rig.ConfirmIncidentAsync(TimeProvider.System.GetUtcNow());
        await rig.Proposals.ProposeAsync(Ct);
        Assert.Equal(0, await rig.Proposals.ProposeAsync(Ct));
        var proposal = Assert.Single(await rig.Proposals.ListAsync(incident, Ct));
        Assert.Null(proposal.Refusal);
        Assert.NotNull(proposal.RestorePoint);

        // Played again, history says the same of it.
        var found = (await rig.Incidents.FindAsync(incident, Ct))!;
        var shadow = new ShadowProposals(rig.Library, new PointChoice(rig.Points, TimeProvider.System), rig.Estate);
        var replayed = new ReplayedIncident(found.Kind, found.Sources, [], found.FirstEvidenceAt, found.FirstEvidenceAt, found.FirstEvidenceAt, null);
        Assert.Equal((proposal.Plan, proposal.RestorePoint, null), Assert.Single(await shadow.OfAsync(replayed, Ct)) is var would ? (would.Plan, would.RestorePoint, would.Refusal) : default);
        Assert.Contains("after the first evidence", Assert.Single(await shadow.OfAsync(replayed with { FirstEvidenceAt = found.FirstEvidenceAt.AddDays(-1) }, Ct)).Refusal, StringComparison.Ordinal);
        Assert.Empty(await shadow.OfAsync(replayed with { ConfirmedAt = null }, Ct));

        await rig.DamageAsync();
        var ended = await rig.RecoverAsync(await rig.PlanAsync(incident));

        Assert.True(ended.State == RunState.Completed, ended.ErrorJson);
        var closed = (await rig.Incidents.FindAsync(incident, Ct))!;
        Assert.Equal((IncidentState.Resolved, "closed"), (closed.State, closed.Resolution));
    }

    [Fact]
    public async Task Plan_that_is_new_is_proposed_too_although_another_is_proposed_already()
    {
        var incident = await rig.ConfirmIncidentAsync(TimeProvider.System.GetUtcNow());
        var name = $"corruption-at-night-{Guid.NewGuid().ToString("n")[..8]}";
        try
        {
            Assert.Equal(1, await rig.Proposals.ProposeAsync(Ct));
            await rig.Library.SaveAsync((rig.Library.Read((await rig.Library.NewestAsync(RecoveryRig.Plan, Ct))!) with { Name = name }).ToText(), "adam", "for the night", 0, Ct);

            Assert.Equal(1, await rig.Proposals.ProposeAsync(Ct));
            Assert.Equal([name, RecoveryRig.Plan], (await rig.Proposals.ListAsync(incident, Ct)).Select(proposal => proposal.Plan).Order(StringComparer.Ordinal));
        }
        finally
        {
            await rig.Pool.Command("DELETE FROM plan_version WHERE plan = $1", name).RunAsync(Ct);
            await rig.Incidents.CloseAsync(incident, "only a test of it", "tester", Ct);
        }
    }

    [Fact]
    public async Task Where_every_restore_point_is_younger_than_the_evidence_the_proposal_says_so()
    {
        var incident = await rig.ConfirmIncidentAsync(TimeProvider.System.GetUtcNow() - TimeSpan.FromDays(1));

        await rig.Proposals.ProposeAsync(Ct);

        Assert.Contains("after the first evidence of the damage", Assert.Single(await rig.Proposals.ListAsync(incident, Ct)).Refusal, StringComparison.Ordinal);
        // Nor does it come back by a plan for something else, or by a person who does not name the incident.
        foreach (var (plan, disaster) in ((string, string)[])[(RecoveryRig.Plan, "DATABASE_CORRUPTION"), ("postgres-outage", "DATABASE_OUTAGE")])
        {
            var fault = await Assert.ThrowsAsync<EngineException>(() => rig.Recoveries.PlanAsync(plan, new PlanRequest(rig.Source.Name, disaster), Ct));
            Assert.Contains("after the first evidence of the damage", fault.Message, StringComparison.Ordinal);
        }

        // Who chooses a moment by hand is told.
        var chosen = await rig.Recoveries.PlanAsync("postgres-outage", new PlanRequest(rig.Source.Name, "DATABASE_OUTAGE", Moment: TimeProvider.System.GetUtcNow()), Ct);
        Assert.Contains(chosen.Notes, note => note.StartsWith($"incident {incident} saw the first evidence", StringComparison.Ordinal) && note.EndsWith("the damage may come back", StringComparison.Ordinal));
        await rig.Incidents.CloseAsync(incident, "only a test of it", "tester", Ct);
    }

    [Fact]
    public async Task A_point_that_was_being_made_when_the_evidence_came_is_not_said_to_be_clean()
    {
        var point = (await rig.Points.ListAsync(rig.Source.Name, 1, Ct)).Single();
        var incident = await rig.ConfirmIncidentAsync(point.CreatedAt + ((point.CompletedAt - point.CreatedAt) / 2));

        var plan = await rig.Recoveries.PlanAsync(RecoveryRig.Plan, new PlanRequest(rig.Source.Name, "DATABASE_CORRUPTION") { ExactPoint = point.Id }, Ct);

        Assert.EndsWith("the damage may come back", Assert.Single(plan.Notes, note => note.StartsWith($"incident {incident} ", StringComparison.Ordinal)), StringComparison.Ordinal);
        await rig.Incidents.CloseAsync(incident, "only a test of it", "tester", Ct);
    }

    [Fact]
    public async Task A_lost_data_directory_is_recovered_and_where_that_fails_its_place_is_free_again()
    {
        await rig.DamageAsync();
        await rig.LoseDirectoryAsync();
        using (rig.Wrap(VerifyDataIntegrity.ActionName, inner => new FailingAction(inner, Fault.Verify)))
        {
            var undone = await rig.RecoverAsync();
            Assert.True(RecoveryOutcome.VerificationFailed == await rig.OutcomeAsync(undone.Id), await rig.LogAsync(undone.Id));
            Assert.False(Directory.Exists(rig.Server.DataFolder));
        }

        // The options of the server's start went with its directory; now its configuration has to say them.
        using var configuring = rig.Wrap(RestartServices.ActionName, inner => new HookedAction(inner, beforeAct: () => File.AppendAllTextAsync(
            Path.Combine(rig.Server.DataFolder, "postgresql.auto.conf"), $"port = {rig.Server.Port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\n", Ct)));
        var ended = await rig.RecoverAsync();

        Assert.True(ended.State == RunState.Completed, $"{ended.ErrorJson}\n{await rig.LogAsync(ended.Id)}");
        Assert.True(await rig.IsWholeAsync());
        Assert.Empty(rig.Beside());
    }

    [Fact]
    public async Task A_step_with_a_gate_of_its_own_waits_for_that_after_the_plans()
    {
        var plan = await rig.PlanAsync();
        plan = plan with { Steps = [.. plan.Steps.Select(step => step with { NeedsApproval = step.Action == RestartServices.ActionName })] };

        var waiting = await rig.RecoverAsync(plan);

        Assert.Equal(RunState.Waiting, waiting.State);
        Assert.Equal([StepState.Done, StepState.Done, StepState.Done, StepState.Done, StepState.Pending], await rig.StatesAsync(waiting.Id));
        var gates = await rig.Gates.OfRunAsync(waiting.Id, Ct);
        Assert.Equal([null, 5], gates.Select(gate => gate.Step));
        Assert.Empty(await rig.Gates.ComingAsync(waiting.Id, 10, Ct));
        Assert.NotEqual(gates[0].SubjectHash, gates[1].SubjectHash);
        var refused = await Assert.ThrowsAsync<EngineException>(() => rig.Desk.ApproveAsync(new GateAnswer(gates[1].Id, "olga", gates[1].SubjectHash, "I asked", "INC-1"), Ct));
        Assert.Equal(ErrorKind.Denied, refused.Kind);
        Assert.Equal(RunState.Waiting, (await rig.AdvanceAsync(waiting.Id)).State);

        await rig.ApproveAsync(waiting.Id, "paul");
        Assert.Equal(RunState.Completed, (await rig.AdvanceAsync(waiting.Id)).State);
    }

    [Fact]
    public async Task A_gate_before_a_step_is_told_of_before_it_opens_and_not_once_the_recovery_has_ended()
    {
        var plan = await rig.PlanAsync();
        plan = plan with { Steps = [.. plan.Steps.Select(step => step with { NeedsApproval = step.Action == RestartServices.ActionName })] };
        var run = (await rig.Recoveries.RequestAsync(plan, plan.Hash, "olga", Ct)).Id;

        Assert.Equal([new ComingGate(run, rig.Source.Name, 5, plan.Steps[4].Name, plan.Gate.Approvals, "olga")], await rig.Gates.ComingAsync(run, 10, Ct));
        Assert.Contains(await rig.Gates.ComingAsync(null, 1000, Ct), gate => gate.Run == run);

        await rig.Recoveries.CancelAsync(run, rollBack: false, "olga", "only a test of it", Ct);
        Assert.Empty(await rig.Gates.ComingAsync(run, 10, Ct));
        Assert.Equal(RunState.Cancelled, (await rig.AdvanceAsync(run)).State);
    }

    [Fact]
    public async Task A_second_recovery_of_a_source_waits_for_the_first_to_end()
    {
        var plan = await rig.PlanAsync();
        var first = await rig.Recoveries.RequestAsync(plan, plan.Hash, "olga", Ct);

        var refused = await Assert.ThrowsAsync<EngineException>(() => rig.Recoveries.RequestAsync(plan, plan.Hash, "olga", Ct));

        Assert.Equal("recovery-already-open", refused.Code);
        await rig.Recoveries.CancelAsync(first.Id, rollBack: false, "olga", "only a test of it", Ct);
        Assert.Equal(RunState.Cancelled, (await rig.AdvanceAsync(first.Id)).State);
    }

    /// <summary>
    /// A process that dies writes nothing more: the run's lease is lost at every place between two commits, once before and once
    /// after each part of each step, and another process goes on.
    /// </summary>
    [Fact]
    public async Task A_run_whose_process_dies_between_any_two_commits_loses_nothing_and_repeats_no_effect()
    {
        var deaths = new HashSet<string>();
        var effects = new List<string>();
        RunId run = default;
        rig.WrapAll(inner => new HookedAction(
            inner, () => Die($"{inner.Name} acted"), () => Die($"{inner.Name} is about to act"), () => Die($"{inner.Name} is about to be verified"), () => Die($"{inner.Name} verified"))
        {
            OnEffect = () => effects.Add(inner.Name),
        });
        using var wrapping = rig.Wrapping();
        await rig.DamageAsync();
        var plan = await rig.PlanAsync();
        run = await rig.ApprovedAsync(plan);

        var advances = 0;
        for (var state = RunState.Running; state == RunState.Running && advances < 40; advances++)
        {
            state = (await rig.AdvanceAsync(run)).State;
            await rig.ExpireLeaseAsync(run);
        }

        Assert.True(RecoveryOutcome.Completed == await rig.OutcomeAsync(run), await rig.LogAsync(run));
        Assert.Equal(plan.Steps.Count * 4, deaths.Count);
        Assert.True(await rig.IsWholeAsync());
        Assert.Single(rig.Beside(), name => name.Contains(".aside-", StringComparison.Ordinal));
        // Each of these may be done once only; the others do no harm when done again.
        Assert.Equal(1, effects.Count(name => name == IsolateCorruptedData.ActionName));
        Assert.Equal(1, effects.Count(name => name == RestoreFromBackup.ActionName));
        // What the dead process had measured is not lost with it.
        var restored = (await rig.Catalog.StepsAsync(run, Ct)).Single(step => step.Action == RestoreFromBackup.ActionName).Effect!.Value.GetProperty("data");
        Assert.Equal(["unpack", "replay", "verify"], restored.GetProperty("phases").EnumerateArray().Select(phase => phase.GetProperty("name").GetString()).Except(["fetch"]));

        Task Die(string where) => deaths.Add(where) ? throw new LeaseLostException(run) : Task.CompletedTask;
    }

    [Fact]
    public async Task A_console_starts_while_a_killed_recovery_has_the_data_aside_and_goes_on_with_it()
    {
        RunId run = default;
        var died = false;
        using var dying = rig.Wrap(IsolateCorruptedData.ActionName, inner => new HookedAction(inner, afterAct: () => died ? Task.CompletedTask : Die()));
        await rig.DamageAsync();
        var plan = await rig.PlanAsync();
        run = await rig.ApprovedAsync(plan);
        await rig.AdvanceAsync(run);
        Assert.False(Directory.Exists(rig.Server.DataFolder));

        var estate = rig.ReadConfiguration();
        Assert.Single(estate.Warnings, warning => warning.Contains(rig.Server.DataFolder, StringComparison.Ordinal));
        await rig.ExpireLeaseAsync(run);
        var ended = await rig.AdvanceAsync(run);

        Assert.True(ended.State == RunState.Completed, $"{ended.ErrorJson}\n{await rig.LogAsync(run)}");
        Assert.True(await rig.IsWholeAsync());
        // What was lost is measured: nothing later than the last commit came back, and the service took writes until it was stopped.
        var steps = await rig.Catalog.StepsAsync(run, Ct);
        var loss = MeasuredLoss.Of(plan, steps)!;
        Assert.Equal((LossEnd.ServiceStopped, steps[0].ActedAt), (loss.End, loss.Until));
        Assert.True(loss.AtMost > TimeSpan.Zero);
        Assert.True(loss.Restored <= steps[0].ActedAt);
        Assert.Equal(loss, MeasuredLoss.Of(plan with { Basis = plan.Basis with { Moment = null, ToEnd = true }, Loss = plan.Loss with { From = loss.Restored.AddHours(5) } }, steps));
        var later = steps[0].EndedAt!.Value.AddMinutes(20);
        // What is damaged takes writes after its first evidence too: where it was down by itself, nobody knows since when.
        var down = steps[0] with { Snapshot = ActionContext.Data(new ServiceSnapshot(false, [])) };
        var told = plan with { Loss = plan.Loss with { Until = later.AddHours(-3) } };
        Assert.Equal(LossEnd.FirstEvidence, MeasuredLoss.Of(told with { Disaster = "DATABASE_OUTAGE" }, [down, .. steps.Skip(1)])!.End);
        Assert.Equal((null, LossEnd.Unknown), MeasuredLoss.Of(told with { Disaster = "DATABASE_CORRUPTION" }, [down, .. steps.Skip(1)]) is { } damaged ? (damaged.Until, damaged.End) : default);
        // What a person restored in place of the step nobody measured.
        Assert.Null(MeasuredLoss.Of(plan, [.. steps.Select(step => step.Action == RestoreFromBackup.ActionName ? step with { Reason = "olga: restored by hand" } : step)]));
        // Where the stop failed and a person said that the service stands, it took writes until that was said; left out, nobody knows.
        var marked = steps[0] with { ActedAt = null, Reason = "olga: stopped by hand", EndedAt = later };
        Assert.Equal((later, LossEnd.ServiceStopped), MeasuredLoss.Of(plan, [marked, .. steps.Skip(1)]) is { } byHand ? (byHand.Until, byHand.End) : default);
        Assert.Equal((later, LossEnd.ServiceStopped), MeasuredLoss.Of(plan, [marked with { Attempt = 0, Snapshot = null }, .. steps.Skip(1)]) is { } unbegun ? (unbegun.Until, unbegun.End) : default);
        Assert.Equal((null, LossEnd.Unknown), MeasuredLoss.Of(plan, [marked with { State = StepState.Skipped }, .. steps.Skip(1)]) is { } leftOut ? (leftOut.Until, leftOut.End) : default);

        Task Die()
        {
            died = true;
            throw new LeaseLostException(run);
        }
    }

    [Fact]
    public async Task A_way_back_whose_process_dies_at_each_of_its_steps_is_gone_to_its_end()
    {
        var deaths = new HashSet<string>();
        RunId run = default;
        rig.WrapAll(inner => new HookedAction(inner, afterAct: inner.Name == RestartServices.ActionName ? () => throw new EngineException("test-fault", ErrorKind.Unavailable, "the test made it fail") : null)
        {
            AroundRollBack = when => deaths.Add($"{inner.Name} {when}") ? throw new LeaseLostException(run) : Task.CompletedTask,
        });
        using var wrapping = rig.Wrapping();
        await rig.DamageAsync();
        var damaged = rig.Digest();
        var plan = await rig.PlanAsync();
        run = await rig.ApprovedAsync(plan);

        for (var (state, advances) = (RunState.Running, 0); state == RunState.Running && advances < 40; advances++)
        {
            state = (await rig.AdvanceAsync(run)).State;
            await rig.ExpireLeaseAsync(run);
        }

        Assert.True(RecoveryOutcome.RolledBack == await rig.OutcomeAsync(run), await rig.LogAsync(run));
        Assert.Equal(plan.Steps.Count * 2, deaths.Count);
        Assert.Equal(1, await rig.ExecuteAsync("SELECT 1"));
        // The recovered cluster that had served is kept beside, since it may hold writes; the old one is back.
        Assert.Equal(damaged, rig.Digest());
        Assert.Single(rig.Beside(), name => name.Contains(".recovered-", StringComparison.Ordinal));
    }
}
