using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Engine.Backups.Drivers;

/// <summary>Captures virtual clusters.</summary>
/// <param name="backup">What captures one.</param>
/// <param name="estate">Knows which claims other sources back up by themselves; null where nothing else is protected.</param>
public sealed class VClusterDriver(VClusterBackup backup, ProtectedEstate? estate = null) : ISourceDriver
{
    /// <inheritdoc/>
    public SourceKind Kind => SourceKind.VCluster;

    /// <inheritdoc/>
    public Task<string> NextStrategyAsync(Source source, CancellationToken cancellationToken) => Task.FromResult(VClusterBackup.Strategy);

    /// <inheritdoc/>
    public async Task<BackupResult> CaptureAsync(
        CaptureRequest request, BackupRepository repository, IProgress<TransferProgress>? progress, Action<string, string>? log, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(repository);
        var captured = await backup.CaptureAsync(
            new VClusterBackupRequest { Description = request.Description, Settings = request.Source.VCluster!, ClaimSources = ClaimSources(request.Source.VCluster!), Properties = request.Properties }, repository, progress, log, cancellationToken);
        return Common(request, repository, captured.Manifest, captured.Inventory);
    }

    private Dictionary<string, string> ClaimSources(VClusterSettings cluster) =>
        (from source in estate?.Sources ?? []
         where source.Volume?.Claim is { } claim && claim.Namespace == cluster.Namespace && claim.Kubeconfig == cluster.Kubeconfig
         group source.Name by source.Volume!.Claim!.Name).ToDictionary(group => group.Key, group => group.First(), StringComparer.Ordinal);

    /// <inheritdoc/>
    public async Task<BackupResult> DescribeAsync(CaptureRequest request, BackupRepository repository, Manifest committed, CancellationToken cancellationToken) =>
        Common(request, repository, committed, await ClusterInventory.ReadAsync(repository, committed, cancellationToken));

    private static BackupResult Common(CaptureRequest request, BackupRepository repository, Manifest manifest, ClusterInventory inventory) =>
        BackupResult.Of(manifest, repository.Info, request, $"{inventory.HostNamespace}/{inventory.Cluster}", manifest.CreatedAt, inventory.Warnings) with
        {
            Contents =
            [
                new ContentCount("objects", inventory.Objects),
                new ContentCount("kinds", inventory.Kinds.Count(kind => kind.Captured > 0)),
                new ContentCount("namespaces", inventory.Kinds.Where(kind => kind is { Name: "namespaces" }).Sum(kind => kind.Captured)),
            ],
        };
}
