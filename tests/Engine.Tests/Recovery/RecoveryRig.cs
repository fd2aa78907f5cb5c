using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Drivers;
using Hexabase.DrConsole.Engine.Backups.Maintenance;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical.InPlace;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Notifications;
using Hexabase.DrConsole.Engine.Recovery;
using Hexabase.DrConsole.Engine.Recovery.Actions;
using Hexabase.DrConsole.Engine.Recovery.Approvals;
using Hexabase.DrConsole.Engine.Recovery.Drills;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Recovery.Readiness;
using Hexabase.DrConsole.Engine.Recovery.Reports;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Strategies;
using Hexabase.DrConsole.Engine.Tests.Backups;
using Hexabase.DrConsole.Engine.Tests.Repository;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Engine.Validation;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Tests.Recovery;

/// <summary>A small PostgreSQL cluster of its own with one physical restore point, and everything that recovers it, composed by hand.</summary>
public sealed class RecoveryRig : IAsyncLifetime, IRunTrigger
{
    public const string Plan = "postgres-corruption";

    private readonly ServerFolder _folder = new();
    private readonly CatalogServer _catalog;
    private readonly List<IRecoveryAction> _actions = [];
    private Func<IRecoveryAction, IRecoveryAction> _wrap = action => action;
    private SourceDrivers _drivers = null!;
    private RestoreDrivers _restoreDrivers = null!;

    /// <summary>What the server was started with: its files do not say on which port.</summary>
    private IReadOnlyList<string> _options = [];

    public RecoveryRig(CatalogServer catalog)
    {
        _catalog = catalog;
        Server = new PostgresCluster(_folder.ClusterOptions("orders") with { ListenAddress = "127.0.0.1", IsScratch = true, Port = FreePort.Choose() }, _folder.Registry);
    }

    /// <summary>Starts the cluster, fills it and backs it up.</summary>
    public async ValueTask InitializeAsync()
    {
        await Server.StartAsync(Ct);
        _options = await new PgCtlService(Server.DataFolder, _folder.Registry).ReadOptionsAsync(Ct);
        LocalFolder.WritePrivateFile(_folder.Combine("password"), "a password"u8);
        LocalFolder.WritePrivateFile(Key, "a passphrase of the test"u8);
        Compose();
        await ExecuteAsync("CREATE TABLE parcel (id int PRIMARY KEY, note text); INSERT INTO parcel SELECT i, 'parcel ' || i || repeat(' of the shop', 20) FROM generate_series(1, 2000) i; CHECKPOINT");
        var backup = await AdvanceAsync((await Requests.BackupAsync(Source.Name, "tester", Ct)).Id);
        Assert.True(backup.State == RunState.Completed, backup.ErrorJson);
        await Library.SaveBuiltInAsync(Ct);
        // Approvals count by who may approve in the catalog.
        await _catalog.PersonAsync("paul", "Approver");
        await _catalog.PersonAsync("petra", "Approver");
    }

    private void Compose()
    {
        Estate = new ProtectedEstate(
            "test", _folder.Path, ProtectionClass.Defaults, [Tier("hot"), Tier("warm")],
            [
                new Source($"orders-{Guid.NewGuid():n}", SourceKind.Postgres, "standard", $"shop-{Guid.NewGuid():n}")
                {
                    Postgres = new PostgresSettings("127.0.0.1", Server.Port, "postgres", "postgres", _folder.Combine("password"), PostgresMode.Physical, [])
                    {
                        DataDirectory = Server.DataFolder, Wal = new WalSettings(false, null, false, WalSettings.DefaultFlushInterval),
                    },
                    Recovery = new Hexabase.DrConsole.Engine.Estate.RecoverySettings(
                        null,
                        [
                            new OperatorCheck("all parcels", Sql: "SELECT count(*) FROM parcel", Expected: "2000"),
                            new OperatorCheck("from outside", Command: ["pg_isready", "--host={host}", "--port={port}", "--dbname={database}"]),
                        ],
                        ["sh", "-c", $"echo there >> {SwitchLog}"], ["sh", "-c", $"echo back >> {SwitchLog}"]),
                },
            ],
            []);
        Tiers = new TierRepositories(Estate, TimeProvider.System) { KeyDerivation = RepositoryFixture.Cheap.KeyDerivation };
        Runs = new RunStore(_catalog.Pool);
        Points = new RestorePointCatalog(_catalog.Pool);
        Access = new RestorePointAccess(Points, Tiers);
        var restores = new PostgresRestores(new LogicalRestore(_folder.Registry, TimeProvider.System), new PhysicalRestore(_folder.Registry, TimeProvider.System));
        _drivers = TestDrivers.Of(
            new PostgresBackups(new LogicalBackup(_folder.Registry, TimeProvider.System), new PhysicalBackup(_folder.Registry, TimeProvider.System, _folder.Combine("staging"))), Points);
        _restoreDrivers = TestDrivers.Of(restores, new PostgresInPlaceDriver(
            new InPlaceRestore(_folder.Registry, TimeProvider.System) { OnStep = step => OnRestoreStep?.Invoke(step) }, Points, Access, TimeProvider.System));
        Requests = new RunRequests(Runs, Points, Access, _drivers, _restoreDrivers, new RestoreGate(_catalog.Pool, new ApprovalCatalog(_catalog.Pool), Estate, TimeProvider.System), this, Estate, DataFolder.Open(_folder.Combine("data")), NullLogger<RunRequests>.Instance);
        var controls = new ServiceControls(_folder.Registry);
        var checks = new OperatorChecks(new HttpClient(), _folder.Registry);
        _actions.AddRange(
        [
            new StopDatabaseService(controls), new IsolateCorruptedData(), new RestoreFromBackup(Points, Access, restores, TimeProvider.System),
            new VerifyDataIntegrity(Points, Access, _folder.Registry, TimeProvider.System),
            new HoldApplication(_folder.Registry, TimeProvider.System), new ReleaseApplication(_folder.Registry, TimeProvider.System),
            new RestartServices(controls, checks, TimeProvider.System), new RestoreInPlace(Points, Access, TestDrivers.Of(restores), checks, new ScratchProofs(Scratch, _folder.Registry, TimeProvider.System), Estate), new SwitchTraffic(_folder.Registry),
            new CheckServices(checks, TimeProvider.System),
        ]);
        var all = new RecoveryActions(_actions);
        Library = new PlanLibrary(_catalog.Pool, all);
        Catalog = new RecoveryCatalog(_catalog.Pool);
        Gates = new ApprovalCatalog(_catalog.Pool);
        Desk = new ApprovalDesk(_catalog.Pool, TriggerAsync);
        var maker = new PlanMaker(
            Estate, all, new PointChoice(Points, TimeProvider.System), Access, new RecoverableWindows(Tiers, Points, Estate, TimeProvider.System), new StepDurations(_catalog.Pool),
            new InPlacePlans(TestDrivers.Of(restores), Access, TimeProvider.System), new IncidentStore(_catalog.Pool));
        var several = new SeveralPlans(Estate, maker, new SetCatalog(_catalog.Pool), all, new StepDurations(_catalog.Pool));
        var subjects = new SeveralSubjects(Estate, new SetCatalog(_catalog.Pool));
        Recoveries = new RecoveryRequests(_catalog.Pool, Library, maker, several, Catalog, TriggerAsync);
        Incidents = new IncidentStore(_catalog.Pool);
        Durations = new StepDurations(_catalog.Pool);
        DrillCatalog = new PlanDrillCatalog(_catalog.Pool);
        DrillPlans = new DrillPlans(maker, several, subjects, all, Estate, Points, Access, Scratch);
        Drills = new DrillRequests(_catalog.Pool, Library, DrillPlans, subjects, DrillCatalog, Estate, TriggerAsync, TimeProvider.System, NullLogger<DrillRequests>.Instance);
        Readiness = new ReadinessCatalog(_catalog.Pool, TimeProvider.System);
        PlanReadiness = new PlanReadiness(Library, maker, several, subjects, Estate, Readiness, TimeProvider.System);
        Proposals = new RecoveryProposals(_catalog.Pool, Incidents, Library, maker, several, Estate);
    }

    public static CancellationToken Ct => TestContext.Current.CancellationToken;

    public PostgresCluster Server { get; }

    /// <summary>For how long a recovery waits for backups to end.</summary>
    public TimeSpan LongestEnd { get; set; } = TimeSpan.FromMinutes(1);

    public ProtectedEstate Estate { get; private set; } = null!;

    public Source Source => Estate.Sources[0];

    public TierRepositories Tiers { get; private set; } = null!;

    public RunStore Runs { get; private set; } = null!;

    public RestorePointCatalog Points { get; private set; } = null!;

    public RestorePointAccess Access { get; private set; } = null!;

    public RunRequests Requests { get; private set; } = null!;

    public PlanLibrary Library { get; private set; } = null!;

    public RecoveryCatalog Catalog { get; private set; } = null!;

    public ApprovalCatalog Gates { get; private set; } = null!;

    public ApprovalDesk Desk { get; private set; } = null!;

    public RecoveryRequests Recoveries { get; private set; } = null!;

    public IncidentStore Incidents { get; private set; } = null!;

    public StepDurations Durations { get; private set; } = null!;

    public PlanDrillCatalog DrillCatalog { get; private set; } = null!;

    public DrillPlans DrillPlans { get; private set; } = null!;

    public DrillRequests Drills { get; private set; } = null!;

    public ReadinessCatalog Readiness { get; private set; } = null!;

    public PlanReadiness PlanReadiness { get; private set; } = null!;

    public ReportWriter Reports => new(_catalog.Pool, Runs, Catalog, DrillCatalog, Gates, Estate, TimeProvider.System);

    public ReportKey ReportKey => new(DataFolder.Open(_folder.Combine("data")));

    public ValidationOptions Scratch => new() { ScratchRoot = _folder.Combine("s"), ProtectedPaths = [Key, _folder.Combine("data")] };

    /// <summary>The processes that the engine has on record.</summary>
    internal IReadOnlyList<ProcessRecord> Records => _folder.Registry.List();

    /// <summary>The configuration of this estate, read as at a start.</summary>
    public ProtectedEstate ReadConfiguration()
    {
        var file = _folder.Combine("estate.json");
        File.WriteAllText(file, $$"""
            { "DrConsole": {
              "Tiers": [ { "Name": "hot", "Store": "{{Tier("hot").Store}}", "KeyFile": "{{Key}}" } ],
              "Sources": [ { "Name": "orders", "Kind": "postgres", "Class": "standard",
                             "Postgres": { "Host": "127.0.0.1", "Port": {{Server.Port}}, "Database": "postgres", "Username": "postgres", "PasswordFile": "{{_folder.Combine("password")}}",
                                           "Mode": "physical", "DataDirectory": "{{Server.DataFolder}}" } } ] } }
            """);
        return EstateConfiguration.Read((IConfigurationRoot)new ConfigurationBuilder().AddJsonFile(file).Build(), _folder.Combine("data"));
    }

    public RecoveryProposals Proposals { get; private set; } = null!;

    public NpgsqlDataSource Pool => _catalog.Pool;

    /// <summary>Gets a line for each time that clients are led somewhere.</summary>
    public string SwitchLog => _folder.Combine("switched");

    private string Key => _folder.Combine("key");

    /// <summary>Lets an action fail, or something happen beside it, in the runs that are advanced until the result is disposed of.</summary>
    internal IDisposable Wrap(string action, Func<IRecoveryAction, IRecoveryAction> wrap)
    {
        _wrap = inner => inner.Name == action ? wrap(inner) : inner;
        return new Unwrapping(this);
    }

    /// <summary>The same for all actions.</summary>
    internal void WrapAll(Func<IRecoveryAction, IRecoveryAction> wrap) => _wrap = wrap;

    internal IDisposable Wrapping() => new Unwrapping(this);

    /// <summary>
    /// Lets a server run again whatever a recovery left: the one that it recovered, or else the original from aside. The table may
    /// be damaged; what a recovery must bring back is known without it.
    /// </summary>
    public async Task SetRightAsync()
    {
        var service = new PgCtlService(Server.DataFolder, _folder.Registry);
        if (!await service.IsRunningAsync(Ct))
        {
            if (Beside().LastOrDefault(name => name.Contains(".aside-", StringComparison.Ordinal)) is { } aside)
            {
                await LocalFolder.RemoveAsync(Server.DataFolder, TimeProvider.System, Ct);
                Directory.Move(_folder.Combine(aside), Server.DataFolder);
            }

            await service.StartAsync(_options, _ => { }, Ct);
        }

        foreach (var left in Beside())
        {
            await LocalFolder.RemoveAsync(_folder.Combine(left), TimeProvider.System, Ct);
        }
    }

    /// <summary>Called before each change of a restore over the data directory.</summary>
    public Action<string>? OnRestoreStep { get; set; }

    public Task StopAsync() => new PgCtlService(Server.DataFolder, _folder.Registry).StopAsync(_ => { }, Ct);

    public Task StartAsync() => new PgCtlService(Server.DataFolder, _folder.Registry).StartAsync(_options, _ => { }, Ct);

    /// <summary>What the table holds when it is whole.</summary>
    public async Task<bool> IsWholeAsync() => (bool)(await ExecuteAsync(
        "SELECT count(*) = 2000 AND bool_and(note = 'parcel ' || id || repeat(' of the shop', 20)) FROM parcel"))!;

    /// <summary>A statement on the source as a superuser.</summary>
    public async Task<object?> ExecuteAsync(string sql)
    {
        var settings = Server.ConnectionString();
        settings.Host = "127.0.0.1";
        settings.Pooling = false;
        await using var connection = new NpgsqlConnection(settings.ConnectionString);
        await connection.OpenAsync(Ct);
        await using var command = new NpgsqlCommand(sql, connection);
        return await command.ExecuteScalarAsync(Ct);
    }

    /// <summary>Overwrites the middle of the table's file on disk, as a bad controller would.</summary>
    public async Task DamageAsync()
    {
        // What the server still has to write would hide the damage.
        await ExecuteAsync("CHECKPOINT");
        var file = Path.Combine(Server.DataFolder, (string)(await ExecuteAsync("SELECT pg_relation_filepath('parcel')"))!);
        await using var stream = new FileStream(file, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
        stream.Position = 8192;
        await stream.WriteAsync(RandomNumberGenerator.GetBytes(3 * 8192), Ct);
    }

    /// <summary>Ends the server and deletes its data directory, as a lost disk would.</summary>
    public async Task LoseDirectoryAsync()
    {
        await new PgCtlService(Server.DataFolder, _folder.Registry).StopAsync(_ => { }, Ct);
        await LocalFolder.RemoveAsync(Server.DataFolder, TimeProvider.System, Ct);
    }

    public Task<RecoveryPlan> PlanAsync(IncidentId? incident = null) => Recoveries.PlanAsync(Plan, new PlanRequest(Source.Name, "DATABASE_CORRUPTION", incident?.Value), Ct);

    /// <summary>An incident of corruption of the source, confirmed by whoever watches it.</summary>
    public async Task<IncidentId> ConfirmIncidentAsync(DateTimeOffset firstEvidence, string disaster = "DATABASE_CORRUPTION")
    {
        await using var command = _catalog.Pool.Command(
            """
            INSERT INTO incident (kind, sources, state, first_evidence_at, suspected_at, confirmed_at, evidence)
            VALUES ($3, ARRAY[$1], 'confirmed', $2, $2, clock_timestamp(), '{}') RETURNING id
            """, Source.Name, firstEvidence.ToUniversalTime(), disaster);
        return new IncidentId((long)(await command.ExecuteScalarAsync(Ct))!);
    }

    /// <summary>Asks for the plan, has it approved by another person, and carries it out.</summary>
    public async Task<Run> RecoverAsync(RecoveryPlan? plan = null)
    {
        return await AdvanceAsync(await ApprovedAsync(plan ?? await PlanAsync()));
    }

    /// <summary>Asks for the plan, and has it approved by another person.</summary>
    public async Task<RunId> ApprovedAsync(RecoveryPlan plan)
    {
        var run = (await Recoveries.RequestAsync(plan, plan.Hash, "olga", Ct)).Id;
        Assert.Equal(RunState.Waiting, (await AdvanceAsync(run)).State);
        await ApproveAsync(run, "paul");
        return run;
    }

    public async Task<ApprovalGate> ApproveAsync(RunId run, string person)
    {
        var gate = (await Gates.OfRunAsync(run, Ct))[^1];
        return await Desk.ApproveAsync(new GateAnswer(gate.Id, person, gate.SubjectHash, "the table is damaged", "INC-1"), Ct);
    }

    public async Task<Run> AdvanceAsync(RunId id)
    {
        IRunHandler[] handlers =
        [
            new BackupRun(
                Tiers, new TierReplication(Tiers, Access, Points, new TierRequests(Requests, Estate), Estate),
                _drivers, Estate, new SourceCatalog(_catalog.Pool, Estate), Requests, TimeProvider.System),
            new RecoveryRun(
                new RecoveryActions(_actions.Select(_wrap)), Catalog, new IncidentStore(_catalog.Pool), new LastLook(new RecoveryActions(_actions.Select(_wrap)), new IncidentStore(_catalog.Pool), TimeProvider.System) { LongestEnd = LongestEnd },
                TimeProvider.System),
            new RestoreRun(Points, Access, _restoreDrivers, new TierRequests(Requests, Estate), new RestoreGate(_catalog.Pool, Gates, Estate, TimeProvider.System)),
            new DrillRun(new RecoveryActions(_actions.Select(_wrap)), Catalog, DrillCatalog, DrillPlans, Scratch, _folder.Registry, TimeProvider.System),
        ];
        await new RunExecution(_catalog.Pool, handlers, LeaseTimes.Default, TimeProvider.System, NullLogger<RunExecution>.Instance).AdvanceAsync(id, Ct);
        return (await Runs.FindAsync(id, Ct))!;
    }

    /// <summary>An account, as an admin makes it.</summary>
    public Task PersonAsync(string name, string role) => _catalog.PersonAsync(name, role);

    /// <summary>Ends the run's lease and the process's part in it, as a kill would: nothing more is written.</summary>
    public Task DieAsync(RunId run) => _catalog.DieAsync(run);

    /// <summary>Lets the lease of a run that its process died with run out.</summary>
    public Task ExpireLeaseAsync(RunId id) => _catalog.ExpireLeaseAsync(id);

    public async Task<IReadOnlyList<StepState>> StatesAsync(RunId run) => [.. (await Catalog.StepsAsync(run, Ct)).Select(step => step.State)];

    public async Task<RecoveryOutcome?> OutcomeAsync(RunId run) => (await Catalog.FindAsync(run, Ct))!.Outcome;

    public Task<string> LogAsync(RunId run) => Runs.LogAsync(run);

    /// <summary>What people are told of a run, oldest first.</summary>
    public Task<IReadOnlyList<Notification>> ToldAsync(RunId run) => _catalog.Pool.Command(
        $"SELECT {NotificationStore.Columns} FROM notification n WHERE n.subject = $1 ORDER BY n.id", run.ToString()).ListAsync(NotificationStore.Map, Ct);

    /// <summary>SHA-256 over every file of the data directory but those that a start or a stop writes.</summary>
    public string Digest()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var file in Directory.EnumerateFiles(Path.Combine(Server.DataFolder, "base"), "*", SearchOption.AllDirectories)
            .Where(file => Path.GetFileName(file) is var name && !name.StartsWith("pg_internal", StringComparison.Ordinal)).Order(StringComparer.Ordinal))
        {
            hash.AppendData(Encoding.UTF8.GetBytes(Path.GetRelativePath(Server.DataFolder, file)));
            hash.AppendData(File.ReadAllBytes(file));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>What stands beside the data directory: aside and half-made ones.</summary>
    public IReadOnlyList<string> Beside() =>
        // "orders.*" as a pattern would match "orders" itself.
        [.. Directory.EnumerateDirectories(Path.GetDirectoryName(Server.DataFolder)!).Select(path => Path.GetFileName(path)!)
            .Where(name => name.StartsWith(Path.GetFileName(Server.DataFolder) + ".", StringComparison.Ordinal))];

    public Task TriggerAsync(RunId run, CancellationToken cancellationToken) => Task.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        // After a recovery the server is one that pg_ctl started; the cluster's own record names a dead one.
        if (Directory.Exists(Server.DataFolder))
        {
            await new PgCtlService(Server.DataFolder, _folder.Registry).StopAsync(_ => { }, CancellationToken.None);
        }

        await Server.DisposeAsync();
        Tiers.Dispose();
        await _folder.DisposeAsync();
    }

    private sealed class Unwrapping(RecoveryRig rig) : IDisposable
    {
        public void Dispose() => rig._wrap = action => action;
    }

    private StorageTier Tier(string name) => new(name, new Uri(_folder.Combine(name)).AbsoluteUri, Key, null);
}
