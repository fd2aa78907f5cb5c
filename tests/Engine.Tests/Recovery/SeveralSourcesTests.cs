using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Recovery.Actions;
using Hexabase.DrConsole.Engine.Recovery.Approvals;
using Hexabase.DrConsole.Engine.Recovery.Drills;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Recovery.Readiness;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Strategies;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Engine.Validation;

namespace Hexabase.DrConsole.Engine.Tests.Recovery;

/// <summary>A recovery of several sources is one of each of them, wherever somebody asks what happens to a source.</summary>
public sealed class SeveralSourcesTests(CatalogServer catalog)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Keys_of_a_workspace_are_needed_while_a_recovery_of_several_of_its_sources_is_open()
    {
        await using var rig = await TwoVolumesRig.StartAsync(catalog);
        var run = await rig.Engine.AskAsync(await rig.PlanAsync());

        Assert.Contains($"run {run.Id} is open", await rig.Engine.Get<WorkspaceCatalog>().NeedsOfAsync(rig.Workspace, Ct));

        await EndAsync(rig, run.Id);
        Assert.DoesNotContain($"run {run.Id} is open", await rig.Engine.Get<WorkspaceCatalog>().NeedsOfAsync(rig.Workspace, Ct));
    }

    [Fact]
    public async Task One_person_alone_may_go_where_the_incident_is_of_all_that_is_recovered_and_not_where_it_is_of_some()
    {
        await using var rig = await TwoVolumesRig.StartAsync(catalog);
        var ofOne = await rig.Engine.AskAsync(await rig.PlanAsync(await rig.ConfirmAsync(rig.Sources[0])));
        var refused = await Assert.ThrowsAsync<EngineException>(() => BreakAsync(rig, ofOne.Id));
        Assert.Equal("approval-refused", refused.Code);
        Assert.Contains("of all that it changes", refused.Message, StringComparison.Ordinal);
        Assert.Null(await rig.Engine.Get<ApprovalCatalog>().IncidentOfAsync(ofOne.Id, Ct));
        await EndAsync(rig, ofOne.Id);

        var incident = await rig.ConfirmAsync([.. rig.Sources, "a third"]);
        var ofBoth = await rig.Engine.AskAsync(await rig.PlanAsync(incident));
        Assert.Equal(incident.Value, await rig.Engine.Get<ApprovalCatalog>().IncidentOfAsync(ofBoth.Id, Ct));
        var gate = await BreakAsync(rig, ofBoth.Id);
        Assert.Equal((GateState.Granted, true), (gate.State, gate.IsBreakGlass));
        Assert.Equal(RunState.Completed, (await rig.Engine.AdvanceAsync(ofBoth.Id)).State);
        Assert.True(rig.AreBack);
    }

    [Fact]
    public async Task Each_part_has_a_measured_time_by_its_own_steps_and_is_looked_at_anew()
    {
        await using var rig = await TwoVolumesRig.StartAsync(catalog);
        var before = await rig.Engine.Get<ReadinessCatalog>().FingerprintsAsync(Ct);
        // The second takes longer, so that the two cannot be mistaken for each other, nor for both.
        rig.Engine.AfterAct = async context =>
        {
            while (context.Step.Part == rig.Sources[1] && (await rig.Engine.Catalog.StepsAsync(await RunOfAsync(rig), Ct))[0].State != StepState.Done)
            {
                await Task.Delay(20, Ct);
            }
        };

        var run = await rig.Engine.RecoverAsync(await rig.PlanAsync());

        Assert.True(run.State == RunState.Completed, await rig.Engine.LogAsync(run.Id));
        var steps = await rig.Engine.Catalog.StepsAsync(run.Id, Ct);
        var standings = (await rig.Engine.Get<StandingCatalog>().ReadAsync(Ct)).ToDictionary(one => one.Source.Name, one => one.Facts.Drill);
        Assert.All(steps, step => Assert.Equal((step.EndedAt - step.StartedAt)!.Value.TotalSeconds, standings[step.Part!]!.Seconds, 3));
        var after = await rig.Engine.Get<ReadinessCatalog>().FingerprintsAsync(Ct);
        Assert.All(rig.Sources, source => Assert.NotEqual(before[source], after[source]));
    }

    [Fact]
    public async Task Person_is_asked_about_an_interrupted_step_once_the_steps_beside_it_have_ended()
    {
        await using var rig = await TwoVolumesRig.StartAsync(catalog, switches: true);
        var run = (await rig.Engine.AskAsync(await rig.PlanAsync())).Id;
        await rig.Engine.ApproveAsync(run);
        rig.Engine.AfterAct = context => context.Step.Action == SwitchTraffic.ActionName ? rig.Engine.DieAsync(run) : Task.CompletedTask;
        await rig.Engine.AdvanceAsync(run);
        await rig.Engine.ExpireLeaseAsync(run);
        var waited = new List<RecoveryWait?>();
        rig.Engine.AfterAct = async _ => waited.Add((await rig.Engine.Catalog.FindAsync(run, Ct))!.WaitsFor);

        Assert.Equal(RunState.Waiting, (await rig.Engine.AdvanceAsync(run)).State);

        Assert.Equal([null], waited);
        var asked = (await rig.Engine.Catalog.StepsAsync(run, Ct)).First(step => step.Action == SwitchTraffic.ActionName);
        Assert.Equal((RecoveryWait.Decision, asked.Position), await rig.Engine.Catalog.FindAsync(run, Ct) is { } row ? (row.WaitsFor, row.WaitsStep) : default);
        await rig.Engine.Recoveries.DecideAsync(run, StepChoice.MarkDone, "paul", "it is switched: I looked", Ct);
        Assert.Equal("recovery-refused", (await Assert.ThrowsAsync<EngineException>(() => rig.Engine.Recoveries.DecideAsync(run, StepChoice.Skip, "petra", "somebody else was faster", Ct))).Code);
        Assert.Equal(RunState.Completed, (await rig.Engine.AdvanceAsync(run)).State);
        Assert.Equal([null], waited);
    }

    [Fact]
    public async Task Drill_of_several_is_begun_by_the_schedule_ended_by_a_recovery_of_one_of_them_and_not_begun_while_one_of_them_needs_the_machine()
    {
        await using var rig = await TwoVolumesRig.StartAsync(catalog);
        using var turn = await DrillTurn.TakeAsync(Ct);
        var (drills, subject) = (rig.Engine.Get<DrillRequests>(), SeveralPlans.SubjectOf(rig.Sources));
        Assert.Equal(ProtectionClass.Defaults["standard"].DrillDays, (await drills.DueAsync(Ct)).Single(due => due.Version.Plan == rig.Plan && due.Subject == subject).Protection.DrillDays);
        var begun = (await drills.StartDueAsync("engine", Ct))!;
        Assert.Equal((RunKinds.Drill, subject), (begun.Kind, begun.Source));

        var one = await rig.Engine.Recoveries.PlanAsync("volume-storage-failure", new PlanRequest(rig.Sources[1], "STORAGE_FAILURE"), Ct);
        var recovery = await rig.Engine.Recoveries.RequestAsync(one, one.Hash, "olga", Ct);

        Assert.Equal(RecoveryOutcome.Cancelled, await rig.Engine.OutcomeAsync(begun.Id));
        await RefusedAsync($"{rig.Sources[1]} cannot be drilled now: it is being recovered by {recovery.Id}");
        await rig.Engine.Recoveries.CancelAsync(recovery.Id, rollBack: false, "olga", "it is not needed", Ct);
        await rig.Engine.AdvanceAsync(recovery.Id);
        var incident = await rig.ConfirmAsync(rig.Sources[0], "another");
        await RefusedAsync($"{rig.Sources[0]} cannot be drilled now: {incident} of it is open");
        await rig.ResolveAsync(incident);

        // By hand for some, in any order; one alone has plans of its own.
        Assert.Equal("plan-kind", (await Assert.ThrowsAsync<EngineException>(() => drills.RequestAsync(rig.Plan, rig.Sources[0], "olga", Ct))).Code);
        var damaged = rig.Sources.Select(rig.Read).ToList();
        var ended = await rig.Engine.AdvanceAsync((await drills.RequestAsync(rig.Plan, $"{rig.Sources[1]},{rig.Sources[0]}", "olga", Ct)).Id);
        Assert.True(ended.State == RunState.Completed, await rig.Engine.LogAsync(ended.Id));
        Assert.Equal(damaged, rig.Sources.Select(rig.Read));
        Assert.All((await rig.Engine.Get<StandingCatalog>().ReadAsync(Ct)), standing => Assert.NotNull(standing.Facts.Drill));
        await rig.Engine.Get<PlanReadiness>().EvaluateAsync(new HashSet<string> { rig.Sources[0] }, Ct);
        var row = (await rig.Engine.Get<ReadinessCatalog>().ListAsync(Ct)).Single(row => row.Plan == rig.Plan && row.Source == subject);
        Assert.True(row.State == ReadinessState.Verified && row.Proof == ended.Id, string.Join("; ", row.Reasons));

        // Each by itself has room, and both side by side have not.
        var free = new DriveInfo(rig.Engine.Get<ValidationOptions>().ScratchRoot).AvailableFreeSpace;
        await rig.SizeAsync((long)(free * 0.45));
        await rig.Engine.Get<RunStore>().CancelAsync((await drills.RequestAsync("volume-storage-failure", rig.Sources[0], "olga", Ct)).Id, "olga", Ct);
        Assert.Equal("drill-space", (await Assert.ThrowsAsync<EngineException>(() => drills.RequestAsync(rig.Plan, subject, "olga", Ct))).Code);

        async Task RefusedAsync(string why)
        {
            var refused = await Assert.ThrowsAsync<EngineException>(() => drills.RequestAsync(rig.Plan, subject, "olga", Ct));
            Assert.Equal(("drill-not-now", why), (refused.Code, refused.Message));
        }
    }

    private static async Task EndAsync(TwoVolumesRig rig, RunId run)
    {
        await rig.Engine.Recoveries.CancelAsync(run, rollBack: false, "olga", "it is not needed", Ct);
        Assert.Equal(RunState.Cancelled, (await rig.Engine.AdvanceAsync(run)).State);
    }

    private static async Task<RunId> RunOfAsync(TwoVolumesRig rig) => Assert.Single(await rig.Engine.Get<RunStore>().ListAsync(null, RunKinds.Recovery, RunState.Running, 1, Ct)).Id;

    private static async Task<ApprovalGate> BreakAsync(TwoVolumesRig rig, RunId run)
    {
        var gate = await rig.GateAsync(run);
        return await rig.Engine.Get<ApprovalDesk>().BreakGlassAsync(new GateAnswer(gate.Id, "paul", gate.SubjectHash, "nobody else is awake", "INC-1"), Ct);
    }
}
