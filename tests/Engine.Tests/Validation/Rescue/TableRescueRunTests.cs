using System.Text.Json;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Tests.Backups.Receiving;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Engine.Tests.Validation.Drills;
using Hexabase.DrConsole.Engine.Validation;
using Hexabase.DrConsole.Engine.Validation.Rescue;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using static Hexabase.DrConsole.Engine.Tests.Backups.Receiving.WalRig;

namespace Hexabase.DrConsole.Engine.Tests.Validation.Rescue;

public sealed class TableRescueRunTests(CatalogServer catalog)
{
    [Fact]
    public async Task Table_comes_back_beside_the_living_one_from_a_second_and_from_a_dump()
    {
        await using var rig = await CreateAsync(catalog);
        await rig.ExecuteAsync("CREATE TABLE prices (id int PRIMARY KEY, cents int NOT NULL); INSERT INTO prices SELECT n, n FROM generate_series(1, 100) n");
        rig.StartReceiver();
        await rig.WaitDurableAsync(await rig.CurrentLsnAsync(), TimeSpan.FromSeconds(20));
        await BaseBackup.CaptureAsync(rig);
        await rig.ExecuteAsync("INSERT INTO prices VALUES (101, 101)");
        await Task.Delay(TimeSpan.FromMilliseconds(300), Ct);
        var before = TimeProvider.System.GetUtcNow();
        await Task.Delay(TimeSpan.FromMilliseconds(300), Ct);
        var dump = await DumpAsync(rig);
        await rig.ExecuteAsync("DELETE FROM prices WHERE id > 90; UPDATE prices SET cents = 0 WHERE id = 1");
        await rig.WaitDurableAsync(await rig.CurrentLsnAsync(), TimeSpan.FromSeconds(20));

        // Waits for a person, is killed meanwhile, comes to the same difference again, and then does what was decided.
        var run = await RequestAsync(rig, new TableRescueRequest(rig.Source.Name, "prices", before, null));
        using (var killed = new CancellationTokenSource())
        {
            var dying = AdvanceAsync(rig, run.Id, killed.Token);
            await WaitForOfferAsync(run.Id);
            Assert.Contains(rig.Registry.List(), record => record.Purpose.Contains("scratch", StringComparison.Ordinal));
            await killed.CancelAsync();
            await dying;
        }

        var going = AdvanceAsync(rig, run.Id, Ct);
        var offer = await WaitForOfferAsync(run.Id);
        Assert.Equal((101, 90, 11, 0, 1), (offer.Difference.PastRows, offer.Difference.LiveRows, offer.Difference.OnlyPast, offer.Difference.OnlyLive, offer.Difference.Changed));
        Assert.Equal([("(1)", "1", "0")], offer.Difference.Examples.Where(row => row.State == "changed").Select(row => (row.Key, row.Columns[0].Past!, row.Columns[0].Live!)));
        await new RescueCatalog(catalog.Pool).DecideAsync(run.Id.Value, RescueDecisions.CopyMissing, "tester", Ct);
        Assert.Equal("rescue-decided", (await Assert.ThrowsAsync<EngineException>(() => new RescueCatalog(catalog.Pool).DecideAsync(run.Id.Value, RescueDecisions.Discard, "tester", Ct))).Code);
        await going;
        var rescued = await ResultAsync(run.Id);
        Assert.Equal((RescueDecisions.CopyMissing, 11), (rescued.Outcome, rescued.Rows));
        Assert.Equal(11L, await CountAsync(rig, $"SELECT count(*) FROM {rescued.SideTable} WHERE id > 90 AND cents = id"));
        Assert.Equal(90L, await CountAsync(rig, "SELECT count(*) FROM prices"));
        Assert.Equal("rescue-not-open", (await Assert.ThrowsAsync<EngineException>(() => new RescueCatalog(catalog.Pool).DecideAsync(run.Id.Value, RescueDecisions.Discard, "tester", Ct))).Code);

        // The same from a dump, decided beforehand; and a table that there never was.
        var whole = await RequestAsync(rig, new TableRescueRequest(rig.Source.Name, "public.prices", null, dump, RescueDecisions.CopyAll));
        await AdvanceAsync(rig, whole.Id, Ct);
        var copied = await ResultAsync(whole.Id);
        Assert.Equal(101, copied.Rows);
        Assert.Equal(5151L, await CountAsync(rig, $"SELECT sum(cents) FROM {copied.SideTable}"));
        var none = await RequestAsync(rig, new TableRescueRequest(rig.Source.Name, "no_such", null, dump, RescueDecisions.Discard));
        await AdvanceAsync(rig, none.Id, Ct);
        Assert.Contains("table-missing", (await new RunStore(catalog.Pool).FindAsync(none.Id, Ct))!.ErrorJson, StringComparison.Ordinal);
        Assert.DoesNotContain(rig.Registry.List(), record => record.Purpose.Contains("scratch", StringComparison.Ordinal));
    }

    private async Task<string> DumpAsync(WalRig rig)
    {
        await using var repository = await rig.OpenRepositoryAsync("hot");
        var result = await new LogicalBackup(rig.Registry, TimeProvider.System).CaptureAsync(BaseBackup.RequestOf(rig), repository, null, null, Ct);
        var manifest = await repository.ReadManifestAsync(result.BackupId, Ct);
        await using var connection = await catalog.Pool.OpenConnectionAsync(Ct);
        await using var transaction = await connection.BeginTransactionAsync(Ct);
        await RestorePointCatalog.RecordAsync(transaction, manifest, null, Ct);
        await RestorePointCatalog.RecordTierAsync(transaction, manifest.Id, "hot", "stored", null, Ct);
        await transaction.CommitAsync(Ct);
        return manifest.Id.Value;
    }

    private Task<Run> RequestAsync(WalRig rig, TableRescueRequest request) =>
        new RunStore(catalog.Pool).RequestAsync(RunKinds.TableRescue, rig.Source.Name, request.RestorePoint, request, "tester", null, Ct);

    private async Task AdvanceAsync(WalRig rig, RunId id, CancellationToken stopping)
    {
        var points = new RestorePointCatalog(catalog.Pool);
        var handler = new TableRescueRun(
            new RecoverableWindows(rig.Tiers, points, rig.Estate, TimeProvider.System), points, new RestorePointAccess(points, rig.Tiers), rig.Tiers, new RescueCatalog(catalog.Pool),
            new ValidationOptions { ScratchRoot = rig.StoreOf("scratch") }, rig.Registry, TimeProvider.System, rig.Estate);
        await new RunExecution(catalog.Pool, [handler], LeaseTimes.Default, TimeProvider.System, NullLogger<RunExecution>.Instance).AdvanceAsync(id, stopping);
    }

    private async Task<RescueOffer> WaitForOfferAsync(RunId id)
    {
        for (var looks = 0; ; looks++)
        {
            var steps = await new RunStore(catalog.Pool).StepsAsync(id, Ct);
            if (steps.FirstOrDefault(step => step is { Name: "rescue", IntentJson: not null }) is { } waiting)
            {
                return JsonSerializer.Deserialize<RescueOffer>(waiting.IntentJson!, JsonSerializerOptions.Web)!;
            }

            var run = await new RunStore(catalog.Pool).FindAsync(id, Ct);
            Assert.True(looks < 600 && run!.IsOpen, run!.ErrorJson);
            await Task.Delay(100, Ct);
        }
    }

    private async Task<TableRescueResult> ResultAsync(RunId id)
    {
        var run = (await new RunStore(catalog.Pool).FindAsync(id, Ct))!;
        Assert.True(run.State == RunState.Completed, run.ErrorJson);
        return JsonSerializer.Deserialize<TableRescueResult>(run.ResultJson!, JsonSerializerOptions.Web)!;
    }

    private static async Task<long> CountAsync(WalRig rig, string text)
    {
        await using var connection = await rig.OpenAsync();
        await using var command = new NpgsqlCommand(text, connection);
        return Convert.ToInt64(await command.ExecuteScalarAsync(Ct), System.Globalization.CultureInfo.InvariantCulture);
    }
}
