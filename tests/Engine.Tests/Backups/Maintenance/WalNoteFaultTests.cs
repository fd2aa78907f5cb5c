using System.Text.Json;
using Hexabase.DrConsole.Engine.Backups.Maintenance;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Tests.Repository.Wal;
using Hexabase.DrConsole.Engine.Tests.Storage;
using Hexabase.DrConsole.Engine.Tests.Support;
using static Hexabase.DrConsole.Engine.Tests.Backups.BackupRig;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Maintenance;

/// <summary>A verification on a real S3 server that found damaged WAL, and then cannot write that down.</summary>
public sealed class WalNoteFaultTests(StoreLab stores, CatalogServer catalog, PostgresLab lab)
{
    [Fact]
    public async Task Verification_names_damaged_WAL_although_the_tier_takes_no_note_of_it()
    {
        // Of its own: other tests hold restore points in theirs, and ask for runs of them.
        var tier = $"s3-{Guid.NewGuid():n}";
        var port = (await stores.GetS3Async(Ct)).Port;
        await using var proxy = new ErringProxy(port);
        var url = (await stores.NewStoreAsync("s3", Ct)).Replace($"127.0.0.1:{port}", $"127.0.0.1:{proxy.Port}", StringComparison.Ordinal);
        await using var rig = await CreateAsync(catalog, lab, (estate, _) => estate with { Tiers = [estate.Tiers[0], estate.Tiers[1] with { Name = tier, Store = url, RetrySeconds = 1 }] });
        await rig.BackupAsync();
        string damaged;
        await using (var warm = await rig.OpenAsync(tier))
        {
            damaged = await DamageAsync(warm, rig.Source.Name);
        }

        proxy.Errs = (method, path) => method == "PUT" && path.Contains(".damage", StringComparison.Ordinal);
        var run = await rig.AdvanceAsync((await new TierRequests(rig.Requests, rig.Estate).VerifyAsync(new VerificationRequest(tier, CheckLevel.L3), "tester", Ct)).Id);

        Assert.True(run.State == RunState.Completed, run.ErrorJson);
        Assert.True(proxy.Erred > 0);
        var found = JsonSerializer.Deserialize<VerificationRunResult>(run.ResultJson!, JsonSerializerOptions.Web)!.Workspaces.Single(one => one.Workspace == rig.Source.Workspace);
        Assert.Equal(damaged, Assert.Single(found.Damaged).Name);
        Assert.Contains(await rig.Runs.EventsAsync(run.Id, 0, 200, Ct), line => line.Level == "warning" && line.Text.Contains("could not be noted there", StringComparison.Ordinal));
    }

    /// <summary>Three segments of WAL, the second with another byte in it.</summary>
    private static async Task<string> DamageAsync(BackupRepository repository, string source)
    {
        var archive = await repository.OpenDescribedAsync(source);
        var store = repository.Parts.Store;
        var known = new HashSet<string>();
        var key = "";
        for (var segment = 1; segment <= 3; segment++)
        {
            await archive.StoreAsync(segment);
            await foreach (var one in store.ListAsync("wal/", Ct))
            {
                key = known.Add(one.Key) && segment == 2 ? one.Key : key;
            }
        }

        var bytes = new byte[(await store.StatAsync(key, Ct))!.Value.Length];
        await store.ReadAsync(key, 0, bytes, Ct);
        bytes[bytes.Length / 2] ^= 1;
        await store.PutAsync(key, bytes, Ct);
        return key;
    }
}
