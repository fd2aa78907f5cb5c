using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;
using Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Browsing;

/// <summary>A virtual cluster's restore point that is being looked into. It owns the repository that it is read from.</summary>
public sealed class StoredCluster : IClusterContent, IAsyncDisposable
{
    private readonly BackupRepository _repository;
    private readonly StoredObjects _stored;

    private StoredCluster(string tier, BackupRepository repository, Manifest manifest, ClusterInventory inventory, StoredObjects stored, IReadOnlyList<CapturedObject> objects)
    {
        (Tier, _repository, Manifest, Inventory, _stored, Objects) = (tier, repository, manifest, inventory, stored, objects);
    }

    /// <summary>Where it is read from.</summary>
    public string Tier { get; }

    /// <summary>The restore point.</summary>
    public Manifest Manifest { get; }

    /// <summary>What it says it holds.</summary>
    public ClusterInventory Inventory { get; }

    /// <inheritdoc/>
    public DateTimeOffset At => Manifest.CreatedAt;

    /// <inheritdoc/>
    public IReadOnlyList<CapturedObject> Objects { get; }

    /// <inheritdoc/>
    public IReadOnlyList<UnreadPart> Unread =>
    [
        .. (Inventory.UnreadGroups ?? new Dictionary<string, string>()).Select(group => UnreadGroup(KubeObjectKey.GroupOf(group.Key), group.Value)),
        .. Inventory.Kinds.Where(kind => kind.Problem is not null).Select(kind => new UnreadPart(KubeObjectKey.GroupOf(kind.ApiVersion), kind.Kind, kind.Problem!)),
        // What the build that made it left out, and this one does not.
        .. Inventory.Kinds.Where(kind => kind.LeftOut is not null && ObjectRules.NotCaptured(kind.Name) is null).Select(kind => new UnreadPart(KubeObjectKey.GroupOf(kind.ApiVersion), kind.Kind, kind.LeftOut!)),
    ];

    private UnreadPart UnreadGroup(string group, string why) =>
        new(group, null, why) { Read = [.. Inventory.Kinds.Where(kind => kind.Problem is null && KubeObjectKey.GroupOf(kind.ApiVersion) == group).Select(kind => kind.Kind)] };

    /// <summary>Reads inventory and index.</summary>
    /// <param name="tier">The tier that the repository is in.</param>
    /// <param name="repository">Belongs to the result; closed where this fails.</param>
    /// <param name="manifest">The restore point.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <exception cref="EngineException">Either is missing, damaged or of an unknown version.</exception>
    internal static async Task<StoredCluster> ReadAsync(string tier, BackupRepository repository, Manifest manifest, CancellationToken cancellationToken)
    {
        var inventory = await ClusterInventory.ReadAsync(repository, manifest, cancellationToken).ConfigureAwait(false);
        var stored = new StoredObjects(repository, manifest);
        return new StoredCluster(tier, repository, manifest, inventory, stored, await stored.ReadIndexAsync(cancellationToken).ConfigureAwait(false));
    }

    /// <summary>The same over a repository that stays its owner's: the result is not disposed.</summary>
    internal static Task<StoredCluster> LookAsync(BackupRepository repository, Manifest manifest, CancellationToken cancellationToken) =>
        ReadAsync("", repository, manifest, cancellationToken);

    /// <inheritdoc/>
    public async Task<JsonObject?> ReadAsync(CapturedObject one, CancellationToken cancellationToken) =>
        (await _stored.ReadAsync([one], cancellationToken).ConfigureAwait(false))[0].Document;

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _repository.DisposeAsync();
}
