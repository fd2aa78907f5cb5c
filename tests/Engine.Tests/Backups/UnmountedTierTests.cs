using System.Text.Json;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Maintenance;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Storage;
using Hexabase.DrConsole.Engine.Tests.Support;
using Microsoft.Extensions.Time.Testing;
using static Hexabase.DrConsole.Engine.Tests.Backups.BackupRig;

namespace Hexabase.DrConsole.Engine.Tests.Backups;

/// <summary>A tier whose disk is not mounted: where it was, an empty folder is.</summary>
public sealed class UnmountedTierTests(CatalogServer catalog, PostgresLab lab)
{
    [Fact]
    public async Task Backup_makes_no_second_repository_in_the_mount_point_and_goes_into_the_next_tier()
    {
        await using var rig = await CreateAsync(catalog, lab);
        await rig.BackupAsync();
        Unmount(rig, "hot");

        var run = await rig.BackupAsync();

        Assert.Equal((RunState.Completed, null), (run.State, run.ErrorJson));
        var result = JsonSerializer.Deserialize<BackupRunResult>(run.ResultJson!, JsonSerializerOptions.Web)!;
        Assert.Equal(["warm"], result.Tiers.Keys);
        Assert.Contains("hot held the repository", result.Behind["hot"], StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(rig.Store("hot")));
        var (hotTier, warmTier) = (rig.Estate.Tiers[0], rig.Estate.Tiers[1]);
        Assert.Contains(await rig.Runs.EventsAsync(run.Id, 0, 100, Ct), line => line.Text.Contains(
            $"drconsole repository init --store '{hotTier.RepositoryUrl(rig.Source.Workspace)}' --key-file '{hotTier.KeyFile}' --from '{warmTier.RepositoryUrl(rig.Source.Workspace)}'", StringComparison.Ordinal));

        Mount(rig, "hot");
        await rig.BackupAsync();
        await using var hot = await rig.OpenAsync("hot");
        Assert.Equal(3, (await hot.ListAsync(Ct)).Points.Count);
    }

    [Fact]
    public async Task Repository_of_another_id_is_made_nowhere_while_the_tiers_that_hold_the_workspaces_are_away()
    {
        await using var rig = await CreateAsync(catalog, lab, (estate, folder) => estate with
        {
            Tiers = [.. estate.Tiers, estate.Tiers[0] with { Name = "cold", Store = new Uri(folder.Combine("cold")).AbsoluteUri }],
        });
        rig.TakeDown("cold");
        await rig.BackupAsync();
        Unmount(rig, "hot");
        Unmount(rig, "warm");
        rig.BringBack("cold");

        var run = await rig.BackupAsync();

        Assert.Equal(RunState.Failed, run.State);
        Assert.Contains("so none is made in cold", run.ErrorJson, StringComparison.Ordinal);
        Assert.False(Directory.Exists(rig.Store("cold")));
    }

    [Fact]
    public async Task Retention_in_a_repository_that_somebody_made_in_the_mount_point_takes_no_point_for_given_up()
    {
        await using var rig = await CreateAsync(catalog, lab);
        rig.Time = new FakeTimeProvider(TimeProvider.System.GetUtcNow().AddDays(10));
        var point = (await rig.BackupAsync()).RestorePoint!;
        await rig.BackupAsync();
        foreach (var open in await rig.Runs.ListAsync(rig.Source.Name, RunKinds.Validation, RunState.Queued, 50, Ct))
        {
            await rig.Runs.CancelAsync(open.Id, "tester", Ct);
        }

        Unmount(rig, "warm");
        await using (var hot = await rig.OpenAsync("hot"))
        {
            await using var made = await BackupRepository.InitializeFromAsync(new StoreUrl(Path.Combine(rig.Store("warm"), rig.Source.Workspace)).Open(), hot, Ct);
        }

        await catalog.Pool.Command("UPDATE restore_point SET created_at = created_at - interval '3000 days' WHERE id = $1", point).RunAsync(Ct);
        var run = await rig.AdvanceAsync((await new TierRequests(rig.Requests, rig.Estate).RetentionAsync("warm", 1, "tester", Ct)).Id);

        Assert.Equal((RunState.Completed, null), (run.State, run.ErrorJson));
        Assert.Contains(await rig.Runs.EventsAsync(run.Id, 0, 100, Ct), line => line.Text.StartsWith($"{rig.Source.Workspace}: 1 restore point", StringComparison.Ordinal));
        Assert.Equal("stored", (await rig.TierStatesAsync(point))["warm"]);
    }

    private static void Unmount(BackupRig rig, string tier)
    {
        Directory.Move(rig.Store(tier), rig.Store(tier) + "-away");
        Directory.CreateDirectory(rig.Store(tier));
    }

    private static void Mount(BackupRig rig, string tier)
    {
        Directory.Delete(rig.Store(tier));
        Directory.Move(rig.Store(tier) + "-away", rig.Store(tier));
    }
}
