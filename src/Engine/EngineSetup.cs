using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Backups.Volumes;
using Hexabase.DrConsole.Engine.Backups.Volumes.Claims;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Jobs;
using Hexabase.DrConsole.Engine.Servers;
using Microsoft.Extensions.Configuration;
using Npgsql;

namespace Hexabase.DrConsole.Engine;

/// <summary>
/// The engine's ground: the data folder (taken, or shared with a console that has it), the processes of earlier starts
/// settled, and the catalog running at this build's version. Disposing stops what was started, in reverse.
/// </summary>
public sealed class EngineSetup : IAsyncDisposable
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(200);
    private readonly IDisposable? _lock;
    private readonly PrivateCatalog? _private;

    /// <param name="taken">The hold on the data folder; null where another console has it.</param>
    /// <param name="catalog">The private catalog that runs; null for an external one.</param>
    internal EngineSetup(ProtectedEstate estate, DataFolder data, ProcessRegistry registry, IDisposable? taken, PrivateCatalog? catalog, CatalogConnection connection)
    {
        (Estate, Data, Registry, Connection) = (estate, data, registry, connection);
        (_lock, _private) = (taken, catalog);
    }

    public ProtectedEstate Estate { get; }

    public DataFolder Data { get; }

    public ProcessRegistry Registry { get; }

    public CatalogConnection Connection { get; }

    /// <summary>The volumes that are held still on this machine.</summary>
    public FreezeLedger Freezes => new(Path.Combine(Data.Root, FreezeLedger.FolderName), Registry);

    /// <summary>The virtual clusters that are paused from this machine.</summary>
    public PauseLedger Pauses => new(Path.Combine(Data.Root, PauseLedger.FolderName), Registry);

    /// <summary>The snapshots of claims that are taken from this machine.</summary>
    public SnapshotLedger Snapshots => new(Path.Combine(Data.Root, SnapshotLedger.FolderName), Registry);

    /// <summary>What was found of earlier starts.</summary>
    public SettleReport? Settled { get; private init; }

    /// <summary>The volumes that were found frozen by a process that had died, and what became of them.</summary>
    public IReadOnlyList<LeftFreeze> Thawed { get; private init; } = [];

    /// <summary>The repository key that was made now, or null.</summary>
    public string? NewKeyFile { get; private init; }

    /// <summary>True where another console has the data folder and executes the runs.</summary>
    public bool IsGuest => _lock is null;

    /// <summary>How the private catalog came to run; null with an external one.</summary>
    public ClusterStart? CatalogStart => _private?.Start;

    /// <summary>Takes the data folder and starts everything below the pages.</summary>
    /// <param name="configuration">All configuration; <c>ConnectionStrings:Console</c> and <c>:ConsoleOwner</c> name an external catalog.</param>
    /// <param name="dataDirectory">The folder from the command line, or null.</param>
    /// <param name="mayBeGuest">True for commands, which may work beside a console; false for the console itself.</param>
    /// <param name="onWait">Hears of the command that has the folder and is waited for.</param>
    /// <exception cref="EngineException">Anything that is missing, wrong or taken, with what to do.</exception>
    public static async Task<EngineSetup> StartAsync(
        IConfigurationRoot configuration, string? dataDirectory, bool mayBeGuest, TimeProvider time, CancellationToken cancellationToken,
        Action<FolderHolder>? onWait = null)
    {
        var estate = EstateConfiguration.Read(configuration, dataDirectory);
        var data = DataFolder.Open(estate.DataDirectory);
        var taken = await TakeAsync(data, mayBeGuest, onWait, time, cancellationToken);
        PrivateCatalog? catalog = null;
        try
        {
            var registry = new ProcessRegistry(data.Processes, time);
            var settled = taken is null ? null : await registry.SettleAsync(cancellationToken);
            // First of all, since writers wait: a worker that shares the folder may have died as well as a console.
            var freezes = new FreezeLedger(Path.Combine(data.Root, FreezeLedger.FolderName), registry);
            var left = await freezes.ThawLeftAsync();
            var made = TierRepositories.EnsureDefaultKey(estate, data);
            CatalogConnection connection;
            if (configuration.GetConnectionString("Console") is { Length: > 0 } external)
            {
                connection = new CatalogConnection(external, configuration.GetConnectionString("ConsoleOwner") is { Length: > 0 } owner ? owner : external);
            }
            else
            {
                catalog = await PrivateCatalog.StartAsync(data, registry, taken is null ? ClusterClaim.Share : ClusterClaim.Own, time, cancellationToken);
                connection = catalog.Connection;
            }

            if (taken is not null)
            {
                await CatalogMigration.ApplyAsync(connection, cancellationToken);
                await JobStorageSchema.InstallAsync(connection, cancellationToken);
            }

            if (left.Count > 0)
            {
                await using var pool = connection.OpenPool();
                await VolumeFreeze.TellAsync(left, freezes, pool, cancellationToken);
            }

            return new EngineSetup(estate, data, registry, taken, catalog, connection) { Settled = settled, NewKeyFile = made, Thawed = left };
        }
        catch (Exception fault)
        {
            if (catalog is not null)
            {
                await catalog.DisposeAsync();
            }

            taken?.Dispose();
            if (FaultOf(fault, data) is { } said)
            {
                throw said;
            }

            throw;
        }
    }

    /// <summary>
    /// Takes the data folder, or gives null where a console has it. A command that has it executes nobody else's runs and
    /// stops the catalog at its end, so it is waited for instead of being joined.
    /// </summary>
    private static async Task<IDisposable?> TakeAsync(
        DataFolder data, bool mayBeGuest, Action<FolderHolder>? onWait, TimeProvider time, CancellationToken cancellationToken)
    {
        var isSaid = false;
        while (true)
        {
            if (data.TryLock(mayBeGuest ? FolderUse.Command : FolderUse.Console) is { } taken)
            {
                return taken;
            }

            var holder = data.Holder();
            if (holder is { Use: FolderUse.Console })
            {
                return mayBeGuest ? null : throw data.InUse();
            }

            if (holder is not null && !isSaid)
            {
                isSaid = true;
                onWait?.Invoke(holder);
            }

            await Task.Delay(LookEvery, time, cancellationToken);
        }
    }

    /// <summary>What a person can act on in a fault of the ground below the rooms; null where it says so itself.</summary>
    private static EngineException? FaultOf(Exception fault, DataFolder data) => fault switch
    {
        IOException => data.Unwritable(fault),
        NpgsqlException => new EngineException("catalog-unavailable", ErrorKind.Unavailable, $"the console's catalog does not work: {fault.Message}",
            $"Look at {data.Logs} and at the space left for {data.Root}; with an external catalog, at ConnectionStrings:Console.", fault),
        _ => null,
    };

    /// <summary>Starts the private catalog again where it died; false where it lives, or is not this process's.</summary>
    public async Task<bool> RestartCatalogIfDeadAsync(CancellationToken cancellationToken) =>
        _private is not null && await _private.RestartIfDeadAsync(cancellationToken);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_private is not null)
        {
            await _private.DisposeAsync();
        }

        _lock?.Dispose();
    }
}
