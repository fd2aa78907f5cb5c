using System.Text.Json;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Health.Probes;
using Hexabase.DrConsole.Engine.Jobs;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Strategies;
using Hexabase.DrConsole.Engine.Tests.Repository;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Lab.Postgres;

namespace Hexabase.DrConsole.Engine.Tests.Executable;

/// <summary>A PostgreSQL server whose data directory another machine has: the agent there reads it, and nobody else.</summary>
public sealed class NodeAgentTests(PostgresLab lab, ConsoleSeed seed)
{
    private const string Name = "nodepg";
    private const string Node = "db-1";

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
    public async Task Any_other_process_refuses_it_and_makes_no_restore_point()
    {
        await using var estate = await EstateAsync();

        (await estate.RunAsync("backup", Name)).AssertRefused($"the files of {Name} are on node {Node}, and this process is not its agent", $"drconsole worker --queues node-{Node}");

        Assert.Empty(estate.Manifests());
        estate.AssertNothingRuns();
    }

    [Fact]
    public void Base_backups_are_in_the_nodes_queue_and_dumps_and_validations_in_that_of_their_class()
    {
        var settings = new PostgresSettings("db", 5432, "orders", "backup", null, PostgresMode.Both, []) { DataDirectory = "/srv/data", Node = Node };
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

    private async Task<ConsoleEstate> EstateAsync()
    {
        var server = await lab.GetServerAsync(Ct);
        return await ConsoleEstate.CreateAsync(lab, seed, changes: new EstateChanges
        {
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
