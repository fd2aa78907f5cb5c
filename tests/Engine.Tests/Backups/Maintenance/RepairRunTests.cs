using System.Text.Json;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Maintenance;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Tests.Repository.Wal;
using Hexabase.DrConsole.Engine.Tests.Support;
using static Hexabase.DrConsole.Engine.Tests.Backups.BackupRig;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Maintenance;

/// <summary>A flipped byte in a tier: named with the restore points that it hurts, and repaired from the other tier.</summary>
[Collection("repairs of tiers")]
public sealed partial class RepairRunTests(CatalogServer catalog, PostgresLab lab)
{
    [Fact]
    public async Task Verification_names_the_damage_and_the_repair_it_asks_for_fetches_it_from_the_other_tier()
    {
        await using var rig = await CreateAsync(catalog, lab);
        var backup = await rig.BackupAsync();
        var pack = FlipAByte(rig, "hot");

        var verification = await VerifyAsync(rig, CheckLevel.L2);
        var found = Assert.Single(Result<VerificationRunResult>(verification).Workspaces, one => one.Workspace == rig.Source.Workspace);
        var damage = Assert.Single(found.Damaged, one => one.Name.EndsWith(Path.GetFileName(pack), StringComparison.Ordinal));
        Assert.Contains(backup.RestorePoint!, damage.RestorePoints.Select(point => point.Value));
        Assert.Equal("damaged", (await rig.TierStatesAsync(backup.RestorePoint!))["hot"]);

        var repair = await rig.AdvanceAsync((await OpenRepairAsync(rig)).Id);
        Assert.Equal((RunState.Completed, null), (repair.State, repair.ErrorJson));
        var repaired = Assert.Single(Result<RepairRunResult>(repair).Workspaces, one => one.Workspace == rig.Source.Workspace);
        Assert.Equal(("warm", backup.RestorePoint!), (repaired.From, Assert.Single(repaired.PointsWhole)));
        Assert.Equal("verified", (await rig.TierStatesAsync(backup.RestorePoint!))["hot"]);

        await using var hot = await rig.OpenAsync("hot");
        Assert.DoesNotContain((await hot.CheckAsync(CheckLevel.L3, CheckSlice.All, null, Ct)).Damaged, one => one.RestorePoints.Count > 0);
        await rig.Runs.CancelAsync((await OpenVerificationAsync(rig)).Id, "tester", Ct);
    }

    [Fact]
    public async Task Tier_that_was_repaired_is_read_again_and_its_point_proven_anew()
    {
        await using var rig = await CreateAsync(catalog, lab);
        var backup = await rig.BackupAsync();
        FlipAByte(rig, "hot");
        await VerifyAsync(rig, CheckLevel.L3);
        await VerifyAsync(rig, CheckLevel.L2);
        var repair = await rig.AdvanceAsync((await OpenRepairAsync(rig)).Id);

        var proof = Assert.Single(await rig.Runs.ListAsync(rig.Source.Name, RunKinds.Validation, RunState.Queued, 10, Ct), run => run.Parent == repair.Id);
        Assert.Equal((backup.RestorePoint, new ValidationRequest(backup.RestorePoint!, "hot")), (proof.RestorePoint, Request<ValidationRequest>(proof)));
        Assert.Equal(2, (await DamagedLevelsAsync(rig)).Count);
        var again = await OpenVerificationAsync(rig);
        Assert.Equal(new VerificationRequest("hot", CheckLevel.L2, Workspace: rig.Source.Workspace, AfterRepair: repair.Id.ToString()), Request<VerificationRequest>(again));

        var sound = await rig.AdvanceAsync(again.Id);
        Assert.True(Result<VerificationRunResult>(sound).IsSound);
        Assert.Empty(await DamagedLevelsAsync(rig));
        Assert.Empty(await rig.Runs.ListAsync("hot", RunKinds.Repair, RunState.Queued, 10, Ct));
    }

    [Fact]
    public async Task Damage_that_comes_back_is_repaired_once_more_and_said_so_without_end()
    {
        await using var rig = await CreateAsync(catalog, lab);
        await rig.BackupAsync();
        var first = FlipAByte(rig, "hot");
        await VerifyAsync(rig, CheckLevel.L2);
        await rig.AdvanceAsync((await OpenRepairAsync(rig)).Id);
        FlipAByte(rig, "hot", but: first);

        var again = await rig.AdvanceAsync((await OpenVerificationAsync(rig)).Id);
        Assert.Contains(await WarningsAsync(rig, again), text => text.Contains("damaged again", StringComparison.Ordinal));
        var second = await rig.AdvanceAsync((await OpenRepairAsync(rig)).Id);
        Assert.True(Result<RepairRunResult>(second).IsWhole);
        Assert.Contains(await WarningsAsync(rig, second), text => text.Contains("Look at its store", StringComparison.Ordinal));
        Assert.Empty(await rig.Runs.ListAsync("hot", RunKinds.Verification, RunState.Queued, 10, Ct));
    }

    [Fact]
    public async Task Backup_after_a_verification_found_damage_does_not_lean_on_it()
    {
        await using var rig = await CreateAsync(catalog, lab);
        await rig.BackupAsync();
        FlipAByte(rig, "hot");
        await VerifyAsync(rig, CheckLevel.L2);

        var next = await rig.BackupAsync();
        await using var hot = await rig.OpenAsync("hot");
        var manifest = await hot.ReadManifestAsync(new(next.RestorePoint!), Ct);
        Assert.True((await hot.VerifyPacksAsync(manifest, null, Ct)).IsSound);
        await rig.Runs.CancelAsync((await OpenRepairAsync(rig)).Id, "tester", Ct);
    }

    [Fact]
    public async Task Repair_with_no_other_tier_that_answers_fails_and_says_so()
    {
        await using var rig = await CreateAsync(catalog, lab);
        await rig.BackupAsync();
        Directory.Move(rig.Store("warm"), rig.Store("warm") + "-away");
        var asked = await new TierRequests(rig.Requests, rig.Estate).RepairAsync("hot", [rig.Source.Workspace], "tester", Ct);

        var ended = await rig.AdvanceAsync(asked.Id);
        Assert.Equal(RunState.Failed, ended.State);
        Assert.Contains("repair-without-source", ended.ErrorJson, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Repair_goes_on_with_the_next_tier_where_a_helper_is_damaged_itself()
    {
        await using var rig = await CreateAsync(catalog, lab, (estate, folder) => estate with
        {
            Tiers = [.. estate.Tiers, estate.Tiers[0] with { Name = "cold", Store = new Uri(folder.Combine("cold")).AbsoluteUri }],
        });
        var backup = await rig.BackupAsync();
        FlipAByte(rig, "hot");
        foreach (var slot in Directory.GetFiles(Path.Combine(rig.Store("warm"), rig.Source.Workspace, "keys"), "*", SearchOption.AllDirectories))
        {
            File.WriteAllBytes(slot, [1, 2, 3]);
        }

        var asked = await new TierRequests(rig.Requests, rig.Estate).RepairAsync("hot", [rig.Source.Workspace], "tester", Ct);
        var repair = await rig.AdvanceAsync(asked.Id);

        Assert.Equal((RunState.Completed, null), (repair.State, repair.ErrorJson));
        Assert.Equal("cold", Assert.Single(Result<RepairRunResult>(repair).Workspaces).From);
        Assert.Contains(await WarningsAsync(rig, repair), text => text.StartsWith("warm cannot help now", StringComparison.Ordinal));
        await using var hot = await rig.OpenAsync("hot");
        Assert.True((await hot.VerifyPacksAsync(await hot.ReadManifestAsync(new(backup.RestorePoint!), Ct), null, Ct)).IsSound);
        await rig.Runs.CancelAsync((await OpenVerificationAsync(rig)).Id, "tester", Ct);
    }

    [Fact]
    public async Task Repair_goes_on_beside_a_lost_manifest_that_no_tier_has_and_names_it()
    {
        await using var rig = await CreateAsync(catalog, lab);
        var (lost, whole) = ((await rig.BackupAsync()).RestorePoint!, (await rig.BackupAsync()).RestorePoint!);
        PacksOf(rig, "hot").ToList().ForEach(Flip);
        await VerifyAsync(rig, CheckLevel.L2);
        Assert.Equal(("damaged", "damaged"), ((await rig.TierStatesAsync(lost))["hot"], (await rig.TierStatesAsync(whole))["hot"]));
        foreach (var tier in (string[])["hot", "warm"])
        {
            File.Delete(Path.Combine(rig.Store(tier), rig.Source.Workspace, "manifests", lost));
        }

        var repair = await rig.AdvanceAsync((await OpenRepairAsync(rig)).Id);

        Assert.Equal((RunState.Completed, null), (repair.State, repair.ErrorJson));
        Assert.Equal([whole], Assert.Single(Result<RepairRunResult>(repair).Workspaces).PointsWhole);
        Assert.Equal(("damaged", "verified"), ((await rig.TierStatesAsync(lost))["hot"], (await rig.TierStatesAsync(whole))["hot"]));
        Assert.Contains(await WarningsAsync(rig, repair), text => text.StartsWith($"restore point {lost} stays damaged in hot", StringComparison.Ordinal));
    }

    [Fact]
    public async Task WAL_that_a_tier_lost_where_nobody_receives_is_found_by_a_verification_and_repaired()
    {
        await using var rig = await CreateAsync(catalog, lab);
        await rig.BackupAsync();
        await using (var hot = await rig.OpenAsync("hot"))
        await using (var warm = await rig.OpenAsync("warm"))
        {
            var archive = await hot.OpenDescribedAsync(rig.Source.Name);
            for (var segment = 1; segment <= 3; segment++)
            {
                await archive.StoreAsync(segment);
            }

            await hot.CopyWalAsync(warm, null, null, Ct);
        }

        string[] stored = [.. WalOf(rig, "hot"), .. WalOf(rig, "warm")];
        foreach (var file in stored)
        {
            File.SetLastWriteTimeUtc(file, DateTime.UnixEpoch);
        }

        File.Delete(WalOf(rig, "hot").Order(StringComparer.Ordinal).ElementAt(1));
        var found = Of(rig, await VerifyAsync(rig, CheckLevel.L2));
        Assert.Contains("holds it", Assert.Single(found.Damaged).Reason, StringComparison.Ordinal);

        var repair = await rig.AdvanceAsync((await OpenRepairAsync(rig)).Id);

        Assert.True(Result<RepairRunResult>(repair).IsWhole);
        Assert.Equal(3, WalOf(rig, "hot").Count());
        await rig.Runs.CancelAsync((await OpenVerificationAsync(rig)).Id, "tester", Ct);
    }

    private static IEnumerable<string> WalOf(BackupRig rig, string tier) =>
        Directory.GetFiles(Path.Combine(rig.Store(tier), rig.Source.Workspace, "wal"), "*", SearchOption.AllDirectories).Where(file => Path.GetFileName(Path.GetDirectoryName(file))!.Length == 8);

    [Fact]
    public async Task Verification_with_a_budget_says_what_waits_and_the_next_one_goes_on_with_it()
    {
        await using var rig = await CreateAsync(catalog, lab);
        await rig.BackupAsync();
        var first = Of(rig, await VerifyAsync(rig, CheckLevel.L2, TimeSpan.Zero));
        Assert.Equal((1, first.Packs - 1), (first.PacksRead, first.PacksLeft));
        for (var i = 1; i < first.Packs; i++)
        {
            await VerifyAsync(rig, CheckLevel.L2, TimeSpan.Zero);
        }

        var row = await catalog.Pool.Command("SELECT level FROM tier_check WHERE tier = 'hot' AND workspace = $1", rig.Source.Workspace).FirstAsync(one => one.GetString(0), Ct);
        Assert.Equal("L2", row);
    }

    private static WorkspaceVerification Of(BackupRig rig, Run run) =>
        Assert.Single(Result<VerificationRunResult>(run).Workspaces, one => one.Workspace == rig.Source.Workspace);

    private static async Task<Run> VerifyAsync(BackupRig rig, CheckLevel level, TimeSpan? budget = null) =>
        await rig.AdvanceAsync((await new TierRequests(rig.Requests, rig.Estate).VerifyAsync(
            new VerificationRequest("hot", level, budget?.TotalSeconds, null, rig.Source.Workspace), "tester", Ct)).Id);

    private static async Task<Run> OpenRepairAsync(BackupRig rig) =>
        Assert.Single(await rig.Runs.ListAsync("hot", RunKinds.Repair, RunState.Queued, 10, Ct));

    private static async Task<Run> OpenVerificationAsync(BackupRig rig) =>
        Assert.Single(await rig.Runs.ListAsync("hot", RunKinds.Verification, RunState.Queued, 10, Ct));

    private async Task<IReadOnlyList<string>> DamagedLevelsAsync(BackupRig rig) =>
        [.. (await new TierCatalog(catalog.Pool).ChecksAsync(Ct)).Where(check => check.Workspace == rig.Source.Workspace && check.Damaged.Count > 0).Select(check => check.Level)];

    private static async Task<IReadOnlyList<string>> WarningsAsync(BackupRig rig, Run run) =>
        [.. (await rig.Runs.EventsAsync(run.Id, 0, 200, Ct)).Where(line => line.Level == "warning").Select(line => line.Text)];

    private static string FlipAByte(BackupRig rig, string tier, string? but = null, string? workspace = null)
    {
        var pack = PacksOf(rig, tier, workspace).Where(file => file != but).OrderByDescending(file => new FileInfo(file).Length).First();
        Flip(pack);
        return pack;
    }

    private static void Flip(string pack)
    {
        var bytes = File.ReadAllBytes(pack);
        bytes[bytes.Length / 2] ^= 1;
        File.WriteAllBytes(pack, bytes);
    }

    private static string[] PacksOf(BackupRig rig, string tier, string? workspace = null) => Directory.GetFiles(RoomOf(rig, tier, "packs", workspace), "*", SearchOption.AllDirectories);

    private static T Request<T>(Run run) => JsonSerializer.Deserialize<T>(run.RequestJson, JsonSerializerOptions.Web)!;

    private static T Result<T>(Run run) => JsonSerializer.Deserialize<T>(run.ResultJson!, JsonSerializerOptions.Web)!;
}
