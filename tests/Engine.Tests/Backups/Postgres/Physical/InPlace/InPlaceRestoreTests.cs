using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical.InPlace;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Tests.Support;
using Npgsql;
using static Hexabase.DrConsole.Engine.Tests.Backups.Postgres.DriverFixture;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Postgres.Physical.InPlace;

public sealed class InPlaceRestoreTests(PostgresLab lab)
{
    [Fact]
    public async Task Cluster_is_restored_over_its_own_directory_and_back_in_both_forms()
    {
        await using var driver = await CreateAsync(lab);
        await driver.ExecuteAsync("CREATE TABLE moments (n int); INSERT INTO moments VALUES (1)");
        var point = await driver.Repository.ReadManifestAsync((await PhysicalRoundTripTests.CaptureAsync(driver, fromDirectory: true)).BackupId, Ct);
        await driver.ExecuteAsync("INSERT INTO moments VALUES (2)");
        var between = (DateTimeOffset)(DateTime)(await driver.ScalarAsync("SELECT clock_timestamp()"))!;
        await driver.ExecuteAsync("SELECT pg_sleep(0.05); SELECT pg_create_restore_point('before three'); INSERT INTO moments VALUES (3)");
        await PointInTimeTests.StoreWalAsync(driver);

        // The directory that is restored over: a cluster of its own life, which went on after the backup.
        var port = FreePort.Choose();
        var data = driver.Folder.Combine("live");
        var physical = new PhysicalRestore(driver.Registry, TimeProvider.System);
        var fresh = new PgDataTarget(data, port);
        var plan = await physical.PlanAsync(driver.Repository, point, fresh, Ct);
        await physical.ExecuteAsync(driver.Repository, point, plan, plan.Hash, "R-1 of now", null, driver.Note, Ct);
        try
        {
            await QueryAsync(driver, port, "INSERT INTO moments VALUES (100); SELECT 'written'");
            var restore = new InPlaceRestore(driver.Registry, TimeProvider.System);
            var target = new PgDataTarget(data, port, Time: between);
            var refused = await Assert.ThrowsAsync<EngineException>(() => restore.ExecuteAsync(Order(driver, point, target, InPlaceForm.Delta, "R-2"), null, driver.Note, Ct));
            Assert.Equal("server-running", refused.Code);
            await StopAsync(data);

            var control = await File.ReadAllBytesAsync(Path.Combine(data, ClusterFiles.Control), Ct);
            var unnamed = Order(driver, point, new PgDataTarget(data, port, Name: "befor three"), InPlaceForm.Delta, "R-0");
            var unknown = await Assert.ThrowsAsync<EngineException>(() => restore.ExecuteAsync(unnamed, null, driver.Note, Ct));
            Assert.Equal("restore-point-name-unknown", unknown.Code);
            Assert.Contains("'before three'", unknown.Message, StringComparison.Ordinal);
            Assert.False(Directory.Exists(unnamed.AsidePath));
            Assert.Equal(control, await File.ReadAllBytesAsync(Path.Combine(data, ClusterFiles.Control), Ct));

            // What it was recovered by once stands in its configuration yet.
            var ended = Path.Combine(data, "end-command-ran");
            await File.AppendAllTextAsync(
                Path.Combine(data, "postgresql.auto.conf"),
                $"recovery_target_xid = '700'\nrecovery_min_apply_delay = '1h'\nrecovery_end_command = 'touch \"{ended}\"'\narchive_cleanup_command = 'touch \"{ended}\"'\ntimezone = 'Asia/Tokyo'\nlc_messages = 'C.utf8'\n", Ct);
            foreach (var (form, run) in new[] { (InPlaceForm.Delta, "R-3"), (InPlaceForm.Aside, "R-4") })
            {
                var order = Order(driver, point, target, form, run);
                var planned = await restore.PlanAsync(order, null, Ct);
                Assert.Null(planned.RunningServer);
                Assert.True(form == InPlaceForm.Aside || planned.Kept.Bytes > planned.Fetched.Bytes, $"{planned}");
                var result = await restore.ExecuteAsync(order, null, driver.Note, Ct);
                Assert.Contains(result.Phases, phase => phase is { Name: "verify", Seconds: > 0 });
                Assert.Contains(planned.Notes, note => note.StartsWith("WAL: timeline 1, from ", StringComparison.Ordinal));
                Assert.EndsWith("+00", result.LastTransaction, StringComparison.Ordinal);
                Assert.Empty(result.Warnings);
                Assert.False(File.Exists(ended));
                Assert.Equal("1,2", await MomentsAsync(driver, port));
                Assert.Empty((await restore.ExecuteAsync(order, null, driver.Note, Ct)).Phases);
                await StopAsync(data);

                var undone = await restore.UndoAsync(order, null, driver.Note, Ct);
                Assert.True(undone is { Changed: true, IsExact: true }, undone.Text);
                Assert.False((await restore.UndoAsync(order, null, driver.Note, Ct)).Changed);
                await LastingServer.StartAsync(data, port, [], PostgresBinaries.Find(15), driver.Registry, driver.Note, Ct);
                Assert.Equal("1,100", await MomentsAsync(driver, port));
                await StopAsync(data);
                var again = await Assert.ThrowsAsync<EngineException>(() => restore.ExecuteAsync(order, null, driver.Note, Ct));
                Assert.Equal("run-name-used", again.Code);
            }
        }
        finally
        {
            await StopAsync(data);
        }

        Assert.Empty(driver.Registry.List());
        Assert.DoesNotContain(Directory.EnumerateDirectories(driver.Folder.Path), folder => folder.Contains("restoring-", StringComparison.Ordinal));
    }

    private static InPlaceOrder Order(DriverFixture driver, Manifest point, PgDataTarget target, InPlaceForm form, string run) => new(driver.Repository, point, target, form, run);

    private static Task<string> MomentsAsync(DriverFixture driver, int port) => QueryAsync(driver, port, "SELECT coalesce(string_agg(n::text, ',' ORDER BY n), '') FROM moments");

    private static async Task<string> QueryAsync(DriverFixture driver, int port, string text)
    {
        var settings = driver.Database.Server.AdminConnection(driver.Database.Name);
        (settings.Port, settings.Pooling) = (port, false);
        await using var connection = new NpgsqlConnection(settings.ConnectionString);
        await connection.OpenAsync(Ct);
        await using var command = new NpgsqlCommand(text, connection);
        return (string)(await command.ExecuteScalarAsync(Ct))!;
    }

    private static async Task StopAsync(string data)
    {
        if (PostmasterFile.FindLiving(data) is { } living)
        {
            await ProcessEnding.EndAsync(living.Process, ProcessEnding.Server(TimeSpan.FromSeconds(30)), TimeProvider.System, CancellationToken.None);
        }
    }
}
