using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Lab;
using Hexabase.DrConsole.Lab.Postgres;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Tests.Lab;

public sealed class LabPostgresTests(PostgresLab lab) : IAsyncDisposable
{
    private static readonly LabPostgresOptions s_options = new() { IsDurable = false, IsScratch = true };
    private readonly ServerFolder _folder = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public ValueTask DisposeAsync() => _folder.DisposeAsync();

    [Theory]
    [InlineData("partitions", "select count(*) > 15 from pg_inherits where inhparent = 'orders'::regclass")]
    [InlineData("default partition with rows", "select count(*) > 0 from orders_older")]
    [InlineData("large objects", "select count(*) >= 8 from pg_largeobject_metadata")]
    [InlineData("sequence with a gap", "select last_value - (select max(number) from billing.invoices) = 137 from billing.invoices_number_seq")]
    [InlineData("sequence in a circle", "select cycle and max_value - last_value < 7 from pg_sequences where sequencename = 'voucher_numbers'")]
    [InlineData("sequence never asked", "select not is_called from never_asked")]
    [InlineData("generated columns", "select bool_and(amount = quantity * unit_price) from order_items")]
    [InlineData("row-level security", "select relrowsecurity and relforcerowsecurity from pg_class where oid = 'customer_notes'::regclass")]
    [InlineData("not a number and infinity", "select count(*) = 3 from curiosities where exact in ('NaN', 'Infinity', '-Infinity')")]
    [InlineData("days before Christ", "select count(*) = 1 from curiosities where day = '4713-01-01 BC'")]
    [InlineData("quoted and non-ASCII names", "select count(*) = 200 from \"Ordré 表\" where \"select\" like 'row %'")]
    [InlineData("keyword as a name", "select count(*) = 4 from \"select\"")]
    [InlineData("json that only text keeps", "select document::text = '{\"b\": 1, \"a\": 2, \"b\": 3}' from curiosities where id = 1")]
    [InlineData("equal rows without a key", "select count(*) > 100 from (select path, seen_on, count(*) from page_views group by 1, 2 having count(*) > 1) d, generate_series(1, d.count)")]
    [InlineData("empty table", "select count(*) = 0 from wishlists")]
    [InlineData("unlogged table", "select relpersistence = 'u' from pg_class where oid = 'sessions'::regclass")]
    [InlineData("extensions", "select count(*) >= 5 from pg_extension where extname <> 'plpgsql'")]
    [InlineData("materialized view", "select count(*) > 0 from sales_by_month")]
    [InlineData("deferred foreign keys", "select count(*) >= 4 from pg_constraint where contype = 'f' and condeferrable")]
    [InlineData("triggers", "select count(*) > 0 from pg_trigger where tgname = 'orders_touch'")]
    [InlineData("roles with grants", "select has_column_privilege('app_reader', 'customers', 'full_name', 'select') and not has_column_privilege('app_reader', 'customers', 'email', 'select')")]
    [InlineData("heartbeat", "select count(*) >= 60 from heartbeat")]
    [InlineData("owner that cannot sign in", "select count(*) = 0 from pg_tables where schemaname in ('public', 'billing') and tableowner <> 'shop_owner'")]
    public async Task Orders_has_what_backups_stumble_over(string what, string query)
    {
        var server = await lab.GetServerAsync(Cancel);

        Assert.True(await ReadAsync(server.AdminConnection(), query) is true, what);
    }

    [Fact]
    public async Task BackupRole_dumps_everything_and_changes_nothing()
    {
        await using var database = await lab.CreateDatabaseAsync(Cancel);
        var dump = _folder.Combine("orders.dump");

        var result = await DumpAsync(database, dump);
        var writing = await Assert.ThrowsAsync<PostgresException>(
            () => ReadAsync(database.Backup, "delete from heartbeat returning id"));

        Assert.True(result.ExitCode == 0, result.ErrorTail);
        Assert.InRange(new FileInfo(dump).Length, 1_000_000, 20_000_000);
        Assert.Equal(PostgresErrorCodes.InsufficientPrivilege, writing.SqlState);
        Assert.Equal(100L, await ReadAsync(database.Backup, "select count(*) from customer_notes"));
    }

    [Fact]
    public async Task Dump_restores_whole_into_a_scratch_server_without_one_error()
    {
        await using var database = await lab.CreateDatabaseAsync(Cancel);
        var dump = _folder.Combine("orders.dump");
        await DumpAsync(database, dump);
        await using var scratch = await ScratchPostgres.StartAsync(
            new ScratchPostgresOptions { Root = _folder.Combine("scratch") }, _folder.Registry, TimeProvider.System, Cancel);
        await ReadAsync(scratch.ConnectionString(), "create role shop_owner; create role app_reader; create role app_writer; create role backup; create role postgres superuser");
        await ReadAsync(scratch.ConnectionString(), "create database restored");
        using var password = scratch.CreatePasswordFile();

        var restore = await ToolProcess.RunAsync(
            new ToolCommand(scratch.Binaries.PathOf("pg_restore"),
            [
                "--exit-on-error", "--no-password", "--host", scratch.Host, "--port", $"{scratch.Port}",
                "--username", ScratchPostgres.SuperuserName, "--dbname", "restored", "--jobs", "2", dump,
            ])
            { Environment = new Dictionary<string, string> { ["PGPASSFILE"] = password.Path } },
            _folder.Registry, Cancel);

        Assert.True(restore.ExitCode == 0, restore.ErrorTail);
        const string Digest = "select count(*) || ' ' || sum(hashtextextended(o::text, 0)::numeric) from orders o";
        Assert.Equal(await ReadAsync(database.Admin, Pinned(Digest)), await ReadAsync(scratch.ConnectionString("restored"), Pinned(Digest)));
        Assert.Equal(
            await ReadAsync(database.Admin, "select count(*) from pg_largeobject_metadata"),
            await ReadAsync(scratch.ConnectionString("restored"), "select count(*) from pg_largeobject_metadata"));

        static string Pinned(string query) => $"set timezone = 'UTC'; {query}";
    }

    [Fact]
    public async Task StartAsync_again_after_kill_and_stop_keeps_data_and_port_and_a_wipe_removes_them()
    {
        var first = new LabPostgres(new LabFolder(_folder.Combine("lab")), s_options);
        var wasNew = await first.StartAsync(Cancel);
        var port = first.Port;
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var load = new WriteLoad(first.ApplicationConnection(), TimeProvider.System, NullLogger<WriteLoad>.Instance);
        var running = load.RunAsync(stop.Token);
        await Eventually.UntilAsync(() => load.Rounds > 0, "a round of the load", Cancel);

        await first.KillAsync(Cancel);
        var isNewAfterKill = await first.StartAsync(Cancel);
        var rounds = load.Rounds;
        await Eventually.UntilAsync(() => load.Rounds > rounds, "another round of the load", Cancel);
        await stop.CancelAsync();
        await running;
        await first.StopAsync(Cancel);
        await using var second = new LabPostgres(new LabFolder(_folder.Combine("lab")), s_options);
        var isNewAfterStop = await second.StartAsync(Cancel);

        Assert.Equal((true, false, false), (wasNew, isNewAfterKill, isNewAfterStop));
        Assert.Equal(port, second.Port);
        Assert.True(await ReadAsync(second.BackupConnection(), "select count(*) > 61 from heartbeat") is true);
        Assert.True(await ReadAsync(second.BackupConnection(), "select count(*) > 2000 from orders") is true);
        await second.WipeAsync(Cancel);
        Assert.False(Directory.Exists(_folder.Combine("lab/postgres")));
    }

    [Fact]
    public async Task Configuration_is_one_that_the_console_accepts_and_holds_no_secret()
    {
        var server = await lab.GetServerAsync(Cancel);

        LabConfiguration.Write(lab.Folder, server);

        var configuration = new ConfigurationBuilder().AddJsonFile(lab.Folder.ConfigurationFile).Build();
        var estate = EstateConfiguration.Read(configuration, dataDirectory: null);
        // Without a cold tier the ladder's yearly points have no place to stay, which the console says.
        Assert.All(estate.Warnings, warning => Assert.StartsWith("class ", warning, StringComparison.Ordinal));
        Assert.Equal(lab.Folder.Combine("data"), estate.DataDirectory);
        Assert.Equal(["hot", "warm"], estate.Tiers.Select(tier => tier.Name));
        Assert.All(estate.Tiers, tier => Assert.True(File.Exists(tier.KeyFile)));
        Assert.Equal(["orders", "orders-cluster", "uploads"], estate.Sources.Select(source => source.Name));
        Assert.Equal((PostgresMode.Physical, server.DataFolder), (estate.Sources[1].Postgres!.Mode, estate.Sources[1].Postgres!.DataDirectory));
        var source = estate.Sources[0];
        Assert.Equal(("orders", "critical", "shop"), (source.Name, source.Class, source.Workspace));
        Assert.Equal(server.Port, source.Postgres!.Port);
        Assert.Equal(server.BackupPasswordFile, source.Postgres.PasswordFile);
        var text = await File.ReadAllTextAsync(lab.Folder.ConfigurationFile, Cancel);
        Assert.All(
            Directory.EnumerateFiles(lab.Folder.Keys),
            secret => Assert.DoesNotContain(File.ReadAllText(secret), text, StringComparison.Ordinal));
        Assert.All(
            Directory.EnumerateFiles(lab.Folder.Keys),
            secret => Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(secret)));
    }

    [Fact]
    public async Task Folder_of_something_else_is_neither_used_nor_wiped()
    {
        Directory.CreateDirectory(_folder.Combine("photos"));
        await File.WriteAllTextAsync(_folder.Combine("photos/1.jpg"), "a picture", Cancel);
        var folder = new LabFolder(_folder.Combine("photos"));

        Assert.Equal("not-a-lab", Assert.Throws<EngineException>(folder.Create).Code);
        Assert.Equal("not-a-lab", (await Assert.ThrowsAsync<EngineException>(() => folder.WipeAsync(Cancel))).Code);
        Assert.True(File.Exists(_folder.Combine("photos/1.jpg")));
    }

    private async Task<ToolResult> DumpAsync(LabDatabase database, string file)
    {
        var server = database.Server;
        using var password = PasswordFile.Create(
            lab.Folder.Registry, LabPostgres.Host, server.Port, LabPostgres.BackupRole, database.Backup.Password!);
        return await ToolProcess.RunAsync(
            new ToolCommand(server.Binaries.PathOf("pg_dump"),
            [
                "--format=custom", "--compress=0", "--no-password", "--host", LabPostgres.Host, "--port", $"{server.Port}",
                "--username", LabPostgres.BackupRole, "--file", file, database.Name,
            ])
            { Environment = new Dictionary<string, string> { ["PGPASSFILE"] = password.Path } },
            lab.Folder.Registry, Cancel);
    }

    private static async Task<object?> ReadAsync(NpgsqlConnectionStringBuilder settings, string query)
    {
        settings.Pooling = false;
        await using var source = NpgsqlDataSource.Create(settings);
        await using var command = source.CreateCommand(query);
        return await command.ExecuteScalarAsync(Cancel);
    }
}
