using System.Text.Json;
using Hexabase.DrConsole.Engine.Backups.Maintenance;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;
using static Hexabase.DrConsole.Engine.Tests.Backups.BackupRig;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Maintenance;

/// <summary>A tier that was away, or that is new, is brought up without another backup.</summary>
public sealed class ReplicationRunTests(CatalogServer catalog, PostgresLab lab)
{
    [Fact]
    public async Task Tier_that_was_away_during_a_backup_is_brought_up_as_soon_as_it_answers()
    {
        await using var rig = await CreateAsync(catalog, lab);
        rig.TakeDown("warm");
        var point = (await rig.BackupAsync()).RestorePoint!;
        Assert.Equal("behind", (await rig.TierStatesAsync(point))["warm"]);
        Assert.False(await DueAsync(rig, "warm"));

        rig.BringBack("warm");
        await SetBackupAsync(point, "running");
        Assert.False(await DueAsync(rig, "warm"));
        await SetBackupAsync(point, "completed");
        Assert.True(await DueAsync(rig, "warm"));
        var run = await ReplicateAsync(rig, "warm");

        Assert.Equal((RunState.Completed, null), (run.State, run.ErrorJson));
        Assert.Contains(new WorkspaceReplication(rig.Source.Workspace, 1, 1), Result(run).Workspaces);
        Assert.Equal("stored", (await rig.TierStatesAsync(point))["warm"]);
        await using var warm = await rig.OpenAsync("warm");
        Assert.Equal(point, Assert.Single((await warm.ListAsync(Ct)).Points).Id.Value);
        Assert.False(await DueAsync(rig, "warm"));
        Assert.False(await DueAsync(rig, "hot"));
    }

    [Fact]
    public async Task Tier_that_is_new_for_a_class_gets_what_its_days_allow()
    {
        await using var rig = await CreateAsync(catalog, lab);
        var (old, point) = ((await rig.BackupAsync()).RestorePoint!, (await rig.BackupAsync()).RestorePoint!);
        await catalog.Pool.Command("UPDATE restore_point SET created_at = created_at - interval '40 days' WHERE id = $1", old).RunAsync(Ct);
        // As if hot, of seven days, had been configured only now.
        await catalog.Pool.Command("DELETE FROM restore_point_tier WHERE tier = 'hot' AND restore_point = ANY ($1)", (object)new[] { old, point }).RunAsync(Ct);

        Assert.True(await DueAsync(rig, "hot"));
        var run = await ReplicateAsync(rig, "hot");

        Assert.Contains(new WorkspaceReplication(rig.Source.Workspace, 1, 1), Result(run).Workspaces);
        Assert.Equal("stored", (await rig.TierStatesAsync(point))["hot"]);
        Assert.DoesNotContain("hot", (await rig.TierStatesAsync(old)).Keys);
        Assert.False(await DueAsync(rig, "hot"));
    }

    [Fact]
    public async Task Tier_that_goes_away_again_stays_behind_and_only_one_run_is_open()
    {
        await using var rig = await CreateAsync(catalog, lab);
        rig.TakeDown("warm");
        var point = (await rig.BackupAsync()).RestorePoint!;
        var requests = new TierRequests(rig.Requests, rig.Estate);
        var asked = await requests.ReplicationAsync("warm", "schedule", Ct);
        Assert.Equal("run-already-open", (await Assert.ThrowsAsync<EngineException>(() => requests.ReplicationAsync("warm", "schedule", Ct))).Code);

        var run = await rig.AdvanceAsync(asked.Id);

        Assert.Equal(RunState.Completed, run.State);
        Assert.Contains(new WorkspaceReplication(rig.Source.Workspace, 1, 0), Result(run).Workspaces);
        Assert.Equal("behind", (await rig.TierStatesAsync(point))["warm"]);
    }

    [Fact]
    public async Task Point_that_the_tier_which_is_copied_from_gave_up_counts_as_behind_and_holds_up_no_other()
    {
        await using var rig = await CreateAsync(catalog, lab);
        rig.TakeDown("warm");
        var (gone, kept) = ((await rig.BackupAsync()).RestorePoint!, (await rig.BackupAsync()).RestorePoint!);
        // Of a day of its own, so that a rung wants it.
        await catalog.Pool.Command("UPDATE restore_point SET created_at = created_at - interval '1 day' WHERE id = $1", gone).RunAsync(Ct);
        rig.BringBack("warm");
        await using (var hot = await rig.OpenAsync("hot"))
        {
            // As that tier's retention does just before it writes it down.
            Assert.Single((await hot.PruneAsync(new() { Expire = [new(new(gone), "test")], MaxDeletedShare = 1 }, null, Ct)).Expired);
        }

        var run = await ReplicateAsync(rig, "warm");

        Assert.Equal((RunState.Completed, null), (run.State, run.ErrorJson));
        Assert.Contains(new WorkspaceReplication(rig.Source.Workspace, 2, 1), Result(run).Workspaces);
        var behind = Assert.Single(await rig.Points.TiersAsync(gone, Ct), tier => tier.Tier == "warm");
        Assert.Equal("behind", behind.State);
        Assert.Contains("gave it up meanwhile", behind.Detail, StringComparison.Ordinal);
        Assert.Equal("stored", (await rig.TierStatesAsync(kept))["warm"]);
    }

    [Fact]
    public async Task Workspace_that_cannot_be_copied_does_not_keep_the_others_from_it()
    {
        await using var rig = await CreateAsync(catalog, lab, (estate, _) => estate with
        {
            Sources = [.. ((string[])["a", "b"]).Select(letter => estate.Sources[0] with { Name = $"{letter}-{estate.Sources[0].Name}", Workspace = $"{letter}-{estate.Sources[0].Workspace}" })],
        });
        rig.TakeDown("warm");
        foreach (var source in rig.Estate.Sources)
        {
            await rig.AdvanceAsync((await rig.Requests.BackupAsync(source.Name, "tester", Ct)).Id);
        }

        rig.BringBack("warm");
        var slots = Directory.CreateDirectory(Path.Combine(rig.Store("warm"), rig.Estate.Sources[0].Workspace, "keys"));
        await File.WriteAllBytesAsync(Path.Combine(slots.FullName, "half"), [1, 2, 3], Ct);

        Assert.True(await DueAsync(rig, "warm"));
        var done = Result(await ReplicateAsync(rig, "warm")).Workspaces;
        Assert.Contains(new WorkspaceReplication(rig.Estate.Sources[0].Workspace, 1, 0), done);
        Assert.Contains(new WorkspaceReplication(rig.Estate.Sources[1].Workspace, 1, 1), done);
    }

    private Task SetBackupAsync(string point, string state) =>
        catalog.Pool.Command("UPDATE run SET state = $2 WHERE kind = 'backup' AND restore_point = $1", point, state).RunAsync(Ct);

    private static Task<bool> DueAsync(BackupRig rig, string tier) =>
        new DueReplications(rig.Tiers, new OwedCopies(rig.Points, rig.Estate, rig.Time), rig.Points, rig.Estate, NullLogger<DueReplications>.Instance).IsDueAsync(tier, Ct);

    private static async Task<Run> ReplicateAsync(BackupRig rig, string tier) =>
        await rig.AdvanceAsync((await new TierRequests(rig.Requests, rig.Estate).ReplicationAsync(tier, "tester", Ct)).Id);

    private static ReplicationRunResult Result(Run run) => JsonSerializer.Deserialize<ReplicationRunResult>(run.ResultJson!, JsonSerializerOptions.Web)!;
}
