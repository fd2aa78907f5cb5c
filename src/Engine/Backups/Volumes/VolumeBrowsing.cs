using Hexabase.DrConsole.Engine.Audit;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Repository;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Backups.Volumes;

/// <summary>What a folder of a volume's restore point holds, or what a search found.</summary>
/// <param name="Entries">Folders first, then by name; of a search in the order of the tree.</param>
/// <param name="IsCut">True where a search found more than it shows.</param>
public sealed record VolumeListing(IReadOnlyList<TreeEntry> Entries, bool IsCut);

/// <summary>Looks into the files of restore points, of volumes and of virtual clusters' claims, and hands single files out.</summary>
public sealed class VolumeBrowsing(RestorePointCatalog points, RestorePointAccess access, NpgsqlDataSource catalog)
{
    /// <summary>A search stops after so many.</summary>
    public const int MostFound = 500;

    /// <summary>Opens a restore point for several looks; the first tier that answers serves them.</summary>
    /// <param name="artifact">The file tree to look into; null for the only one of a volume's restore point.</param>
    /// <exception cref="EngineException">It has no such files, has expired, or no tier answers.</exception>
    public async Task<OpenVolume> OpenAsync(string restorePoint, string? artifact, CancellationToken cancellationToken)
    {
        var point = await points.ResolveAsync(restorePoint, cancellationToken);
        if (artifact is null && point.Kind != VolumeDriver.ManifestKind)
        {
            throw new EngineException("restore-point-no-volume", ErrorKind.Input, $"restore point {point.PointId.Short} is of kind {point.Kind} and has no files to look into", "Choose one of a volume.");
        }

        var (tier, repository) = await access.OpenAsync(point, null, cancellationToken);
        try
        {
            var manifest = await repository.ReadManifestAsync(point.PointId, cancellationToken);
            var stored = artifact is null ? manifest.Artifacts[0] : manifest.Artifacts.FirstOrDefault(one => one.Name == artifact && one.Type == StoredArtifact.TreeType)
                ?? throw new EngineException("volume-missing", ErrorKind.NotFound, $"restore point {point.PointId.Short} holds no files named {artifact}", "Choose one on its page.");
            return new OpenVolume(tier.Name, repository, manifest, stored);
        }
        catch
        {
            await repository.DisposeAsync();
            throw;
        }
    }

    /// <summary>
    /// Hands one file out. That it was asked for, by whom and which one is in the audit before the first byte flows: what is
    /// not on record leaves nothing.
    /// </summary>
    /// <param name="artifact">The file tree that it is in; null for the only one of a volume's restore point.</param>
    /// <param name="begin">Told what the file is, and gives the stream that it is written to.</param>
    /// <exception cref="EngineException">There is no such file; then nothing was written.</exception>
    public async Task DownloadAsync(string restorePoint, string? artifact, string path, string actor, Func<TreeFile, Task<Stream>> begin, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(begin);
        await using var volume = await OpenAsync(restorePoint, artifact, cancellationToken);
        var file = await volume.Repository.FindTreeFileAsync(volume.Manifest, volume.Artifact, path, cancellationToken);
        await using (var connection = await catalog.OpenConnectionAsync(cancellationToken))
        {
            await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
            await AuditLog.AppendAsync(transaction, actor, "restore-point.file-downloaded", volume.Manifest.Source,
                new { restorePoint = volume.Manifest.Id.Value, artifact = volume.Artifact, path = file.Path, bytes = file.Size, tier = volume.Tier }, cancellationToken);
            await transaction.CommitAsync(cancellationToken);
        }

        await volume.Repository.ReadTreeFileAsync(file, await begin(file), cancellationToken);
    }
}

/// <summary>A volume's restore point that is being looked into.</summary>
/// <param name="Tier">Where it is read from.</param>
/// <param name="Repository">Belongs to this.</param>
/// <param name="Manifest">The restore point.</param>
/// <param name="Stored">The artifact that holds the files.</param>
public sealed record OpenVolume(string Tier, BackupRepository Repository, Manifest Manifest, StoredArtifact Stored) : IAsyncDisposable
{
    /// <summary>The artifact's name.</summary>
    public string Artifact => Stored.Name;

    /// <summary>True where there are files to look into; a block device is one stream.</summary>
    public bool HasTree => Stored.Type == StoredArtifact.TreeType;

    /// <summary>What a folder holds, folders first.</summary>
    /// <exception cref="EngineException">There is no such folder.</exception>
    public async Task<VolumeListing> ListAsync(string path, CancellationToken cancellationToken)
    {
        var entries = new List<TreeEntry>();
        await foreach (var entry in Repository.ListTreeAsync(Manifest, Artifact, path, recursive: false, cancellationToken))
        {
            entries.Add(entry);
        }

        return new VolumeListing([.. entries.OrderBy(entry => entry.Kind != "directory")], IsCut: false);
    }

    /// <summary>Items whose name contains a text or matches a pattern.</summary>
    public async Task<VolumeListing> SearchAsync(string text, CancellationToken cancellationToken)
    {
        var entries = new List<TreeEntry>();
        await foreach (var entry in Repository.SearchTreeAsync(Manifest, Artifact, text, cancellationToken))
        {
            if (entries.Count == VolumeBrowsing.MostFound)
            {
                return new VolumeListing(entries, IsCut: true);
            }

            entries.Add(entry);
        }

        return new VolumeListing(entries, IsCut: false);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => Repository.DisposeAsync();
}
