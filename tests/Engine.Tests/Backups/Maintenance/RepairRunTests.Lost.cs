using System.Security.Cryptography;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Maintenance;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Engine.Validation;
using Microsoft.Extensions.Logging.Abstractions;
using static Hexabase.DrConsole.Engine.Tests.Backups.BackupRig;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Maintenance;

/// <summary>A restore point whose manifest is gone shows in no listing of its tier.</summary>
public sealed partial class RepairRunTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Lost_manifest_is_found_by_what_the_catalog_knows_and_fetched_with_whatever_was_lost_beside_it(bool arePacksLost)
    {
        await using var rig = await CreateAsync(catalog, lab);
        var point = (await rig.BackupAsync()).RestorePoint!;
        File.Delete(ManifestOf(rig, "hot", point));
        if (arePacksLost)
        {
            Directory.Delete(RoomOf(rig, "hot", "packs"), recursive: true);
            Directory.Delete(RoomOf(rig, "hot", "index"), recursive: true);
        }

        var damage = Assert.Single(Of(rig, await VerifyAsync(rig, CheckLevel.L2)).Damaged, one => one.Name == $"manifests/{point}");
        Assert.Equal([point], damage.RestorePoints.Select(one => one.Value));
        Assert.Equal("damaged", (await rig.TierStatesAsync(point))["hot"]);

        var repair = await rig.AdvanceAsync((await OpenRepairAsync(rig)).Id);
        Assert.True(Result<RepairRunResult>(repair).IsWhole);
        Assert.Equal("verified", (await rig.TierStatesAsync(point))["hot"]);
        Assert.True(Result<VerificationRunResult>(await rig.AdvanceAsync((await OpenVerificationAsync(rig)).Id)).IsSound);
    }

    [Fact]
    public async Task Lost_manifest_that_no_tier_has_is_said_to_be_lost_and_not_called_repaired()
    {
        await using var rig = await CreateAsync(catalog, lab);
        var point = (await rig.BackupAsync()).RestorePoint!;
        File.Delete(ManifestOf(rig, "hot", point));
        File.Delete(ManifestOf(rig, "warm", point));
        await VerifyAsync(rig, CheckLevel.L1);

        var repair = await rig.AdvanceAsync((await OpenRepairAsync(rig)).Id);

        var one = Assert.Single(Assert.Single(Result<RepairRunResult>(repair).Workspaces).Objects);
        Assert.Equal(($"manifests/{point}", false), (one.Name, one.IsRepaired));
        Assert.Empty(await rig.Runs.ListAsync("hot", RunKinds.Verification, RunState.Queued, 10, Ct));
    }

    [Fact]
    public async Task Point_that_an_interrupted_retention_gave_up_is_not_lost()
    {
        await using var rig = await CreateAsync(catalog, lab);
        var (old, newest) = ((await rig.BackupAsync()).RestorePoint!, (await rig.BackupAsync()).RestorePoint!);
        await using (var hot = await rig.OpenAsync("hot"))
        {
            await hot.PruneAsync(new() { Expire = [new(new(old), "test")], MaxDeletedShare = 1 }, null, Ct);
            Assert.Equal([new RestorePointId(newest[..31] + "x")], await hot.FindLostAsync([new(old), new(newest), new(newest[..31] + "x")], Ct));
        }

        Assert.Empty(Of(rig, await VerifyAsync(rig, CheckLevel.L1)).Damaged);
        Assert.Equal("stored", (await rig.TierStatesAsync(old))["hot"]);
    }

    [Theory]
    [InlineData("warm")]
    [InlineData(null)]
    public async Task Validation_of_a_point_that_a_tier_lost_marks_it_there(string? tier)
    {
        await using var rig = await CreateAsync(catalog, lab);
        var point = (await rig.BackupAsync()).RestorePoint!;
        File.Delete(ManifestOf(rig, "warm", point));
        var validation = new RestorePointValidation(new ValidationOptions { ScratchRoot = rig.Store("scratch") }, rig.Processes, TimeProvider.System);
        var handler = new ValidationRun(rig.Points, rig.Access, validation, new TierRequests(rig.Requests, rig.Estate));
        var asked = await rig.Requests.ValidateAsync(point, tier, "tester", Ct);

        await new RunExecution(catalog.Pool, [handler], LeaseTimes.Default, TimeProvider.System, NullLogger<RunExecution>.Instance).AdvanceAsync(asked.Id, Ct);

        // Named, there is nothing to validate; else the first tier has it, and the other is only read back.
        Assert.Equal(tier is null ? RunState.Completed : RunState.Failed, (await rig.Runs.FindAsync(asked.Id, Ct))!.State);
        Assert.Equal("damaged", (await rig.TierStatesAsync(point))["warm"]);
        await rig.Runs.CancelAsync(Assert.Single(await rig.Runs.ListAsync("warm", RunKinds.Repair, RunState.Queued, 10, Ct)).Id, "tester", Ct);
    }

    [Fact]
    public async Task Point_whose_chunk_was_wrong_before_its_pack_was_named_stays_damaged_where_no_tier_has_it()
    {
        await using var rig = await CreateAsync(catalog, lab);
        var backup = await rig.BackupAsync();
        var pack = FlipAByte(rig, "hot");
        File.Delete(PacksOf(rig, "warm").MaxBy(file => new FileInfo(file).Length)!);
        // Named by its bytes as they are, and known by its own table.
        var name = Convert.ToHexStringLower(SHA256.HashData(await File.ReadAllBytesAsync(pack, Ct)));
        var renamed = Path.Combine(RoomOf(rig, "hot", "packs"), name[..2], name);
        Directory.CreateDirectory(Path.GetDirectoryName(renamed)!);
        File.Move(pack, renamed);
        Directory.Delete(RoomOf(rig, "hot", "index"), recursive: true);
        await VerifyAsync(rig, CheckLevel.L3);
        Assert.Equal("damaged", (await rig.TierStatesAsync(backup.RestorePoint!))["hot"]);

        var repair = await rig.AdvanceAsync((await OpenRepairAsync(rig)).Id);

        Assert.False(Result<RepairRunResult>(repair).IsWhole);
        Assert.Equal("damaged", (await rig.TierStatesAsync(backup.RestorePoint!))["hot"]);
    }

    private static string RoomOf(BackupRig rig, string tier, string room, string? workspace = null) => Path.Combine(rig.Store(tier), workspace ?? rig.Source.Workspace, room);

    private static string ManifestOf(BackupRig rig, string tier, string point) => Path.Combine(RoomOf(rig, tier, "manifests"), point);
}
