using System.Diagnostics;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Tests.Support;
using Npgsql;
using static Hexabase.DrConsole.Engine.Tests.Backups.Postgres.DriverFixture;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Postgres;

/// <summary>Bad input and bad luck: one clear message that says what to do, no restore point, no process left.</summary>
public sealed class LogicalBackupFaultTests(PostgresLab lab)
{
    [Fact]
    public async Task Capture_unreachable_server_is_said()
    {
        await using var driver = await CreateReadingAsync(lab);
        var fault = await driver.FailToCaptureAsync(() => driver.CaptureAsync(driver.Source with { Port = FreePort.Choose() }));
        Assert.Equal(("server-unreachable", ErrorKind.Unavailable, true), (fault.Code, fault.Kind, fault.IsTransient));
    }

    [Fact]
    public async Task Capture_wrong_password_is_said_without_showing_it()
    {
        await using var driver = await CreateReadingAsync(lab);
        var file = driver.Folder.Combine("wrong.pw");
        await File.WriteAllTextAsync(file, "hunter2\n", Ct);
        var fault = await driver.FailToCaptureAsync(() => driver.CaptureAsync(driver.Source with { PasswordFile = file }));
        Assert.Equal(("wrong-password", ErrorKind.Denied), (fault.Code, fault.Kind));
        Assert.DoesNotContain("hunter2", fault.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Capture_missing_password_file_is_named()
    {
        await using var driver = await CreateReadingAsync(lab);
        var fault = await driver.FailToCaptureAsync(() => driver.CaptureAsync(driver.Source with { PasswordFile = "/nowhere/pw" }));
        Assert.Equal("password-file-unreadable", fault.Code);
        Assert.Contains("/nowhere/pw", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Capture_missing_database_is_named()
    {
        await using var driver = await CreateReadingAsync(lab);
        var fault = await driver.FailToCaptureAsync(() => driver.CaptureAsync(driver.Source with { Database = "no such thing" }));
        Assert.Equal(("database-missing", ErrorKind.NotFound), (fault.Code, fault.Kind));
        Assert.Contains("no such thing", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Capture_missing_tables_are_all_named_at_once()
    {
        await using var driver = await CreateReadingAsync(lab);
        var fault = await driver.FailToCaptureAsync(() => driver.CaptureAsync(driver.Source with { Tables = ["orders", "ordres", "billing.\"Nope\""] }));
        Assert.Equal(("tables-missing", ErrorKind.Input), (fault.Code, fault.Kind));
        Assert.EndsWith("no table ordres, billing.\"Nope\"", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Capture_without_pg_dump_says_what_to_install()
    {
        await using var driver = await CreateReadingAsync(lab);
        Assert.Equal("pg-dump-missing", (await driver.FailToCaptureAsync(() => driver.CaptureAsync(clients: []))).Code);
    }

    [Fact]
    public async Task Capture_with_an_older_pg_dump_is_refused_before_it_starts()
    {
        await using var driver = await CreateReadingAsync(lab);
        // No old release can be had here: a program that only says that it is one.
        var folder = Directory.CreateDirectory(driver.Folder.Combine("old")).FullName;
        await WriteProgramAsync(Path.Combine(folder, "pg_dump"), "echo 'pg_dump (PostgreSQL) 9.6.24'");
        var fault = await driver.FailToCaptureAsync(() => driver.CaptureAsync(clients: PostgresBinaries.FindAll([folder], "pg_dump")));
        Assert.Equal("pg-dump-older-than-server", fault.Code);
        Assert.Contains("pg_dump 9.6", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Capture_of_a_role_that_policies_bind_fails_instead_of_missing_rows()
    {
        await using var driver = await CreateAsync(lab);
        var role = "bound_" + driver.Database.Name;
        var file = driver.Folder.Combine("bound.pw");
        await File.WriteAllTextAsync(file, "bound", Ct);
        await driver.ExecuteAsync($"CREATE ROLE {role} LOGIN PASSWORD 'bound' IN ROLE pg_read_all_data");
        try
        {
            var fault = await driver.FailToCaptureAsync(() => driver.CaptureAsync(
                driver.Source with { Username = role, PasswordFile = file, Tables = ["customer_notes"] }));
            Assert.Equal(ErrorKind.Denied, fault.Kind);
            Assert.Contains("row-level security", fault.Message, StringComparison.Ordinal);
            Assert.Contains("BYPASSRLS", fault.Hint, StringComparison.Ordinal);
        }
        finally
        {
            await driver.ExecuteAsync($"DROP ROLE {role}");
        }
    }

    [Fact]
    public async Task Capture_killed_pg_dump_never_becomes_a_restore_point()
    {
        await using var driver = await CreateAsync(lab);
        var fault = await driver.FailToCaptureAsync(() => WhileDumpingAsync(driver, driver.CaptureAsync(), backend =>
        {
            using var process = Process.GetProcessById(driver.Registry.List().Single(record => record.Purpose.StartsWith("pg_dump ", StringComparison.Ordinal)).Child!.Value.Pid);
            process.Kill();
            return Task.CompletedTask;
        }));
        Assert.Equal("pg-dump-failed", fault.Code);
        Assert.Contains("signal 9", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Capture_database_dropped_meanwhile_never_becomes_a_restore_point()
    {
        await using var driver = await CreateAsync(lab);
        var fault = await driver.FailToCaptureAsync(() => WhileDumpingAsync(driver, driver.CaptureAsync(),
            _ => driver.ExecuteAsync($"DROP DATABASE {driver.Database.Name} WITH (FORCE)", "postgres")));
        Assert.Contains("terminating connection", fault.Message, StringComparison.Ordinal);
        Assert.Contains("dropped", fault.Hint, StringComparison.Ordinal);
        Assert.True(fault.IsTransient);
    }

    [Fact]
    public async Task Capture_connection_of_pg_dump_cut_never_becomes_a_restore_point()
    {
        await using var driver = await CreateAsync(lab);
        var fault = await driver.FailToCaptureAsync(() => WhileDumpingAsync(driver, driver.CaptureAsync(),
            backend => driver.ExecuteAsync($"SELECT pg_terminate_backend({backend})", "postgres")));
        Assert.Contains("terminating connection", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Capture_cancelled_leaves_nothing()
    {
        await using var driver = await CreateAsync(lab);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var capture = new LogicalBackup(driver.Registry, TimeProvider.System).CaptureAsync(
            new PostgresBackupRequest { Description = new BackupDescription { Source = "orders", Kind = "postgres" }, Source = driver.Source },
            driver.Repository, null, null, stop.Token);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => WhileDumpingAsync(driver, capture, _ => stop.CancelAsync()));
        Assert.Empty((await driver.Repository.ListAsync(Ct)).Points);
        Assert.Empty(driver.Registry.List());
    }

    [Fact]
    public async Task Capture_full_tier_is_said_and_leaves_no_restore_point()
    {
        Assert.SkipUnless(ServerUser.IsRoot, "mounting a small file system needs root");
        var mount = Directory.CreateTempSubdirectory("drconsole-full-").FullName;
        await MountAsync("mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", mount);
        try
        {
            // Below the mount point, so that the fixture can remove its folder.
            await using var driver = await CreateAsync(lab, Directory.CreateDirectory(Path.Combine(mount, "tier")).FullName);
            await driver.ExecuteAsync("CREATE TABLE noise AS SELECT (SELECT string_agg(gen_random_uuid()::text, '') FROM generate_series(1, 100) j WHERE i > 0) AS n FROM generate_series(1, 6000) i");
            var fault = await driver.FailToCaptureAsync(() => driver.CaptureAsync());
            Assert.Equal(ErrorKind.OutOfSpace, fault.Kind);
        }
        finally
        {
            await MountAsync("umount", mount);
            Directory.Delete(mount);
        }
    }

    /// <summary>
    /// Acts while pg_dump has sent the tables and waits for the large objects, which come last: their catalog is locked for
    /// as long. Then the capture's own outcome is awaited.
    /// </summary>
    private static async Task WhileDumpingAsync(DriverFixture driver, Task capture, Func<int, Task> act)
    {
        await using var blocker = new NpgsqlConnection(driver.Database.Admin.ConnectionString + ";Pooling=false");
        await blocker.OpenAsync(Ct);
        await using var transaction = await blocker.BeginTransactionAsync(Ct);
        await using (var command = new NpgsqlCommand("LOCK TABLE pg_largeobject IN ACCESS EXCLUSIVE MODE", blocker))
        {
            await command.ExecuteNonQueryAsync(Ct);
        }

        int? backend = null;
        while (backend is null && !capture.IsCompleted)
        {
            backend = (int?)await driver.ScalarAsync("SELECT a.pid FROM pg_stat_activity a JOIN pg_locks l USING (pid) WHERE NOT l.granted "
                + $"AND a.application_name = 'drconsole pg_dump' AND a.datname = '{driver.Database.Name}'", "postgres");
        }

        if (backend is { } found)
        {
            await act(found);
        }

        await capture;
    }

    private static async Task WriteProgramAsync(string path, string body)
    {
        await File.WriteAllTextAsync(path, $"#!/bin/sh\n{body}\n", Ct);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    private static async Task MountAsync(string program, params string[] arguments)
    {
        using var process = Process.Start(program, arguments);
        await process.WaitForExitAsync(CancellationToken.None);
        Assert.Equal(0, process.ExitCode);
    }
}
