using System.Text.Json;
using Hexabase.DrConsole.Engine.Backups.Maintenance;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using static Hexabase.DrConsole.Engine.Tests.Backups.BackupRig;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Maintenance;

public sealed class WorkspaceKeyTests(CatalogServer catalog, PostgresLab lab)
{
    [Fact]
    public async Task Rotation_gives_all_tiers_a_new_epoch_and_backups_before_and_after_read_on()
    {
        await using var rig = await CreateAsync(catalog, lab);
        await rig.BackupAsync();
        var run = await rig.AdvanceAsync((await WorkOn(rig, rig.Estate).RotateAsync(rig.Source.Workspace, "anna", Ct)).Id);

        Assert.Equal((RunState.Completed, null), (run.State, run.ErrorJson));
        var result = JsonSerializer.Deserialize<RotationRunResult>(run.ResultJson!, JsonSerializerOptions.Web)!;
        Assert.Equal((1u, 2), (result.Epoch, result.Tiers.Count));
        await rig.BackupAsync();
        foreach (var tier in (string[])["hot", "warm"])
        {
            await using var repository = await rig.OpenAsync(tier);
            Assert.Equal(1u, repository.Epoch);
            Assert.Equal(2, (await repository.ListAsync(Ct)).Points.Count);
            Assert.Empty((await repository.CheckAsync(CheckLevel.L3, CheckSlice.All, null, Ct)).Damaged);
        }
    }

    [Fact]
    public async Task Rotation_killed_after_it_rotated_does_not_rotate_twice()
    {
        await using var rig = await CreateAsync(catalog, lab);
        await rig.BackupAsync();
        var asked = await WorkOn(rig, rig.Estate).RotateAsync(rig.Source.Workspace, "anna", Ct);
        await rig.DieInAsync(asked.Id, "rotate", async () =>
        {
            await catalog.Pool.Command("UPDATE run_step SET intent = '{\"before\": 0}' WHERE run_id = $1", asked.Id.Value).RunAsync(Ct);
            await using var hot = await rig.OpenAsync("hot");
            await using var warm = await rig.OpenAsync("warm");
            using var key = new RepositoryKey("a passphrase of the test"u8);
            await BackupRepository.RotateKeysAsync([hot, warm], [key], Ct);
        });

        Assert.Equal(RunState.Completed, (await rig.AdvanceAsync(asked.Id)).State);
        await using var after = await rig.OpenAsync("hot");
        Assert.Equal(1u, after.Epoch);
    }

    [Fact]
    public async Task Rotation_killed_before_it_dropped_the_old_keys_is_completed_and_not_begun_again()
    {
        await using var rig = await CreateAsync(catalog, lab);
        await rig.BackupAsync();
        var asked = await WorkOn(rig, rig.Estate).RotateAsync(rig.Source.Workspace, "anna", Ct);
        await rig.DieInAsync(asked.Id, "rotate", async () =>
        {
            await catalog.Pool.Command("UPDATE run_step SET intent = '{\"before\": 0}' WHERE run_id = $1", asked.Id.Value).RunAsync(Ct);
            var old = Directory.GetFiles(KeysOf("warm")).ToDictionary(file => file, File.ReadAllBytes);
            await using (var hot = await rig.OpenAsync("hot"))
            await using (var warm = await rig.OpenAsync("warm"))
            {
                using var key = new RepositoryKey("a passphrase of the test"u8);
                await BackupRepository.RotateKeysAsync([hot, warm], [key], Ct);
            }

            // As it was before the last of its writes.
            foreach (var (file, content) in old)
            {
                await File.WriteAllBytesAsync(file, content, Ct);
            }
        });

        Assert.Equal(RunState.Completed, (await rig.AdvanceAsync(asked.Id)).State);
        foreach (var tier in (string[])["hot", "warm"])
        {
            await using var after = await rig.OpenAsync(tier);
            Assert.Equal(1u, after.Epoch);
            Assert.Equal(2, Directory.GetFiles(KeysOf(tier)).Length);
        }

        string KeysOf(string tier) => Path.Combine(rig.Store(tier), rig.Source.Workspace, "keys");
    }

    [Fact]
    public async Task Rotation_with_a_tier_away_is_caught_up_by_the_next_backup()
    {
        await using var rig = await CreateAsync(catalog, lab);
        await rig.BackupAsync();
        Directory.Move(rig.Store("warm"), rig.Store("warm") + "-away");
        rig.TakeDown("warm");
        Assert.Equal(RunState.Completed, (await rig.AdvanceAsync((await WorkOn(rig, rig.Estate).RotateAsync(rig.Source.Workspace, "anna", Ct)).Id)).State);
        rig.BringBack("warm");
        Directory.Move(rig.Store("warm") + "-away", rig.Store("warm"));

        await rig.BackupAsync();
        await using var warm = await rig.OpenAsync("warm");
        Assert.Equal(1u, warm.Epoch);
        Assert.Equal(2, (await warm.ListAsync(Ct)).Points.Count);
    }

    [Fact]
    public async Task RotateDue_asks_only_when_the_classes_interval_is_over()
    {
        await using var rig = await CreateAsync(catalog, lab);
        await rig.BackupAsync();
        Assert.DoesNotContain(await WorkOn(rig, rig.Estate).RotateDueAsync("schedule", Ct), run => run.Source == rig.Source.Workspace);
        var standing = (await WorkOn(rig, rig.Estate).StandingsAsync(Ct)).Single(one => one.Workspace == rig.Source.Workspace);
        Assert.Equal((0L, 90), (standing.Key!.Epoch, standing.RotationDays));
        Assert.Equal(standing.Key.RotatedAt.AddDays(90), standing.DueAt);

        rig.Time = new FakeTimeProvider(TimeProvider.System.GetUtcNow().AddDays(91));
        Assert.Contains(await WorkOn(rig, rig.Estate).RotateDueAsync("schedule", Ct), run => run.Source == rig.Source.Workspace);
    }

    [Fact]
    public async Task Shredding_is_refused_while_anything_needs_the_workspace_with_all_reasons_at_once()
    {
        await using var rig = await CreateAsync(catalog, lab);
        var backup = await rig.BackupAsync();
        await new PointHolds(new HoldCatalog(catalog.Pool), rig.Points, rig.Tiers).PlaceAsync(backup.RestorePoint!, "evidence", null, "anna", Ct);

        var fault = await Assert.ThrowsAsync<EngineException>(() => WorkOn(rig, rig.Estate).ShredAsync(rig.Source.Workspace, "another", "anna", Ct));

        Assert.Equal("shredding-refused", fault.Code);
        foreach (var reason in (string[])["was not typed", $"still protects {rig.Source.Name}", "hold on", "is open"])
        {
            Assert.Contains(reason, fault.Message, StringComparison.Ordinal);
        }

        await using var hot = await rig.OpenAsync("hot");
        Assert.Single((await hot.ListAsync(Ct)).Points);
    }

    [Fact]
    public async Task Shredding_leaves_nothing_that_opens_in_any_tier_and_nothing_of_the_content_in_the_catalog()
    {
        await using var rig = await CreateAsync(catalog, lab);
        var backup = await rig.BackupAsync();
        foreach (var open in await rig.Runs.ListAsync(rig.Source.Name, RunKinds.Validation, RunState.Queued, 10, Ct))
        {
            await rig.Runs.CancelAsync(open.Id, "anna", Ct);
        }

        var rescue = await RescueAsync(rig);
        var recovery = await RecoveryAsync(rig);
        var withdrawn = rig.Estate with { Sources = [] };
        var run = await rig.AdvanceAsync((await WorkOn(rig, withdrawn).ShredAsync(rig.Source.Workspace, rig.Source.Workspace, "anna", Ct)).Id);

        Assert.Equal((RunState.Completed, null), (run.State, run.ErrorJson));
        foreach (var tier in (string[])["hot", "warm"])
        {
            Assert.Equal("key-slots-damaged", (await Assert.ThrowsAsync<EngineException>(() => rig.OpenAsync(tier))).Code);
            Assert.DoesNotContain(Directory.GetFiles(rig.Store(tier), "*", SearchOption.AllDirectories), file => file.Contains("/keys/", StringComparison.Ordinal));
        }

        Assert.Empty(await rig.Points.ListAsync(rig.Source.Name, 10, Ct));
        Assert.Empty(await rig.Runs.EventsAsync(backup.Id, 0, 10, Ct));
        var kept = await catalog.Pool.Command("SELECT 1 FROM restore_point WHERE workspace = $1 AND (facts IS NOT NULL OR artifacts <> '[]')", rig.Source.Workspace)
            .FirstAsync(_ => "kept", Ct);
        Assert.Null(kept);
        var rows = await catalog.Pool.Command(
            "SELECT (SELECT count(*) FROM run_event WHERE run_id = $1 OR run_id = $2), (SELECT count(*) FROM run_step WHERE run_id = $1 AND (intent IS NOT NULL OR result IS NOT NULL)), (SELECT count(*) FROM run WHERE id = $1 AND result IS NOT NULL)",
            rescue, backup.Id.Value).FirstAsync(row => $"{row.GetInt64(0)} {row.GetInt64(1)} {row.GetInt64(2)}", Ct);
        Assert.Equal("0 0 0", rows);
        // What was done and decided stays, without a word of what was in it.
        var left = await catalog.Pool.Command(
            """
            SELECT (SELECT row_to_json(s)::text FROM recovery_step s WHERE run_id = $1) || (SELECT row_to_json(c)::text FROM recovery c WHERE run_id = $1) || (SELECT row_to_json(r)::text FROM run r WHERE id = $1)
              || (SELECT string_agg(reason, '') FROM point_in_time_drill WHERE run_id = $1) || (SELECT count(*) FROM object_restore WHERE operation LIKE 'R-' || $1 || ' of %')
            """, recovery).FirstAsync(row => row.GetString(0), Ct);
        Assert.DoesNotContain("4111", left, StringComparison.Ordinal);
        Assert.Contains("the customer waits", left, StringComparison.Ordinal);
        Assert.EndsWith("0", left, StringComparison.Ordinal);
        Assert.NotEmpty(await rig.Runs.EventsAsync(run.Id, 0, 10, Ct));
        Assert.All(await rig.Runs.StepsAsync(run.Id, Ct), step => Assert.NotNull(step.ResultJson));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Shredding_is_not_called_proven_while_a_tier_that_is_away_has_keys_and_no_point_that_the_catalog_counts(bool isBehind)
    {
        await using var rig = await CreateAsync(catalog, lab);
        var point = (await rig.BackupAsync()).RestorePoint!;
        foreach (var open in await rig.Runs.ListAsync(rig.Source.Name, RunKinds.Validation, RunState.Queued, 10, Ct))
        {
            await rig.Runs.CancelAsync(open.Id, "anna", Ct);
        }

        if (isBehind)
        {
            await catalog.Pool.Command("UPDATE restore_point_tier SET state = 'behind' WHERE tier = 'warm' AND restore_point = $1", point).RunAsync(Ct);
        }
        else
        {
            await catalog.Pool.Command("DELETE FROM restore_point_tier WHERE tier = 'warm' AND restore_point = $1", point).RunAsync(Ct);
            var workspaces = new WorkspaceCatalog(catalog.Pool);
            await workspaces.SeeAsync(rig.Source.Workspace, 0, TimeProvider.System.GetUtcNow(), ["hot", "warm"], Ct);
            // As a later look does, which does not see the tier.
            await workspaces.SeeAsync(rig.Source.Workspace, 0, TimeProvider.System.GetUtcNow(), ["hot"], Ct);
        }

        var work = WorkOn(rig, rig.Estate with { Sources = [] });
        Directory.Move(rig.Store("warm"), rig.Store("warm") + "-away");
        Directory.CreateDirectory(rig.Store("warm"));
        var refused = await rig.AdvanceAsync((await work.ShredAsync(rig.Source.Workspace, rig.Source.Workspace, "anna", Ct)).Id);
        Assert.Equal(RunState.Failed, refused.State);
        Assert.Contains("tier-empty", refused.ErrorJson, StringComparison.Ordinal);

        Directory.Delete(rig.Store("warm"));
        Directory.Move(rig.Store("warm") + "-away", rig.Store("warm"));
        Assert.Equal(RunState.Completed, (await rig.AdvanceAsync((await work.ShredAsync(rig.Source.Workspace, rig.Source.Workspace, "anna", Ct)).Id)).State);
        Assert.Empty(await new WorkspaceCatalog(catalog.Pool).HoldingAsync(rig.Source.Workspace, withBehind: true, Ct));
    }

    [Fact]
    public async Task Shredding_with_a_tier_away_fails_and_goes_on_when_it_is_asked_for_again()
    {
        await using var rig = await CreateAsync(catalog, lab);
        await rig.BackupAsync();
        foreach (var open in await rig.Runs.ListAsync(rig.Source.Name, RunKinds.Validation, RunState.Queued, 10, Ct))
        {
            await rig.Runs.CancelAsync(open.Id, "anna", Ct);
        }

        var work = WorkOn(rig, rig.Estate with { Sources = [] });
        // As where retention had given all up: with its keys the last of it goes.
        foreach (var room in Directory.GetDirectories(Path.Combine(rig.Store("hot"), rig.Source.Workspace)).Where(room => Path.GetFileName(room) != "keys"))
        {
            Directory.Delete(room, recursive: true);
        }

        Directory.Move(rig.Store("warm"), rig.Store("warm") + "-away");
        rig.TakeDown("warm");
        Assert.Equal(RunState.Failed, (await rig.AdvanceAsync((await work.ShredAsync(rig.Source.Workspace, rig.Source.Workspace, "anna", Ct)).Id)).State);
        rig.BringBack("warm");
        Directory.Move(rig.Store("warm") + "-away", rig.Store("warm"));
        Assert.Equal(RunState.Completed, (await rig.AdvanceAsync((await work.ShredAsync(rig.Source.Workspace, rig.Source.Workspace, "anna", Ct)).Id)).State);
        Assert.Equal("key-slots-damaged", (await Assert.ThrowsAsync<EngineException>(() => rig.OpenAsync("warm"))).Code);
    }

    /// <summary>A rescue of a table that ended, with rows of it in its log, its step and its result.</summary>
    private async Task<long> RescueAsync(BackupRig rig)
    {
        var id = long.Parse((await catalog.Pool.Command(
            """
            WITH rescue AS (
              INSERT INTO run (kind, source, request, request_hash, requested_by, state, result) VALUES ('table-rescue', $1, '{}', '', 'anna', 'completed', '{"examples": ["4111 1111"]}') RETURNING id),
            step AS (INSERT INTO run_step (run_id, name, position, state, result) SELECT id, 'compare', 1, 'done', '{"examples": ["4111 1111"]}' FROM rescue)
            INSERT INTO run_event (run_id, seq, level, phase, text) SELECT id, 1, 'information', 'compare', '4111 1111' FROM rescue RETURNING run_id::text
            """, rig.Source.Name).FirstAsync(row => row.GetString(0), Ct))!, System.Globalization.CultureInfo.InvariantCulture);
        return id;
    }

    /// <summary>A run of a recovery that ended, with what a tenant keeps in each place that may hold it.</summary>
    private async Task<long> RecoveryAsync(BackupRig rig)
    {
        var id = await catalog.Pool.Command(
            """
            INSERT INTO run (kind, source, request, request_hash, requested_by, state)
            VALUES ('recovery', $1, '{"plan": {"notes": ["+ 4111 1111.pdf"], "target": "dir:/srv"}}', '', 'anna', 'completed') RETURNING id
            """, rig.Source.Name).FirstAsync(row => (object)row.GetInt64(0), Ct);
        foreach (var row in (string[])
        [
            "INSERT INTO recovery (run_id, plan, plan_version, plan_hash, source, disaster, is_drill, outcome, waits_why) VALUES ($1, 'p', 1, '', $2, 'UNKNOWN', false, 'completed', '4111 1111')",
            """
            INSERT INTO recovery_step (run_id, position, name, action, state, snapshot, effect, verification, error, reason)
            VALUES ($1, 1, 's', 'a', 'done', '{"rows": "4111"}', '{"text": "4111"}', '4111', '4111', 'the customer waits')
            """,
            "INSERT INTO point_in_time_drill (run_id, source, restore_point, tier, moment, outcome, reason, phases) VALUES ($1, $2, '', 'hot', now(), 'failed', '4111 1111', '[]')",
            "INSERT INTO object_restore (operation, position, uid) VALUES ('R-' || $1 || ' of then', 1, '4111')",
        ])
        {
            await (row.Contains("$2", StringComparison.Ordinal) ? catalog.Pool.Command(row, id!, rig.Source.Name) : catalog.Pool.Command(row, id!)).RunAsync(Ct);
        }

        return (long)id!;
    }

    private WorkspaceRequests WorkOn(BackupRig rig, ProtectedEstate estate) =>
        new(rig.Requests, new WorkspaceCatalog(catalog.Pool), rig.Tiers, estate, rig.Time, NullLogger<WorkspaceRequests>.Instance);
}
