using Hexabase.DrConsole.Engine.Recovery.Actions;
using Hexabase.DrConsole.Engine.Recovery.Approvals;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Recovery.Readiness;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Tests.Support;

namespace Hexabase.DrConsole.Engine.Tests.Recovery;

/// <summary>A workspace goes back to one recovery set in one recovery, or stays as it was, all parts of it.</summary>
[Collection("Redis servers")]
public sealed class WorkspaceRecoveryTests(CatalogServer catalog)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task All_parts_go_back_to_the_set_under_one_approval_and_each_is_compared_by_its_content()
    {
        await using var rig = await WorkspaceRig.StartAsync(catalog);
        var wanted = await rig.DigestAsync();
        var set = await rig.TakeSetAsync();
        await rig.SpoilAsync();
        Assert.NotEqual(wanted, await rig.DigestAsync());
        var plan = (await rig.DraftAsync(set)).Require();
        Assert.Equal(
            ["hold", .. Each("stop", rig.Cache, rig.Database), .. Each("isolate", rig.Database), .. Each("restore", rig.Database), .. Each("restore-in-place", rig.Cache, rig.Uploads),
                .. Each("verify", rig.Database), .. Each("restart", rig.Cache, rig.Database), "release"], plan.Steps.Select(step => step.Name));
        Assert.Single(plan.Steps.Where(step => step.Action is RestoreFromBackup.ActionName or RestoreInPlace.ActionName).DistinctBy(step => step.Stage));
        Assert.Equal((set, 3, 0d), (plan.Several!.Set, plan.Several.Parts.Count, plan.Several.Parts.Min(part => part.BehindSeconds)));
        Assert.Equal(plan.Hash, RecoveryPlan.Parse(plan.ToJson()).Hash);

        var run = await rig.Engine.AskAsync(plan);
        var single = await rig.Engine.Recoveries.PlanAsync("redis-failure", new PlanRequest(rig.Cache, "UNKNOWN"), Ct);
        Assert.Equal("recovery-already-open", (await Assert.ThrowsAsync<EngineException>(() => rig.Engine.Recoveries.RequestAsync(single, single.Hash, "olga", Ct))).Code);
        // The application goes on writing until it is held.
        rig.Write("photos/b", "painted again");
        rig.Write("photos/late", "1");
        await rig.Engine.ApproveAsync(run.Id);
        var ended = await rig.Engine.AdvanceAsync(run.Id);

        Assert.True(ended.State == RunState.Completed, $"{ended.ErrorJson}\n{await rig.Engine.LogAsync(run.Id)}");
        Assert.Equal(wanted, await rig.DigestAsync());
        Assert.Equal(["held", "goes on"], rig.SaidByHooks());
        Assert.Single(await rig.Engine.Get<ApprovalCatalog>().OfRunAsync(run.Id, Ct));
        var steps = await rig.Engine.Catalog.StepsAsync(run.Id, Ct);
        Assert.All(steps, step => Assert.Equal(StepState.Done, step.State));
        Assert.Contains("as in the restore point, with 2000 rows", steps.Single(step => step.Action == VerifyDataIntegrity.ActionName).Verification, StringComparison.Ordinal);
        Assert.Contains("by their digests", steps.Single(step => step is { Action: RestoreInPlace.ActionName } && step.Part == rig.Cache).Verification, StringComparison.Ordinal);
        Assert.Contains("compared by content", steps.Single(step => step is { Action: RestoreInPlace.ActionName } && step.Part == rig.Uploads).Verification, StringComparison.Ordinal);
        Assert.Contains("check 'answers'", steps.Single(step => step is { Action: RestartServices.ActionName } && step.Part == rig.Cache).Verification, StringComparison.Ordinal);
        var losses = plan.Several.Parts.ToDictionary(part => part.Source, part => MeasuredLoss.OfPart(plan, part, steps)!);
        Assert.Equal((LossEnd.ServiceStopped, LossEnd.ServiceStopped, LossEnd.RestoreBegan), (losses[rig.Cache].End, losses[rig.Database].End, losses[rig.Uploads].End));
        Assert.Equal(losses.Values.Max(loss => loss.AtMost), MeasuredLoss.Of(plan, steps)!.AtMost);
        Assert.True((await rig.Engine.Get<StepDurations>().ReadAsync(rig.Cache, Ct)).ContainsKey(RestoreInPlace.ActionName));
        // Both services are what they were: they take writes, and keep them.
        await rig.RedisAsync("SET", "after", "it");
        Assert.Equal("1", (await rig.ExecuteAsync("WITH one AS (INSERT INTO parcel VALUES (9999, 'after') RETURNING 1) SELECT count(*)::text FROM one"))!.ToString());
    }

    [Fact]
    public async Task Part_that_fails_lets_all_parts_be_as_they_were()
    {
        await using var rig = await WorkspaceRig.StartAsync(catalog);
        var set = await rig.TakeSetAsync();
        await rig.SpoilAsync();
        var spoilt = await rig.DigestAsync();
        var restored = new List<string>();
        rig.Engine.AfterAct = context =>
        {
            restored.Add(context.Step.Name);
            // The restores of the database and the cache took effect, and so did its own.
            return context.Step.Name == $"restart-{rig.Database}" ? throw new EngineException("test-fault", ErrorKind.Unavailable, "the test made it fail") : Task.CompletedTask;
        };

        var ended = await rig.Engine.RecoverAsync((await rig.DraftAsync(set)).Require());

        var log = await rig.Engine.LogAsync(ended.Id);
        Assert.True(RecoveryOutcome.RolledBack == await rig.Engine.OutcomeAsync(ended.Id), log);
        Assert.All(new[] { $"restore-{rig.Database}", $"restore-in-place-{rig.Cache}", $"restore-in-place-{rig.Uploads}" }, step => Assert.Contains(step, restored));
        Assert.Equal(spoilt, await rig.DigestAsync());
        Assert.Equal(["held", "goes on"], rig.SaidByHooks());
        Assert.Empty(Directory.GetDirectories(rig.RedisFolder, "drconsole-aside-*"));
    }

    [Fact]
    public async Task Restore_that_fails_breaks_off_the_restores_beside_it_and_all_are_undone()
    {
        await using var rig = await WorkspaceRig.StartAsync(catalog);
        var set = await rig.TakeSetAsync();
        await rig.SpoilAsync();
        var spoilt = await rig.DigestAsync();
        rig.Engine.AfterAct = context => context.Step.Name == $"restore-in-place-{rig.Cache}"
            ? throw new EngineException("test-fault", ErrorKind.Unavailable, "the test made it fail")
            // Waits until it is broken off, however fast the other is.
            : context.Step.Name == $"restore-{rig.Database}" ? Task.Delay(Timeout.InfiniteTimeSpan, context.Cancellation) : Task.CompletedTask;

        var ended = await rig.Engine.RecoverAsync((await rig.DraftAsync(set)).Require());

        var log = await rig.Engine.LogAsync(ended.Id);
        Assert.True(RecoveryOutcome.RolledBack == await rig.Engine.OutcomeAsync(ended.Id), log);
        Assert.Contains("broken off, since a step beside it failed", log, StringComparison.Ordinal);
        Assert.Contains("the test made it fail", ended.ErrorJson, StringComparison.Ordinal);
        Assert.Equal(spoilt, await rig.DigestAsync());
    }

    [Fact]
    public async Task Process_that_died_between_the_parts_is_gone_on_with_and_no_part_is_restored_twice()
    {
        await using var rig = await WorkspaceRig.StartAsync(catalog);
        var wanted = await rig.DigestAsync();
        var set = await rig.TakeSetAsync();
        await rig.SpoilAsync();
        var run = await rig.Engine.AskAsync((await rig.DraftAsync(set)).Require());
        await rig.Engine.ApproveAsync(run.Id);
        var acts = new List<string>();
        rig.Engine.AfterAct = context =>
        {
            lock (acts)
            {
                acts.Add(context.Step.Name);
            }

            return context.Step.Name == $"restore-in-place-{rig.Cache}" ? rig.Engine.DieAsync(run.Id) : Task.CompletedTask;
        };
        Assert.Equal(RunState.Running, (await rig.Engine.AdvanceAsync(run.Id)).State);
        await rig.Engine.ExpireLeaseAsync(run.Id);

        var ended = await rig.Engine.AdvanceAsync(run.Id);

        Assert.True(ended.State == RunState.Completed, $"{ended.ErrorJson}\n{await rig.Engine.LogAsync(run.Id)}");
        Assert.Equal(wanted, await rig.DigestAsync());
        Assert.Single(acts, $"restore-in-place-{rig.Cache}");
        Assert.Single(acts, $"stop-{rig.Database}");
    }

    [Fact]
    public async Task Part_that_cannot_be_put_back_is_named_with_its_reason_and_may_be_left_out()
    {
        await using var rig = await WorkspaceRig.StartAsync(catalog, declaresDirectory: false);
        var set = await rig.TakeSetAsync();

        var draft = await rig.DraftAsync(set);

        var fault = Assert.Single(draft.Faults);
        Assert.Null(draft.Plan);
        Assert.Equal(rig.Cache, fault.Source);
        Assert.Contains("no configuration names the data directory of its server", fault.Reason, StringComparison.Ordinal);
        Assert.Contains("Redis:DataDirectory", fault.Hint, StringComparison.Ordinal);
        Assert.Equal("recovery-parts-unfit", Assert.Throws<EngineException>(draft.Require).Code);
        var plan = (await rig.DraftAsync(set, rig.Cache)).Require();
        Assert.DoesNotContain(plan.Steps, step => step.Part == rig.Cache);
        Assert.Equal(rig.Cache, Assert.Single(plan.Several!.LeftOut).Source);
        Assert.Contains(plan.Notes, note => note.StartsWith($"{rig.Cache} is left out and stays as it is", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Workspace_without_commands_for_its_application_is_recovered_by_the_steps_of_its_parts_alone()
    {
        await using var rig = await WorkspaceRig.StartAsync(catalog, holds: false);
        var wanted = await rig.DigestAsync();
        var set = await rig.TakeSetAsync();
        await rig.SpoilAsync();
        var plan = (await rig.DraftAsync(set)).Require();
        Assert.All(plan.Steps, step => Assert.NotNull(step.Part));
        Assert.Contains("no command holds the application", plan.Notes[0], StringComparison.Ordinal);

        var ended = await rig.Engine.RecoverAsync(plan);

        Assert.True(ended.State == RunState.Completed, $"{ended.ErrorJson}\n{await rig.Engine.LogAsync(ended.Id)}");
        Assert.Equal(wanted, await rig.DigestAsync());
    }

    [Fact]
    public async Task Database_of_a_server_that_is_a_part_itself_comes_back_with_it_and_nobody_is_asked()
    {
        await using var rig = await WorkspaceRig.StartAsync(catalog, hasDump: true);
        var wanted = await rig.DigestAsync();
        var set = await rig.TakeSetAsync();
        await rig.SpoilAsync();

        var plan = (await rig.DraftAsync(set)).Require();

        var left = Assert.Single(plan.Several!.LeftOut);
        Assert.Equal((rig.Dump, rig.Database), (left.Source, left.With));
        Assert.Contains(plan.Notes, note => note.StartsWith($"{rig.Dump} is left out: it comes back with {rig.Database}", StringComparison.Ordinal));
        Assert.Equal(plan.Hash, RecoveryPlan.Parse(plan.ToJson()).Hash);
        // Without the server it would not come back.
        var alone = await rig.DraftAsync(set, rig.Database);
        Assert.Equal(rig.Dump, Assert.Single(alone.Faults).Source);
        var ended = await rig.Engine.RecoverAsync(plan);
        Assert.True(ended.State == RunState.Completed, $"{ended.ErrorJson}\n{await rig.Engine.LogAsync(ended.Id)}");
        Assert.Equal(wanted, await rig.DigestAsync());
    }

    [Fact]
    public async Task Steps_side_by_side_on_one_part_are_saved_in_no_version_and_made_into_no_plan()
    {
        await using var rig = await WorkspaceRig.StartAsync(catalog);
        var set = await rig.TakeSetAsync();
        var library = rig.Engine.Get<PlanLibrary>();
        var version = (await library.NewestAsync("workspace-recovery", Ct))!;
        var template = library.Read(version);
        var wrong = template with { Steps = [.. template.Steps.Select(step => step.Name == "isolate" ? step with { Together = true } : step)] };

        var refused = await Assert.ThrowsAsync<EngineException>(() => library.SaveAsync(wrong.ToText(), "adam", "for the test", version.Version, Ct));
        Assert.Equal("plan-invalid", refused.Code);
        Assert.Contains("steps 'stop' and 'isolate' would be done side by side on one source", refused.Message, StringComparison.Ordinal);
        // An older build may have saved one.
        var fault = await Assert.ThrowsAsync<EngineException>(() => rig.Engine.Get<SeveralPlans>().MakeAsync(version, wrong, new SeveralRequest("UNKNOWN", []) { Set = set }, Ct));
        Assert.Equal("plan-invalid", fault.Code);
        Assert.Contains($"side by side on {rig.Database}", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Command_for_the_application_that_is_gone_is_seen_before_it_is_needed()
    {
        await using var rig = await WorkspaceRig.StartAsync(catalog);
        await rig.TakeSetAsync();
        File.Delete(rig.Shell);

        await rig.Engine.Get<PlanReadiness>().EvaluateAsync(new HashSet<string> { rig.Uploads }, Ct);

        var row = (await rig.Engine.Get<ReadinessCatalog>().ListAsync(Ct)).Single(row => row.Source == SeveralPlans.SubjectOf(rig.Workspace));
        Assert.Contains(row.Reasons, reason => reason.Cause == ReadinessCause.CommandMissing && reason.Text.Contains($"Workspaces:Quiesce: {rig.Shell}", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Way_back_that_is_incomplete_leaves_the_application_held_and_says_how_it_goes_on()
    {
        await using var rig = await WorkspaceRig.StartAsync(catalog);
        var set = await rig.TakeSetAsync();
        await rig.SpoilAsync();
        rig.Engine.AfterAct = context =>
        {
            if (context.Step.Name != $"restart-{rig.Database}")
            {
                return Task.CompletedTask;
            }

            // Somebody writes into what was restored: it is nobody's to take away.
            File.WriteAllText(Path.Combine(rig.Volume, "photos/a"), "written since");
            throw new EngineException("test-fault", ErrorKind.Unavailable, "the test made it fail");
        };

        var ended = await rig.Engine.RecoverAsync((await rig.DraftAsync(set)).Require());

        var log = await rig.Engine.LogAsync(ended.Id);
        Assert.True(RecoveryOutcome.RollbackFailed == await rig.Engine.OutcomeAsync(ended.Id), log);
        Assert.Equal(["held"], rig.SaidByHooks());
        Assert.Contains($"the application of workspace {rig.Workspace} still stands still", log, StringComparison.Ordinal);
        Assert.Contains("let it go on: /bin/sh -c echo goes on", log, StringComparison.Ordinal);
    }

    private static IEnumerable<string> Each(string step, params string[] sources) => sources.Select(source => $"{step}-{source}");
}
