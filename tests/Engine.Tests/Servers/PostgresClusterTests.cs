using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Tests.Support;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Tests.Servers;

public sealed class PostgresClusterTests(ClusterSeed seed) : IAsyncDisposable
{
    private readonly ServerFolder _folder = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public ValueTask DisposeAsync() => _folder.DisposeAsync();

    [Fact]
    public void Log_that_is_read_is_in_English_and_settings_keep_their_order()
    {
        var options = _folder.ClusterOptions() with { Settings = new OrderedDictionary<string, string> { ["recovery_target"] = "", ["lc_messages"] = "ja_JP.UTF-8", ["recovery_target_time"] = "2026-11-24" } };

        var arguments = PostgresLaunch.Describe(options, PostgresBinaries.Find(), 5432, ServerUser.ForPostgres(), "log").Arguments;

        Assert.Equal(["-D", options.DataFolder, "-c", "recovery_target=", "-c", "lc_messages=C", "-c", "recovery_target_time=2026-11-24"], arguments.Take(8));
    }

    [Fact]
    public async Task StartAsync_new_folder_answers_by_socket_and_loopback_with_checksums_and_leaves_nothing_after_stop()
    {
        var cluster = new PostgresCluster(_folder.ClusterOptions(), _folder.Registry);

        var start = await cluster.StartAsync(Cancel);

        Assert.Equal(ClusterStart.Started, start);
        Assert.True(await cluster.ProbeAsync(Cancel));
        Assert.Equal("on", await ReadAsync(cluster.ConnectionString(), "show data_checksums"));
        Assert.Equal("off", await ReadAsync(cluster.ConnectionString(), "show fsync"));
        var overTcp = cluster.ConnectionString();
        overTcp.Host = "127.0.0.1";
        Assert.Equal("UTF8", await ReadAsync(overTcp, "show server_encoding"));
        overTcp.Password = "wrong";
        await Assert.ThrowsAsync<PostgresException>(() => ReadAsync(overTcp, "select 1"));
        var record = Assert.Single(_folder.Registry.List());
        Assert.Equal(cluster.Postmaster, record.Child);
        Assert.False(Directory.Exists(cluster.DataFolder + ".initialising"));
        Assert.False(File.Exists(cluster.DataFolder + ".initialising.pw"));

        await cluster.StopAsync(Cancel);

        Assert.False(record.Child!.Value.IsAlive());
        Assert.False(await cluster.ProbeAsync(Cancel));
        Assert.Empty(_folder.Registry.List());
    }

    [Fact]
    public async Task StartAsync_after_console_death_adopts_the_same_process_and_stops_it()
    {
        await seed.PlantAsync(_folder.ClusterOptions(), Cancel);
        var before = new PostgresCluster(_folder.ClusterOptions(), _folder.RegistryOfDeadConsole());
        await before.StartAsync(Cancel);

        var report = await _folder.Registry.SettleAsync(Cancel);
        var after = new PostgresCluster(_folder.ClusterOptions(), _folder.Registry);
        var start = await after.StartAsync(Cancel);

        Assert.Single(report.Adoptable);
        Assert.Equal(ClusterStart.Adopted, start);
        Assert.Equal(before.Postmaster, after.Postmaster);
        Assert.Equal(before.Port, after.Port);
        Assert.Equal(_folder.Registry.Owner, Assert.Single(_folder.Registry.List()).Owner);
        await after.StopAsync(Cancel);
        Assert.False(before.Postmaster!.Value.IsAlive());
    }

    [Fact]
    public async Task StartAsync_server_of_a_living_console_is_shared_and_not_stopped()
    {
        await seed.PlantAsync(_folder.ClusterOptions(), Cancel);
        await using var console = new PostgresCluster(_folder.ClusterOptions(), _folder.Registry);
        await console.StartAsync(Cancel);
        var command = new PostgresCluster(_folder.ClusterOptions(), _folder.RegistryOfDeadConsole());

        var start = await command.StartAsync(Cancel, ClusterClaim.Share);
        await command.StopAsync(Cancel);

        Assert.Equal(ClusterStart.Shared, start);
        Assert.True(console.Postmaster!.Value.IsAlive());
    }

    [Fact]
    public async Task StartAsync_console_and_command_at_once_start_one_server()
    {
        await using var console = new PostgresCluster(_folder.ClusterOptions(), _folder.Registry);
        var command = new PostgresCluster(_folder.ClusterOptions(), _folder.RegistryOfDeadConsole());

        var starts = await Task.WhenAll(console.StartAsync(Cancel), command.StartAsync(Cancel, ClusterClaim.Share));

        Assert.Single(starts, start => start == ClusterStart.Started);
        Assert.Equal(console.Postmaster, command.Postmaster);
        Assert.True(await console.ProbeAsync(Cancel));
    }

    [Fact]
    public async Task StartAsync_adopted_server_on_another_port_than_wanted_is_restarted()
    {
        await seed.PlantAsync(_folder.ClusterOptions(), Cancel);
        var before = new PostgresCluster(_folder.ClusterOptions(), _folder.RegistryOfDeadConsole());
        await before.StartAsync(Cancel);
        var wanted = FreePort.Choose();
        await using var after = new PostgresCluster(_folder.ClusterOptions() with { Port = wanted }, _folder.Registry);

        var start = await after.StartAsync(Cancel);

        Assert.Equal(ClusterStart.Started, start);
        Assert.Equal(wanted, after.Port);
        Assert.False(before.Postmaster!.Value.IsAlive());
    }

    [Fact]
    public async Task StartAsync_after_a_crash_ignores_the_stale_file_even_when_its_process_id_is_a_strangers()
    {
        await seed.PlantAsync(_folder.ClusterOptions(), Cancel);
        await using var cluster = new PostgresCluster(_folder.ClusterOptions(), _folder.Registry);
        await cluster.StartAsync(Cancel);
        await cluster.KillAsync(Cancel);
        var file = Path.Combine(cluster.DataFolder, "postmaster.pid");
        var lines = await File.ReadAllLinesAsync(file, Cancel);
        await using var stranger = ToolProcess.Start(
            new ToolCommand("sleep", ["600"]) { RunAs = ServerUser.ForPostgres() }, _folder.Registry);
        lines[0] = $"{stranger.Pid}";
        await File.WriteAllLinesAsync(file, lines, Cancel);

        var start = await cluster.StartAsync(Cancel);

        Assert.Equal(ClusterStart.Started, start);
        Assert.True(await cluster.ProbeAsync(Cancel));
        Assert.NotNull(ProcessIdentity.Read(stranger.Pid));
    }

    [Fact]
    public async Task StartAsync_half_made_data_folder_of_a_crash_is_made_anew()
    {
        var options = _folder.ClusterOptions();
        Directory.CreateDirectory(options.DataFolder + ".initialising/base");
        await File.WriteAllTextAsync(options.DataFolder + ".initialising/PG_VERSION", "15", Cancel);
        await File.WriteAllTextAsync(options.DataFolder + ".initialising.pw", "left", Cancel);
        var cluster = new PostgresCluster(options, _folder.Registry);

        Assert.True(await cluster.InitializeAsync(Cancel));
        Assert.False(await cluster.InitializeAsync(Cancel));

        Assert.False(Directory.Exists(options.DataFolder + ".initialising"));
        Assert.False(File.Exists(options.DataFolder + ".initialising.pw"));
    }

    [Fact]
    public async Task InitializeAsync_data_of_another_major_is_refused_with_what_to_do()
    {
        var options = _folder.ClusterOptions();
        Directory.CreateDirectory(options.DataFolder);
        await File.WriteAllTextAsync(Path.Combine(options.DataFolder, "PG_VERSION"), "12\n", Cancel);

        var exception = await Assert.ThrowsAsync<EngineException>(
            () => new PostgresCluster(options, _folder.Registry).StartAsync(Cancel));

        Assert.Equal("data-folder-other-major", exception.Code);
        Assert.Contains("PostgreSQL 12", exception.Message, StringComparison.Ordinal);
        Assert.Contains(PostgresBinaries.Find().Folder, exception.Message, StringComparison.Ordinal);
        Assert.Contains("apt-get install postgresql-12", exception.Hint, StringComparison.Ordinal);
        Assert.Empty(_folder.Registry.List());
    }

    [Fact]
    public async Task InitializeAsync_folder_with_something_else_in_it_is_refused()
    {
        var options = _folder.ClusterOptions();
        Directory.CreateDirectory(options.DataFolder);
        await File.WriteAllTextAsync(Path.Combine(options.DataFolder, "thesis.txt"), "years of work", Cancel);

        var exception = await Assert.ThrowsAsync<EngineException>(
            () => new PostgresCluster(options, _folder.Registry).InitializeAsync(Cancel));

        Assert.Equal("data-folder-not-postgres", exception.Code);
        Assert.True(File.Exists(Path.Combine(options.DataFolder, "thesis.txt")));
    }

    [Fact]
    public async Task StartAsync_bad_setting_fails_with_the_servers_own_words()
    {
        await seed.PlantAsync(_folder.ClusterOptions(), Cancel);
        var options = _folder.ClusterOptions() with
        {
            Settings = new Dictionary<string, string> { ["shared_buffers"] = "rather many" },
        };

        var exception = await Assert.ThrowsAsync<EngineException>(
            () => new PostgresCluster(options, _folder.Registry).StartAsync(Cancel));

        Assert.Equal("postgres-start-failed", exception.Code);
        Assert.Contains("rather many", exception.Message, StringComparison.Ordinal);
        Assert.Empty(_folder.Registry.List());
    }

    [Fact]
    public async Task StartAsync_password_of_another_time_is_named_as_the_fault()
    {
        await seed.PlantAsync(_folder.ClusterOptions(), Cancel);
        await using var cluster = new PostgresCluster(_folder.ClusterOptions(), _folder.Registry);
        await cluster.StartAsync(Cancel);

        var exception = await Assert.ThrowsAsync<EngineException>(() => new PostgresCluster(
            _folder.ClusterOptions() with { Password = "another" }, _folder.Registry).StartAsync(Cancel));

        Assert.Equal("postgres-password", exception.Code);
        Assert.Equal(ErrorKind.Denied, exception.Kind);
        Assert.True(await cluster.ProbeAsync(Cancel));
    }

    [Fact]
    public async Task StartAsync_port_that_somebody_holds_is_named()
    {
        await seed.PlantAsync(_folder.ClusterOptions(), Cancel);
        using var holder = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        holder.Start();
        var port = ((System.Net.IPEndPoint)holder.LocalEndpoint).Port;

        var exception = await Assert.ThrowsAsync<EngineException>(() => new PostgresCluster(
            _folder.ClusterOptions() with { Port = port }, _folder.Registry).StartAsync(Cancel));

        Assert.Equal("port-in-use", exception.Code);
    }

    [Fact]
    public void Find_no_binaries_names_the_package()
    {
        var exception = Assert.Throws<EngineException>(() => PostgresBinaries.Choose([], null));
        var wanted = Assert.Throws<EngineException>(() => PostgresBinaries.Choose([new(15, "15.18", "/usr/lib/postgresql/15/bin")], 17));

        Assert.Equal("postgres-missing", exception.Code);
        Assert.Contains("apt-get install postgresql", exception.Hint, StringComparison.Ordinal);
        Assert.Contains("15.18 in /usr/lib/postgresql/15/bin", wanted.Message, StringComparison.Ordinal);
        Assert.Contains("postgresql-17", wanted.Hint, StringComparison.Ordinal);
    }

    [Fact]
    public void FindAll_folders_without_programs_are_skipped_and_newest_is_first()
    {
        WriteProgram("v14", "postgres (PostgreSQL) 14.9 (Debian 14.9-1)");
        WriteProgram("v16", "postgres (PostgreSQL) 16.12");
        WriteProgram("v16old", "postgres (PostgreSQL) 16.9");
        Directory.CreateDirectory(_folder.Combine("empty"));

        var found = PostgresBinaries.FindAll(
            [_folder.Combine("v14"), _folder.Combine("empty"), _folder.Combine("v16old"), _folder.Combine("v16")], "postgres");

        Assert.Equal(["16.12", "16.9", "14.9"], found.Select(binaries => binaries.Version));
        Assert.Equal(14, PostgresBinaries.Choose(found, 14).Major);

        void WriteProgram(string folder, string version)
        {
            Directory.CreateDirectory(_folder.Combine(folder));
            var path = Path.Combine(_folder.Combine(folder), "postgres");
            File.WriteAllText(path, $"#!/bin/sh\necho '{version}'\n");
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
    }

    private static async Task<string?> ReadAsync(NpgsqlConnectionStringBuilder settings, string query)
    {
        settings.Pooling = false;
        await using var source = NpgsqlDataSource.Create(settings);
        await using var command = source.CreateCommand(query);
        return (await command.ExecuteScalarAsync(Cancel))?.ToString();
    }
}
