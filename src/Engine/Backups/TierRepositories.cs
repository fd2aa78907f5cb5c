using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Storage;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Backups;

/// <summary>
/// Opens a workspace's repository in a tier. All tiers of a workspace share one repository id and its key slots, so a tier
/// that is new begins from one that has it already.
/// </summary>
public sealed class TierRepositories : IDisposable
{
    /// <summary>Making a repository is a few calls; a store behind a bad network takes its time for them.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(3);

    private readonly ProtectedEstate _estate;
    private readonly TimeProvider _time;
    private readonly NpgsqlDataSource? _catalog;
    private readonly SemaphoreSlim _oneInitialisation = new(1, 1);
    private readonly ConcurrentDictionary<StorageTier, Lazy<TierStores>> _stores = new();
    private readonly TierIdentities _identities;

    /// <param name="catalog">Where processes agree on which of them makes a repository; null where this is the only one.</param>
    public TierRepositories(ProtectedEstate estate, TimeProvider time, NpgsqlDataSource? catalog = null)
    {
        (_estate, _time, _catalog) = (estate, time, catalog);
        _identities = new TierIdentities(estate, (tier, workspace) => StoresOf(tier).Open(workspace, triesAgain: false), time);
    }

    /// <summary>What a guess at the passphrase of a repository costs that is made here: tests make and open hundreds.</summary>
    internal KeyDerivation KeyDerivation { get; init; } = KeyDerivation.Default;

    /// <summary>All tiers in the order of the configuration; the first is written first.</summary>
    public IReadOnlyList<StorageTier> Tiers => _estate.Tiers;

    /// <summary>Opens an existing repository.</summary>
    /// <exception cref="EngineException">
    /// There is none, its store does not answer, the key does not open it, or it is another one than the other tiers hold.
    /// </exception>
    public async Task<BackupRepository> OpenAsync(StorageTier tier, string workspace, CancellationToken cancellationToken)
    {
        using var key = await RepositoryKey.FromFileAsync(tier.KeyFile, cancellationToken);
        var repository = await BackupRepository.OpenAsync(StoreOf(tier, workspace), key, cancellationToken: cancellationToken);
        try
        {
            await _identities.RequireSameAsync(tier, workspace, repository.Info.Id, cancellationToken);
            return repository;
        }
        catch
        {
            await repository.DisposeAsync();
            throw;
        }
    }

    /// <summary>The same with the credentials that may delete, where the tier has some of their own: for retention, key rotation and shredding alone.</summary>
    public Task<BackupRepository> OpenForPruneAsync(StorageTier tier, string workspace, CancellationToken cancellationToken) =>
        OpenAsync(tier.ForPrune, workspace, cancellationToken);

    /// <summary>Opens a repository whose key slots may be lost: another tier's are put back.</summary>
    internal async Task<BackupRepository> OpenLosingKeysAsync(StorageTier tier, string workspace, BackupRepository from, CancellationToken cancellationToken)
    {
        using var key = await RepositoryKey.FromFileAsync(tier.KeyFile, cancellationToken);
        return await BackupRepository.OpenLosingKeysAsync(StoreOf(tier, workspace), from, key, null, cancellationToken);
    }

    /// <summary>True where the tier holds a repository of that workspace.</summary>
    public async Task<bool> ExistsAsync(StorageTier tier, string workspace, CancellationToken cancellationToken)
    {
        await using var store = StoreOf(tier, workspace);
        return await BackupRepository.ExistsAsync(store, cancellationToken);
    }

    /// <summary>The key slots of a workspace's repository in a tier, oldest first.</summary>
    public async Task<IReadOnlyList<KeySlotInfo>> KeySlotsAsync(StorageTier tier, string workspace, CancellationToken cancellationToken)
    {
        await using var store = StoreOf(tier, workspace);
        return await BackupRepository.ListKeySlotsAsync(store, cancellationToken);
    }

    /// <summary>Deletes all keys of a workspace in a tier, for ever; how many objects that were.</summary>
    public async Task<int> ShredAsync(StorageTier tier, string workspace, CancellationToken cancellationToken)
    {
        await using var store = StoreOf(tier.ForPrune, workspace);
        return await BackupRepository.ShredKeysAsync(store, cancellationToken);
    }

    /// <summary>Opens the workspace's repository in a tier, making it where it is missing.</summary>
    /// <exception cref="EngineException">As <see cref="OpenAsync"/>.</exception>
    public async Task<BackupRepository> OpenOrCreateAsync(StorageTier tier, string workspace, CancellationToken cancellationToken)
    {
        // Nobody waits here for another tier, which may hang.
        if (await ExistsAsync(tier, workspace, cancellationToken))
        {
            return await OpenAsync(tier, workspace, cancellationToken);
        }

        await _oneInitialisation.WaitAsync(cancellationToken);
        try
        {
            return await CreateAsync(tier, workspace, cancellationToken);
        }
        finally
        {
            _oneInitialisation.Release();
        }
    }

    /// <summary>Two processes that made it at the same time would make two, with a master key each, and no one could ever join them.</summary>
    /// <exception cref="EngineException">Code <c>tier-empty</c>, kind Unavailable: the catalog knows that it was made before, in a store that is away now.</exception>
    private async Task<BackupRepository> CreateAsync(StorageTier tier, string workspace, CancellationToken cancellationToken)
    {
        // Of the workspace, not of the tier: a second tier begins from the first one.
        await using var alone = _catalog is null ? null : await CatalogLock.TakeAsync(_catalog, $"drconsole.repository {workspace}", s_patience, _time, cancellationToken)
            ?? throw new EngineException("repository-being-made", ErrorKind.Unavailable, $"another process has been making the repository of {workspace} for {s_patience.TotalMinutes:0} minutes",
                "Look whether a tier of it answers too slowly; nothing was changed, and the next backup tries again.");
        // Somebody may have made it while this one waited.
        if (await ExistsAsync(tier, workspace, cancellationToken))
        {
            return await OpenAsync(tier, workspace, cancellationToken);
        }

        var holding = _catalog is null ? [] : await new WorkspaceCatalog(_catalog).HoldingAsync(workspace, withBehind: false, cancellationToken);
        if (holding.Contains(tier.Name))
        {
            // A disk that is not mounted leaves an empty folder. What is made in it fills the wrong disk, and vanishes below the right one.
            throw Empty(tier, workspace, tier.Name, _estate.Tiers.FirstOrDefault(other => other != tier && holding.Contains(other.Name)));
        }

        foreach (var other in _estate.Tiers.Where(other => other != tier))
        {
            if (await ExistsAsync(other, workspace, cancellationToken))
            {
                await using var from = await OpenAsync(other, workspace, cancellationToken);
                return await BackupRepository.InitializeFromAsync(StoreOf(tier, workspace), from, cancellationToken);
            }
        }

        if (_estate.Tiers.FirstOrDefault(other => holding.Contains(other.Name)) is { } away)
        {
            // One of another id could never be joined with that one when it is back.
            throw Empty(tier, workspace, away.Name);
        }

        using var key = await RepositoryKey.FromFileAsync(tier.KeyFile, cancellationToken);
        return await BackupRepository.InitializeAsync(StoreOf(tier, workspace), key, new RepositoryOptions { KeyDerivation = KeyDerivation }, cancellationToken);
    }

    /// <param name="tier">The tier in which it would be made.</param>
    /// <param name="workspace">Whose.</param>
    /// <param name="holder">The tier that held one and shows none.</param>
    /// <param name="from">Another tier that holds it; null where none is known to.</param>
    private static EngineException Empty(StorageTier tier, string workspace, string holder, StorageTier? from = null) => new(
        "tier-empty", ErrorKind.Unavailable, $"{holder} held the repository of {workspace} and shows none now, so none is made in {tier.Name}",
        $"Look whether the store of {holder} is mounted. Where what it held is lost for good, or {holder} was moved to an empty store, make the repository of {workspace} anew: "
            + $"drconsole repository init --store '{tier.RepositoryUrl(workspace)}' --key-file '{tier.KeyFile}'{(from is null ? "" : $" --from '{from.RepositoryUrl(workspace)}'")}"
            + $"; then repair {tier.Name}, which fetches what other tiers hold. The same is to be done for each workspace.")
    {
        IsTransient = true,
    };

    /// <summary>Makes the default hot tier's key at the first start; a tier that the configuration declares brings its own.</summary>
    /// <returns>The file's path where it was made now.</returns>
    public static string? EnsureDefaultKey(ProtectedEstate estate, DataFolder data)
    {
        var path = Path.Combine(data.Keys, "repository.key");
        if (File.Exists(path) || !estate.Tiers.Any(tier => tier.KeyFile == path))
        {
            return null;
        }

        var tiers = Path.Combine(data.Root, "tiers");
        if (Directory.Exists(tiers) && Directory.EnumerateFiles(tiers, "*", SearchOption.AllDirectories).Any())
        {
            throw new EngineException("repository-key-missing", ErrorKind.NotFound, $"the repository key {path} is gone, and {tiers} holds repositories that only it opens",
                "Put the copy of the key back. A new key would open none of the restore points that are there.");
        }

        LocalFolder.WritePrivateFile(path, Encoding.ASCII.GetBytes(RandomNumberGenerator.GetHexString(64, lowercase: true) + "\n"));
        return path;
    }

    /// <summary>The tier's store, or the one of a workspace in it, over connections and a bandwidth that all of the tier share.</summary>
    /// <exception cref="EngineException">The tier's URL is wrong.</exception>
    public IObjectStore StoreOf(StorageTier tier, string? workspace = null) => StoresOf(tier).Open(workspace, triesAgain: true);

    /// <summary>The tier's store for a look: a call that fails is not made again.</summary>
    /// <exception cref="EngineException">The tier's URL is wrong.</exception>
    public IObjectStore LookAt(StorageTier tier) => StoresOf(tier).Open(null, triesAgain: false);

    /// <inheritdoc/>
    public void Dispose()
    {
        _oneInitialisation.Dispose();
        foreach (var stores in _stores.Values.Where(stores => stores.IsValueCreated))
        {
            stores.Value.Dispose();
        }
    }

    private TierStores StoresOf(StorageTier tier) => _stores.GetOrAdd(tier, added => new Lazy<TierStores>(() => new TierStores(added, _time))).Value;
}
