using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Maintenance;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Tests.Repository.Wal;
using Hexabase.DrConsole.Engine.Tests.Support;
using static Hexabase.DrConsole.Engine.Tests.Backups.BackupRig;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Maintenance;

/// <summary>Damage that something else than a check meets, and damage of one workspace beside the others.</summary>
public sealed partial class RepairRunTests
{
    [Fact]
    public async Task Restore_that_meets_damage_has_it_repaired_and_the_next_one_reads_another_tier()
    {
        await using var rig = await CreateAsync(catalog, lab);
        var point = (await rig.BackupAsync()).RestorePoint!;
        FlipAByte(rig, "hot");

        var first = await RestoreAsync(rig, point, "first");
        Assert.Equal(RunState.Failed, first.State);
        Assert.Equal("damaged", (await rig.TierStatesAsync(point))["hot"]);
        Assert.Equal([rig.Source.Workspace], Request<RepairRequest>(await OpenRepairAsync(rig)).Workspaces!);

        var second = await RestoreAsync(rig, point, "second");
        Assert.Equal((RunState.Completed, null), (second.State, second.ErrorJson));
        Assert.Equal("warm", Result<RestoreRunResult>(second).Tier);
        await rig.Runs.CancelAsync((await OpenRepairAsync(rig)).Id, "tester", Ct);
    }

    [Fact]
    public async Task Restore_of_a_point_whose_manifest_the_first_tier_lost_is_planned_and_done_from_the_next()
    {
        await using var rig = await CreateAsync(catalog, lab);
        var point = (await rig.BackupAsync()).RestorePoint!;
        File.Delete(ManifestOf(rig, "hot", point));

        var restored = await RestoreAsync(rig, point, "restored");

        Assert.Equal((RunState.Completed, "warm"), (restored.State, Result<RestoreRunResult>(restored).Tier));
        Assert.Equal("damaged", (await rig.TierStatesAsync(point))["hot"]);
    }

    [Fact]
    public async Task Damaged_WAL_counts_as_missing_from_the_check_on_that_found_it_until_it_is_repaired()
    {
        await using var rig = await CreateAsync(catalog, lab);
        await rig.BackupAsync();
        var wal = new WalCatalog(catalog.Pool);
        await using (var hot = await rig.OpenAsync("hot"))
        await using (var warm = await rig.OpenAsync("warm"))
        {
            var archive = await hot.OpenDescribedAsync(rig.Source.Name);
            for (var segment = 1; segment <= 3; segment++)
            {
                await archive.StoreAsync(segment);
            }

            await hot.CopyWalAsync(warm, null, null, Ct);
            await catalog.Pool.Command("INSERT INTO wal_receiver (source, system_identifier, timeline, state) VALUES ($1, $2, 1, 'streaming')", rig.Source.Name,
                archive.SystemIdentifier.ToString(System.Globalization.CultureInfo.InvariantCulture)).RunAsync(Ct);
            await catalog.Pool.Command("INSERT INTO wal_tier (source, tier, state) VALUES ($1, 'hot', 'streaming')", rig.Source.Name).RunAsync(Ct);
        }

        Flip(WalOf(rig, "hot").Order(StringComparer.Ordinal).ElementAt(1));
        var run = await VerifyAsync(rig, CheckLevel.L2);

        Assert.Contains(await WarningsAsync(rig, run), text => text.Contains("no moment is offered from hot", StringComparison.Ordinal));
        Assert.Equal(new WalHoleRow(1, "0/200000", "0/300000", true), Assert.Single(Assert.Single(await wal.TiersAsync(rig.Source.Name, Ct)).Holes));
        await using (var hot = await rig.OpenAsync("hot"))
        {
            Assert.Equal(2, (await (await hot.OpenDescribedAsync(rig.Source.Name)).SpansAsync()).Length);
            await rig.AdvanceAsync((await OpenRepairAsync(rig)).Id);
            Assert.Single(await (await hot.OpenDescribedAsync(rig.Source.Name)).SpansAsync());
        }

        await rig.Runs.CancelAsync((await OpenVerificationAsync(rig)).Id, "tester", Ct);
        await catalog.Pool.Command("DELETE FROM wal_receiver WHERE source = $1", rig.Source.Name).RunAsync(Ct);
    }

    [Fact]
    public async Task Check_that_finds_nothing_asks_for_the_repair_of_what_is_known_to_be_damaged()
    {
        await using var rig = await CreateAsync(catalog, lab);
        var point = (await rig.BackupAsync()).RestorePoint!;
        await rig.Points.MarkDamagedAsync(new(point), "hot", "a restore could not read it", Ct);

        Assert.Empty(Of(rig, await VerifyAsync(rig, CheckLevel.L1)).Damaged);

        await rig.AdvanceAsync((await OpenRepairAsync(rig)).Id);
        Assert.Equal("verified", (await rig.TierStatesAsync(point))["hot"]);
    }

    [Fact]
    public async Task Catch_up_goes_on_with_the_next_tier_where_the_first_one_is_damaged()
    {
        await using var rig = await CreateAsync(catalog, lab, (estate, folder) => estate with
        {
            Tiers = [.. estate.Tiers, estate.Tiers[0] with { Name = "cold", Store = new Uri(folder.Combine("cold")).AbsoluteUri }],
        });
        rig.TakeDown("cold");
        var point = (await rig.BackupAsync()).RestorePoint!;
        rig.BringBack("cold");
        FlipAByte(rig, "hot");

        var run = await rig.AdvanceAsync((await new TierRequests(rig.Requests, rig.Estate).ReplicationAsync("cold", "tester", Ct)).Id);

        Assert.Contains(new WorkspaceReplication(rig.Source.Workspace, 1, 1), Result<ReplicationRunResult>(run).Workspaces);
        Assert.Equal(new Dictionary<string, string> { ["hot"] = "damaged", ["warm"] = "stored", ["cold"] = "stored" }, await rig.TierStatesAsync(point));
        await rig.Runs.CancelAsync((await OpenRepairAsync(rig)).Id, "tester", Ct);
    }

    [Fact]
    public async Task Check_and_repair_go_on_with_the_other_workspaces_and_name_the_one_that_failed()
    {
        await using var rig = await TwoWorkspacesAsync();
        var (broken, other) = (rig.Estate.Sources[0].Workspace, rig.Estate.Sources[1].Workspace);
        foreach (var slot in Directory.GetFiles(RoomOf(rig, "hot", "keys", broken)).Concat(Directory.GetFiles(RoomOf(rig, "warm", "keys", broken))))
        {
            File.WriteAllBytes(slot, [1, 2, 3]);
        }

        FlipAByte(rig, "hot", workspace: other);
        var verification = await rig.AdvanceAsync((await new TierRequests(rig.Requests, rig.Estate).VerifyAsync(new VerificationRequest("hot", CheckLevel.L2), "tester", Ct)).Id);

        // Of other tests' workspaces, which the catalog knows too, this tier has none.
        Assert.Equal(RunState.Failed, verification.State);
        Assert.Contains($"{broken}: no key slot", verification.ErrorJson, StringComparison.Ordinal);
        var asked = await OpenRepairAsync(rig);
        Assert.Equal([broken, other], Request<RepairRequest>(asked).Workspaces!.Order());

        await rig.Runs.CancelAsync(asked.Id, "tester", Ct);
        var repair = await rig.AdvanceAsync((await new TierRequests(rig.Requests, rig.Estate).RepairAsync("hot", [broken, other], "tester", Ct)).Id);
        Assert.Equal(RunState.Failed, repair.State);
        Assert.Contains($"{broken}: no other tier", repair.ErrorJson, StringComparison.Ordinal);
        Assert.DoesNotContain(other, repair.ErrorJson, StringComparison.Ordinal);
        await using var hot = await rig.Tiers.OpenAsync(rig.Estate.Tiers[0], other, Ct);
        Assert.DoesNotContain((await hot.CheckAsync(CheckLevel.L2, CheckSlice.All, null, Ct)).Damaged, one => one.RestorePoints.Count > 0);
        await rig.Runs.CancelAsync((await OpenVerificationAsync(rig)).Id, "tester", Ct);
    }

    [Fact]
    public async Task Quick_and_deep_check_of_a_tier_do_not_wait_for_one_another_and_two_of_a_kind_do()
    {
        await using var rig = await CreateAsync(catalog, lab);
        var requests = new TierRequests(rig.Requests, rig.Estate);
        var quick = await requests.VerifyAsync(new VerificationRequest("hot", CheckLevel.L2), "schedule", Ct);
        var deep = await requests.VerifyAsync(new VerificationRequest("hot", CheckLevel.L3), "schedule", Ct);
        foreach (var level in (CheckLevel[])[CheckLevel.L2, CheckLevel.L3])
        {
            Assert.Equal("run-already-open", (await Assert.ThrowsAsync<EngineException>(() => requests.VerifyAsync(new VerificationRequest("hot", level, BudgetSeconds: 1), "anna", Ct))).Code);
        }

        await rig.Runs.CancelAsync(quick.Id, "tester", Ct);
        await rig.Runs.CancelAsync(deep.Id, "tester", Ct);
    }

    /// <summary>A rig of two workspaces with a restore point each, of which the first comes first by its name.</summary>
    private async Task<BackupRig> TwoWorkspacesAsync()
    {
        var rig = await CreateAsync(catalog, lab, (estate, _) => estate with
        {
            Sources = [.. ((string[])["a", "b"]).Select(letter => estate.Sources[0] with { Name = $"{letter}-{estate.Sources[0].Name}", Workspace = $"{letter}-{estate.Sources[0].Workspace}" })],
        });
        foreach (var source in rig.Estate.Sources)
        {
            await rig.AdvanceAsync((await rig.Requests.BackupAsync(source.Name, "tester", Ct)).Id);
        }

        return rig;
    }

    private static async Task<Run> RestoreAsync(BackupRig rig, string point, string folder)
    {
        var plan = await rig.Requests.PlanRestoreAsync(point, $"dir:{rig.Store(folder)}", "/", Ct);
        return await rig.AdvanceAsync((await rig.Requests.RestoreAsync(plan, plan.Hash, new RestoreAsker("tester", true), Ct)).Id);
    }
}
