using System.Globalization;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical.InPlace;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Engine.Validation;
using Npgsql;
using static Hexabase.DrConsole.Engine.Tests.Backups.Receiving.WalRig;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Receiving;

/// <summary>A server whose WAL is received goes back to an earlier moment in its place, and on from there.</summary>
public sealed class TimelineTests(CatalogServer catalog)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task Moments_of_a_branch_that_was_left_and_of_the_one_that_goes_on_are_each_recovered_along_their_own()
    {
        await using var rig = await BranchedAsync();
        var (first, left) = (rig.Points[0], rig.Moments[1]);
        await rig.AddAsync(20);
        await rig.AddAsync(21);
        await rig.SettleAsync();

        Assert.Equal("1,2", await rig.RecoverAsync(left));
        Assert.Equal("1,20", await rig.RecoverAsync(rig.Moments[^2]));
        Assert.Equal(first, (await rig.WindowAsync()).Reach(rig.Moments[^2]).Base!.Id);
    }

    [Fact]
    public async Task Branch_that_was_left_is_taken_up_again_on_a_timeline_of_its_own_and_receiving_goes_on()
    {
        await using var rig = await BranchedAsync();
        await rig.AddAsync(20);
        await rig.SettleAsync();

        await rig.RestoreInPlaceAsync(rig.Points[1], target => target with { ToEnd = true }, InPlaceForm.Delta, "R-2");

        await rig.Wal.WaitForAsync(row => row is { State: "streaming", Timeline: 3 }, Limit);
        await rig.AddAsync(30);
        await rig.SettleAsync();
        Assert.Equal("1,2,3,30", await rig.RowsAsync());
    }

    [Fact]
    public async Task Restore_in_place_without_a_moment_comes_back_on_a_timeline_of_its_own_and_receiving_goes_on()
    {
        await using var rig = await Rig.CreateAsync(catalog);
        await rig.CaptureAsync();
        await rig.AddAsync(1);
        await rig.SettleAsync();

        await rig.RestoreInPlaceAsync(rig.Points[0], target => target, InPlaceForm.Aside, "R-1");

        await rig.Wal.WaitForAsync(row => row is { State: "streaming", Timeline: 2 }, Limit);
        await rig.AddAsync(10);
        await rig.SettleAsync();
        Assert.Equal("10", await rig.RowsAsync());
    }

    [Fact]
    public async Task Base_backup_on_a_timeline_whose_history_is_not_stored_is_validated_and_restored_alike()
    {
        await using var rig = await Rig.CreateAsync(catalog);
        await rig.AddAsync(1);
        await rig.SettleAsync();
        await rig.Wal.StopReceiverAsync();
        await rig.Wal.PromoteAsync();
        await rig.AddAsync(2);
        await rig.CaptureAsync();

        Assert.Equal("1,2", await rig.RestoreAsync(rig.Points[0]));
        await using var repository = await rig.Wal.OpenRepositoryAsync("hot");
        var validation = await new RestorePointValidation(new ValidationOptions { ScratchRoot = rig.Wal.StoreOf("scratch") }, rig.Wal.Registry, TimeProvider.System)
            .RunAsync(repository, rig.Points[0], null, null, Ct);
        Assert.True(validation.OverallPassed, string.Join('\n', validation.Steps.Select(step => $"{step.Name} {step.Status}: {step.Reason}")));
    }

    [Fact]
    public async Task Window_ends_when_the_first_tier_had_the_last_WAL_however_late_another_wrote_it_again()
    {
        await using var rig = await Rig.CreateAsync(catalog);
        await rig.CaptureAsync();
        var began = TimeProvider.System.GetUtcNow();
        await rig.AddAsync(1);
        await rig.SettleAsync();
        await rig.Wal.StopReceiverAsync();
        var died = TimeProvider.System.GetUtcNow();
        foreach (var file in Directory.EnumerateFiles(rig.Wal.StoreOf("hot"), "*", SearchOption.AllDirectories).Where(path => path.Contains("/wal/", StringComparison.Ordinal)))
        {
            File.SetLastWriteTimeUtc(file, died.UtcDateTime.AddHours(4));
        }

        var window = await new RecoverableWindows(rig.Wal.Tiers, new RestorePointCatalog(catalog.Pool), rig.Wal.Estate, TimeProvider.System).ReadAsync(rig.Wal.Source, Ct);

        Assert.True((await rig.WindowAsync()).Living!.To > died.AddHours(3));
        Assert.InRange(Assert.Single(window!.Stretches).To, began, died);
        Assert.False(window.Reach(died.AddHours(3)).IsReachable);
    }

    /// <summary>Rows 1, 2 and 3 on the first timeline, with base backups before the first and before the third row; then back to where there was only row 1.</summary>
    private async Task<Rig> BranchedAsync()
    {
        var rig = await Rig.CreateAsync(catalog);
        await rig.CaptureAsync();
        await rig.AddAsync(1);
        await rig.AddAsync(2);
        await rig.CaptureAsync();
        await rig.AddAsync(3);
        await rig.SettleAsync();
        await rig.RestoreInPlaceAsync(rig.Points[0], target => target with { Time = rig.Moments[0] }, InPlaceForm.Delta, "R-1");
        await rig.Wal.WaitForAsync(row => row is { State: "streaming", Timeline: 2 }, Limit);
        Assert.Equal("1", await rig.RowsAsync());
        return rig;
    }

    private sealed class Rig(WalRig wal) : IAsyncDisposable
    {
        public WalRig Wal => wal;

        public List<RestorePointId> Points { get; } = [];

        /// <summary>The moment after each row that was added.</summary>
        public List<DateTimeOffset> Moments { get; } = [];

        private string Folder => Path.GetDirectoryName(wal.Registry.Folder)!;

        public static async Task<Rig> CreateAsync(CatalogServer catalog)
        {
            var rig = new Rig(await WalRig.CreateAsync(catalog));
            rig.Wal.StartReceiver();
            await rig.Wal.WaitForAsync(row => row.State == "streaming", Limit);
            await rig.Wal.ExecuteAsync("CREATE TABLE moments (n int)");
            return rig;
        }

        public async Task AddAsync(int number)
        {
            await wal.ExecuteAsync(string.Create(CultureInfo.InvariantCulture, $"INSERT INTO moments VALUES ({number})"));
            await using var connection = await wal.OpenAsync();
            await using var command = new NpgsqlCommand("SELECT clock_timestamp()", connection);
            Moments.Add((DateTimeOffset)(DateTime)(await command.ExecuteScalarAsync(Ct))!);
            await Task.Delay(200, Ct);
        }

        /// <summary>Waits until both tiers hold everything.</summary>
        public async Task SettleAsync() => await wal.WaitDurableAsync(await wal.CurrentLsnAsync(), Limit);

        public async Task CaptureAsync()
        {
            await using var repository = await wal.OpenRepositoryAsync("hot");
            var server = wal.Source.Postgres!;
            var result = await new PhysicalBackup(wal.Registry, TimeProvider.System, Path.Combine(Folder, "staging")).CaptureAsync(
                new PostgresBackupRequest
                {
                    Description = new BackupDescription { Source = wal.Source.Name, Kind = "postgres", Workspace = wal.Source.Workspace },
                    Source = new PostgresSource
                    {
                        Host = server.Host, Port = server.Port, Database = server.Database, Username = server.Username, PasswordFile = server.PasswordFile,
                        DataDirectory = wal.Server.DataFolder,
                    },
                },
                repository, null, null, Ct);
            Points.Add(result.BackupId);
        }

        public async Task RestoreInPlaceAsync(RestorePointId point, Func<PgDataTarget, PgDataTarget> aim, InPlaceForm form, string run)
        {
            await wal.Server.StopAsync(Ct);
            NpgsqlConnection.ClearAllPools();
            await using (var repository = await wal.OpenRepositoryAsync("hot"))
            {
                var order = new InPlaceOrder(repository, await repository.ReadManifestAsync(point, Ct), aim(new PgDataTarget(wal.Server.DataFolder, InPlace: form)), form, run);
                await new InPlaceRestore(wal.Registry, TimeProvider.System).ExecuteAsync(order, null, null, Ct);
            }

            await wal.StartServerAgainAsync();
        }

        public async Task<RecoverableWindow> WindowAsync()
        {
            await using var repository = await wal.OpenRepositoryAsync("hot");
            return await RecoverableWindow.ReadAsync(repository, wal.Source.Name, "hot", TimeProvider.System.GetUtcNow(), Ct);
        }

        /// <summary>Recovers what the window says of a moment into a new directory, and returns the rows that are there.</summary>
        public async Task<string> RecoverAsync(DateTimeOffset moment)
        {
            var reach = (await WindowAsync()).Reach(moment);
            Assert.True(reach.IsReachable, $"{moment:O}: {reach}");
            return await RestoreAsync(reach.Base!.Id, moment);
        }

        /// <summary>Restores a base backup into a new directory, and returns the rows that are there.</summary>
        public async Task<string> RestoreAsync(RestorePointId point, DateTimeOffset? moment = null)
        {
            await using var repository = await wal.OpenRepositoryAsync("hot");
            var manifest = await repository.ReadManifestAsync(point, Ct);
            var restore = new PhysicalRestore(wal.Registry, TimeProvider.System);
            var target = new PgDataTarget(Path.Combine(Folder, $"to-{Guid.NewGuid():N}"[..9]), FreePort.Choose(), moment);
            var plan = await restore.PlanAsync(repository, manifest, target, Ct);
            await restore.ExecuteAsync(repository, manifest, plan, plan.Hash, target.Path, null, null, Ct);
            try
            {
                return await RowsAsync(target.Port);
            }
            finally
            {
                if (PostmasterFile.FindLiving(target.Path) is { } living)
                {
                    await ProcessEnding.EndAsync(living.Process, ProcessEnding.Server(TimeSpan.FromSeconds(30)), TimeProvider.System, CancellationToken.None);
                }
            }
        }

        public async Task<string> RowsAsync(int? port = null)
        {
            await using var connection = await wal.OpenAsync(port);
            await using var command = new NpgsqlCommand("SELECT coalesce(string_agg(n::text, ',' ORDER BY n), '') FROM moments", connection);
            return (string)(await command.ExecuteScalarAsync(Ct))!;
        }

        public ValueTask DisposeAsync() => wal.DisposeAsync();
    }
}
