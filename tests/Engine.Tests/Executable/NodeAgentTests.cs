using System.Text.Json;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Health.Probes;
using Hexabase.DrConsole.Engine.Jobs;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Strategies;
using Hexabase.DrConsole.Engine.Tests.Repository;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Lab.Postgres;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Tests.Executable;

/// <summary>A PostgreSQL server whose data directory another machine has: the agent there reads it, and nobody else.</summary>
public sealed class NodeAgentTests(PostgresLab lab, ConsoleSeed seed)
{
    private const string Name = "nodepg";
    private const string Node = "db-1";

    private static readonly PostgresSettings s_elsewhere = new("db", 5432, "orders", "backup", null, PostgresMode.Physical, []) { DataDirectory = "/srv/data", Node = Node };

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Base_backup_waits_for_the_nodes_agent_which_reads_the_data_directory()
    {
        await using var estate = await EstateAsync();
        await using var console = await estate.ServeAsync();
        (await estate.RunAsync("backup", Name, "--no-wait")).AssertDone();
        // What was asked for later is done meanwhile: the console has taken all that is its own.
        (await estate.RunAsync("backup", ConsoleEstate.Source)).AssertDone();
        await using var catalog = estate.OpenCatalog();
        var runs = new RunStore(catalog);
        Assert.Equal((RunState.Queued, 0), await StateAsync(runs));

        await using var agent = ConsoleProcess.Start(["worker", "--queues", $"node-{Node}", "--config", estate.Configuration]);
        await agent.WaitForAsync($"serves n-node-{Node}");
        var run = await EndAsync(runs);

        Assert.True(run.State == RunState.Completed, run.ErrorJson);
        Assert.Contains(await runs.EventsAsync(run.Id, 0, 500, Ct), line => line.Text.Contains($"/{agent.Identity.Pid}/", StringComparison.Ordinal));
        await using var repository = await estate.OpenAsync();
        var point = Assert.Single((await repository.ListAsync(Ct)).Points, point => point.Source == Name);
        Assert.Equal(Node, point.Properties[DirectoryFiles.NodeProperty]);
        Assert.Equal("files", (await ClusterFacts.ReadAsync(repository, point, Ct)).Route);
        Assert.Equal(0, (await agent.StopAsync()).Code);
        // Its validation needs the repository only: the console does it.
        await UntilAsync(runs, one => one is { Kind: RunKinds.Validation, Source: Name, State: not RunState.Queued });
        Assert.Equal(0, (await console.StopAsync()).Code);
        estate.AssertNothingRuns();
    }

    [Fact]
    public async Task Agent_killed_in_the_middle_of_a_base_backup_leaves_nothing_behind_and_the_next_one_goes_on()
    {
        // A tier that takes some seconds for it.
        await using var estate = await EstateAsync(uploadMbitPerSecond: 16);
        await using var console = await estate.ServeAsync();
        await using var catalog = estate.OpenCatalog();
        var runs = new RunStore(catalog);
        var server = await lab.GetServerAsync(Ct);
        await using (var agent = ConsoleProcess.Start(["worker", "--queues", $"node-{Node}", "--config", estate.Configuration]))
        {
            await agent.WaitForAsync($"serves n-node-{Node}");
            (await estate.RunAsync("backup", Name, "--no-wait")).AssertDone();
            await ForAsync(async () => Assert.Single(await runs.ListAsync(Name, RunKinds.Backup, null, 10, Ct)) is var asked
                && (await runs.EventsAsync(asked.Id, 0, 100, Ct)).Any(line => line.Text.Contains("in backup mode from", StringComparison.Ordinal)));
            Assert.NotEqual(0, await LeftOnAsync(server));
            await agent.KillAsync();
        }

        // Both end with their sessions; whatever else is backed up there at this moment ends, too.
        await ForAsync(async () => await LeftOnAsync(server) == 0);
        Assert.False(File.Exists(Path.Combine(server.DataFolder, "backup_label")));
        Assert.Empty(estate.Manifests());
        Assert.Empty(estate.Manifests("warm"));

        await using var second = ConsoleProcess.Start(["worker", "--queues", $"node-{Node}", "--config", estate.Configuration]);
        await second.WaitForAsync($"serves n-node-{Node}");
        var run = await EndAsync(runs);
        Assert.True(run is { State: RunState.Completed, Attempt: 2 }, run.ErrorJson);
        Assert.Equal([run.RestorePoint!], estate.Manifests());
        await ForAsync(async () => await LeftOnAsync(server) == 0);
        Assert.Equal(0, (await second.StopAsync()).Code);
        Assert.Equal(0, (await console.StopAsync()).Code);
        estate.AssertNothingRuns();
    }

    [Fact]
    public async Task Any_other_process_refuses_it_and_makes_no_restore_point()
    {
        await using var estate = await EstateAsync();

        (await estate.RunAsync("backup", Name)).AssertRefused($"the files of {Name} are on node {Node}, and this process is not its agent", $"drconsole worker --queues node-{Node}");

        Assert.Empty(estate.Manifests());
        estate.AssertNothingRuns();
    }

    [Fact]
    public async Task Source_of_a_node_without_a_living_agent_says_so_until_one_is_started()
    {
        await using var estate = await EstateAsync();
        await using var console = await estate.ServeAsync();
        await using var catalog = estate.OpenCatalog();
        var declared = new ProtectedEstate("test", "/", ProtectionClass.Defaults, [], [new Source(Name, SourceKind.Postgres, "critical", "shop") { Postgres = s_elsewhere }], []);
        var standings = new StandingCatalog(catalog, declared, TimeProvider.System, new WorkerHeartbeats(catalog));
        Assert.Equal(new NodeAgentStanding(Node, null), await SilentAsync());
        Assert.Contains($"no agent on {Node}: drconsole worker --queues node-{Node}", (await estate.RunAsync("sources")).Output, StringComparison.Ordinal);

        await using (var agent = ConsoleProcess.Start(["worker", "--queues", $"node-{Node}", "--config", estate.Configuration]))
        {
            await agent.WaitForAsync($"serves n-node-{Node}");
            await ForAsync(async () => await SilentAsync() is null);
            await agent.KillAsync();
        }

        // What it leaves is a heartbeat that grows old; here it has grown so at once.
        await catalog.Command("UPDATE jobs.server SET lastheartbeat = lastheartbeat - interval '2 minutes' WHERE data->'Queues' ? $1", $"n-node-{Node}").RunAsync(Ct);
        Assert.InRange((await SilentAsync())!.Silence!.Value, TimeSpan.FromMinutes(2), TimeSpan.FromMinutes(4));

        await using var second = ConsoleProcess.Start(["worker", "--queues", $"node-{Node}", "--config", estate.Configuration]);
        await second.WaitForAsync($"serves n-node-{Node}");
        await ForAsync(async () => await SilentAsync() is null);
        Assert.Equal(0, (await second.StopAsync()).Code);
        // One that stops says so.
        Assert.NotNull(await SilentAsync());
        Assert.Equal(0, (await console.StopAsync()).Code);
        estate.AssertNothingRuns();

        async Task<NodeAgentStanding?> SilentAsync() => Assert.Single(await standings.ReadAsync(Ct)).SilentAgent;
    }

    [Fact]
    public void Base_backups_are_in_the_nodes_queue_and_dumps_and_validations_in_that_of_their_class()
    {
        var settings = s_elsewhere with { Mode = PostgresMode.Both };
        var estate = new ProtectedEstate("test", "/", new Dictionary<string, ProtectionClass>(), [], [new Source(Name, SourceKind.Postgres, "critical", "shop") { Postgres = settings }], []);

        Assert.Equal($"n-node-{Node}", QueueOf(RunKinds.Backup, PhysicalBackup.Strategy));
        Assert.Equal("c-critical", QueueOf(RunKinds.Backup, "logical"));
        Assert.Equal("c-critical", QueueOf(RunKinds.Validation, ""));

        string QueueOf(string kind, string strategy) => JobQueues.For(
            new Run(new RunId(1), kind, Name, null, JsonSerializer.Serialize(new BackupRequest(Name, strategy)), "", RunState.Queued, 0, 0, "tester", null, null) { CreatedAt = DateTimeOffset.UnixEpoch }, estate);
    }

    [Fact]
    public async Task Nothing_else_touches_the_path_which_is_another_directory_here()
    {
        using var here = new TemporaryFolder();
        var settings = new PostgresSettings("db", 5432, "orders", "backup", null, PostgresMode.Physical, []) { DataDirectory = here.Path };
        var (own, elsewhere) = (new Source(Name, SourceKind.Postgres, "critical", "shop") { Postgres = settings }, new Source(Name, SourceKind.Postgres, "critical", "shop") { Postgres = settings with { Node = Node } });

        Assert.True(PlanMaker.IsPutBack(own.Postgres));
        Assert.False(PlanMaker.IsPutBack(elsewhere.Postgres));
        Assert.Equal((here.Path, ServiceDriver.PgCtl), (LivingTarget.Of(own).DataDirectory, LivingTarget.Of(own).Service?.Driver));
        Assert.Equal(("", null), (LivingTarget.Of(elsewhere).DataDirectory, LivingTarget.Of(elsewhere).Service));
        Assert.Equal(ProbeAnswer.Answered, (await DiskAsync(own)).Answer);
        Assert.Equal((ProbeAnswer.NotDetectable, DiskProbe.OnANode), await DiskAsync(elsewhere) is var found ? (found.Answer, found.Detail) : default);

        static Task<ProbeFinding> DiskAsync(Source source) =>
            new PostgresProbes(new ProtectedEstate("test", "/", new Dictionary<string, ProtectionClass>(), [], [source], []) { Health = HealthSettings.Default with { MinimumFreePercent = 0 } })
                .Probes.Single(probe => probe.Name == "disk").AskAsync(Ct);
    }

    /// <summary>Slots of base backups, and sessions that began one.</summary>
    private static async Task<long> LeftOnAsync(LabPostgres server)
    {
        await using var connection = new NpgsqlConnection(server.AdminConnection("postgres").ConnectionString + ";Pooling=false");
        await connection.OpenAsync(Ct);
        await using var count = new NpgsqlCommand(
            "SELECT (SELECT count(*) FROM pg_replication_slots WHERE slot_name LIKE 'drconsole_base_%') + (SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_backup_start%')", connection);
        return (long)(await count.ExecuteScalarAsync(Ct))!;
    }

    private async Task<ConsoleEstate> EstateAsync(int? uploadMbitPerSecond = null)
    {
        var server = await lab.GetServerAsync(Ct);
        return await ConsoleEstate.CreateAsync(lab, seed, changes: new EstateChanges
        {
            UploadMbitPerSecond = uploadMbitPerSecond,
            MoreSources = _ =>
            [
                new
                {
                    Name,
                    Kind = "postgres",
                    Class = "critical",
                    ConsoleEstate.Workspace,
                    Postgres = new
                    {
                        LabPostgres.Host, server.Port, Database = LabPostgres.Orders, Username = "postgres", PasswordFile = server.AdminPasswordFile,
                        Mode = "physical", DataDirectory = server.DataFolder, Node, Wal = new { Enabled = false },
                    },
                },
            ],
        });
    }

    private static async Task<(RunState State, int Attempt)> StateAsync(RunStore runs)
    {
        var run = Assert.Single(await runs.ListAsync(Name, RunKinds.Backup, null, 10, Ct));
        return (run.State, run.Attempt);
    }

    private static async Task ForAsync(Func<Task<bool>> holds)
    {
        while (!await holds())
        {
            await Task.Delay(100, Ct);
        }
    }

    private static Task<Run> EndAsync(RunStore runs) => UntilAsync(runs, run => run is { Kind: RunKinds.Backup, Source: Name, IsOpen: false });

    private static async Task<Run> UntilAsync(RunStore runs, Func<Run, bool> holds)
    {
        while (true)
        {
            if ((await runs.ListAsync(null, null, null, 100, Ct)).FirstOrDefault(holds) is { } found)
            {
                return found;
            }

            await Task.Delay(100, Ct);
        }
    }
}
