using System.Globalization;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Lab.Postgres;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Tests.Executable;

/// <summary>The console dies, or is told to stop, while it works.</summary>
public sealed class CrashTests(PostgresLab lab, ConsoleSeed seed)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Killed_at_random_instants_it_loses_nothing_and_leaves_nothing()
    {
        var rounds = Number("DRCONSOLE_CAMPAIGN_ROUNDS", 2);
        var number = Number("DRCONSOLE_CAMPAIGN_SEED", 20261124);
        await using var database = await lab.CreateDatabaseAsync(Ct);
        await using var estate = await ConsoleEstate.CreateAsync(lab, seed, database.Name);
        using var over = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var load = new WriteLoad(database.Server.ApplicationConnection(database.Name), TimeProvider.System, NullLogger<WriteLoad>.Instance).RunAsync(over.Token);

        var report = new List<string>();
        await using var campaign = new CrashCampaign(estate, number);
        await campaign.RunAsync(rounds, line =>
        {
            report.Add(line);
            TestContext.Current.TestOutputHelper!.WriteLine(line);
            if (Environment.GetEnvironmentVariable("DRCONSOLE_CAMPAIGN_REPORT") is { Length: > 0 } path)
            {
                File.WriteAllLines(path, report);
            }
        });

        await over.CancelAsync();
        await load;
    }

    [Fact]
    public async Task Terminated_during_a_backup_it_stops_everything_and_the_next_start_goes_on()
    {
        await using var database = await lab.CreateDatabaseAsync(Ct);
        await using var estate = await ConsoleEstate.CreateAsync(lab, seed, database.Name);
        await using (var first = await estate.ServeAsync())
        {
            await using var dump = await HeldDump.CreateAsync(database);
            (await estate.RunAsync("backup", ConsoleEstate.Source, "--no-wait")).AssertDone();
            await dump.WaitForDumpAsync();
            Assert.Equal(0, (await first.StopAsync()).Code);
            estate.AssertNothingRuns();
            await dump.AssertNoDumpAsync();
        }

        Assert.Empty(estate.Manifests());
        await using var second = await estate.ServeAsync();
        await second.WaitForAsync("has no holder; handing it over");
        var run = await EndOfAsync(estate, new RunId(1));
        Assert.Equal((RunState.Completed, 2), (run.State, run.Attempt));
        Assert.Equal(run.RestorePoint, Assert.Single(estate.Manifests()));
        Assert.Equal(0, (await second.StopAsync()).Code);
        estate.AssertNothingRuns();
    }

    [Fact]
    public async Task Killed_while_a_scratch_server_runs_the_next_start_ends_and_removes_it()
    {
        await using var estate = await ConsoleEstate.CreateAsync(lab, seed);
        ProcessRecord scratch;
        await using (var first = await estate.ServeAsync())
        {
            (await estate.RunAsync("backup", ConsoleEstate.Source, "--no-wait")).AssertDone();
            scratch = await ScratchAsync(estate);
            await first.KillAsync();
            Assert.True(scratch.Child!.Value.IsAlive(), "the scratch server went with its console");
        }

        await using var second = await estate.ServeAsync();
        await second.WaitForAsync("Left by an earlier start: 1 taken over");
        Assert.False(scratch.Child!.Value.IsAlive());
        Assert.Null(ProcessRegistry.FindByMark(scratch.Mark));
        Assert.False(Directory.Exists(scratch.Folder));
        await using var catalog = estate.OpenCatalog();
        var validation = Assert.Single(await new RunStore(catalog).ListAsync(null, RunKinds.Validation, null, 10, Ct));
        var ended = await EndOfAsync(estate, validation.Id);
        Assert.Equal((RunState.Completed, 2), (ended.State, ended.Attempt));
    }

    [Fact]
    public async Task Killed_command_leaves_a_run_that_the_next_command_goes_on_with()
    {
        await using var database = await lab.CreateDatabaseAsync(Ct);
        await using var estate = await ConsoleEstate.CreateAsync(lab, seed, database.Name);
        await using (var dump = await HeldDump.CreateAsync(database))
        {
            await using var command = ConsoleProcess.Start(["backup", ConsoleEstate.Source, "--config", estate.Configuration]);
            await dump.WaitForDumpAsync();
            await command.KillAsync();
        }

        var next = (await estate.RunAsync("backup", ConsoleEstate.Source, "--json")).AssertDone();
        Assert.Contains("was interrupted; going on with it", next.Error, StringComparison.Ordinal);
        Assert.Equal(1, next.Json.GetProperty("runId").GetInt64());
        Assert.Equal(next.Json.GetProperty("restorePointId").GetString(), Assert.Single(estate.Manifests()));
        estate.AssertNothingRuns();
    }

    [Fact]
    public async Task Interrupted_command_cancels_its_run()
    {
        await using var database = await lab.CreateDatabaseAsync(Ct);
        await using var estate = await ConsoleEstate.CreateAsync(lab, seed, database.Name);
        await using (var dump = await HeldDump.CreateAsync(database))
        {
            await using var command = ConsoleProcess.Start(["backup", ConsoleEstate.Source, "--json", "--config", estate.Configuration]);
            await dump.WaitForDumpAsync();
            command.Signal(UnixSignal.Interrupt);
            var result = await command.EndAsync();
            Assert.True((result.Code, result.Json.GetProperty("status").GetString()) == (1, "cancelled"), result.ToString());
            await dump.AssertNoDumpAsync();
        }

        Assert.Empty(estate.Manifests());
        estate.AssertNothingRuns();
    }

    /// <summary>The record of a scratch server once it runs.</summary>
    private static async Task<ProcessRecord> ScratchAsync(ConsoleEstate estate)
    {
        while (true)
        {
            if (estate.Registry.List().FirstOrDefault(record => record.IsServer && record.Folder is not null && record.Child?.IsAlive() == true) is { } scratch)
            {
                return scratch;
            }

            await Task.Delay(20, Ct);
        }
    }

    private static async Task<Run> EndOfAsync(ConsoleEstate estate, RunId id)
    {
        await using var catalog = estate.OpenCatalog();
        while (true)
        {
            var run = (await new RunStore(catalog).FindAsync(id, Ct))!;
            if (!run.IsOpen)
            {
                return run;
            }

            await Task.Delay(100, Ct);
        }
    }

    private static int Number(string variable, int fallback) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), CultureInfo.InvariantCulture, out var number) ? number : fallback;
}

/// <summary>Holds every pg_dump of a database before its large objects, which come last, until disposed.</summary>
internal sealed class HeldDump : IAsyncDisposable
{
    private readonly LabDatabase _database;
    private readonly NpgsqlConnection _connection;

    private HeldDump(LabDatabase database, NpgsqlConnection connection) => (_database, _connection) = (database, connection);

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public static async Task<HeldDump> CreateAsync(LabDatabase database)
    {
        var connection = new NpgsqlConnection(database.Admin.ConnectionString + ";Pooling=false");
        await connection.OpenAsync(Ct);
        await using var hold = new NpgsqlCommand("BEGIN; LOCK TABLE pg_largeobject IN ACCESS EXCLUSIVE MODE", connection);
        await hold.ExecuteNonQueryAsync(Ct);
        return new HeldDump(database, connection);
    }

    /// <summary>Returns when a pg_dump waits.</summary>
    public async Task WaitForDumpAsync()
    {
        while (await CountAsync(onlyWaiting: true) == 0)
        {
            await Task.Delay(50, Ct);
        }
    }

    /// <summary>No pg_dump is connected any more; a backend whose client is gone needs a moment to notice.</summary>
    public async Task AssertNoDumpAsync()
    {
        // It waits for our lock and looks at its client's connection only when it gets it.
        await using (var release = new NpgsqlCommand("ROLLBACK", _connection))
        {
            await release.ExecuteNonQueryAsync(Ct);
        }

        while (await CountAsync(onlyWaiting: false) > 0)
        {
            await Task.Delay(50, Ct);
        }
    }

    public async ValueTask DisposeAsync() => await _connection.DisposeAsync();

    private async Task<long> CountAsync(bool onlyWaiting)
    {
        await using var watch = new NpgsqlConnection(_database.Server.AdminConnection("postgres").ConnectionString + ";Pooling=false");
        await watch.OpenAsync(Ct);
        await using var count = new NpgsqlCommand(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND application_name = 'drconsole pg_dump' AND (wait_event_type = 'Lock' OR NOT $2)", watch);
        count.Parameters.Add(new NpgsqlParameter { Value = _database.Name });
        count.Parameters.Add(new NpgsqlParameter { Value = onlyWaiting });
        return (long)(await count.ExecuteScalarAsync(Ct))!;
    }
}
