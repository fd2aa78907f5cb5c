using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Health.Probes;
using Hexabase.DrConsole.Engine.Recovery;
using Hexabase.DrConsole.Engine.Recovery.Actions;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Repository.Wal;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Tests.Support;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Tests.Recovery;

/// <summary>From the damage under load to a service that takes writes again, by a console that runs; only people are played by the test.</summary>
public sealed class CorruptionChainTests(ClusterSeed seed)
{
    private const string Name = "orders";
    private const int Parcels = 20_000;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Overwritten_relation_under_load_is_seen_proposed_approved_and_recovered_with_no_more_loss_than_was_said()
    {
        await using var folder = new ServerFolder();
        await using var server = await StartServerAsync(folder);
        await using var load = new Load(server.Port);
        await using var rig = await RecoveryConsoles.StartAsync(folder, $$"""
            "Classes": { "critical": { "MinimumTiers": 1 } },
            "Health": { "Interval": "00:00:02", "Timeout": "00:00:02" },
            "Sources": [ { "Name": "{{Name}}", "Kind": "postgres", "Class": "critical", "Workspace": "shop",
              "Postgres": { "Host": "127.0.0.1", "Port": {{server.Port}}, "Database": "postgres", "Username": "postgres", "PasswordFile": "password", "Mode": "physical",
                            "DataDirectory": "{{server.DataFolder}}", "Wal": { "FlushInterval": "00:00:00.3" } },
              "Recovery": { "Checks": [ { "Name": "all parcels", "Sql": "SELECT count(*) FROM parcel", "Expected": "{{Parcels}}" } ] } } ]
            """);
        try
        {
            await WalkAsync(rig, server, load);
        }
        finally
        {
            // After the recovery the server is one that pg_ctl started, and nothing of the test's own has it on record.
            await load.StopAsync();
            await new PgCtlService(server.DataFolder, folder.Registry).StopAsync(_ => { }, CancellationToken.None);
        }
    }

    private static async Task WalkAsync(RecoveryConsoles rig, PostgresCluster server, Load load)
    {
        rig.HandOver();
        load.Start();
        var console = await rig.ServeAsync();
        await UntilAsync(async () => (await rig.Engine.Get<RestorePointCatalog>().ListAsync(Name, 1, Ct)).Count == 1);
        var loaded = Lsn.Parse(await load.AskAsync<string>("SELECT pg_current_wal_lsn()::text")).Value;
        await UntilAsync(async () => (await rig.Engine.Get<WalCatalog>().TiersAsync(Name, Ct)).Any(tier => (ulong)(tier.DurableLsn ?? default) >= loaded));
        // As a page does that somebody looks at just now. The window is known for half a minute: the plan's WAL will end before the evidence.
        await rig.Engine.Get<RecoverableWindows>().ReadAsync(rig.Engine.Get<ProtectedEstate>().Sources.Single(), Ct);
        var watch = new Phases();

        await DamageAsync(server);
        watch.Begin();
        var incident = await UntilAsync(async () => (await rig.Engine.Get<IncidentStore>().OpenAsync(Ct)).FirstOrDefault(one => one.State == IncidentState.Confirmed));
        watch.Next("seen and confirmed");
        Assert.Equal((DisasterKind.DatabaseCorruption, Name), (incident.Kind, Assert.Single(incident.Sources)));
        Assert.Contains(Evidence.Parse(incident.EvidenceJson).Subjects.SelectMany(subject => subject.Probes), probe => probe.Answer == ProbeAnswer.Corrupt);
        var proposal = await UntilAsync(async () => (await rig.Engine.Get<RecoveryProposals>().ListAsync(incident.Id, Ct)).FirstOrDefault(one => one.Plan == RecoveryRig.Plan));
        watch.Next("proposed");
        Assert.Null(proposal.Refusal);

        var plan = await rig.Engine.Recoveries.PlanAsync(RecoveryRig.Plan, new PlanRequest(Name, "DATABASE_CORRUPTION", incident.Id.Value, incident.FirstEvidenceAt), Ct);
        Assert.Equal((proposal.RestorePoint, incident.FirstEvidenceAt), (plan.Basis.RestorePoint, plan.Basis.Moment));
        var run = (await rig.Engine.Recoveries.RequestAsync(plan, plan.Hash, "olga", Ct)).Id;
        await rig.UntilAsync(run, one => one.State == RunState.Waiting);
        watch.Next("asked for");
        await RecoveryConsoles.ApproveAsync(console, run);
        watch.Next("approved by a second person");
        var ended = await rig.UntilAsync(run, one => !one.IsOpen);
        Assert.True(ended.State == RunState.Completed, $"{ended.ErrorJson}\n{await rig.Engine.LogAsync(run)}");
        watch.Next("carried out");
        var over = TimeProvider.System.GetUtcNow();
        await UntilAsync(() => Task.FromResult(load.Commits.Any(commit => commit.Heard > over)));
        watch.Next("takes writes");
        await load.StopAsync();

        var steps = await rig.Engine.Catalog.StepsAsync(run, Ct);
        watch.Print(steps, plan.RtoSeconds);
        Assert.True(await load.AskAsync<bool>($"SELECT count(*) = {Parcels} AND bool_and(note = 'parcel ' || id || repeat('x', 500)) FROM parcel"));
        await AssertLossAsync(load, plan, MeasuredLoss.Of(plan, steps)!, steps[^1].StartedAt!.Value);
        Assert.Equal("closed", (await rig.Engine.Get<IncidentStore>().FindAsync(incident.Id, Ct))!.Resolution);
        Assert.Equal(0, (await console.StopAsync()).Code);
    }

    /// <summary>
    /// All came back that the plan had said would, and nothing that was committed after the evidence; what was lost was committed
    /// between what was measured and the stated end.
    /// </summary>
    private static async Task AssertLossAsync(Load load, RecoveryPlan plan, MeasuredLoss loss, DateTimeOffset restarted)
    {
        var there = (await load.ReadAsync()).ToHashSet();
        var before = load.Commits.Where(commit => commit.Heard < restarted).ToList();
        var back = before.Where(commit => there.Contains(commit.Id)).ToList();
        var lost = before.Where(commit => !there.Contains(commit.Id)).ToList();
        var newest = new DateTimeOffset(await load.AskAsync<DateTime>($"SELECT max(at) FROM ledger WHERE id = ANY ('{{{string.Join(',', back.Select(commit => commit.Id))}}}')"));
        Tell($"| {back.Count} commits are back, the newest of {newest:HH:mm:ss.fff} | {lost.Count} are lost, the last of {lost.Max(commit => commit.Heard):HH:mm:ss.fff} |");
        Tell($"| planned: all up to {plan.Loss.From:HH:mm:ss.fff} | measured: all up to {loss.Restored:HH:mm:ss.fff}, at most {loss.AtMost!.Value.TotalSeconds:0.0} s until {loss.Until:HH:mm:ss.fff} |");

        Assert.All(lost, commit => Assert.True(commit.Heard > plan.Loss.From, $"{commit} is lost, and the plan goes to {plan.Loss.From:O}"));
        Assert.True(newest <= plan.Basis.Moment);
        Assert.Equal(LossEnd.ServiceStopped, loss.End);
        Assert.True(newest <= loss.Restored);
        // It was committed at some time between its sending and its answer.
        Assert.All(lost, commit => Assert.True(
            commit.Heard > loss.Restored && commit.Sent <= loss.Until, $"{commit} is lost, and the loss is said to lie between {loss.Restored:O} and {loss.Until:O}"));
    }

    private async Task<PostgresCluster> StartServerAsync(ServerFolder folder)
    {
        var options = folder.ClusterOptions(Name) with
        {
            ListenAddress = "127.0.0.1", IsScratch = true, Port = FreePort.Choose(),
            // So few buffers that the table does not stay in them: the damage is on disk.
            Settings = new Dictionary<string, string> { ["fsync"] = "off", ["shared_buffers"] = "1MB", ["max_connections"] = "40", ["max_wal_senders"] = "8" },
        };
        await seed.PlantAsync(options, Ct);
        var server = new PostgresCluster(options, folder.Registry);
        await server.StartAsync(Ct);
        LocalFolder.WritePrivateFile(folder.Combine("password"), "a password"u8);
        await using var connection = await Load.OpenAsync(server.Port);
        await new NpgsqlCommand(
            $"""
            CREATE TABLE ledger (id bigint PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp());
            CREATE TABLE parcel AS SELECT i AS id, 'parcel ' || i || repeat('x', 500) AS note FROM generate_series(1, {Parcels}) i;
            """, connection).RunAsync(Ct);
        return server;
    }

    /// <summary>Overwrites some pages in the middle of the table's file, as a bad controller would.</summary>
    private static async Task DamageAsync(PostgresCluster server)
    {
        await using var connection = await Load.OpenAsync(server.Port);
        // What the server still has to write would hide the damage.
        var file = await new NpgsqlCommand("CHECKPOINT; SELECT pg_relation_filepath('parcel')", connection).ExecuteScalarAsync(Ct);
        await using var stream = new FileStream(Path.Combine(server.DataFolder, (string)file!), FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
        stream.Position = 700 * 8192;
        await stream.WriteAsync(RandomNumberGenerator.GetBytes(3 * 8192), Ct);
    }

    private static Task UntilAsync(Func<Task<bool>> holds) => UntilAsync(async () => await holds() ? "it does" : null);

    private static async Task<T> UntilAsync<T>(Func<Task<T?>> look)
        where T : class
    {
        for (var began = Stopwatch.GetTimestamp(); ; await Task.Delay(50, Ct))
        {
            if (await look() is { } found)
            {
                return found;
            }

            Assert.True(Stopwatch.GetElapsedTime(began) < TimeSpan.FromMinutes(3), "it did not come to that within three minutes");
        }
    }

    private static void Tell(FormattableString line) => TestContext.Current.TestOutputHelper!.WriteLine(line.ToString(CultureInfo.InvariantCulture));

    /// <summary>When what was reached, counted from the damage.</summary>
    private sealed class Phases
    {
        private readonly List<(string Name, TimeSpan At)> _reached = [];
        private long _began;

        public void Begin() => _began = Stopwatch.GetTimestamp();

        public void Next(string name) => _reached.Add((name, Stopwatch.GetElapsedTime(_began)));

        public void Print(IReadOnlyList<RecoveryStepRow> steps, double promisedSeconds)
        {
            var last = TimeSpan.Zero;
            foreach (var (name, at) in _reached)
            {
                Tell($"| {name} | {(at - last).TotalSeconds:0.0} s |");
                last = at;
            }

            Tell($"| of it by step | {string.Join(", ", steps.Select(step => string.Create(CultureInfo.InvariantCulture, $"{step.Name} {(step.EndedAt - step.StartedAt)!.Value.TotalSeconds:0.0} s")))} |");
            Tell($"| from the damage to the first write | {last.TotalSeconds:0.0} s of {promisedSeconds:0} s |");
            Assert.True(last.TotalSeconds < promisedSeconds);
        }
    }

    /// <summary>A commit that the server acknowledged, when it was sent, and when that was heard.</summary>
    private sealed record Commit(long Id, DateTimeOffset Sent, DateTimeOffset Heard);

    /// <summary>Clients that write rows and one that reads the table, through every outage.</summary>
    private sealed class Load(int port) : IAsyncDisposable
    {
        private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(5);
        private readonly CancellationTokenSource _stop = new();
        private Task _clients = Task.CompletedTask;
        private long _last;

        public ConcurrentQueue<Commit> Commits { get; } = [];

        public void Start() => _clients = Task.WhenAll(
            ClientAsync(WriteAsync), ClientAsync(WriteAsync), ClientAsync(WriteAsync),
            ClientAsync(connection => new NpgsqlCommand("SELECT sum(length(note)) FROM parcel", connection).RunAsync(CancellationToken.None)));

        public async Task StopAsync()
        {
            await _stop.CancelAsync();
            await _clients;
        }

        public async Task<T> AskAsync<T>(string sql)
        {
            await using var connection = await OpenAsync(port);
            return (T)(await new NpgsqlCommand(sql, connection).ExecuteScalarAsync(Ct))!;
        }

        public async Task<IReadOnlyList<long>> ReadAsync()
        {
            await using var connection = await OpenAsync(port);
            return await new NpgsqlCommand("SELECT id FROM ledger", connection).ListAsync(row => row.GetInt64(0), Ct);
        }

        public static async Task<NpgsqlConnection> OpenAsync(int port)
        {
            var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder { Host = "127.0.0.1", Port = port, Username = "postgres", Password = "a password", Database = "postgres", Pooling = false }.ConnectionString);
            await connection.OpenAsync(CancellationToken.None);
            return connection;
        }

        public async ValueTask DisposeAsync()
        {
            await StopAsync();
            _stop.Dispose();
        }

        private async Task WriteAsync(NpgsqlConnection connection)
        {
            var id = Interlocked.Increment(ref _last);
            await using var insert = new NpgsqlCommand("INSERT INTO ledger (id) VALUES ($1)", connection) { Parameters = { new NpgsqlParameter { Value = id } } };
            var sent = TimeProvider.System.GetUtcNow();
            await insert.ExecuteNonQueryAsync(CancellationToken.None);
            Commits.Enqueue(new Commit(id, sent, TimeProvider.System.GetUtcNow()));
        }

        private async Task ClientAsync(Func<NpgsqlConnection, Task> act)
        {
            NpgsqlConnection? connection = null;
            while (!_stop.IsCancellationRequested)
            {
                try
                {
                    connection ??= await OpenAsync(port);
                    await act(connection);
                }
                catch (NpgsqlException)
                {
                    // The server is down, or a page is damaged.
                    await (connection?.DisposeAsync() ?? ValueTask.CompletedTask);
                    connection = null;
                }

                await Task.Delay(s_pause, CancellationToken.None);
            }

            await (connection?.DisposeAsync() ?? ValueTask.CompletedTask);
        }
    }
}
