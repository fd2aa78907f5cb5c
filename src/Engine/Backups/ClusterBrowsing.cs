using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Audit;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Backups.VClusters.Browsing;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Backups;

/// <summary>Looks into restore points of virtual clusters, and into the clusters as they are now.</summary>
public sealed class ClusterBrowsing(RestorePointCatalog points, RestorePointAccess access, ProtectedEstate estate, NpgsqlDataSource catalog, TimeProvider time)
{
    /// <summary>Opens a restore point for several looks; the first tier that answers serves them.</summary>
    /// <exception cref="EngineException">It is none of a virtual cluster, has expired, or no tier answers.</exception>
    public async Task<StoredCluster> OpenAsync(string restorePoint, CancellationToken cancellationToken)
    {
        var (tier, repository, manifest) = await OpenRepositoryAsync(restorePoint, cancellationToken);
        try
        {
            return await StoredCluster.ReadAsync(tier, repository, manifest, cancellationToken);
        }
        catch
        {
            await repository.DisposeAsync();
            throw;
        }
    }

    /// <summary>What a restore point says it holds; its objects are not read.</summary>
    /// <returns>The tier that it was read from, and the inventory.</returns>
    /// <exception cref="EngineException">As <see cref="OpenAsync"/>.</exception>
    public async Task<(string Tier, ClusterInventory Inventory)> ReadInventoryAsync(string restorePoint, CancellationToken cancellationToken)
    {
        var (tier, repository, manifest) = await OpenRepositoryAsync(restorePoint, cancellationToken);
        await using (repository)
        {
            return (tier, await ClusterInventory.ReadAsync(repository, manifest, cancellationToken));
        }
    }

    /// <summary>Lists a source's cluster as it is now.</summary>
    /// <param name="source">The source's name.</param>
    /// <param name="listed">Told how many objects have been listed.</param>
    /// <param name="cancellationToken">Ends the listing.</param>
    /// <exception cref="EngineException">Unknown source, no virtual cluster, or it does not answer.</exception>
    public Task<LiveCluster> ReadLiveAsync(string source, Action<int>? listed, CancellationToken cancellationToken) => estate.SourceNamed(source).VCluster is { } settings
        ? LiveCluster.ReadAsync(settings, time, listed, cancellationToken)
        : throw new EngineException("source-no-vcluster", ErrorKind.Input, $"{source} is no virtual cluster", "Choose a source of kind vcluster.");

    /// <summary>An object's document as YAML; the values of a Secret are masked.</summary>
    public static async Task<string> DocumentAsync(IClusterContent content, CapturedObject one, CancellationToken cancellationToken) =>
        ObjectYaml.Write(SecretValues.Masked(await DocumentOfAsync(content, one, cancellationToken)));

    /// <summary>
    /// A Secret's document with its values. Who asked for it is in the audit before it is read: what is not on record is not shown.
    /// </summary>
    /// <param name="actor">The person.</param>
    public async Task<string> RevealAsync(StoredCluster cluster, CapturedObject one, string actor, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(cluster);
        ArgumentNullException.ThrowIfNull(one);
        await using (var connection = await catalog.OpenConnectionAsync(cancellationToken))
        {
            await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
            await AuditLog.AppendAsync(transaction, actor, "restore-point.secret-shown", cluster.Manifest.Source,
                new { restorePoint = cluster.Manifest.Id.Value, @namespace = one.Namespace, name = one.Name, tier = cluster.Tier }, cancellationToken);
            await transaction.CommitAsync(cancellationToken);
        }

        return ObjectYaml.Write(await DocumentOfAsync(cluster, one, cancellationToken));
    }

    private async Task<(string Tier, BackupRepository Repository, Manifest Manifest)> OpenRepositoryAsync(string restorePoint, CancellationToken cancellationToken)
    {
        var point = await points.ResolveAsync(restorePoint, cancellationToken);
        if (point.Kind != VClusterBackup.Kind)
        {
            throw new EngineException("restore-point-no-vcluster", ErrorKind.Input, $"restore point {point.PointId.Short} is of kind {point.Kind} and has no Kubernetes objects", "Choose one of a virtual cluster.");
        }

        var (tier, repository) = await access.OpenAsync(point, null, cancellationToken);
        try
        {
            return (tier.Name, repository, await repository.ReadManifestAsync(point.PointId, cancellationToken));
        }
        catch
        {
            await repository.DisposeAsync();
            throw;
        }
    }

    private static async Task<JsonObject> DocumentOfAsync(IClusterContent content, CapturedObject one, CancellationToken cancellationToken) =>
        await content.ReadAsync(one, cancellationToken)
        ?? throw new EngineException("object-gone", ErrorKind.NotFound, $"{one.Key} was deleted meanwhile", "Compare again.");
}
