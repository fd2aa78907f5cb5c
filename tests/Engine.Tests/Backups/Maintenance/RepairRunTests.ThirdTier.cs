using Hexabase.DrConsole.Engine.Backups.Maintenance;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Tests.Repository.Wal;
using static Hexabase.DrConsole.Engine.Tests.Backups.BackupRig;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Maintenance;

/// <summary>What only the third tier can give back.</summary>
public sealed partial class RepairRunTests
{
    [Fact]
    public async Task Repair_takes_from_the_third_tier_what_the_second_has_damaged_too_and_tells_of_both()
    {
        await using var rig = await CreateOfThreeAsync();
        var backup = await rig.BackupAsync();
        PacksOf(rig, "hot").ToList().ForEach(Flip);
        // Here and there another chunk, so that each of the two helpers has a part.
        FlipAByte(rig, "warm");

        var repair = await rig.AdvanceAsync((await new TierRequests(rig.Requests, rig.Estate).RepairAsync("hot", [rig.Source.Workspace], "tester", Ct)).Id);

        Assert.Equal((RunState.Completed, null), (repair.State, repair.ErrorJson));
        var done = Assert.Single(Result<RepairRunResult>(repair).Workspaces);
        Assert.True(Result<RepairRunResult>(repair).IsWhole);
        Assert.EndsWith("cold", done.From, StringComparison.Ordinal);
        await using var hot = await rig.OpenAsync("hot");
        Assert.True((await hot.VerifyChunksAsync(await hot.ReadManifestAsync(new(backup.RestorePoint!), Ct), ChunkLayer.Content, null, Ct)).IsSound);
        await rig.Runs.CancelAsync((await OpenVerificationAsync(rig)).Id, "tester", Ct);
    }

    [Fact]
    public async Task Repair_fetches_WAL_that_only_the_third_tier_has_although_the_second_finds_nothing_damaged()
    {
        await using var rig = await CreateOfThreeAsync();
        await rig.BackupAsync();
        await using (var hot = await rig.OpenAsync("hot"))
        await using (var warm = await rig.OpenAsync("warm"))
        await using (var cold = await rig.OpenAsync("cold"))
        {
            var archive = await cold.OpenDescribedAsync(rig.Source.Name);
            for (var segment = 1; segment <= 3; segment++)
            {
                await archive.StoreAsync(segment);
            }

            await cold.CopyWalAsync(hot, null, null, Ct);
            await cold.CopyWalAsync(warm, null, null, Ct);
        }

        foreach (var file in ((string[])["hot", "warm", "cold"]).SelectMany(tier => WalOf(rig, tier)))
        {
            File.SetLastWriteTimeUtc(file, DateTime.UnixEpoch);
        }

        foreach (var tier in (string[])["hot", "warm"])
        {
            File.Delete(WalOf(rig, tier).Order(StringComparer.Ordinal).ElementAt(1));
        }

        var repair = await rig.AdvanceAsync((await new TierRequests(rig.Requests, rig.Estate).RepairAsync("hot", [rig.Source.Workspace], "tester", Ct)).Id);

        Assert.True(Result<RepairRunResult>(repair).IsWhole);
        Assert.Equal(3, WalOf(rig, "hot").Count());
        await rig.Runs.CancelAsync((await OpenVerificationAsync(rig)).Id, "tester", Ct);
    }

    private Task<BackupRig> CreateOfThreeAsync() => CreateAsync(catalog, lab, (estate, folder) => estate with
    {
        Tiers = [.. estate.Tiers, estate.Tiers[0] with { Name = "cold", Store = new Uri(folder.Combine("cold")).AbsoluteUri }],
    });
}
