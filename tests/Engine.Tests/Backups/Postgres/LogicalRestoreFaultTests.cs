using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Tests.Support;
using Npgsql;
using static Hexabase.DrConsole.Engine.Tests.Backups.Postgres.DriverFixture;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Postgres;

/// <summary>Restores that must not happen, must not finish, or go on after a crash.</summary>
public sealed class LogicalRestoreFaultTests(PostgresLab lab)
{
    [Fact]
    public async Task Restore_into_a_database_that_exists_is_refused_and_leaves_it_alone()
    {
        await using var driver = await CreateAsync(lab);
        var result = await driver.CaptureAsync();
        await driver.ExecuteAsync("CREATE TABLE precious AS SELECT 42 AS answer");

        var fault = await Assert.ThrowsAsync<EngineException>(() => driver.RestoreAsync(result.BackupId, driver.Target(driver.Database.Name)));

        Assert.Equal(("database-exists", ErrorKind.Conflict), (fault.Code, fault.Kind));
        Assert.Equal(42, await driver.ScalarAsync("SELECT answer FROM precious"));
    }

    [Fact]
    public async Task Execute_name_taken_after_planning_is_refused_and_cleaned_up()
    {
        await using var driver = await CreateReadingAsync(lab);
        var result = await driver.CaptureAsync();
        var name = driver.NewName();
        var manifest = await driver.Repository.ReadManifestAsync(result.BackupId, Ct);
        var restore = new LogicalRestore(driver.Registry, TimeProvider.System);
        var plan = await restore.PlanAsync(driver.Repository, manifest, driver.Target(name), Ct);

        // Somebody takes the name while the restore runs: found out by the last step, which is atomic.
        var fault = await Assert.ThrowsAsync<EngineException>(() => restore.ExecuteAsync(
            driver.Repository, manifest, plan, plan.Hash, "R-9", null,
            (phase, _) =>
            {
                if (phase == "publish")
                {
                    using var connection = new NpgsqlConnection(driver.Database.Server.AdminConnection("postgres").ConnectionString);
                    connection.Open();
                    using var command = new NpgsqlCommand($"CREATE DATABASE \"{name}\"", connection);
                    command.ExecuteNonQuery();
                }
            }, Ct));

        Assert.Equal("database-exists", fault.Code);
        Assert.Equal(0L, await driver.ScalarAsync("SELECT count(*) FROM pg_database WHERE datname ~ '^drconsole_restore_'", "postgres"));
        Assert.Equal(0L, await driver.ScalarAsync("SELECT count(*) FROM pg_class WHERE relname = 'orders'", name));
    }

    [Fact]
    public async Task Execute_resumed_after_a_crash_begins_again_and_after_its_end_does_nothing()
    {
        await using var driver = await CreateReadingAsync(lab);
        var result = await driver.CaptureAsync();
        var target = driver.Target(driver.NewName());
        await using (var server = await driver.AdminSource.OpenAsync(Ct))
        {
            // What a killed restore leaves: its staging database, half full.
            var leftover = new StagingDatabase(server, target, "R-7");
            await driver.ExecuteAsync($"CREATE DATABASE {leftover.Name}", "postgres");
            await driver.ExecuteAsync("CREATE TABLE orders (half integer)", leftover.Name);
        }

        var first = await driver.RestoreAsync(result.BackupId, target, "R-7");
        var manifest = await driver.Repository.ReadManifestAsync(result.BackupId, Ct);
        var restore = new LogicalRestore(driver.Registry, TimeProvider.System);
        var plan = await restore.PlanAsync(driver.Repository, manifest, target with { Database = driver.NewName() }, Ct);
        plan = plan with { Target = target.ToText() };
        var second = await restore.ExecuteAsync(driver.Repository, manifest, plan, plan.Hash, "R-7", null, null, Ct);

        Assert.NotNull(first.Duration);
        Assert.Null(second.Duration);
        Assert.True((await driver.CompareAsync(result.BackupId, target.Database)).AllEqual);
        var other = await Assert.ThrowsAsync<EngineException>(() => restore.ExecuteAsync(driver.Repository, manifest, plan, plan.Hash, "R-70", null, null, Ct));
        Assert.Equal("database-exists", other.Code);
    }

    [Fact]
    public async Task Execute_another_plan_than_approved_is_refused()
    {
        await using var driver = await CreateReadingAsync(lab);
        var manifest = await driver.Repository.ReadManifestAsync((await driver.CaptureAsync()).BackupId, Ct);
        var restore = new LogicalRestore(driver.Registry, TimeProvider.System);
        var name = driver.NewName();
        var plan = await restore.PlanAsync(driver.Repository, manifest, driver.Target(name), Ct);

        var other = plan with { Target = driver.Target(name + "x").ToText() };
        var fault = await Assert.ThrowsAsync<EngineException>(() => restore.ExecuteAsync(driver.Repository, manifest, other, plan.Hash, "R-1", null, null, Ct));

        Assert.Equal("plan-changed", fault.Code);
        Assert.Equal(0L, await driver.DatabaseAsync(name + "x"));
    }

    [Fact]
    public async Task Restore_missing_roles_are_named_first_and_made_when_asked()
    {
        await using var driver = await CreateAsync(lab);
        var role = "Rolle " + driver.Database.Name;
        await driver.ExecuteAsync($"CREATE ROLE \"{role}\" SUPERUSER LOGIN PASSWORD 'geheim'; CREATE TABLE owned (a int); ALTER TABLE owned OWNER TO \"{role}\"");
        var result = await driver.CaptureAsync(driver.AdminSource);
        await driver.ExecuteAsync($"DROP TABLE owned; DROP ROLE \"{role}\"");
        var target = driver.Target(driver.NewName());
        try
        {
            var fault = await Assert.ThrowsAsync<EngineException>(() => driver.RestoreAsync(result.BackupId, target));
            Assert.Equal("target-not-ready", fault.Code);
            Assert.Contains(role, fault.Message, StringComparison.Ordinal);

            await driver.RestoreAsync(result.BackupId, target with { CreateRoles = true });

            Assert.Equal(role, await driver.ScalarAsync("SELECT tableowner::text FROM pg_tables WHERE tablename = 'owned'", target.Database));
            Assert.Equal("false|true|true", await driver.ScalarAsync(
                $"SELECT concat_ws('|', rolsuper::text, rolcanlogin::text, (rolpassword LIKE 'SCRAM%')::text) FROM pg_authid WHERE rolname = '{role}'"));
        }
        finally
        {
            await driver.Database.Server.DropDatabaseAsync(target.Database, CancellationToken.None);
            await driver.ExecuteAsync($"DROP ROLE IF EXISTS \"{role}\"");
        }
    }

    [Fact]
    public async Task Restore_by_an_ordinary_role_keeps_content_without_owners()
    {
        await using var driver = await CreateAsync(lab);
        var result = await driver.CaptureAsync();
        var role = "maker_" + driver.Database.Name;
        var file = driver.Folder.Combine("maker.pw");
        await File.WriteAllTextAsync(file, "maker", Ct);
        await driver.ExecuteAsync($"CREATE ROLE {role} LOGIN CREATEDB PASSWORD 'maker'");
        var name = driver.NewName();
        var target = driver.Target(name) with { Username = role, PasswordFile = file };
        try
        {
            var fault = await Assert.ThrowsAsync<EngineException>(() => driver.RestoreAsync(result.BackupId, target));
            Assert.Contains("may not give objects to", fault.Message, StringComparison.Ordinal);
            Assert.Contains("noOwner=true", fault.Hint, StringComparison.Ordinal);

            await driver.RestoreAsync(result.BackupId, target with { NoOwner = true, NoPrivileges = true });

            var faults = (await driver.CompareAsync(result.BackupId, name, withOwnersAndGrants: false)).Faults
                .Where(one => one.Kind != "comment").Select(one => one.ToText());
            Assert.Empty(faults);
            Assert.Equal(role, await driver.ScalarAsync("SELECT tableowner::text FROM pg_tables WHERE tablename = 'events'", name));
        }
        finally
        {
            await driver.Database.Server.DropDatabaseAsync(name, CancellationToken.None);
            await driver.ExecuteAsync($"DROP ROLE {role}");
        }
    }

    [Fact]
    public async Task Restore_from_a_damaged_pack_names_it_and_leaves_no_database()
    {
        await using var driver = await CreateReadingAsync(lab);
        var result = await driver.CaptureAsync();
        var target = driver.Target(driver.NewName());
        var manifest = await driver.Repository.ReadManifestAsync(result.BackupId, Ct);
        var restore = new LogicalRestore(driver.Registry, TimeProvider.System);
        var plan = await restore.PlanAsync(driver.Repository, manifest, target, Ct);
        var pack = Directory.EnumerateFiles(Path.Combine(driver.StoreFolder, "packs"), "*", SearchOption.AllDirectories).MaxBy(file => new FileInfo(file).Length)!;
        await FlipAsync(pack);

        var fault = await Assert.ThrowsAsync<EngineException>(() => restore.ExecuteAsync(driver.Repository, manifest, plan, plan.Hash, "R-3", null, null, Ct));

        Assert.Equal(ErrorKind.Damaged, fault.Kind);
        Assert.Contains(Path.GetFileName(pack)[..8], fault.ToText() + string.Join(' ', fault.Context.Values), StringComparison.Ordinal);
        Assert.Equal(0L, await driver.DatabaseAsync(target.Database));
        Assert.Equal(0L, await driver.DatabaseAsync(new StagingDatabase(new NpgsqlConnection(), target, "R-3").Name));
        Assert.Empty(driver.Registry.List());
    }

    [Fact]
    public async Task Plan_of_another_kind_of_restore_point_is_refused()
    {
        await using var driver = await CreateReadingAsync(lab);
        await using var session = await driver.Repository.BeginAsync(new() { Source = "files", Kind = "files" }, Ct);
        await session.WriteStreamAsync("a", "test", new MemoryStream([1]), null, Ct);
        var manifest = await session.CommitAsync(null, null, Ct);
        var fault = await Assert.ThrowsAsync<EngineException>(() => new LogicalRestore(driver.Registry, TimeProvider.System)
            .PlanAsync(driver.Repository, manifest, driver.Target("x"), Ct));
        Assert.Equal("not-a-logical-backup", fault.Code);
    }

    /// <summary>Changes one byte in the middle of a file.</summary>
    internal static async Task FlipAsync(string path)
    {
        var bytes = await File.ReadAllBytesAsync(path, Ct);
        bytes[bytes.Length / 2] ^= 0x10;
        await File.WriteAllBytesAsync(path, bytes, Ct);
    }
}
