using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Recovery;
using Hexabase.DrConsole.Engine.Recovery.Actions;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Recovery.Readiness;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Tests.Executable;
using Hexabase.DrConsole.Engine.Tests.Support;
using static Hexabase.DrConsole.Engine.Tests.Backups.Volumes.VolumeRig;

namespace Hexabase.DrConsole.Engine.Tests.Recovery;

/// <summary>A damaged volume is recovered by its plan, or is as it was before.</summary>
public sealed class VolumePlanTests(CatalogServer catalog)
{
    private const string Plan = "volume-storage-failure";
    private const string Disaster = "STORAGE_FAILURE";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_damaged_volume_is_proposed_a_plan_and_recovered_by_it_after_the_approval_of_another_person()
    {
        await using var rig = await FilledAsync();
        await rig.PersonAsync("olga", "Operator");
        await rig.PersonAsync("paul", "Approver");
        var unproven = await rig.ReadinessOfAsync(Plan);
        Assert.Equal((ReadinessState.NotVerified, ReadinessCause.NoDrill), (unproven.State, Assert.Single(unproven.Reasons).Cause));

        var original = Show(VolumeOf(rig));
        var incident = await rig.ConfirmIncidentAsync(Disaster, TimeProvider.System.GetUtcNow());
        Damage(rig);
        await rig.Proposals.ProposeAsync(Ct);
        Assert.Null(Assert.Single(await rig.Proposals.ListAsync(incident, Ct), proposal => proposal.Plan == Plan).Refusal);

        var plan = await rig.Recoveries.PlanAsync(Plan, new PlanRequest(rig.Source.Name, Disaster, incident.Value, TimeProvider.System.GetUtcNow()), Ct);
        Assert.Equal(plan.Hash, RecoveryPlan.Parse(plan.ToJson()).Hash);
        Assert.Contains("~ documents/letter", plan.Steps[0].Does);
        Assert.Contains("+ photos/a", plan.Steps[0].Does);
        var run = await rig.AskAsync(plan);
        await Assert.ThrowsAsync<EngineException>(() => rig.ApproveAsync(run.Id, "olga"));
        await rig.ApproveAsync(run.Id, "paul");
        var ended = await rig.AdvanceAsync(run.Id);

        Assert.True(ended.State == RunState.Completed, $"{ended.ErrorJson}\n{await rig.LogAsync(run.Id)}");
        // What the restore point has not is left alone.
        Assert.Equal([.. original.Append("since=new").Order(StringComparer.Ordinal)], Show(VolumeOf(rig)));
        var steps = await rig.Catalog.StepsAsync(run.Id, Ct);
        Assert.Contains("compared by content", steps[0].Verification, StringComparison.Ordinal);
        var loss = MeasuredLoss.Of(plan, steps)!;
        Assert.Equal((plan.Basis.CreatedAt, LossEnd.RestoreBegan, steps[0].StartedAt), (loss.Restored, loss.End, loss.Until));
        // One that was interrupted goes on replacing what was written meanwhile.
        var later = steps[0].StartedAt!.Value.AddHours(3);
        Assert.Equal(later, MeasuredLoss.Of(plan, [steps[0] with { AttemptedAt = later }])!.Until);
        Assert.Equal(IncidentState.Resolved, (await rig.Incidents.FindAsync(incident, Ct))!.State);
        var proven = await rig.ReadinessOfAsync(Plan);
        Assert.True(proven.State == ReadinessState.Verified, string.Join("; ", proven.Reasons));
        Assert.True((await rig.Recoveries.PlanAsync(Plan, new PlanRequest(rig.Source.Name, Disaster), Ct)).Steps[0].MeasuredFrom > 0);
    }

    [Fact]
    public async Task A_drill_restores_the_volume_into_scratch_and_proves_the_plan_while_the_living_one_stays_as_it_is()
    {
        await using var rig = await FilledAsync();
        await rig.PersonAsync("olga", "Operator");
        await rig.PersonAsync("paul", "Approver");
        Damage(rig);
        var damaged = Digest(VolumeOf(rig));

        using var turn = await DrillTurn.TakeAsync(Ct);
        var ended = await rig.AdvanceAsync((await rig.Drills.RequestAsync(Plan, rig.Source.Name, "olga", Ct)).Id);

        Assert.True(ended.State == RunState.Completed, $"{ended.ErrorJson}\n{await rig.LogAsync(ended.Id)}");
        var drill = (await rig.DrillCatalog.FindAsync(ended.Id, Ct))!;
        Assert.True(drill is { Passed: true, HasRestored: true, Cleanup.IsProven: true, Seconds: > 0 });
        var step = Assert.Single(await rig.Catalog.StepsAsync(ended.Id, Ct));
        Assert.Contains("are equal in content", step.Verification, StringComparison.Ordinal);
        Assert.Contains("restore ", step.EffectText, StringComparison.Ordinal);
        Assert.Equal(damaged, Digest(VolumeOf(rig)));
        Assert.Empty(Directory.EnumerateFileSystemEntries(rig.Scratch.ScratchRoot));
        var proven = await rig.ReadinessOfAsync(Plan);
        Assert.True(proven.State == ReadinessState.Verified, string.Join("; ", proven.Reasons));
        Assert.True((await rig.Recoveries.PlanAsync(Plan, new PlanRequest(rig.Source.Name, Disaster), Ct)).Steps[0].MeasuredFrom > 0);

        // One that came to its end without restoring anything, as older builds allowed, is none.
        await rig.ForgetRestoreAsync(ended.Id);
        Assert.False((await rig.DrillCatalog.FindAsync(ended.Id, Ct))!.Passed);
        Assert.Equal(ReadinessCause.NoDrill, Assert.Single((await rig.ReadinessOfAsync(Plan)).Reasons).Cause);
    }

    [Fact]
    public async Task A_drill_whose_restore_fails_leaves_nothing_and_proves_nothing()
    {
        await using var rig = await FilledAsync();
        rig.Wrap = inner => inner.Name == RestoreInPlace.ActionName ? new FailingAction(inner, Fault.Act) : inner;

        using var turn = await DrillTurn.TakeAsync(Ct);
        var ended = await rig.AdvanceAsync((await rig.Drills.RequestAsync(Plan, rig.Source.Name, "olga", Ct)).Id);

        Assert.Equal(RunState.Failed, ended.State);
        Assert.True((await rig.DrillCatalog.FindAsync(ended.Id, Ct)) is { Passed: false, Cleanup.IsProven: true });
        Assert.Empty(Directory.EnumerateFileSystemEntries(rig.Scratch.ScratchRoot));
        Assert.Equal(ReadinessCause.DrillFailed, (await rig.ReadinessOfAsync(Plan)).Reasons[^1].Cause);
    }

    [Theory]
    [InlineData(Fault.Act, RecoveryOutcome.RolledBack)]
    [InlineData(Fault.Verify, RecoveryOutcome.VerificationFailed)]
    public async Task A_recovery_that_fails_leaves_the_volume_as_it_was(Fault fault, RecoveryOutcome expected)
    {
        await using var rig = await FilledAsync();
        Damage(rig);
        var damaged = Digest(VolumeOf(rig));
        var restored = "";
        rig.Wrap = inner => inner.Name == RestoreInPlace.ActionName ? new FailingAction(new HookedAction(inner) { OnEffect = () => restored = Digest(VolumeOf(rig)) }, fault) : inner;

        var ended = await rig.RecoverAsync(await rig.Recoveries.PlanAsync(Plan, new PlanRequest(rig.Source.Name, Disaster), Ct));

        Assert.Equal(RunState.Failed, ended.State);
        Assert.True(expected == (await rig.Catalog.FindAsync(ended.Id, Ct))!.Outcome, await rig.LogAsync(ended.Id));
        Assert.NotEqual(damaged, restored);
        Assert.Equal(damaged, Digest(VolumeOf(rig)));
        Assert.DoesNotContain(Directory.EnumerateDirectories(VolumeOf(rig)), folder => folder.Contains(".drconsole-before-", StringComparison.Ordinal));
        Assert.Equal(ReadinessCause.DrillFailed, (await rig.ReadinessOfAsync(Plan)).Reasons[^1].Cause);
    }

    [Fact]
    public async Task A_recovery_whose_process_died_after_its_restore_is_found_done_and_not_done_again()
    {
        await using var rig = await FilledAsync();
        var original = Show(VolumeOf(rig));
        Damage(rig);
        RunId run = default;
        var acts = 0;
        rig.Wrap = inner => inner.Name == RestoreInPlace.ActionName ? new HookedAction(inner, afterAct: () => acts++ == 0 ? rig.DieAsync(run) : Task.CompletedTask) : inner;
        run = (await rig.AskAsync(await rig.Recoveries.PlanAsync(Plan, new PlanRequest(rig.Source.Name, Disaster), Ct))).Id;
        await rig.ApproveAsync(run, "paul");
        Assert.Equal(RunState.Running, (await rig.AdvanceAsync(run)).State);
        await rig.ExpireLeaseAsync(run);

        var ended = await rig.AdvanceAsync(run);

        Assert.True(ended.State == RunState.Completed, $"{ended.ErrorJson}\n{await rig.LogAsync(run)}");
        Assert.Equal(1, acts);
        Assert.Equal([.. original.Append("since=new").Order(StringComparer.Ordinal)], Show(VolumeOf(rig)));
    }

    [Fact]
    public async Task A_volume_that_is_written_to_after_its_plan_was_made_is_recovered_and_the_log_says_what_was_replaced()
    {
        await using var rig = await FilledAsync();
        var original = Show(VolumeOf(rig));
        Damage(rig);
        var plan = await rig.Recoveries.PlanAsync(Plan, new PlanRequest(rig.Source.Name, Disaster), Ct);
        Assert.Contains(plan.Steps[0].Does, line => line.Contains("whatever it is by then", StringComparison.Ordinal));
        Assert.DoesNotContain("~ photos/b", plan.Steps[0].Does);
        var run = await rig.AskAsync(plan);
        Write(rig, "photos/b", "painted over");
        await rig.ApproveAsync(run.Id, "paul");

        var ended = await rig.AdvanceAsync(run.Id);

        var log = await rig.LogAsync(run.Id);
        Assert.True(ended.State == RunState.Completed, $"{ended.ErrorJson}\n{log}");
        Assert.Equal([.. original.Append("since=new").Order(StringComparer.Ordinal)], Show(VolumeOf(rig)));
        Assert.Contains("has changed since the plan was made", log, StringComparison.Ordinal);
        Assert.Contains("~ photos/b", log, StringComparison.Ordinal);
        var kept = Assert.Single(Directory.GetDirectories(VolumeOf(rig), ".drconsole-before-*"));
        Assert.Equal("painted over", await File.ReadAllTextAsync(Path.Combine(kept, "old", "photos/b"), Ct));
    }

    [Fact]
    public async Task A_backup_after_the_first_evidence_may_hold_the_damage_and_is_passed_over()
    {
        await using var rig = await FilledAsync();
        var evidence = TimeProvider.System.GetUtcNow();
        Damage(rig);
        await rig.BackUpAsync();

        var plan = await rig.Recoveries.PlanAsync(Plan, new PlanRequest(rig.Source.Name, Disaster, FirstEvidence: evidence), Ct);

        Assert.True(plan.Basis.CreatedAt < evidence);
        Assert.Contains(plan.Notes, note => note.Contains("after the first evidence", StringComparison.Ordinal));
        var refused = await Assert.ThrowsAsync<EngineException>(
            () => rig.Recoveries.PlanAsync(Plan, new PlanRequest(rig.Source.Name, Disaster, FirstEvidence: evidence - TimeSpan.FromDays(1)), Ct));
        Assert.Equal("no-valid-backup", refused.Code);
    }

    [Fact]
    public async Task A_proposal_is_made_again_where_the_first_evidence_has_moved_to_before_its_restore_point()
    {
        await using var rig = await FilledAsync();
        await rig.Library.SaveBuiltInAsync(Ct);
        var incident = await rig.ConfirmIncidentAsync(Disaster, TimeProvider.System.GetUtcNow());
        await rig.Proposals.ProposeAsync(Ct);
        var first = await ProposalAsync();
        Assert.Null(first.Refusal);
        await rig.Proposals.ProposeAsync(Ct);
        Assert.Equal(first.ProposedAt, (await ProposalAsync()).ProposedAt);

        // What joins an incident may have shown its first sign before: the monitor moves the evidence, and tells of it.
        await catalog.Pool.Command("UPDATE incident SET first_evidence_at = first_evidence_at - interval '1 day' WHERE id = $1", incident.Value).RunAsync(Ct);
        await catalog.Pool.Command("INSERT INTO incident_event (incident, at, what, actor) VALUES ($1, clock_timestamp(), 'changed', 'engine')", incident.Value).RunAsync(Ct);
        await rig.Proposals.ProposeAsync(Ct);

        var again = await ProposalAsync();
        Assert.Contains("after the first evidence of the damage", again.Refusal, StringComparison.Ordinal);
        Assert.Null(again.RestorePoint);
        await rig.Proposals.ProposeAsync(Ct);
        Assert.Equal(again.ProposedAt, (await ProposalAsync()).ProposedAt);

        async Task<RecoveryProposal> ProposalAsync() => Assert.Single(await rig.Proposals.ListAsync(incident, Ct), proposal => proposal.Plan == Plan);
    }

    [Fact]
    public async Task A_step_whose_time_ends_over_a_check_says_which_it_was()
    {
        await using var rig = await FilledAsync(new OperatorCheck("shop", null, null, ["/bin/sleep", "25"], null));
        Damage(rig);
        var plan = await rig.Recoveries.PlanAsync(Plan, new PlanRequest(rig.Source.Name, Disaster), Ct);

        var ended = await rig.RecoverAsync(plan with { Steps = [.. plan.Steps.Select(step => step with { TimeoutSeconds = 6, Retries = 0 })] });

        var step = Assert.Single(await rig.Catalog.StepsAsync(ended.Id, Ct));
        Assert.Contains("it took longer than its 6 s, in which it waited for an answer that did not come: check 'shop' has not answered", step.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_restore_point_that_the_driver_cannot_put_back_is_passed_over_for_an_older_one()
    {
        await using var rig = await FilledAsync();
        await rig.BackUpAsync();
        var points = await rig.Points.ListAsync(rig.Source.Name, 10, Ct);
        rig.Refuses = manifest => manifest.Id.Value == points[0].Id;

        var plan = await rig.Recoveries.PlanAsync(Plan, new PlanRequest(rig.Source.Name, Disaster), Ct);

        Assert.Equal(points[1].Id, plan.Basis.RestorePoint);
        Assert.Contains(plan.Notes, note => note.Contains("the test finds it unfit", StringComparison.Ordinal));
        rig.Refuses = _ => true;
        var fault = await Assert.ThrowsAsync<EngineException>(() => rig.Recoveries.PlanAsync(Plan, new PlanRequest(rig.Source.Name, Disaster), Ct));
        Assert.Equal("no-valid-backup", fault.Code);
        Assert.Equal(2, fault.Message.Split("the test finds it unfit").Length - 1);
    }

    [Fact]
    public async Task What_keeps_a_volume_from_being_recovered_in_place_is_said_when_the_plan_is_made()
    {
        await using (var unmounted = await FilledAsync())
        {
            Directory.Delete(VolumeOf(unmounted), recursive: true);
            Assert.Equal("volume-missing", await RefusalAsync(unmounted, Plan));
        }

        await using var elsewhere = new InPlaceRig(
            catalog, (name, folder) => new Source(name, SourceKind.Volume, "standard", "shop") { Volume = new VolumeSettings(folder.Combine("volume")) { Node = "node-7" } });
        await elsewhere.Library.SaveBuiltInAsync(Ct);
        Assert.Equal("recovery-not-configured", await RefusalAsync(elsewhere, Plan));
        await using var rig = await FilledAsync();
        foreach (var (name, code, step) in new[]
        {
            ("one-with-a-mistake", "plan-invalid", """{ "name": "r", "title": "R", "action": "restore_in_place", "estimateSeconds": 1, "timeoutSeconds": 60, "parameters": { "verfy": "true" } }"""),
            ("one-without-a-restore", "no-traffic-switch", """{ "name": "t", "title": "T", "action": "switch_traffic", "estimateSeconds": 1, "timeoutSeconds": 60 }"""),
        })
        {
            await rig.Library.SaveAsync($$"""
                { "name": "{{name}}-{{rig.Source.Name}}", "title": "A plan of the test", "disasters": ["UNKNOWN"], "kind": "volume", "gate": { "risk": "destructive" }, "onFailure": "roll-back-all", "steps": [ {{step}} ] }
                """, "adam", "for the test", 0, Ct);
            Assert.Equal(code, await RefusalAsync(rig, $"{name}-{rig.Source.Name}"));
        }
    }

    [Fact]
    public async Task Nothing_is_restored_below_a_mount_point_whose_disk_went_after_the_approval()
    {
        Assert.SkipUnless(Environment.UserName == "root", "mounting needs root");
        await using var rig = await FilledAsync();
        await rig.PersonAsync("paul", "Approver");
        await Shell.RunAsync("mount", "--bind", VolumeOf(rig), VolumeOf(rig));
        RunId run;
        try
        {
            await rig.BackUpAsync();
            File.Delete(Path.Combine(VolumeOf(rig), "photos/a"));
            run = (await rig.AskAsync(await rig.Recoveries.PlanAsync(Plan, new PlanRequest(rig.Source.Name, Disaster), Ct))).Id;
            await rig.ApproveAsync(run, "paul");
        }
        finally
        {
            await Shell.RunAsync("umount", VolumeOf(rig));
        }

        var ended = await rig.AdvanceAsync(run);

        Assert.Contains("volume-unmounted", ended.ErrorJson, StringComparison.Ordinal);
        Assert.Equal(RecoveryOutcome.Error, (await rig.Catalog.FindAsync(run, Ct))!.Outcome);
        Assert.False(File.Exists(Path.Combine(VolumeOf(rig), "photos/a")));
    }

    private static async Task<string> RefusalAsync(InPlaceRig rig, string plan) =>
        (await Assert.ThrowsAsync<EngineException>(() => rig.Recoveries.PlanAsync(plan, new PlanRequest(rig.Source.Name, Disaster), Ct))).Code;

    private async Task<InPlaceRig> FilledAsync(params OperatorCheck[] checks)
    {
        var rig = new InPlaceRig(catalog, (name, folder) => new Source(name, SourceKind.Volume, "standard", "shop")
        {
            Volume = new VolumeSettings(folder.Combine("volume")), Recovery = RecoverySettings.None with { Checks = checks },
        });
        Write(rig, "photos/a", "picture a");
        Write(rig, "photos/b", "picture b");
        Write(rig, "documents/letter", "dear reader");
        Write(rig, "documents/list", "one, two");
        await rig.BackUpAsync();
        return rig;
    }

    /// <summary>One file is lost, one cut, one rotten though its size and time are as before; and one was made since.</summary>
    private static void Damage(InPlaceRig rig)
    {
        File.Delete(Path.Combine(VolumeOf(rig), "photos/a"));
        Write(rig, "documents/letter", "dear");
        Write(rig, "documents/list", "?????two");
        Write(rig, "since", "new");
    }

    private static string VolumeOf(InPlaceRig rig) => rig.Source.Volume!.Path!;

    private static void Write(InPlaceRig rig, string name, string content)
    {
        var path = Path.Combine(VolumeOf(rig), name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, content);
        File.SetLastWriteTimeUtc(path, new DateTime(2026, 1, 2, 3, 4, 5, DateTimeKind.Utc));
    }

    /// <summary>SHA-256 over every item below a directory: name, mode, time and content.</summary>
    private static string Digest(string directory)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var path in Directory.EnumerateFileSystemEntries(directory, "*", SearchOption.AllDirectories)
            .Where(path => !path.Contains(".drconsole-before-", StringComparison.Ordinal)).Order(StringComparer.Ordinal))
        {
            hash.AppendData(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture,
                $"{Path.GetRelativePath(directory, path)} {File.GetUnixFileMode(path)} {File.GetLastWriteTimeUtc(path).Ticks}\n")));
            hash.AppendData(File.Exists(path) ? File.ReadAllBytes(path) : []);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
