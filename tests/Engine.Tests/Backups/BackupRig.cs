using System.Text;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Drivers;
using Hexabase.DrConsole.Engine.Backups.Maintenance;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Backups.Sets;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Recovery.Approvals;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Strategies;
using Hexabase.DrConsole.Engine.Tests.Repository;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Lab.Postgres;
using Microsoft.Extensions.Logging.Abstractions;

namespace Hexabase.DrConsole.Engine.Tests.Backups;

/// <summary>A source, two tiers and the runs that work on them, composed by hand; nothing else advances the runs.</summary>
internal sealed class BackupRig : IAsyncDisposable, IRunTrigger
{
    private readonly ServerFolder _folder = new();
    private readonly CatalogServer _catalog;

    private BackupRig(CatalogServer catalog, LabPostgres lab, Func<ProtectedEstate, ServerFolder, ProtectedEstate>? change)
    {
        _catalog = catalog;
        LocalFolder.WritePrivateFile(Key, "a passphrase of the test"u8);
        Estate = new ProtectedEstate(
            "test", _folder.Path, ProtectionClass.Defaults, [Tier("hot"), Tier("warm")],
            [
                new Source($"orders-{Guid.NewGuid():n}", SourceKind.Postgres, "critical", $"shop-{Guid.NewGuid():n}")
                {
                    Postgres = new PostgresSettings(LabPostgres.Host, lab.Port, LabPostgres.Orders, LabPostgres.BackupRole, lab.BackupPasswordFile, PostgresMode.Logical, ["customers"]),
                },
            ],
            [])
        {
            Notifications = new NotificationSettings
            {
                Channels = [new NotificationChannel("hook", ChannelKind.Webhook) { Webhook = new WebhookSettings(new Uri("http://127.0.0.1:1/"), null, _folder.Combine("hook.secret"), null) }],
            },
        };
        Estate = change?.Invoke(Estate, _folder) ?? Estate;
        Tiers = new TierRepositories(Estate, TimeProvider.System, catalog.Pool) { KeyDerivation = RepositoryFixture.Cheap.KeyDerivation };
        Runs = new RunStore(catalog.Pool);
        Points = new RestorePointCatalog(catalog.Pool);
        Sources = new SourceCatalog(catalog.Pool, Estate);
        Access = new RestorePointAccess(Points, Tiers);
        var restores = new PostgresRestores(
            new LogicalRestore(_folder.Registry, TimeProvider.System), new PhysicalRestore(_folder.Registry, TimeProvider.System));
        Logical = new LogicalBackup(_folder.Registry, TimeProvider.System);
        Drivers = TestDrivers.Of(new PostgresBackups(Logical, new PhysicalBackup(_folder.Registry, TimeProvider.System, _folder.Combine("staging"))), Points);
        RestoreDrivers = TestDrivers.Of(restores);
        Gate = new RestoreGate(catalog.Pool, new ApprovalCatalog(catalog.Pool), Estate, TimeProvider.System);
        Requests = new RunRequests(Runs, Points, Access, Drivers, RestoreDrivers, Gate, this, Estate,
            DataFolder.Open(_folder.Combine("data")), NullLogger<RunRequests>.Instance);
    }

    /// <summary>The clock that ages are counted with.</summary>
    public TimeProvider Time { get; set; } = TimeProvider.System;

    /// <summary>The clock that backups are dated with.</summary>
    public TimeProvider BackupTime { get; set; } = TimeProvider.System;

    public static CancellationToken Ct => TestContext.Current.CancellationToken;

    public ProtectedEstate Estate { get; }

    public Source Source => Estate.Sources[0];

    public TierRepositories Tiers { get; }

    public RunStore Runs { get; }

    public RestorePointCatalog Points { get; }

    public SourceCatalog Sources { get; }

    public RestorePointAccess Access { get; }

    public SourceFreezes Freezes => new(new FreezeCatalog(_catalog.Pool), Points, Tiers);

    public RetentionPlanning Planning => new(Points, Tiers, Estate, Time);

    public IRestoreGate Gate { get; }

    public RunRequests Requests { get; }

    public LogicalBackup Logical { get; }

    public SourceDrivers Drivers { get; }

    public RestoreDrivers RestoreDrivers { get; }

    public ProcessRegistry Processes => _folder.Registry;

    public List<RunId> HandedOver { get; } = [];

    /// <summary>What is done with a run that is handed over; nothing but noting it where null.</summary>
    public Func<RunId, Task>? OnHandOver { get; set; }

    private string Key => _folder.Combine("key");

    public static async Task<BackupRig> CreateAsync(CatalogServer catalog, PostgresLab lab, Func<ProtectedEstate, ServerFolder, ProtectedEstate>? change = null) =>
        new(catalog, await lab.GetServerAsync(Ct), change);

    public string Store(string tier) => _folder.Combine(tier);

    /// <summary>Makes a tier unusable: a file stands where its folder should be.</summary>
    public void TakeDown(string tier) => File.WriteAllText(Store(tier), "no folder");

    public void BringBack(string tier) => File.Delete(Store(tier));

    public Task<BackupRepository> OpenAsync(string tier) => Tiers.OpenAsync(Estate.Tiers.Single(one => one.Name == tier), Source.Workspace, Ct);

    /// <summary>Asks for a backup and advances it to its end.</summary>
    public async Task<Run> BackupAsync() => await AdvanceAsync((await Requests.BackupAsync(Source.Name, "tester", Ct)).Id);

    public async Task<Run> AdvanceAsync(RunId id)
    {
        var tierRequests = new TierRequests(Requests, Estate);
        var replication = new TierReplication(Tiers, Access, Points, tierRequests, Estate);
        IRunHandler[] handlers =
        [
            new BackupRun(Tiers, replication, Drivers, Estate, Sources, Requests, BackupTime),
            new SetRun(_catalog.Pool, Runs, Requests, Estate, _folder.Registry, TimeProvider.System),
            new RestoreRun(Points, Access, RestoreDrivers, tierRequests, Gate, new OwnSecrets(Estate, DataFolder.Open(_folder.Combine("data")))),
            new ReplicationRun(replication, new OwedCopies(Points, Estate, Time), Points, Estate),
            new RotationRun(Tiers, TimeProvider.System),
            new VerificationRun(Tiers, Points, tierRequests, Estate, new WalCatalog(_catalog.Pool)),
            new RepairRun(Tiers, Points, _catalog.Pool, tierRequests, Requests, Estate),
            new ShreddingRun(Tiers, new WorkspaceCatalog(_catalog.Pool)),
            new RetentionRun(
                Tiers, Planning, new PointHolds(new HoldCatalog(_catalog.Pool), Points, Tiers), Freezes, Points, Estate, Time),
        ];
        await new RunExecution(_catalog.Pool, handlers, LeaseTimes.Default, TimeProvider.System, NullLogger<RunExecution>.Instance).AdvanceAsync(id, Ct);
        return (await Runs.FindAsync(id, Ct))!;
    }

    /// <summary>Takes a run up as a process does that dies before its first step comes to an end.</summary>
    public async Task DieInAsync(RunId id, string step, Func<Task> before)
    {
        var hold = (await RunHold.AcquireAsync(_catalog.Pool, LeaseTimes.Default, id, Ct))!;
        using var journal = new RunJournal(hold, TimeProvider.System);
        await Assert.ThrowsAsync<InvalidOperationException>(() => new RunContext(hold, journal, Ct).StepAsync<object>(step, async _ =>
        {
            await before();
            throw new InvalidOperationException("it died here");
        }));
        await _catalog.Pool.Command("UPDATE run SET lease_until = NULL WHERE id = $1", id.Value).RunAsync(Ct);
    }

    public async Task<IReadOnlyDictionary<string, string>> TierStatesAsync(string point) =>
        (await Points.TiersAsync(point, Ct)).ToDictionary(tier => tier.Tier, tier => tier.State);

    public Task TriggerAsync(RunId run, CancellationToken cancellationToken)
    {
        lock (HandedOver)
        {
            HandedOver.Add(run);
        }

        // As a worker does: whoever hands over does not wait for it.
        _ = OnHandOver?.Invoke(run);
        return Task.CompletedTask;
    }

    /// <summary>A tier's repair is one for all workspaces of its name: what this rig's runs have asked for must not be the next one's.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (var tier in Estate.Tiers)
        {
            foreach (var asked in (await Runs.ListAsync(tier.Name, RunKinds.Repair, RunState.Queued, 100, CancellationToken.None)).Where(run => run.RequestJson.Contains(Source.Workspace, StringComparison.Ordinal)))
            {
                await Runs.CancelAsync(asked.Id, "tester", CancellationToken.None);
            }
        }

        Tiers.Dispose();
        await _folder.DisposeAsync();
    }

    private StorageTier Tier(string name) => new(name, new Uri(Store(name)).AbsoluteUri, Key, null);
}
