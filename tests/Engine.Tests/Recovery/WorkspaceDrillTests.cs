using System.Collections.Concurrent;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Recovery.Actions;
using Hexabase.DrConsole.Engine.Recovery.Drills;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Recovery.Readiness;
using Hexabase.DrConsole.Engine.Recovery.Reports;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Engine.Validation;

namespace Hexabase.DrConsole.Engine.Tests.Recovery;

/// <summary>A workspace is recovered to its recovery set where nothing lives, every part in a place of its own, and all of it is gone afterwards.</summary>
[Collection("Redis servers")]
public sealed class WorkspaceDrillTests(CatalogServer catalog)
{
    private const string Plan = "workspace-recovery";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Drill_of_a_workspace_proves_every_part_begins_anew_after_a_death_and_what_lives_does_not_notice()
    {
        await using var rig = await WorkspaceRig.StartAsync(catalog);
        using var turn = await DrillTurn.TakeAsync(Ct);
        var set = await rig.TakeSetAsync();
        await AddIncompleteSetAsync(rig);
        await rig.SpoilAsync();
        var (living, started) = (await rig.DigestAsync(), await rig.ExecuteAsync("SELECT pg_postmaster_start_time()::text"));
        Assert.Equal(ReadinessCause.NoDrill, Assert.Single((await StandAsync(rig)).Reasons).Cause);
        Assert.True((await DueAsync(rig)).DueAt <= TimeProvider.System.GetUtcNow());
        var places = new ConcurrentDictionary<string, string>();
        var (run, deaths) = (default(RunId), 0);
        rig.Engine.AfterAct = context =>
        {
            places[context.Step.Part!] = context.Scratch!.Path;
            return context.Step.Part == rig.Cache && deaths++ == 0 ? rig.Engine.DieAsync(run) : Task.CompletedTask;
        };
        var asked = await rig.Engine.Get<DrillRequests>().RequestAsync(Plan, rig.Workspace, "olga", Ct);
        run = asked.Id;
        Assert.Equal(RunState.Running, (await rig.Engine.AdvanceAsync(run)).State);
        await rig.Engine.ExpireLeaseAsync(run);
        places.Clear();

        var ended = await rig.Engine.AdvanceAsync(run);

        var log = await rig.Engine.LogAsync(run);
        Assert.True(ended.State == RunState.Completed, $"{ended.ErrorJson}\n{log}");
        var drill = (await rig.Engine.Get<PlanDrillCatalog>().FindAsync(run, Ct))!;
        Assert.True(drill is { Passed: true, Cleanup.IsProven: true, Seconds: > 0, Places.Count: 2 });
        var plan = RecoveryRequest.PlanOf(asked);
        Assert.Equal((set, 3), (plan.Several!.Set, plan.Several.Parts.Count));
        var steps = await rig.Engine.Catalog.StepsAsync(run, Ct);
        Assert.Equal(
            ["hold", $"stop-{rig.Cache}", $"stop-{rig.Database}", $"isolate-{rig.Database}", $"restart-{rig.Cache}", "release"],
            steps.Where(step => step.State == StepState.Skipped).Select(step => step.Name));
        Assert.All(steps.Where(step => step.State != StepState.Skipped), step => Assert.Equal(StepState.Done, step.State));
        Assert.Contains("hold the living application still", steps[0].Reason, StringComparison.Ordinal);
        Assert.Contains("as in the restore point, with 2000 rows", steps.Single(step => step.Action == VerifyDataIntegrity.ActionName).Verification, StringComparison.Ordinal);
        Assert.All(steps.Where(step => step.Action == RestoreInPlace.ActionName), step => Assert.Contains("equal", step.Verification, StringComparison.Ordinal));
        Assert.Contains("3 parts, each in a folder of its own; their contents are ", log, StringComparison.Ordinal);

        // Each part had a place of its own below the second attempt's folder, and nothing of either is left.
        var scratch = rig.Engine.Get<ValidationOptions>().ScratchRoot;
        var folders = drill.Places.Select(place => Path.Combine(scratch, place.Split('/')[^1])).ToList();
        Assert.Equal(3, places.Values.Distinct().Count());
        Assert.All(places.Values, place => Assert.Equal(folders[1], Path.GetDirectoryName(place)));
        Assert.All(folders, folder => Assert.False(Directory.Exists(folder)));
        Assert.DoesNotContain(rig.Engine.Get<ProcessRegistry>().List(), record => record.Folder?.StartsWith(scratch, StringComparison.Ordinal) ?? false);
        Assert.Equal((living, started), (await rig.DigestAsync(), await rig.ExecuteAsync("SELECT pg_postmaster_start_time()::text")));
        Assert.Empty(rig.SaidByHooks());

        // What it showed and measured is taken for what it is.
        var stands = await StandAsync(rig);
        Assert.True(stands.State == ReadinessState.Verified && stands.Proof == run, string.Join("; ", stands.Reasons));
        Assert.True((await DueAsync(rig)).DueAt > TimeProvider.System.GetUtcNow() + TimeSpan.FromDays(1));
        var now = (await rig.DraftAsync(set)).Require();
        Assert.Equal(steps.Where(step => step.State == StepState.Done).Select(step => step.Name), now.Steps.Where(step => step.MeasuredFrom > 0).Select(step => step.Name));
        var report = await rig.Engine.Get<ReportWriter>().WriteAsync(run, Ct);
        Assert.True(report is { IsDrill: true, Cleanup.IsProven: true, Targets.WorkSeconds: > 0, Parts.Count: 3 });
        Assert.Equal(report.Parts!.Max(part => part.LostAtMostSeconds), report.Targets.LostAtMostSeconds);
        Assert.Contains(report.Parts!, part => part.BehindSeconds > 0);

        // One part that fails is the failure of all of them, and those beside it are broken off.
        rig.Engine.AfterAct = context => context.Step.Part == rig.Cache ? throw new EngineException("test-fault", ErrorKind.Unavailable, "the test made it fail") : Task.CompletedTask;
        var failed = await rig.Engine.AdvanceAsync((await rig.Engine.Get<DrillRequests>().RequestAsync(Plan, rig.Workspace, "olga", Ct)).Id);
        var failure = (await rig.Engine.Get<PlanDrillCatalog>().FindAsync(failed.Id, Ct))!;
        Assert.True(failed.State == RunState.Failed && failure is { Passed: false, Cleanup.IsProven: true }, await rig.Engine.LogAsync(failed.Id));
        Assert.Equal($"restore-in-place-{rig.Cache}: the test made it fail", failure.Failure);
        var reason = Assert.Single((await StandAsync(rig)).Reasons);
        Assert.Equal((ReadinessCause.DrillFailed, $"{failed.Id}: {failure.Failure}"), (reason.Cause, reason.Text));
        Assert.Equal(living, await rig.DigestAsync());
        Assert.Empty(rig.SaidByHooks());
    }

    [Fact]
    public async Task Plan_for_a_workspace_that_cannot_be_read_is_not_verified()
    {
        await using var rig = await WorkspaceRig.StartAsync(catalog);
        await rig.TakeSetAsync();
        var (library, name) = (rig.Engine.Get<PlanLibrary>(), $"of-another-build-{Guid.NewGuid().ToString("n")[..8]}");
        await library.SaveAsync((library.Read((await library.NewestAsync(Plan, Ct))!) with { Name = name }).ToText(), "adam", "of this build", 0, Ct);
        try
        {
            await rig.Engine.Get<PlanReadiness>().EvaluateAsync(Ct);
            await catalog.Pool.Command("INSERT INTO plan_version (plan, version, body, hash, author, note) VALUES ($1, 2, '{', 'of another build', 'adam', '')", name).RunAsync(Ct);

            await rig.Engine.Get<PlanReadiness>().EvaluateAsync(Ct);

            var row = (await rig.Engine.Get<ReadinessCatalog>().ListAsync(Ct)).Single(row => row.Plan == name && row.Source == SeveralPlans.SubjectOf(rig.Workspace));
            Assert.Equal((ReadinessState.NotVerified, 2, ReadinessCause.PlanImpossible), (row.State, row.PlanVersion, Assert.Single(row.Reasons).Cause));
        }
        finally
        {
            await catalog.Pool.Command("DELETE FROM plan_version WHERE plan = $1", name).RunAsync(Ct);
        }
    }

    [Fact]
    public async Task Drill_of_a_workspace_that_names_anything_living_is_refused_part_by_part()
    {
        await using var rig = await WorkspaceRig.StartAsync(catalog);
        var set = await rig.TakeSetAsync();
        var drills = rig.Engine.Get<DrillPlans>();
        var version = (await rig.Engine.Get<PlanLibrary>().NewestAsync(Plan, Ct))!;
        var drill = (await drills.MakeAsync(version, rig.Engine.Get<PlanLibrary>().Read(version), rig.Workspace, Ct)).Plan;
        var living = (await rig.DraftAsync(set)).Require();
        drills.Require(drill);
        // Places, addresses and what acts there; texts for people may name what is left alone.
        Assert.All(new[] { rig.Volume, rig.RedisFolder, rig.ServerFolder, rig.Shell, rig.Password }, name => Assert.DoesNotContain(name, (drill with { Notes = [] }).ToJson(), StringComparison.Ordinal));
        Assert.All(drill.Steps.Where(step => step.Part is null), step => Assert.NotNull(step.NotExercised));

        RecoveryPlan[] leaks =
        [
            drill with { IsDrill = false }, living with { IsDrill = true }, drill with { Target = living.Target }, drill with { Target = drill.Target with { DataDirectory = rig.Volume } },
            With(rig.Database, target => target with { PasswordFile = rig.Password }), With(rig.Database, target => target with { Service = null }),
            With(rig.Database, target => target with { Scratch = target.Scratch! with { Root = "/" } }), With(rig.Database, target => target with { Scratch = null }),
            With(rig.Database, target => target with { SwitchService = new ServiceSwitch(rig.Password, "shop", "orders", new Dictionary<string, string>()) }),
            With(rig.Database, target => target with { Service = target.Service! with { Workload = new KubernetesWorkload(rig.Password, "shop", WorkloadKind.Deployment, "orders", 1) } }),
            With(rig.Database, target => target with { SwitchTraffic = ["true"] }), With(rig.Database, target => target with { Checks = [new OperatorCheck("lives", Http: "http://127.0.0.1")] }),
            With(rig.Cache, target => target with { Proof = target.Proof! with { Root = "/" } }), With(rig.Cache, target => target with { Host = "127.0.0.1" }),
            With(rig.Cache, _ => living.Several!.Parts.Single(part => part.Source == rig.Cache).Target), With(rig.Uploads, target => target with { DataDirectory = rig.Volume }),
            With(rig.Uploads, _ => living.Several!.Parts.Single(part => part.Source == rig.Uploads).Target),
            drill with { Several = drill.Several! with { Parts = [.. drill.Several.Parts, drill.Several.Parts[0]] } },
            .. drill.Steps.Where(step => step.NotExercised is not null).Select(step => Step(step with { NotExercised = null })),
            .. drill.Steps.Where(step => step.NotExercised is null).SelectMany(step => new[] { Step(step with { Part = null }), Step(step with { Part = "another" }) }),
            // An action on the place of another kind.
            Step(drill.Steps.Single(step => step.Action == VerifyDataIntegrity.ActionName) with { Part = rig.Uploads }),
        ];

        Assert.All(leaks, leak => Assert.Equal("drill-not-apart", Assert.Throws<EngineException>(() => drills.Require(leak)).Code));
        var idle = drill with { Steps = [.. drill.Steps.Where(step => step is not { Action: RestoreInPlace.ActionName } || step.Part != rig.Uploads)] };
        Assert.Contains(rig.Uploads, Assert.Throws<EngineException>(() => drills.Require(idle)).Message, StringComparison.Ordinal);
        Assert.Equal("drill-as-recovery", (await Assert.ThrowsAsync<EngineException>(() => rig.Engine.Recoveries.RequestAsync(drill, drill.Hash, "olga", Ct))).Code);

        RecoveryPlan With(string source, Func<RecoveryTarget, RecoveryTarget> change) =>
            drill with { Several = drill.Several! with { Parts = [.. drill.Several.Parts.Select(part => part.Source == source ? part with { Target = change(part.Target) } : part)] } };

        RecoveryPlan Step(PlannedStep forged) => drill with { Steps = [.. drill.Steps.Select(step => step.Position == forged.Position ? forged : step)] };
    }

    /// <summary>A newer set of which a part is missing: a recovery of the whole goes to the one before it.</summary>
    private async Task AddIncompleteSetAsync(WorkspaceRig rig) => await catalog.Pool.Command(
        """
        WITH r AS (INSERT INTO run (kind, source, request, request_hash, state, requested_by, ended_at) VALUES ('recovery-set', $1, '{}', 'none', 'completed', 'tester', clock_timestamp()) RETURNING id)
        INSERT INTO recovery_set (run_id, workspace, is_complete) SELECT id, $1, false FROM r
        """, rig.Workspace).RunAsync(Ct);

    private static async Task<DrillDue> DueAsync(WorkspaceRig rig) =>
        (await rig.Engine.Get<DrillRequests>().DueAsync(Ct)).Single(due => due.Version.Plan == Plan && due.Subject == SeveralPlans.SubjectOf(rig.Workspace));

    private static async Task<ReadinessRow> StandAsync(WorkspaceRig rig)
    {
        await rig.Engine.Get<PlanReadiness>().EvaluateAsync(new HashSet<string> { rig.Uploads }, Ct);
        return (await rig.Engine.Get<ReadinessCatalog>().ListAsync(Ct)).Single(row => row.Plan == Plan && row.Source == SeveralPlans.SubjectOf(rig.Workspace));
    }
}
