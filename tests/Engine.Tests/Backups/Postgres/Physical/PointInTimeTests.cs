using System.Globalization;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Repository.Wal;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Tests.Support;
using Npgsql;
using static Hexabase.DrConsole.Engine.Tests.Backups.Postgres.DriverFixture;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Postgres.Physical;

public sealed class PointInTimeTests(PostgresLab lab)
{
    [Fact]
    public async Task Recovery_to_a_moment_has_what_was_committed_before_it_and_nothing_after()
    {
        await using var driver = await CreateAsync(lab);
        await driver.ExecuteAsync("CREATE TABLE moments (n int, at timestamptz DEFAULT clock_timestamp())");
        var point = await PhysicalRoundTripTests.CaptureAsync(driver, fromDirectory: true);
        await driver.ExecuteAsync("INSERT INTO moments VALUES (1)");
        var between = (DateTimeOffset)(DateTime)(await driver.ScalarAsync("SELECT clock_timestamp()"))!;
        await driver.ExecuteAsync("SELECT pg_sleep(0.05); INSERT INTO moments VALUES (2)");
        await driver.ExecuteAsync("SELECT pg_create_restore_point('before three')");
        // Where the commit of the third row begins.
        var lsn = (string)(await driver.ScalarAsync("WITH new AS (INSERT INTO moments VALUES (3) RETURNING n) SELECT pg_current_wal_insert_lsn()::text FROM new"))!;
        await StoreWalAsync(driver);
        var after = (DateTimeOffset)(DateTime)(await driver.ScalarAsync("SELECT clock_timestamp()"))!;

        Assert.Equal("1", await RecoverAsync(driver, point, target => target with { Time = between }));
        Assert.Equal("1,2", await RecoverAsync(driver, point, target => target with { Lsn = lsn }));
        Assert.Equal("1,2", await RecoverAsync(driver, point, target => target with { Name = "before three" }));
        Assert.Equal("1,2,3", await RecoverAsync(driver, point, target => target with { Time = after.AddHours(1), ToEnd = true }, result =>
        {
            // When the WAL was stored says nothing of when its commits were made.
            var warning = Assert.Single(result.Warnings);
            Assert.Contains("commits from then up to that moment may be missing", warning, StringComparison.Ordinal);
            Assert.Contains($"the last commit in it is of {result.ReplayedUntil!.Value.UtcDateTime:yyyy-MM-dd HH:mm:ss.fff} UTC, replay ended at 0/", warning, StringComparison.Ordinal);
            Assert.InRange(result.ReplayedUntil.Value, between, after);
        }));
        Assert.Equal("", await RecoverAsync(driver, point, target => target));
        Assert.Empty(driver.Registry.List());
    }

    [Fact]
    public async Task Moment_out_of_reach_is_refused_with_the_window_before_anything_is_made()
    {
        await using var driver = await CreateAsync(lab);
        var point = await PhysicalRoundTripTests.CaptureAsync(driver, fromDirectory: true);
        var without = await Assert.ThrowsAsync<EngineException>(() => RecoverAsync(driver, point, target => target with { ToEnd = true }));
        await StoreWalAsync(driver);
        var now = TimeProvider.System.GetUtcNow();

        var early = await Assert.ThrowsAsync<EngineException>(() => RecoverAsync(driver, point, target => target with { Time = now.AddHours(-1) }));
        var late = await Assert.ThrowsAsync<EngineException>(() => RecoverAsync(driver, point, target => target with { Time = now.AddHours(1) }));
        var soon = await Assert.ThrowsAsync<EngineException>(() => RecoverAsync(driver, point, target => target with { Time = now.AddSeconds(30) }));
        var place = await Assert.ThrowsAsync<EngineException>(() => RecoverAsync(driver, point, target => target with { Lsn = "FFFF/0" }));

        Assert.Equal("wal-missing", without.Code);
        Assert.All([early, late, soon, place], fault => Assert.Equal("recovery-out-of-reach", fault.Code));
        Assert.All([early, late, soon, place], fault => Assert.Contains("in reach from this restore point: 20", fault.Message, StringComparison.Ordinal));
        Assert.DoesNotContain(Directory.EnumerateFileSystemEntries(driver.Folder.Path), entry => Path.GetFileName(entry).StartsWith("recovered", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Place_at_the_end_of_the_stored_WAL_and_one_where_a_segment_begins_are_reached()
    {
        await using var driver = await CreateAsync(lab);
        await driver.ExecuteAsync("CREATE TABLE moments (n int)");
        var point = await PhysicalRoundTripTests.CaptureAsync(driver, fromDirectory: true);
        await driver.ExecuteAsync("INSERT INTO moments VALUES (1)");
        await driver.ExecuteAsync("SELECT pg_switch_wal()");
        var begin = Lsn.Parse((await driver.ScalarAsync("SELECT pg_current_wal_lsn()::text"))!.ToString()!).Value / (16 << 20) * (16 << 20);
        await driver.ExecuteAsync("CREATE TABLE later (n int); INSERT INTO moments VALUES (2)");
        var end = await StoreWalAsync(driver);

        Assert.Equal("1", await RecoverAsync(driver, point, target => target with { Lsn = new Lsn(begin).ToString() }));
        Assert.Equal("1,2", await RecoverAsync(driver, point, target => target with { Lsn = new Lsn(end).ToString() }));
        var beyond = await Assert.ThrowsAsync<EngineException>(() => RecoverAsync(driver, point, target => target with { Lsn = new Lsn(end + 1).ToString() }));
        Assert.Equal("recovery-out-of-reach", beyond.Code);
    }

    /// <summary>Recovers into a new directory with a server on a port, and returns the rows of the test's table.</summary>
    private static async Task<string> RecoverAsync(DriverFixture driver, PostgresBackupResult point, Func<PgDataTarget, PgDataTarget> aim, Action<PhysicalRestoreResult>? look = null)
    {
        var restore = new PhysicalRestore(driver.Registry, TimeProvider.System);
        var target = aim(new PgDataTarget(driver.Folder.Combine($"recovered {Guid.NewGuid():N}"[..16]), FreePort.Choose()));
        var manifest = await driver.Repository.ReadManifestAsync(point.BackupId, Ct);
        var plan = await restore.PlanAsync(driver.Repository, manifest, target, Ct);
        var result = await restore.ExecuteAsync(driver.Repository, manifest, plan, plan.Hash, "R-1 of now", null, driver.Note, Ct);
        try
        {
            Assert.Contains(result.Phases, phase => phase is { Name: "replay", Seconds: > 0 });
            look?.Invoke(result);
            var settings = driver.Database.Server.AdminConnection(driver.Database.Name);
            settings.Port = target.Port!.Value;
            settings.Pooling = false;
            await using var connection = new NpgsqlConnection(settings.ConnectionString);
            await connection.OpenAsync(Ct);
            await using var extension = new NpgsqlCommand("SELECT count(*) FROM pg_extension WHERE extname = 'amcheck'", connection);
            Assert.Equal(await driver.ScalarAsync(extension.CommandText), await extension.ExecuteScalarAsync(Ct));
            await using var command = new NpgsqlCommand("SELECT CASE WHEN to_regclass('moments') IS NULL THEN 'no table' ELSE (SELECT coalesce(string_agg(n::text, ',' ORDER BY n), '') FROM moments) END", connection);
            return (string)(await command.ExecuteScalarAsync(Ct))!;
        }
        finally
        {
            if (PostmasterFile.FindLiving(target.Path) is { } living)
            {
                await ProcessEnding.EndAsync(living.Process, ProcessEnding.Server(TimeSpan.FromSeconds(30)), TimeProvider.System, CancellationToken.None);
            }
        }
    }

    /// <summary>Stores the server's WAL up to what it has flushed, as a receiver would.</summary>
    /// <returns>The byte after the last that was stored.</returns>
    internal static async Task<ulong> StoreWalAsync(DriverFixture driver)
    {
        var system = ulong.Parse((string)(await driver.ScalarAsync("SELECT system_identifier::text FROM pg_control_system()"))!, CultureInfo.InvariantCulture);
        var archive = await driver.Repository.OpenWalAsync("orders", system, Ct);
        await archive.DescribeAsync(16 << 20, 15, Ct);
        await driver.ExecuteAsync("CREATE TABLE IF NOT EXISTS flushed (); DROP TABLE flushed");
        var flushed = Lsn.Parse((await driver.ScalarAsync("SELECT pg_current_wal_flush_lsn()::text"))!.ToString()!).Value;
        var first = Lsn.Parse((await driver.Repository.ListAsync(Ct)).Points[0].Properties[PhysicalBackup.StartProperty]).Value / (16 << 20);
        for (var segment = first; segment <= flushed / (16 << 20); segment++)
        {
            var bytes = await File.ReadAllBytesAsync(Path.Combine(driver.Database.Server.DataFolder, "pg_wal", new WalSegmentSize(16 << 20).FileName(1, segment)), Ct);
            if (segment < flushed / (16 << 20))
            {
                await archive.StoreSegmentAsync(1, segment, bytes, Ct);
            }
            else
            {
                await archive.StorePieceAsync(1, segment, 0, bytes.AsMemory(0, (int)(flushed % (16 << 20))), Ct);
            }
        }

        return flushed;
    }
}
