using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Drivers;
using Hexabase.DrConsole.Engine.Backups.Maintenance;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Backups.Redis;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;
using Hexabase.DrConsole.Engine.Backups.Volumes;
using Hexabase.DrConsole.Engine.Backups.Volumes.Claims;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Recovery;
using Hexabase.DrConsole.Engine.Recovery.Actions;
using Hexabase.DrConsole.Engine.Recovery.Approvals;
using Hexabase.DrConsole.Engine.Recovery.Drills;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Recovery.Readiness;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Strategies;
using Hexabase.DrConsole.Engine.Tests.Repository;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Engine.Validation;
using Microsoft.Extensions.Logging.Abstractions;

namespace Hexabase.DrConsole.Engine.Tests.Recovery;

/// <summary>A source that a restore driver recovers in place, and everything that backs it up and recovers it, composed by hand.</summary>
internal sealed class InPlaceRig : IAsyncDisposable, IRunTrigger
{
    private readonly ServerFolder _folder = new();
    private readonly CatalogServer _catalog;
    private readonly SourceDrivers _drivers;
    private readonly RestoreDrivers _restores;
    private readonly List<IRecoveryAction> _actions;
    private readonly DrillPlans _drillPlans;
    private readonly ProcessRegistry _registry;

    /// <param name="source">Given the name and the folder of the rig.</param>
    /// <param name="processes">Has the programs that drivers start.</param>
    /// <param name="approvals">As the configuration's <c>RestoreApprovals</c>.</param>
    /// <param name="beside">Another source of the estate, or null.</param>
    public InPlaceRig(CatalogServer catalog, Func<string, ServerFolder, Source> source, ProcessRegistry? processes = null, int approvals = ProtectedEstate.UsualRestoreApprovals,
        Func<ServerFolder, Source>? beside = null)
    {
        _catalog = catalog;
        var registry = _registry = processes ?? _folder.Registry;
        var time = TimeProvider.System;
        LocalFolder.WritePrivateFile(_folder.Combine("key"), "a passphrase of the test"u8);
        var data = DataFolder.Open(_folder.Combine("data"));
        Estate = new ProtectedEstate(
            "test", _folder.Path, ProtectionClass.Defaults, [new StorageTier("hot", new Uri(_folder.Combine("hot")).AbsoluteUri, _folder.Combine("key"), null)],
            [source($"in-place-{Guid.NewGuid():n}", _folder), .. beside is null ? [] : new[] { beside(_folder) }], [])
        {
            RestoreApprovals = approvals,
        };
        Tiers = new TierRepositories(Estate, time) { KeyDerivation = RepositoryFixture.Cheap.KeyDerivation };
        Runs = new RunStore(catalog.Pool);
        Points = new RestorePointCatalog(catalog.Pool);
        var access = new RestorePointAccess(Points, Tiers);
        var freeze = new VolumeFreeze(new FreezeLedger(_folder.Combine("freezes"), registry), registry, catalog.Pool, Estate, time);
        _drivers = new SourceDrivers([new VolumeDriver(freeze, Estate, data, ServedNodes.None, new VolumeSnapshots(new SnapshotLedger(_folder.Combine("snapshots"), registry), freeze, catalog.Pool, time), time), new VClusterDriver(new VClusterBackup(time)), new RedisDriver(new RedisBackup(time))]);
        _restores = new RestoreDrivers([
            new VClusterInPlaceDriver(new InPlaceRestore(registry, time), time), new RefusingDriver(new VolumeRestoreDriver(new VolumeRestore(time), Estate, data, time), this),
            new RedisRestoreDriver(new RedisRestore(time))]);
        Gates = new ApprovalCatalog(catalog.Pool);
        Desk = new ApprovalDesk(catalog.Pool, TriggerAsync);
        RestoreGate = new RestoreGate(catalog.Pool, Gates, Estate, TimeProvider.System);
        Requests = new RunRequests(Runs, Points, access, _drivers, _restores, RestoreGate, this, Estate, data, NullLogger<RunRequests>.Instance);
        var checks = new OperatorChecks(new HttpClient(), registry);
        var controls = new ServiceControls(registry);
        _actions =
        [
            new StopDatabaseService(controls), new IsolateCorruptedData(),
            new RestoreFromBackup(Points, access, new PostgresRestores(new LogicalRestore(registry, time), new PhysicalRestore(registry, time)), time),
            new VerifyDataIntegrity(Points, access, registry, time), new RestartServices(controls, checks, time), new SwitchTraffic(registry), new CheckServices(checks, time),
            new HoldApplication(registry, time), new ReleaseApplication(registry, time),
            new RestoreInPlace(Points, access, _restores, checks, new ScratchProofs(Scratch, registry, time), Estate),
        ];
        var all = new RecoveryActions(_actions);
        Library = new PlanLibrary(catalog.Pool, all);
        var maker = new PlanMaker(
            Estate, all, new PointChoice(Points, time), access, new RecoverableWindows(Tiers, Points, Estate, time), new StepDurations(catalog.Pool), new InPlacePlans(_restores, access, time),
            new IncidentStore(catalog.Pool));
        Catalog = new RecoveryCatalog(catalog.Pool);
        var several = new SeveralPlans(Estate, maker, new SetCatalog(catalog.Pool), all, new StepDurations(catalog.Pool));
        var subjects = new SeveralSubjects(Estate, new SetCatalog(catalog.Pool));
        Recoveries = new RecoveryRequests(catalog.Pool, Library, maker, several, Catalog, TriggerAsync);
        Incidents = new IncidentStore(catalog.Pool);
        Proposals = new RecoveryProposals(catalog.Pool, Incidents, Library, maker, several, Estate);
        Readiness = new ReadinessCatalog(catalog.Pool, time);
        PlanReadiness = new PlanReadiness(Library, maker, several, subjects, Estate, Readiness, time);
        _drillPlans = new DrillPlans(maker, several, subjects, all, Estate, Points, access, Scratch);
        Drills = new DrillRequests(
            catalog.Pool, Library, _drillPlans, subjects, new PlanDrillCatalog(catalog.Pool), Estate, TriggerAsync, time, NullLogger<DrillRequests>.Instance);
    }

    /// <summary>Where its drills work.</summary>
    public ValidationOptions Scratch => new() { ScratchRoot = _folder.Combine("s"), ProtectedPaths = [_folder.Combine("key"), _folder.Combine("data")] };

    public PlanDrillCatalog DrillCatalog => new(_catalog.Pool);

    public static CancellationToken Ct => TestContext.Current.CancellationToken;

    /// <summary>Lets an action fail, or something happen beside it.</summary>
    public Func<IRecoveryAction, IRecoveryAction> Wrap { get; set; } = action => action;

    /// <summary>True for restore points that the volumes' driver finds unfit to be put back in place.</summary>
    public Func<Manifest, bool> Refuses { get; set; } = _ => false;

    public ProtectedEstate Estate { get; }

    public Source Source => Estate.Sources[0];

    public TierRepositories Tiers { get; }

    public RunStore Runs { get; }

    public RestorePointCatalog Points { get; }

    public RunRequests Requests { get; }

    public ApprovalCatalog Gates { get; }

    public ApprovalDesk Desk { get; }

    public RestoreGate RestoreGate { get; }

    public PlanLibrary Library { get; }

    public RecoveryCatalog Catalog { get; }

    public RecoveryRequests Recoveries { get; }

    public IncidentStore Incidents { get; }

    public RecoveryProposals Proposals { get; }

    public ReadinessCatalog Readiness { get; }

    public PlanReadiness PlanReadiness { get; }

    public DrillRequests Drills { get; }

    /// <summary>A backup as the console makes it, with its row in the catalog.</summary>
    public async Task BackUpAsync()
    {
        await Library.SaveBuiltInAsync(Ct);
        var backup = await AdvanceAsync((await Requests.BackupAsync(Source.Name, "tester", Ct)).Id);
        Assert.True(backup.State == RunState.Completed, backup.ErrorJson);
    }

    /// <summary>An incident of the source, confirmed by whoever watches it.</summary>
    public async Task<IncidentId> ConfirmIncidentAsync(string disaster, DateTimeOffset firstEvidence)
    {
        await using var command = _catalog.Pool.Command(
            """
            INSERT INTO incident (kind, sources, state, first_evidence_at, suspected_at, confirmed_at, evidence)
            VALUES ($1, ARRAY[$2], 'confirmed', $3, $3, clock_timestamp(), '{}') RETURNING id
            """, disaster, Source.Name, firstEvidence.ToUniversalTime());
        return new IncidentId((long)(await command.ExecuteScalarAsync(Ct))!);
    }

    /// <summary>Asks for a plan, has it approved by another person, and carries it out.</summary>
    public async Task<Run> RecoverAsync(RecoveryPlan plan)
    {
        await PersonAsync("olga", "Operator");
        await PersonAsync("paul", "Approver");
        var run = await AskAsync(plan);
        await ApproveAsync(run.Id, "paul");
        return await AdvanceAsync(run.Id);
    }

    public async Task<Run> AskAsync(RecoveryPlan plan)
    {
        var run = await Recoveries.RequestAsync(plan, plan.Hash, "olga", Ct);
        Assert.Equal(RunState.Waiting, (await AdvanceAsync(run.Id)).State);
        return run;
    }

    public async Task ApproveAsync(RunId run, string person)
    {
        var gate = (await Gates.OfRunAsync(run, Ct))[^1];
        await Desk.ApproveAsync(new GateAnswer(gate.Id, person, gate.SubjectHash, "it is damaged for sure", "INC-1"), Ct);
    }

    public async Task<Run> AdvanceAsync(RunId id)
    {
        IRunHandler[] handlers =
        [
            new BackupRun(
                Tiers, new TierReplication(Tiers, new RestorePointAccess(Points, Tiers), Points, new TierRequests(Requests, Estate), Estate), _drivers, Estate, new SourceCatalog(_catalog.Pool, Estate), Requests, TimeProvider.System),
            new RecoveryRun(new RecoveryActions(_actions.Select(Wrap)), Catalog, Incidents, new LastLook(new RecoveryActions(_actions.Select(Wrap)), Incidents, TimeProvider.System), TimeProvider.System),
            new DrillRun(new RecoveryActions(_actions.Select(Wrap)), Catalog, DrillCatalog, _drillPlans, Scratch, _registry, TimeProvider.System),
            new RestoreRun(Points, new RestorePointAccess(Points, Tiers), _restores, new TierRequests(Requests, Estate), RestoreGate),
        ];
        await new RunExecution(_catalog.Pool, handlers, LeaseTimes.Default, TimeProvider.System, NullLogger<RunExecution>.Instance).AdvanceAsync(id, Ct);
        return (await Runs.FindAsync(id, Ct))!;
    }

    public Task PersonAsync(string name, string role) => _catalog.PersonAsync(name, role);

    /// <summary>Ends the run's lease and the process's part in it, as a kill would: nothing more is written.</summary>
    public Task DieAsync(RunId run) => _catalog.DieAsync(run);

    public Task ExpireLeaseAsync(RunId id) => _catalog.ExpireLeaseAsync(id);

    /// <summary>Lets a drill look as one of an older build does, which restored nothing.</summary>
    public Task ForgetRestoreAsync(RunId run) => _catalog.Pool.Command("UPDATE recovery_step SET state = 'skipped' WHERE run_id = $1", run.Value).RunAsync(Ct);

    public Task<string> LogAsync(RunId run) => Runs.LogAsync(run);

    /// <summary>How the source's plan stands, looked at now.</summary>
    public async Task<ReadinessRow> ReadinessOfAsync(string plan)
    {
        await PlanReadiness.EvaluateAsync(new HashSet<string> { Source.Name }, Ct);
        return (await Readiness.ListAsync(Ct)).Single(row => row.Plan == plan && row.Source == Source.Name);
    }

    public Task TriggerAsync(RunId run, CancellationToken cancellationToken) => Task.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        Tiers.Dispose();
        await _folder.DisposeAsync();
    }

    private sealed class RefusingDriver(IInPlaceDriver inner, InPlaceRig rig) : IInPlaceDriver
    {
        public string PlanKind => inner.PlanKind;

        public bool Takes(RestoreTarget target, Manifest manifest) => inner.Takes(target, manifest);

        public Task<RestorePlan> PlanAsync(BackupRepository repository, Manifest manifest, RestoreTarget target, CancellationToken cancellationToken) => rig.Refuses(manifest)
            ? throw new EngineException(InPlacePlans.UnfitCode, ErrorKind.Unsupported, "the test finds it unfit")
            : inner.PlanAsync(repository, manifest, target, cancellationToken);

        public Task<RestoreOutcome> ExecuteAsync(RestoreWork work, CancellationToken cancellationToken) => inner.ExecuteAsync(work, cancellationToken);

        public Task<RestoreOutcome?> FindFinishedAsync(RestoreWork work, CancellationToken cancellationToken) => inner.FindFinishedAsync(work, cancellationToken);

        public Task<string?> AbandonAsync(RestorePlan plan, string operation, CancellationToken cancellationToken) => inner.AbandonAsync(plan, operation, cancellationToken);

        public Task<InPlaceFinding> CheckAsync(RestoreWork work, CancellationToken cancellationToken) => inner.CheckAsync(work, cancellationToken);

        public Task<string?> TakeBackAsync(RestorePlan plan, string operation, CancellationToken cancellationToken) => inner.TakeBackAsync(plan, operation, cancellationToken);
    }
}
