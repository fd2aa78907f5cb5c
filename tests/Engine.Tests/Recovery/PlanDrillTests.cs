using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Recovery.Actions;
using Hexabase.DrConsole.Engine.Recovery.Drills;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Recovery.Readiness;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Engine.Tests.Recovery;

/// <summary>A drill does what a recovery would, in a place that is gone afterwards, and what lives does not notice.</summary>
public sealed class PlanDrillTests(RecoveryRig rig) : IClassFixture<RecoveryRig>, IAsyncLifetime
{
    private DrillTurn? _turn;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _turn = await DrillTurn.TakeAsync(Ct);

    public ValueTask DisposeAsync()
    {
        _turn?.Dispose();
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task A_drill_of_the_database_plan_restores_verifies_and_starts_it_in_scratch_and_leaves_nothing_behind()
    {
        var started = await rig.ExecuteAsync("SELECT pg_postmaster_start_time()");
        var run = await rig.Drills.RequestAsync(RecoveryRig.Plan, rig.Source.Name, "olga", Ct);
        var now = TimeProvider.System.GetUtcNow();

        var ended = await rig.AdvanceAsync(run.Id);

        Assert.True(ended.State == RunState.Completed, $"{ended.ErrorJson}\n{await rig.LogAsync(run.Id)}");
        var drill = (await rig.DrillCatalog.FindAsync(run.Id, Ct))!;
        Assert.True(drill.Passed);
        Assert.True(drill.Seconds > 0);
        var steps = await rig.Catalog.StepsAsync(run.Id, Ct);
        Assert.Equal([StepState.Skipped, StepState.Skipped, StepState.Done, StepState.Done, StepState.Done], steps.Select(step => step.State));
        Assert.Contains("check 'all parcels' gave 2000", steps[3].Verification, StringComparison.Ordinal);
        Assert.Contains("check 'from outside' ended with 0", steps[4].Verification, StringComparison.Ordinal);
        Assert.Contains("living", steps[0].Reason, StringComparison.Ordinal);

        // Nothing is left, and the living server went on as it was.
        Assert.Empty(Directory.EnumerateFileSystemEntries(rig.Scratch.ScratchRoot));
        Assert.DoesNotContain(rig.Records, record => record.Name.StartsWith("drill", StringComparison.Ordinal));
        Assert.Empty(rig.Beside());
        Assert.Equal(started, await rig.ExecuteAsync("SELECT pg_postmaster_start_time()"));
        Assert.True(await rig.IsWholeAsync());
        Assert.Empty(await rig.Gates.OfRunAsync(run.Id, Ct));

        var report = await rig.Reports.WriteAsync(run.Id, Ct);
        Assert.True(report is { IsDrill: true, Cleanup.IsProven: true, Targets.LostAtMostSeconds: >= 0 });
        Assert.Contains(report.Steps[2].Phases, phase => phase.Name == "replay");

        // It is not due again before its interval is over; the plan that was never drilled is.
        var due = (await rig.Drills.DueAsync(Ct)).ToLookup(one => one.Version.Plan, one => one.DueAt);
        Assert.True(due[RecoveryRig.Plan].Single() > now + TimeSpan.FromDays(1), $"{due[RecoveryRig.Plan].Single()}");
        Assert.True(due["postgres-outage"].Single() <= TimeProvider.System.GetUtcNow());

        // What it measured takes the place of the guesses, but for the steps that a drill does not do.
        var plan = await rig.PlanAsync();
        Assert.Equal([false, false, true, true, true], plan.Steps.Select(step => step.MeasuredFrom > 0));
        var measured = (await rig.Durations.ReadAsync(rig.Source.Name, Ct))[RestoreFromBackup.ActionName];
        Assert.True(measured.IsDrill);
        var loss = MeasuredLoss.Of(RecoveryRequest.PlanOf(run), steps)!;
        Assert.NotNull(loss.AtMost);
        // What the plan hoped for says nothing about what came back.
        Assert.Equal(loss, MeasuredLoss.Of(plan with { IsDrill = true, Basis = plan.Basis with { Moment = null, ToEnd = true }, Loss = plan.Loss with { From = loss.Restored.AddHours(5) } }, steps));
    }

    [Fact]
    public async Task A_drill_whose_restore_fails_leaves_the_plan_not_verified_and_a_changed_plan_must_be_verified_anew()
    {
        await rig.PersonAsync("olga", "Operator");
        await rig.PersonAsync("paul", "Approver");
        var good = await DrillAsync();
        Assert.Equal((ReadinessState.Verified, good.Id), await StandAsync());

        var newest = (await rig.Library.NewestAsync(RecoveryRig.Plan, Ct))!;
        await rig.Library.SaveAsync((rig.Library.Read(newest) with { DrillEveryDays = 3 }).ToText(), "adam", "drilled more often", newest.Version, Ct);

        var changed = await ReadAsync();
        Assert.Equal(ReadinessState.NeedsVerification, changed.State);
        Assert.Equal(ReadinessCause.PlanChanged, Assert.Single(changed.Reasons).Cause);

        using var failing = rig.Wrap(RestoreFromBackup.ActionName, inner => new FailingAction(inner, Fault.Act));
        var failed = await DrillAsync();

        Assert.Equal(RunState.Failed, failed.State);
        var row = await ReadAsync();
        Assert.Equal(ReadinessState.NotVerified, row.State);
        var reason = Assert.Single(row.Reasons);
        Assert.Equal(ReadinessCause.DrillFailed, reason.Cause);
        Assert.Contains("restore: the test made it fail", reason.Text, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(rig.Scratch.ScratchRoot));
        var history = await rig.Readiness.HistoryAsync(RecoveryRig.Plan, rig.Source.Name, 10, Ct);
        Assert.True(history.Count >= 3, $"{history.Count} changes are kept");
    }

    [Fact]
    public async Task A_drill_whose_process_dies_in_the_middle_begins_anew_elsewhere_and_leaves_nothing()
    {
        RunId run = default;
        var deaths = 0;
        rig.WrapAll(inner => new HookedAction(inner, afterAct: () => inner.Name == RestartServices.ActionName && deaths++ == 0 ? rig.DieAsync(run) : Task.CompletedTask));
        using var wrapping = rig.Wrapping();
        run = (await rig.Drills.RequestAsync(RecoveryRig.Plan, rig.Source.Name, "olga", Ct)).Id;

        Assert.Equal(RunState.Running, (await rig.AdvanceAsync(run)).State);
        await rig.ExpireLeaseAsync(run);
        var ended = await rig.AdvanceAsync(run);

        Assert.True(ended.State == RunState.Completed, $"{ended.ErrorJson}\n{await rig.LogAsync(run)}");
        var drill = (await rig.DrillCatalog.FindAsync(run, Ct))!;
        Assert.Equal(2, drill.Places.Count);
        Assert.True(drill.Passed);
        Assert.Empty(Directory.EnumerateFileSystemEntries(rig.Scratch.ScratchRoot));
    }

    [Fact]
    public async Task A_drill_that_a_recovery_ends_in_its_first_attempt_has_an_outcome_a_proof_of_its_clean_up_and_a_report()
    {
        Run? recovery = null;
        using var asking = rig.Wrap(RestoreFromBackup.ActionName, inner => new HookedAction(inner, afterAct: async () =>
        {
            var plan = await rig.PlanAsync();
            recovery = await rig.Recoveries.RequestAsync(plan, plan.Hash, "olga", Ct);
        }));
        var run = (await rig.Drills.RequestAsync(RecoveryRig.Plan, rig.Source.Name, "olga", Ct)).Id;

        var ended = await rig.AdvanceAsync(run);

        await rig.Recoveries.CancelAsync(recovery!.Id, rollBack: false, "olga", "only a test of it", Ct);
        Assert.Equal((RunState.Cancelled, 1), (ended.State, ended.Attempt));
        var drill = (await rig.DrillCatalog.FindAsync(run, Ct))!;
        Assert.Equal(RecoveryOutcome.Cancelled, drill.Recovery.Outcome);
        Assert.True(drill.Cleanup is { IsProven: true, Places.Count: 1 }, await rig.LogAsync(run));
        Assert.Empty(Directory.EnumerateFileSystemEntries(rig.Scratch.ScratchRoot));
        Assert.Contains(await rig.Catalog.EndedAsync(new EndedFilter(rig.Source.Name, IsDrill: true), 10, Ct), one => one.Recovery.Run == run);
        Assert.True((await rig.Reports.WriteAsync(run, Ct)).Cleanup is { IsProven: true });
    }

    [Fact]
    public async Task A_drill_that_began_on_another_machine_is_gone_on_with_but_never_called_clean()
    {
        RunId run = default;
        var deaths = 0;
        rig.WrapAll(inner => new HookedAction(inner, afterAct: () => inner.Name == RestoreFromBackup.ActionName && deaths++ == 0 ? rig.DieAsync(run) : Task.CompletedTask));
        using var wrapping = rig.Wrapping();
        run = (await rig.Drills.RequestAsync(RecoveryRig.Plan, rig.Source.Name, "olga", Ct)).Id;
        await rig.AdvanceAsync(run);
        await rig.Pool.Command("UPDATE plan_drill SET places[1] = 'elsewhere/' || split_part(places[1], '/', 2) WHERE run_id = $1", run.Value).RunAsync(Ct);
        await rig.ExpireLeaseAsync(run);

        var ended = await rig.AdvanceAsync(run);

        var drill = (await rig.DrillCatalog.FindAsync(run, Ct))!;
        Assert.Equal((RunState.Failed, RecoveryOutcome.Completed, false), (ended.State, drill.Recovery.Outcome, drill.Passed));
        Assert.Contains("elsewhere/drill", Assert.Single(drill.Cleanup!.Left), StringComparison.Ordinal);
        Assert.Equal(Environment.MachineName, drill.Cleanup.Places[1].Split('/')[0]);
    }

    [Fact]
    public async Task The_schedule_begins_with_a_plan_that_was_never_drilled()
    {
        var run = await rig.Drills.StartDueAsync("engine", Ct);

        Assert.NotNull(run);
        var due = (await rig.Drills.DueAsync(Ct)).ToLookup(one => one.Version.Plan, one => one.Last);
        Assert.Equal(run.Id, due[RecoveryRequest.PlanOf(run).Template].Single()!.Run);
        await rig.Requests.CancelAsync(run.Id, "olga", Ct);
        Assert.Equal(RecoveryOutcome.Cancelled, await rig.OutcomeAsync(run.Id));
    }

    [Fact]
    public async Task A_recovery_that_a_person_helped_along_proves_no_plan()
    {
        var plan = await rig.PlanAsync();
        var run = (await rig.Recoveries.RequestAsync(plan, plan.Hash, "olga", Ct)).Id;
        await rig.Pool.Command("UPDATE run SET state = 'completed', ended_at = clock_timestamp() WHERE id = $1", run.Value).RunAsync(Ct);
        await rig.Pool.Command("UPDATE recovery SET outcome = 'completed' WHERE run_id = $1", run.Value).RunAsync(Ct);
        await rig.Pool.Command("UPDATE recovery_step SET state = 'done', reason = CASE WHEN action = 'verify_data_integrity' THEN 'looked at it myself' END WHERE run_id = $1", run.Value).RunAsync(Ct);

        var helped = await ReadAsync();

        Assert.Equal(ReadinessState.NotVerified, helped.State);
        Assert.Contains(new ReadinessReason(ReadinessCause.DoneByHand, $"{run}: verify"), helped.Reasons);
        await rig.Pool.Command("UPDATE recovery_step SET reason = NULL WHERE run_id = $1", run.Value).RunAsync(Ct);
        Assert.DoesNotContain((await ReadAsync()).Reasons, reason => reason.Cause is ReadinessCause.DoneByHand or ReadinessCause.NoDrill);
    }

    [Fact]
    public async Task A_plan_that_cannot_be_read_is_not_verified_and_holds_up_no_other()
    {
        var name = $"of-another-build-{Guid.NewGuid().ToString("n")[..8]}";
        await rig.Library.SaveAsync((rig.Library.Read((await rig.Library.NewestAsync("postgres-outage", Ct))!) with { Name = name, Disasters = ["UNKNOWN"] }).ToText(), "adam", "of this build", 0, Ct);
        try
        {
            await rig.PlanReadiness.EvaluateAsync(Ct);
            await rig.Pool.Command("INSERT INTO plan_version (plan, version, body, hash, author, note) VALUES ($1, 2, '{', 'of another build', 'adam', '')", name).RunAsync(Ct);

            await rig.PlanReadiness.EvaluateAsync(Ct);

            var row = (await rig.Readiness.ListAsync(Ct)).Single(row => row.Plan == name && row.Source == rig.Source.Name);
            Assert.Equal((ReadinessState.NotVerified, 2), (row.State, row.PlanVersion));
            Assert.Equal(ReadinessCause.PlanImpossible, Assert.Single(row.Reasons).Cause);
            var due = (await rig.Drills.DueAsync(Ct)).Select(one => one.Version.Plan).ToList();
            Assert.Contains(RecoveryRig.Plan, due);
            Assert.DoesNotContain(name, due);
        }
        finally
        {
            await rig.Pool.Command("DELETE FROM plan_version WHERE plan = $1", name).RunAsync(Ct);
        }
    }

    [Fact]
    public async Task What_changes_of_one_source_has_only_its_own_plans_looked_at_anew()
    {
        await rig.PlanReadiness.EvaluateAsync(Ct);
        var before = await rig.Readiness.FingerprintsAsync(Ct);
        await rig.Pool.Command(
            "INSERT INTO run (kind, source, request, request_hash, state, requested_by, ended_at) VALUES ('backup', $1, '{}', 'none', 'completed', 'tester', clock_timestamp())", rig.Source.Name).RunAsync(Ct);
        var after = await rig.Readiness.FingerprintsAsync(Ct);
        Assert.NotEqual(before.GetValueOrDefault(rig.Source.Name), after[rig.Source.Name]);
        Assert.DoesNotContain("backup", after[ReadinessCatalog.Everybody], StringComparison.Ordinal);

        var looked = await LookedAtAsync();
        await rig.PlanReadiness.EvaluateAsync(new HashSet<string> { "another" }, Ct);
        Assert.Equal(looked, await LookedAtAsync());
        await rig.PlanReadiness.EvaluateAsync(new HashSet<string> { rig.Source.Name }, Ct);
        Assert.True(await LookedAtAsync() > looked);

        async Task<DateTimeOffset> LookedAtAsync() => (await rig.Readiness.ListAsync(Ct)).Single(row => row.Plan == RecoveryRig.Plan && row.Source == rig.Source.Name).LookedAt;
    }

    [Fact]
    public async Task A_drill_is_ended_by_a_recovery_of_its_source_and_refused_while_that_is_open()
    {
        var drill = await rig.Drills.RequestAsync(RecoveryRig.Plan, rig.Source.Name, "olga", Ct);
        Assert.Equal("drill-already-open", (await Assert.ThrowsAsync<EngineException>(() => rig.Drills.RequestAsync("postgres-outage", rig.Source.Name, "olga", Ct))).Code);

        var plan = await rig.PlanAsync();
        var recovery = await rig.Recoveries.RequestAsync(plan, plan.Hash, "olga", Ct);

        Assert.Equal(RecoveryOutcome.Cancelled, await rig.OutcomeAsync(drill.Id));
        Assert.Equal(RunState.Cancelled, (await rig.AdvanceAsync(drill.Id)).State);
        Assert.Equal("drill-not-now", (await Assert.ThrowsAsync<EngineException>(() => rig.Drills.RequestAsync(RecoveryRig.Plan, rig.Source.Name, "olga", Ct))).Code);
        await rig.Recoveries.CancelAsync(recovery.Id, rollBack: false, "olga", "only a test of it", Ct);
        await rig.AdvanceAsync(recovery.Id);
    }

    [Fact]
    public async Task A_drill_plan_that_names_anything_living_is_refused()
    {
        var version = (await rig.Library.NewestAsync(RecoveryRig.Plan, Ct))!;
        var drill = await rig.DrillPlans.MakeAsync(version, rig.Library.Read(version), rig.Source.Name, Ct);
        var living = await rig.PlanAsync();

        Assert.All(
            new[]
            {
                drill.Plan with { IsDrill = false },
                living with { IsDrill = true },
                drill.Plan with { Target = drill.Plan.Target with { PasswordFile = "/etc/passwd" } },
                drill.Plan with { Target = drill.Plan.Target with { Service = new ServiceSettings(ServiceDriver.PgCtl) { Workload = new KubernetesWorkload("/k", "shop", WorkloadKind.StatefulSet, "db", null) } } },
                drill.Plan with { Target = drill.Plan.Target with { SwitchService = new ServiceSwitch("/k", "shop", "db", new Dictionary<string, string> { ["site"] = "b" }) } },
                drill.Plan with { Target = drill.Plan.Target with { Scratch = drill.Plan.Target.Scratch! with { Root = "/" } } },
                drill.Plan with { Steps = [.. drill.Plan.Steps.Select(step => step with { NotExercised = null })] },
            },
            forged => Assert.Equal("drill-not-apart", Assert.Throws<EngineException>(() => rig.DrillPlans.Require(forged)).Code));
        var stopping = drill.Plan with { Steps = [.. drill.Plan.Steps.Where(step => step.Action != RestoreFromBackup.ActionName)] };
        Assert.Equal("drill-shows-nothing", Assert.Throws<EngineException>(() => rig.DrillPlans.Require(stopping)).Code);
        Assert.Equal("drill-as-recovery", (await Assert.ThrowsAsync<EngineException>(() => rig.Recoveries.RequestAsync(drill.Plan, drill.Plan.Hash, "olga", Ct))).Code);
        var target = drill.Plan.Target;
        Assert.DoesNotContain(rig.Server.DataFolder, drill.Plan.ToJson(), StringComparison.Ordinal);
        Assert.NotEqual(living.Target.Host, target.Host);
    }

    private async Task<Run> DrillAsync(string plan = RecoveryRig.Plan) => await rig.AdvanceAsync((await rig.Drills.RequestAsync(plan, rig.Source.Name, "olga", Ct)).Id);

    private async Task<ReadinessRow> ReadAsync()
    {
        await rig.PlanReadiness.EvaluateAsync(Ct);
        return (await rig.Readiness.ListAsync(Ct)).Single(row => row.Plan == RecoveryRig.Plan && row.Source == rig.Source.Name);
    }

    private async Task<(ReadinessState, RunId?)> StandAsync() => await ReadAsync() is var row ? (row.State, row.Proof) : default;
}
