using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Backups.Drivers;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Recovery.Actions;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Strategies;
using Hexabase.DrConsole.Engine.Tests.Support;
using static Hexabase.DrConsole.Engine.Tests.Backups.Receiving.WalRig;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Receiving;

/// <summary>The first tier answers and holds the base backup, and has got no WAL for an hour; the second one holds everything.</summary>
public sealed class StalledTierTests(CatalogServer catalog)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task Window_plan_and_restore_use_the_tier_whose_WAL_reaches_furthest()
    {
        await using var rig = await CreateAsync(catalog);
        var (point, last) = await StallAsync(rig);
        var (points, estate) = (new RestorePointCatalog(catalog.Pool), EstateOf(rig));
        var (access, windows) = (new RestorePointAccess(points, rig.Tiers), new RecoverableWindows(rig.Tiers, points, estate, TimeProvider.System));
        var row = await points.ResolveAsync(point.Value, Ct);

        var window = (await windows.ReadAsync(rig.Source, Ct))!;
        Assert.Equal("warm", window.Tier);
        Assert.True(window.Living!.To >= last, $"{window.Living.To:O} lies before {last:O}");
        Assert.Equal("warm", await TierForAsync(new PgDataTarget("/x", ToEnd: true)));
        Assert.Equal("warm", await TierForAsync(new PgDataTarget("/x", Time: last)));
        // Nothing more is needed than the first has, nor where no WAL is wanted.
        Assert.Equal("hot", await TierForAsync(new PgDataTarget("/x", Time: last.AddHours(-2))));
        Assert.Equal("hot", await TierForAsync(new PgDataTarget("/x")));

        var maker = new PlanMaker(
            estate, new RecoveryActions([]), new PointChoice(points, TimeProvider.System), access, windows, new StepDurations(catalog.Pool),
            new InPlacePlans(new RestoreDrivers([]), access, TimeProvider.System), new IncidentStore(catalog.Pool));
        var template = new PlanTemplate("plan", "A plan", [], "postgres", null, new PlanGate("high"), FailurePolicy.RollBackAll, []);
        var made = (await maker.ChooseAsync(estate.Sources[0], template, new PlanRequest(rig.Source.Name, "NODE_FAILURE"), Ct)).Made;
        Assert.Contains("read from tier warm", made.Notes);
        Assert.True(made.Basis.ToEnd && made.Loss.From >= last, $"{made.Loss}");

        async Task<string> TierForAsync(PgDataTarget target)
        {
            var (tier, repository) = await access.OpenForAsync(row, target, null, Ct);
            await repository.DisposeAsync();
            return tier.Name;
        }
    }

    [Fact]
    public async Task Recovery_whose_WAL_was_given_up_while_it_waited_is_refused_before_its_first_step()
    {
        await using var rig = await CreateAsync(catalog);
        var (point, last) = await StallAsync(rig);
        var points = new RestorePointCatalog(catalog.Pool);
        var restore = new RestoreFromBackup(
            points, new RestorePointAccess(points, rig.Tiers),
            new PostgresRestores(new LogicalRestore(rig.Registry, TimeProvider.System), new PhysicalRestore(rig.Registry, TimeProvider.System)), TimeProvider.System);
        RecoveryBasis basis;
        await using (var repository = await rig.OpenRepositoryAsync("warm"))
        {
            var manifest = await repository.ReadManifestAsync(point, Ct);
            basis = new RecoveryBasis(point.Value, manifest.CreatedAt, LogicalRestore.HashOf(manifest), last, true, null);
        }

        var target = LivingTarget.Of(EstateOf(rig).Sources[0]);
        await restore.RequireAsync(target, basis, Ct);
        await restore.RequireAsync(target, basis with { Moment = null }, Ct);

        foreach (var file in WalOf(rig, "hot").Concat(WalOf(rig, "warm")))
        {
            File.Delete(file);
        }

        Assert.Equal("wal-missing", (await Assert.ThrowsAsync<EngineException>(() => restore.RequireAsync(target, basis, Ct))).Code);
        Assert.Equal("wal-missing", (await Assert.ThrowsAsync<EngineException>(() => restore.RequireAsync(target, basis with { Moment = null }, Ct))).Code);
        await restore.RequireAsync(target, basis with { Moment = null, ToEnd = false }, Ct);
    }

    /// <summary>A base backup in both tiers, then WAL in both, then more of it in the second one only.</summary>
    private static async Task<(RestorePointId Point, DateTimeOffset Last)> StallAsync(WalRig rig)
    {
        rig.StartReceiver();
        await rig.WaitForAsync(row => row.State == "streaming", Limit);
        var point = await CaptureAsync(rig);
        await rig.ExecuteAsync("CREATE TABLE moments (n int)");
        await rig.WaitDurableAsync(await rig.CurrentLsnAsync(), Limit);
        await rig.StopReceiverAsync();
        var held = WalOf(rig, "hot").ToDictionary(file => file, File.ReadAllBytes);
        rig.StartReceiver();
        var last = TimeProvider.System.GetUtcNow();
        await rig.ExecuteAsync("INSERT INTO moments SELECT g FROM generate_series(1, 1000) g");
        await rig.WaitDurableAsync(await rig.CurrentLsnAsync(), Limit);
        await rig.StopReceiverAsync();
        foreach (var file in WalOf(rig, "hot"))
        {
            File.Delete(file);
        }

        foreach (var (file, bytes) in held)
        {
            await File.WriteAllBytesAsync(file, bytes, Ct);
            File.SetLastWriteTimeUtc(file, last.UtcDateTime.AddHours(-1));
        }

        return (point, last);
    }

    private static async Task<RestorePointId> CaptureAsync(WalRig rig)
    {
        var server = rig.Source.Postgres!;
        await using var hot = await rig.OpenRepositoryAsync("hot");
        await using var warm = await rig.OpenRepositoryAsync("warm");
        var result = await new PhysicalBackup(rig.Registry, TimeProvider.System, rig.StoreOf("staging")).CaptureAsync(
            new PostgresBackupRequest
            {
                Description = new BackupDescription { Source = rig.Source.Name, Kind = "postgres", Workspace = rig.Source.Workspace },
                Source = new PostgresSource
                {
                    Host = server.Host, Port = server.Port, Database = server.Database, Username = server.Username, PasswordFile = server.PasswordFile, DataDirectory = rig.Server.DataFolder,
                },
            },
            hot, null, null, Ct);
        await hot.CopyAsync(warm, [result.BackupId], cancellationToken: Ct);
        await using var connection = await rig.CatalogPool.OpenConnectionAsync(Ct);
        await using var transaction = await connection.BeginTransactionAsync(Ct);
        await RestorePointCatalog.RecordAsync(transaction, await hot.ReadManifestAsync(result.BackupId, Ct), null, Ct);
        await RestorePointCatalog.RecordTierAsync(transaction, result.BackupId, "hot", "stored", null, Ct);
        await RestorePointCatalog.RecordTierAsync(transaction, result.BackupId, "warm", "stored", null, Ct);
        await transaction.CommitAsync(Ct);
        return result.BackupId;
    }

    /// <summary>The rig's, with the server's data directory known.</summary>
    private static ProtectedEstate EstateOf(WalRig rig) => new(
        "test", rig.StoreOf("estate"), ProtectionClass.Defaults, rig.Estate.Tiers,
        [rig.Source with { Postgres = rig.Source.Postgres! with { DataDirectory = rig.Server.DataFolder } }], []);

    private static List<string> WalOf(WalRig rig, string tier) =>
        [.. Directory.EnumerateFiles(rig.StoreOf(tier), "*", SearchOption.AllDirectories).Where(path => path.Contains("/wal/", StringComparison.Ordinal))];
}
