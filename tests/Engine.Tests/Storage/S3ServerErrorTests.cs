using System.Text.Json;
using Hexabase.DrConsole.Engine.Backups.Maintenance;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Tests.Backups;
using Hexabase.DrConsole.Engine.Tests.Support;
using static Hexabase.DrConsole.Engine.Tests.Backups.BackupRig;

namespace Hexabase.DrConsole.Engine.Tests.Storage;

/// <summary>The runs of a tier on a real S3 server, behind a proxy that answers 500 for one object, or for all.</summary>
public sealed class S3ServerErrorTests(StoreLab stores, CatalogServer catalog, PostgresLab lab)
{
    /// <summary>Of its own: other tests ask for runs of their tiers at the same time.</summary>
    private readonly string _tier = $"s3-{Guid.NewGuid():n}";

    [Fact]
    public async Task Object_that_the_server_does_not_give_is_named_and_repaired_from_the_other_tier_while_one_that_gives_nothing_is_away()
    {
        await using var proxy = new ErringProxy((await stores.GetS3Async(Ct)).Port);
        var url = (await stores.NewStoreAsync("s3", Ct)).Replace($"127.0.0.1:{(await stores.GetS3Async(Ct)).Port}", $"127.0.0.1:{proxy.Port}", StringComparison.Ordinal);
        await using var rig = await CreateAsync(catalog, lab, (estate, _) => estate with
        {
            Tiers = [estate.Tiers[0], estate.Tiers[1] with { Name = _tier, Store = url, RetrySeconds = 3 }],
        });
        var backup = await rig.BackupAsync();
        Assert.Equal("stored", (await rig.TierStatesAsync(backup.RestorePoint!))[_tier]);
        string pack;
        await using (var warm = await rig.OpenAsync(_tier))
        {
            pack = (await LargestPackAsync(warm))!;
        }

        proxy.Errs = (method, _) => method == "GET";
        var away = await VerifyAsync(rig);
        Assert.Equal(RunState.Failed, away.State);
        Assert.Contains("500", away.ErrorJson, StringComparison.Ordinal);
        Assert.Equal("stored", (await rig.TierStatesAsync(backup.RestorePoint!))[_tier]);
        Assert.Empty(await rig.Runs.ListAsync(_tier, RunKinds.Repair, null, 10, Ct));

        proxy.Errs = (method, path) => method == "GET" && path.EndsWith(pack, StringComparison.Ordinal);
        var verification = await VerifyAsync(rig);
        Assert.True(verification.State == RunState.Completed, verification.ErrorJson);
        var found = Assert.Single(Result<VerificationRunResult>(verification).Workspaces, one => one.Workspace == rig.Source.Workspace);
        var damage = Assert.Single(found.Damaged);
        Assert.EndsWith(pack, damage.Name, StringComparison.Ordinal);
        Assert.Equal(backup.RestorePoint, Assert.Single(damage.RestorePoints).Value);
        Assert.Equal("damaged", (await rig.TierStatesAsync(backup.RestorePoint!))[_tier]);

        var repair = await rig.AdvanceAsync(Assert.Single(await rig.Runs.ListAsync(_tier, RunKinds.Repair, RunState.Queued, 10, Ct)).Id);
        Assert.True(repair.State == RunState.Completed, repair.ErrorJson);
        Assert.Equal("hot", Assert.Single(Result<RepairRunResult>(repair).Workspaces, one => one.Workspace == rig.Source.Workspace).From);
        Assert.Equal("verified", (await rig.TierStatesAsync(backup.RestorePoint!))[_tier]);
        Assert.True(proxy.Erred > 3);
    }

    private static async Task<string?> LargestPackAsync(BackupRepository repository)
    {
        (string? Key, long Length) largest = default;
        await foreach (var one in repository.Parts.Store.ListAsync("packs/", Ct))
        {
            largest = one.Length > largest.Length ? (one.Key, one.Length) : largest;
        }

        return largest.Key;
    }

    private async Task<Run> VerifyAsync(BackupRig rig) =>
        await rig.AdvanceAsync((await new TierRequests(rig.Requests, rig.Estate).VerifyAsync(new VerificationRequest(_tier, CheckLevel.L2), "tester", Ct)).Id);

    private static T Result<T>(Run run) => JsonSerializer.Deserialize<T>(run.ResultJson!, JsonSerializerOptions.Web)!;
}
