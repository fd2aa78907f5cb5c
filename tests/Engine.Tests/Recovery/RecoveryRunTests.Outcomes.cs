using System.Text.Json;
using Hexabase.DrConsole.Engine.Notifications;
using Hexabase.DrConsole.Engine.Notifications.Outbox;
using Hexabase.DrConsole.Engine.Recovery.Actions;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Engine.Tests.Recovery;

/// <summary>How a recovery ends, whatever goes wrong where.</summary>
public sealed partial class RecoveryRunTests
{
    [Theory]
    [InlineData(StopDatabaseService.ActionName, Fault.Act, RecoveryOutcome.RolledBack)]
    [InlineData(StopDatabaseService.ActionName, Fault.Verify, RecoveryOutcome.VerificationFailed)]
    [InlineData(StopDatabaseService.ActionName, Fault.RollBack, RecoveryOutcome.RollbackFailed)]
    [InlineData(IsolateCorruptedData.ActionName, Fault.Act, RecoveryOutcome.RolledBack)]
    [InlineData(IsolateCorruptedData.ActionName, Fault.Verify, RecoveryOutcome.VerificationFailed)]
    [InlineData(IsolateCorruptedData.ActionName, Fault.RollBack, RecoveryOutcome.RollbackFailed)]
    [InlineData(RestoreFromBackup.ActionName, Fault.Act, RecoveryOutcome.RolledBack)]
    [InlineData(RestoreFromBackup.ActionName, Fault.Verify, RecoveryOutcome.VerificationFailed)]
    [InlineData(RestoreFromBackup.ActionName, Fault.RollBack, RecoveryOutcome.RollbackFailed)]
    [InlineData(RestoreFromBackup.ActionName, Fault.RollBackBug, RecoveryOutcome.RollbackFailed)]
    [InlineData(RestoreFromBackup.ActionName, Fault.NoWayBack, RecoveryOutcome.FailedNoRollback)]
    [InlineData(VerifyDataIntegrity.ActionName, Fault.Act, RecoveryOutcome.RolledBack)]
    [InlineData(VerifyDataIntegrity.ActionName, Fault.Verify, RecoveryOutcome.VerificationFailed)]
    [InlineData(VerifyDataIntegrity.ActionName, Fault.RollBack, RecoveryOutcome.RollbackFailed)]
    [InlineData(RestartServices.ActionName, Fault.Act, RecoveryOutcome.RolledBack)]
    [InlineData(RestartServices.ActionName, Fault.Verify, RecoveryOutcome.VerificationFailed)]
    [InlineData(RestartServices.ActionName, Fault.RollBack, RecoveryOutcome.RollbackFailed)]
    [InlineData(RestartServices.ActionName, Fault.Bug, RecoveryOutcome.Error)]
    public async Task A_step_that_fails_ends_in_the_status_that_says_how_the_system_is_left(string action, Fault fault, RecoveryOutcome expected)
    {
        using var failing = rig.Wrap(action, inner => new FailingAction(inner, fault));
        await rig.DamageAsync();
        var damaged = rig.Digest();
        var plan = await rig.PlanAsync();
        if (fault == Fault.NoWayBack)
        {
            plan = plan with { Steps = [.. plan.Steps.Select(step => step.Action == action ? step with { WayBack = WayBack.None } : step)] };
        }

        var ended = await rig.RecoverAsync(plan);

        Assert.Equal(RunState.Failed, ended.State);
        Assert.True(expected == await rig.OutcomeAsync(ended.Id), $"{await rig.OutcomeAsync(ended.Id)}\n{await rig.LogAsync(ended.Id)}");
        var told = await rig.ToldAsync(ended.Id);
        Assert.Equal((NotificationEvent.RecoveryEnded, NotificationSeverity.Critical, RecoveryNames.Of(expected)), (told[^1].Event, told[^1].Severity, told[^1].Facts.Outcome));
        Assert.Equal((null, null), (told[^1].Facts.KeepsUntil, told[^1].Facts.LossUntil));
        Assert.Equal(fault != Fault.Bug, told.Any(one => one.Event == NotificationEvent.RecoveryStepFailed));
        var failed = plan.Steps.Single(step => step.Action == action).Position - 1;
        var states = await rig.StatesAsync(ended.Id);
        Assert.All(states.Skip(failed + 1), state => Assert.Equal(StepState.Pending, state));
        if (expected is RecoveryOutcome.RolledBack or RecoveryOutcome.VerificationFailed)
        {
            Assert.All(states.Take(failed + 1), state => Assert.Equal(StepState.RolledBack, state));
            Assert.Equal(damaged, rig.Digest());
            Assert.Equal(1, await rig.ExecuteAsync("SELECT 1"));
            Assert.All(rig.Beside(), name => Assert.DoesNotContain(".aside-", name, StringComparison.Ordinal));
            var report = await rig.Reports.WriteAsync(ended.Id, Ct);
            Assert.All(report.Steps.Take(failed + 1), step => Assert.True(step.RollbackStartedAt >= step.StartedAt && step.RollbackEndedAt >= step.RollbackStartedAt));
            Assert.All(report.Steps.Skip(failed + 1), step => Assert.Null(step.RollbackStartedAt));
        }
        else if (expected == RecoveryOutcome.RollbackFailed)
        {
            // What is before it rests on it, and stays.
            Assert.Equal(StepState.RollbackFailed, states[failed]);
            var row = (await rig.Catalog.StepsAsync(ended.Id, Ct))[failed];
            Assert.NotEqual(row.Error, row.RollbackError);
            Assert.Contains($"{row.Name}: {row.Error}; the way back of {row.Name} failed: {row.RollbackError}", JsonSerializer.Deserialize<RunError>(ended.ErrorJson!, JsonSerializerOptions.Web)!.Message, StringComparison.Ordinal);
            Assert.All(states.Take(failed), state => Assert.Equal(StepState.Done, state));
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_paused_run_does_nothing_until_a_person_lets_it_go_on_or_ends_it(bool rollBack)
    {
        Run? run = null;
        rig.WrapAll(inner => new HookedAction(inner, afterAct: () => rig.Recoveries.PauseAsync(run!.Id, "olga", "let me look first", Ct)));
        using var wrapping = rig.Wrapping();
        await rig.ExecuteAsync("CHECKPOINT");
        var before = rig.Digest();
        var plan = await rig.PlanAsync();
        run = await rig.Recoveries.RequestAsync(plan, plan.Hash, "olga", Ct);
        await rig.AdvanceAsync(run.Id);
        await rig.ApproveAsync(run.Id, "paul");

        Assert.Equal(RunState.Waiting, (await rig.AdvanceAsync(run.Id)).State);
        Assert.Equal(RunState.Waiting, (await rig.AdvanceAsync(run.Id)).State);
        Assert.Equal(RecoveryWait.Resume, (await rig.Catalog.FindAsync(run.Id, Ct))!.WaitsFor);
        Assert.Equal([StepState.Done, StepState.Pending, StepState.Pending, StepState.Pending, StepState.Pending], await rig.StatesAsync(run.Id));
        await rig.Recoveries.ResumeAsync(run.Id, "olga", Ct);
        Assert.Equal(RunState.Waiting, (await rig.AdvanceAsync(run.Id)).State);
        Assert.Equal(StepState.Done, (await rig.StatesAsync(run.Id))[1]);
        Assert.False(Directory.Exists(rig.Server.DataFolder));

        await rig.Recoveries.CancelAsync(run.Id, rollBack, "olga", "the damage is elsewhere", Ct);
        Assert.Equal(RunState.Cancelled, (await rig.AdvanceAsync(run.Id)).State);

        Assert.Equal(RecoveryOutcome.Cancelled, await rig.OutcomeAsync(run.Id));
        Assert.Equal(rollBack, Directory.Exists(rig.Server.DataFolder));
        if (rollBack)
        {
            Assert.Equal(before, rig.Digest());
            Assert.Equal(1, await rig.ExecuteAsync("SELECT 1"));
        }
    }
}
