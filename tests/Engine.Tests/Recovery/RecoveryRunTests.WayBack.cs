using Hexabase.DrConsole.Engine.Recovery.Actions;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Engine.Tests.Recovery;

/// <summary>A way back that a death interrupts.</summary>
public sealed partial class RecoveryRunTests
{
    [Fact]
    public async Task Command_that_leads_clients_back_is_not_run_twice_where_its_end_was_not_written_down()
    {
        File.Delete(rig.SwitchLog);
        var plan = await rig.PlanAsync();
        var last = plan.Steps[^1];
        plan = plan with
        {
            Steps =
            [
                .. plan.Steps,
                last with
                {
                    Position = last.Position + 1, Name = "switch", Title = "Lead clients there", Action = SwitchTraffic.ActionName, Safety = StepSafety.Unsafe, WayBack = WayBack.UntilFirstWrite,
                    NeedsApproval = false, Retries = 0,
                },
            ],
        };
        var (run, deaths) = (default(RunId), 0);
        rig.WrapAll(inner => inner.Name != SwitchTraffic.ActionName ? inner : new HookedAction(inner, afterAct: () => throw new EngineException("test-fault", ErrorKind.Unavailable, "the test made it fail"))
        {
            AroundRollBack = when => when == "is done" && deaths++ == 0 ? throw new LeaseLostException(run) : Task.CompletedTask,
        });
        using var wrapping = rig.Wrapping();
        await rig.DamageAsync();
        run = await rig.ApprovedAsync(plan);
        Assert.Equal(RunState.Running, (await rig.AdvanceAsync(run)).State);
        await rig.ExpireLeaseAsync(run);

        var ended = await rig.AdvanceAsync(run);

        Assert.Equal(RunState.Failed, ended.State);
        Assert.Equal(RecoveryOutcome.RollbackFailed, await rig.OutcomeAsync(run));
        Assert.Equal(["there", "back"], await File.ReadAllLinesAsync(rig.SwitchLog, Ct));
        Assert.Contains("nobody knows whether it took effect", (await rig.Catalog.StepsAsync(run, Ct))[^1].RollbackError, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Way_back_that_was_begun_is_gone_to_its_end_although_a_person_ends_the_recovery_as_it_is()
    {
        var (run, deaths) = (default(RunId), 0);
        rig.WrapAll(inner => new HookedAction(inner, afterAct: inner.Name == RestartServices.ActionName ? () => throw new EngineException("test-fault", ErrorKind.Unavailable, "the test made it fail") : null)
        {
            AroundRollBack = when => inner.Name == RestoreFromBackup.ActionName && when == "is done" && deaths++ == 0 ? throw new LeaseLostException(run) : Task.CompletedTask,
        });
        using var wrapping = rig.Wrapping();
        await rig.DamageAsync();
        var damaged = rig.Digest();
        var plan = await rig.PlanAsync();
        run = await rig.ApprovedAsync(plan);
        Assert.Equal(RunState.Running, (await rig.AdvanceAsync(run)).State);
        Assert.False(Directory.Exists(rig.Server.DataFolder));
        await rig.Recoveries.CancelAsync(run, rollBack: false, "olga", "it may stay as it is", Ct);
        await rig.ExpireLeaseAsync(run);

        var ended = await rig.AdvanceAsync(run);

        Assert.True(ended.State == RunState.Cancelled, $"{ended.State}\n{await rig.LogAsync(run)}");
        Assert.Equal(1, await rig.ExecuteAsync("SELECT 1"));
        Assert.Equal(damaged, rig.Digest());
    }
}
