using System.Text.Json;
using Hexabase.DrConsole.Engine.Audit;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Maintenance;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Strategies.Retention;
using Hexabase.DrConsole.Engine.Tests.Support;
using Microsoft.Extensions.Time.Testing;
using static Hexabase.DrConsole.Engine.Tests.Backups.BackupRig;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Maintenance;

public sealed class RetentionRunTests(CatalogServer catalog, PostgresLab lab)
{
    [Fact]
    public async Task Retention_gives_up_what_no_rung_wants_and_keeps_the_newest_and_what_is_held()
    {
        await using var rig = await RigWithinOneHourAsync();
        var (first, held, newest) = (await rig.BackupAsync(), await rig.BackupAsync(), await rig.BackupAsync());
        await new PointHolds(new HoldCatalog(catalog.Pool), rig.Points, rig.Tiers).PlaceAsync(held.RestorePoint!, "evidence", null, "anna", Ct);
        await EndValidationsAsync(rig);

        var run = await RetainAsync(rig, TimeSpan.FromHours(3));

        Assert.Equal((RunState.Completed, null), (run.State, run.ErrorJson));
        var done = Assert.Single(Result(run).Workspaces, one => one.Workspace == rig.Source.Workspace);
        Assert.Equal([first.RestorePoint!], done.Expired.Select(point => point.Id.Value));
        await using var hot = await rig.OpenAsync("hot");
        Assert.DoesNotContain((await hot.ListAsync(Ct)).Points, point => point.Id.Value == first.RestorePoint);
        Assert.Equal(3, (await rig.Points.ListAsync(rig.Source.Name, 10, Ct)).Count);

        // Only when the last tier has given it up it is no restore point any more.
        await RetainAsync(rig, TimeSpan.FromHours(3), "warm");
        Assert.Equal([newest.RestorePoint!, held.RestorePoint!], (await rig.Points.ListAsync(rig.Source.Name, 10, Ct)).Select(point => point.Id));
        Assert.Equal("restore-point-expired", (await Assert.ThrowsAsync<EngineException>(() => rig.Points.ResolveAsync(first.RestorePoint!, Ct))).Code);
        Assert.Contains(first.RestorePoint!, await AuditedAsync("hot"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Retention_in_one_tier_leaves_the_other_tiers_copies()
    {
        await using var rig = await RigWithinOneHourAsync();
        var (old, newest) = (await rig.BackupAsync(), await rig.BackupAsync());
        await EndValidationsAsync(rig);
        // Ten days later the newest is older than the hot tier's seven days; as the source's newest it stays all the same.
        var run = await RetainAsync(rig, TimeSpan.FromDays(10));

        Assert.Equal(RunState.Completed, run.State);
        Assert.Equal(["warm"], (await rig.TierStatesAsync(old.RestorePoint!)).Keys);
        Assert.Equal(["hot", "warm"], (await rig.TierStatesAsync(newest.RestorePoint!)).Keys.Order());
        await using var warm = await rig.OpenAsync("warm");
        Assert.Equal(2, (await warm.ListAsync(Ct)).Points.Count);
    }

    [Fact]
    public async Task Retention_keeps_a_sound_copy_while_the_other_tiers_is_damaged()
    {
        await using var rig = await RigWithinOneHourAsync();
        var (old, _) = (await rig.BackupAsync(), await rig.BackupAsync());
        await EndValidationsAsync(rig);
        // Of a day of its own, so that a rung wants it.
        await catalog.Pool.Command("UPDATE restore_point SET created_at = created_at - interval '1 day' WHERE id = $1", old.RestorePoint!).RunAsync(Ct);
        await using (var connection = await catalog.Pool.OpenConnectionAsync(Ct))
        await using (var transaction = await connection.BeginTransactionAsync(Ct))
        {
            await TierChecks.MarkDamagedAsync(transaction, "warm", [old.RestorePoint!], "a pack is gone");
            await transaction.CommitAsync(Ct);
        }

        await RetainAsync(rig, TimeSpan.FromDays(10));

        Assert.Equal(new Dictionary<string, string> { ["hot"] = "stored", ["warm"] = "damaged" }, await rig.TierStatesAsync(old.RestorePoint!));
    }

    [Fact]
    public async Task Retained_points_say_where_they_are_damaged_whether_they_failed_and_from_when_on_they_lead_anywhere()
    {
        await using var rig = await RigWithinOneHourAsync();
        var point = (await rig.BackupAsync()).RestorePoint!;
        await EndValidationsAsync(rig);
        await catalog.Pool.Command(
            """UPDATE restore_point SET properties = properties || '{"strategy": "physical", "consistentAt": "2026-11-24T03:12:44.0000000+00:00"}' WHERE id = $1""", point).RunAsync(Ct);
        Assert.False((await RetainedAsync()).HasFailed);
        await ValidatedAsync("not_run");
        Assert.False((await RetainedAsync()).HasFailed);
        await ValidatedAsync("failed");
        await catalog.Pool.Command("UPDATE restore_point_tier SET state = 'damaged' WHERE tier = 'warm' AND restore_point = $1", point).RunAsync(Ct);

        var retained = await RetainedAsync();

        Assert.Equal((true, false, "physical", new DateTimeOffset(2026, 11, 24, 3, 12, 44, TimeSpan.Zero)), (retained.HasFailed, retained.IsProven, retained.Strategy, retained.ConsistentAt));
        Assert.Equal((true, false, false), (retained.IsSoundIn("hot"), retained.IsSoundIn("warm"), retained.IsDamaged));

        // A passed one, and then a machine that cannot prove it: it is as proven as before.
        await catalog.Pool.Command("INSERT INTO validation (restore_point, tier, passed, steps, validated_at) VALUES ($1, 'hot', true, '[]', clock_timestamp())", point).RunAsync(Ct);
        await ValidatedAsync("not_run");
        var provenAgain = await RetainedAsync();
        Assert.Equal((false, true), (provenAgain.HasFailed, provenAgain.IsProven));

        async Task<RetainedPoint> RetainedAsync() => Assert.Single((await rig.Points.RetainedAsync([rig.Source.Name], Ct))[rig.Source.Name]);

        Task ValidatedAsync(string status) => catalog.Pool.Command(
            "INSERT INTO validation (restore_point, tier, passed, steps, validated_at) VALUES ($1, 'hot', false, jsonb_build_array(jsonb_build_object('status', $2::text)), clock_timestamp())", point, status).RunAsync(Ct);
    }

    [Fact]
    public async Task Points_that_are_about_to_go_are_kept_for_a_hold_in_time_and_refuse_a_late_one()
    {
        await using var rig = await RigWithinOneHourAsync();
        var (held, going, stays) = (await rig.BackupAsync(), await rig.BackupAsync(), await rig.BackupAsync());
        await EndValidationsAsync(rig);
        var ids = new[] { held, going, stays }.Select(run => new RestorePointId(run.RestorePoint!)).ToArray();
        var reasons = ids.ToDictionary(id => id.Value, _ => "no rung keeps it");
        var holds = new HoldCatalog(catalog.Pool);
        await holds.PlaceAsync(await rig.Points.ResolveAsync(ids[0].Value, Ct), "evidence", null, "anna", Ct);
        await catalog.Pool.Command("DELETE FROM restore_point_tier WHERE tier = 'warm' AND restore_point = $1", ids[1].Value).RunAsync(Ct);
        var (late, other) = (await rig.Points.ResolveAsync(ids[1].Value, Ct), await rig.Points.ResolveAsync(ids[2].Value, Ct));
        Task<HoldRow> tooLate, elsewhere;
        await using (var claim = await rig.Points.ClaimAsync("hot", rig.Source.Workspace, reasons, ids, Ct))
        {
            Assert.Equal("it is on hold", Assert.Single(claim.Kept, kept => kept.Key == ids[0]).Value);
            Assert.Single(claim.Kept);
            (tooLate, elsewhere) = (holds.PlaceAsync(late, "late", null, "anna", Ct), holds.PlaceAsync(other, "late", null, "anna", Ct));
            await Task.Delay(TimeSpan.FromMilliseconds(300), Ct);
            Assert.False(tooLate.IsCompleted || elsewhere.IsCompleted, "a hold does not come between the last look and the delete");
            await claim.RequireAsync();
            await claim.EndAsync([ids[1], ids[2]], isFaulted: false);
        }

        // The one was in no other tier and is gone; the other is held where it still is.
        Assert.Equal("restore-point-expired", (await Assert.ThrowsAsync<EngineException>(() => tooLate)).Code);
        Assert.Equal(ids[2].Value, (await elsewhere).RestorePoint);
        Assert.Equal(["warm"], (await rig.TierStatesAsync(ids[2].Value)).Keys);
        Assert.Equal("no rung keeps it", Assert.Single(await rig.Points.ExpiriesAsync(ids[1].Value, Ct)).Reason);
    }

    [Fact]
    public async Task Retention_killed_after_it_deleted_only_writes_down_what_it_had_done()
    {
        await using var rig = await RigWithinOneHourAsync();
        var (first, second) = (await rig.BackupAsync(), await rig.BackupAsync());
        await EndValidationsAsync(rig);
        rig.Time = At(TimeSpan.FromHours(3));
        var asked = await new TierRequests(rig.Requests, rig.Estate).RetentionAsync("hot", 1, "tester", Ct);
        await rig.DieInAsync(asked.Id, $"retention of {rig.Source.Workspace}", async () =>
        {
            await using var hot = await rig.OpenAsync("hot");
            await hot.PruneAsync(new() { Expire = [new(new(first.RestorePoint!), "test")], MaxDeletedShare = 1 }, null, Ct);
        });

        var run = await rig.AdvanceAsync(asked.Id);
        Assert.Equal((RunState.Completed, 2), (run.State, run.Attempt));
        Assert.Equal(new Dictionary<string, string> { ["warm"] = "stored" }, await rig.TierStatesAsync(first.RestorePoint!));
        Assert.Equal(2, (await rig.TierStatesAsync(second.RestorePoint!)).Count);
    }

    [Fact]
    public async Task Retention_of_a_point_in_use_or_of_a_source_that_may_be_corrupt_waits_for_the_end_of_that()
    {
        await using var rig = await RigWithinOneHourAsync();
        var (first, _) = (await rig.BackupAsync(), await rig.BackupAsync());
        await EndValidationsAsync(rig);
        var plan = await rig.Requests.PlanRestoreAsync(first.RestorePoint!, $"dir:{rig.Store("restored")}", "/", Ct);
        var restore = await rig.Requests.RestoreAsync(plan, plan.Hash, new RestoreAsker("tester", true), Ct);

        await RetainAsync(rig, TimeSpan.FromHours(3));
        Assert.Contains("hot", (await rig.TierStatesAsync(first.RestorePoint!)).Keys);

        await rig.Runs.CancelAsync(restore.Id, "tester", Ct);
        var corruption = (IncidentId)(await catalog.Pool.Command(
            "INSERT INTO incident (kind, sources, first_evidence_at, suspected_at, evidence) VALUES ('DATABASE_CORRUPTION', $1, now(), now(), '{}') RETURNING id", (object)new[] { rig.Source.Name })
            .FirstAsync(row => (object)new IncidentId(row.GetInt64(0)), Ct))!;
        await RetainAsync(rig, TimeSpan.FromHours(3));
        Assert.Contains("hot", (await rig.TierStatesAsync(first.RestorePoint!)).Keys);
        var frozen = await rig.Planning.OfSourceAsync(rig.Source.Name, Ct);
        Assert.All(frozen, decision => Assert.Contains(decision.Reasons, reason => reason.Cause == KeepCause.Frozen));
        await AssertCommandLineObeysAsync(rig, first.RestorePoint!);

        await new IncidentStore(catalog.Pool).CloseAsync(corruption, "dealt with", "tester", Ct);
        await rig.Freezes.TellTiersAsync(Ct);
        await using (var warm = await rig.OpenAsync("warm"))
        {
            Assert.Empty((await warm.PlanPruneAsync(new() { Expire = [new(new(first.RestorePoint!), "test")], MaxDeletedShare = 1 }, null, Ct)).Protected);
        }

        await RetainAsync(rig, TimeSpan.FromHours(3));
        Assert.DoesNotContain("hot", (await rig.TierStatesAsync(first.RestorePoint!)).Keys);
    }

    [Fact]
    public async Task Retention_that_would_take_too_much_asks_for_a_persons_word()
    {
        await using var rig = await RigWithinOneHourAsync();
        for (var i = 0; i < 3; i++)
        {
            await rig.BackupAsync();
        }

        await EndValidationsAsync(rig);
        rig.Time = At(TimeSpan.FromHours(3));
        var careful = await rig.AdvanceAsync((await new TierRequests(rig.Requests, rig.Estate).RetentionAsync("hot", null, "schedule", Ct)).Id);
        Assert.Equal(RunState.Failed, careful.State);
        Assert.Contains("prune-needs-approval", careful.ErrorJson, StringComparison.Ordinal);
        await using var hot = await rig.OpenAsync("hot");
        Assert.Equal(3, (await hot.ListAsync(Ct)).Points.Count);
    }

    [Fact]
    public async Task Retention_of_the_other_workspaces_goes_on_where_one_fails_which_is_named()
    {
        await using var rig = await CreateAsync(catalog, lab, (estate, _) => estate with
        {
            Sources = [.. ((string[])["a", "b"]).Select(letter => estate.Sources[0] with { Name = $"{letter}-{estate.Sources[0].Name}", Workspace = $"{letter}-{estate.Sources[0].Workspace}" })],
        });
        rig.BackupTime = new TimeSinceTheHour();
        var (broken, sound) = (rig.Estate.Sources[0], rig.Estate.Sources[1]);
        await rig.BackupAsync();
        var old = await rig.AdvanceAsync((await rig.Requests.BackupAsync(sound.Name, "tester", Ct)).Id);
        await rig.AdvanceAsync((await rig.Requests.BackupAsync(sound.Name, "tester", Ct)).Id);
        foreach (var open in await rig.Runs.ListAsync(sound.Name, RunKinds.Validation, RunState.Queued, 50, Ct))
        {
            await rig.Runs.CancelAsync(open.Id, "tester", Ct);
        }

        foreach (var slot in Directory.GetFiles(Path.Combine(rig.Store("hot"), broken.Workspace, "keys")))
        {
            await File.WriteAllBytesAsync(slot, [1, 2, 3], Ct);
        }

        var run = await RetainAsync(rig, TimeSpan.FromHours(3));

        Assert.Equal(RunState.Failed, run.State);
        Assert.Contains($"{broken.Workspace}: no key slot", run.ErrorJson, StringComparison.Ordinal);
        Assert.DoesNotContain(sound.Workspace, run.ErrorJson, StringComparison.Ordinal);
        Assert.Equal(["warm"], (await rig.TierStatesAsync(old.RestorePoint!)).Keys);
    }

    /// <summary>A prune that knows no catalog keeps the points of a frozen source in every tier, also in those that no retention run told.</summary>
    private static async Task AssertCommandLineObeysAsync(BackupRig rig, string point)
    {
        await rig.Freezes.TellTiersAsync(Ct);
        foreach (var tier in rig.Estate.Tiers)
        {
            await using var repository = await rig.OpenAsync(tier.Name);
            var report = await repository.PruneAsync(new() { Expire = [new(new(point), "test")], MaxDeletedShare = 1 }, null, Ct);
            Assert.Empty(report.Expired);
            Assert.Contains("frozen", Assert.Single(report.Protected).Reason, StringComparison.Ordinal);
            Assert.Equal(0, await rig.Freezes.TellAsync(repository, rig.Source.Workspace, Ct));
        }
    }

    /// <summary>A rig whose backups all bear times of one hour, so that the ladder's hours keep one of them, whenever the test runs.</summary>
    private async Task<BackupRig> RigWithinOneHourAsync()
    {
        var rig = await CreateAsync(catalog, lab);
        rig.BackupTime = new TimeSinceTheHour();
        return rig;
    }

    private static async Task<Run> RetainAsync(BackupRig rig, TimeSpan later, string tier = "hot")
    {
        rig.Time = At(later);
        return await rig.AdvanceAsync((await new TierRequests(rig.Requests, rig.Estate).RetentionAsync(tier, 1, "tester", Ct)).Id);
    }

    private static FakeTimeProvider At(TimeSpan later) => new(TimeProvider.System.GetUtcNow() + later);

    /// <summary>Nothing executes the validations that the backups ask for; an open run would keep its point.</summary>
    private static async Task EndValidationsAsync(BackupRig rig)
    {
        foreach (var run in await rig.Runs.ListAsync(rig.Source.Name, RunKinds.Validation, RunState.Queued, 50, Ct))
        {
            await rig.Runs.CancelAsync(run.Id, "tester", Ct);
        }
    }

    private async Task<string> AuditedAsync(string tier)
    {
        var details = "";
        await foreach (var one in AuditLog.ReadAsync(catalog.Pool, 0, int.MaxValue, Ct))
        {
            details += one is { Action: "points.expired" } && one.Subject == tier ? one.Details : "";
        }

        return details;
    }

    private static RetentionRunResult Result(Run run) => JsonSerializer.Deserialize<RetentionRunResult>(run.ResultJson!, JsonSerializerOptions.Web)!;

    /// <summary>The system's clock, put back so that it stood at a full hour when this was made.</summary>
    private sealed class TimeSinceTheHour : TimeProvider
    {
        private readonly TimeSpan _behind = TimeSpan.FromTicks(System.GetUtcNow().Ticks % TimeSpan.TicksPerHour);

        public override DateTimeOffset GetUtcNow() => System.GetUtcNow() - _behind;
    }
}
