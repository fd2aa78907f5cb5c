using Hexabase.DrConsole.Engine.Audit;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Drivers;
using Hexabase.DrConsole.Engine.Backups.Volumes;
using Hexabase.DrConsole.Engine.Backups.Volumes.Claims;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Strategies;
using Hexabase.DrConsole.Engine.Tests.Repository;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Engine.Validation;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Volumes;

/// <summary>A volume and a repository, with the driver and the restore composed by hand.</summary>
internal sealed class VolumeRig : IAsyncDisposable
{
    private readonly ServerFolder _folder = new();
    private readonly CatalogServer _catalog;
    private readonly DataFolder _data;
    private Manifest? _newest;

    public VolumeRig(CatalogServer catalog)
    {
        _catalog = catalog;
        _data = DataFolder.Open(_folder.Combine("data"));
        LocalFolder.WritePrivateFile(_folder.Combine("key"), "a passphrase of the test"u8);
        Directory.CreateDirectory(Volume);
        Name = $"uploads-{Guid.NewGuid():n}";
        Estate = new ProtectedEstate("test", _folder.Path, ProtectionClass.Defaults, [new StorageTier("hot", new Uri(_folder.Combine("hot")).AbsoluteUri, _folder.Combine("key"), null)], [], []);
        Tiers = new TierRepositories(Estate, TimeProvider.System) { KeyDerivation = RepositoryFixture.Cheap.KeyDerivation };
        Ledger = new FreezeLedger(_folder.Combine("freezes"), _folder.Registry);
        SnapshotLedger = Snapshots(_folder.Registry);
        Settings = new VolumeSettings(Volume);
        Restores = new VolumeRestoreDriver(new VolumeRestore(TimeProvider.System), Estate, _data, TimeProvider.System);
    }

    public static CancellationToken Ct => TestContext.Current.CancellationToken;

    public string Name { get; }

    public string Volume => _folder.Combine("volume");

    public ProtectedEstate Estate { get; }

    public TierRepositories Tiers { get; }

    public FreezeLedger Ledger { get; }

    public SnapshotLedger SnapshotLedger { get; }

    public VolumeSettings Settings { get; set; }

    public ServedNodes Nodes { get; set; } = ServedNodes.None;

    public VolumeRestoreDriver Restores { get; private set; }

    public ServerFolder Folder => _folder;

    public List<string> Log { get; } = [];

    /// <summary>A file that changed just before its backup is read again by the next one; so that no test waits, these backups say that they began later.</summary>
    public TimeSpan Settled { get; set; } = TimeSpan.FromSeconds(5);

    public Source Source => new(Name, SourceKind.Volume, "standard", "shop") { Volume = Settings };

    public string Combine(string name) => _folder.Combine(name);

    public void Write(string name, string content = "content")
    {
        var path = Path.Combine(Volume, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, content);
        // Long ago: a file that changed within the last seconds is read again, since it may have changed within one clock tick.
        File.SetLastWriteTimeUtc(path, new DateTime(2026, 1, 2, 3, 4, 5, DateTimeKind.Utc));
    }

    /// <summary>Lets the restores know from the configuration where the volume begins.</summary>
    public void Configure() => Restores = new VolumeRestoreDriver(new VolumeRestore(TimeProvider.System), Estate with { Sources = [Source] }, _data, TimeProvider.System);

    public VolumeFreeze Freeze() => new(Ledger, _folder.Registry, _catalog.Pool, Estate, TimeProvider.System);

    public VolumeDriver Driver() => new(Freeze(), Estate, _data, Nodes, new VolumeSnapshots(SnapshotLedger, Freeze(), _catalog.Pool, TimeProvider.System), TimeProvider.System);

    /// <summary>The ledger of snapshots as a process has it that another one may be.</summary>
    public SnapshotLedger Snapshots(ProcessRegistry registry) => new(_folder.Combine("snapshots"), registry);

    public Task<BackupRepository> OpenAsync() => Tiers.OpenOrCreateAsync(Estate.Tiers[0], "shop", Ct);

    public Task<BackupResult> BackupAsync() => BackupAsync(null);

    public async Task<BackupResult> BackupAsync(IProgress<TransferProgress>? progress)
    {
        await using var repository = await OpenAsync();
        var result = await Driver().CaptureAsync(Request(), repository, progress, (phase, text) => Log.Add($"{phase}: {text}"), Ct);
        _newest = await repository.ReadManifestAsync(result.BackupId, Ct);
        return result;
    }

    public async Task<VolumeFacts> FactsAsync(BackupResult result)
    {
        await using var repository = await OpenAsync();
        return VolumeFacts.Of(await repository.ReadManifestAsync(result.BackupId, Ct));
    }

    public CaptureRequest Request() => new()
    {
        Source = Source,
        Strategy = VolumeDriver.FilesStrategy,
        Description = new BackupDescription { Source = Name, Kind = VolumeDriver.ManifestKind, Workspace = "shop", CreatedAt = TimeProvider.System.GetUtcNow() + Settled },
    };

    public async Task<ValidationResult> ValidateAsync(BackupResult result)
    {
        await using var repository = await OpenAsync();
        var scratch = _folder.Combine("scratch");
        var validation = new RestorePointValidation(new ValidationOptions { ScratchRoot = scratch }, _folder.Registry, TimeProvider.System);
        var found = await validation.RunAsync(repository, result.BackupId, null, null, Ct);
        Assert.False(Directory.Exists(scratch) && Directory.EnumerateFileSystemEntries(scratch).Any(), "the scratch folder is gone");
        return found;
    }

    /// <summary>A restore of the newest backup: planned, confirmed and executed.</summary>
    public async Task<RestorePlan> RestoreAsync(string target, Func<RestorePlan, Task>? before = null)
    {
        await using var repository = await OpenAsync();
        var plan = await PlanAsync(repository, target);
        await (before?.Invoke(plan) ?? Task.CompletedTask);
        await Restores.ExecuteAsync(new RestoreWork(repository, _newest!, plan, plan.Hash, $"R-1 of {plan.Hash}"), Ct);
        return plan;
    }

    public async Task<RestorePlan> PlanAsync(string target)
    {
        await using var repository = await OpenAsync();
        return await PlanAsync(repository, target);
    }

    public Task<RestorePlan> PlanAsync(BackupRepository repository, string target)
    {
        var parsed = RestoreTarget.Parse(target, "/");
        Assert.True(Restores.Takes(parsed, _newest!));
        return Restores.PlanAsync(repository, _newest!, parsed, Ct);
    }

    public RestoreWork Work(BackupRepository repository, RestorePlan plan, string operation) => new(repository, _newest!, plan, plan.Hash, operation);

    /// <summary>What the audit says of the volume's freezes, oldest first.</summary>
    public async Task<IReadOnlyList<string>> AuditAsync()
    {
        var actions = new List<string>();
        await foreach (var one in AuditLog.ReadAsync(_catalog.Pool, 0, int.MaxValue, Ct))
        {
            if (one.Subject == Name)
            {
                actions.Add(one.Action);
            }
        }

        return actions;
    }

    /// <summary>Every path below a directory with its content, for comparisons by eye.</summary>
    public static IReadOnlyList<string> Show(string directory) =>
    [
        .. Directory.EnumerateFileSystemEntries(directory, "*", SearchOption.AllDirectories)
            .Where(path => !path.Contains(".drconsole-before-", StringComparison.Ordinal))
            .Select(path => $"{Path.GetRelativePath(directory, path)}{(Directory.Exists(path) ? "/" : "=" + File.ReadAllText(path))}").Order(StringComparer.Ordinal),
    ];

    public async ValueTask DisposeAsync()
    {
        Tiers.Dispose();
        await _folder.DisposeAsync();
    }
}
