using System.Globalization;
using Hexabase.DrConsole.Engine.Backups.Drivers;
using Hexabase.DrConsole.Engine.Backups.Volumes.Claims;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Backups.Volumes;

/// <summary>
/// Captures volumes: a directory as a file tree of which only changed files are read, a raw image as a file with its holes, a
/// block device as a stream of which only changed chunks are stored. Every restore point is whole by itself.
/// </summary>
/// <param name="freeze">Holds a volume still while it is read.</param>
/// <param name="estate">Whose own tiers are left out, should they lie in a volume.</param>
/// <param name="data">Left out likewise.</param>
/// <param name="nodes">The nodes whose volumes this process can see.</param>
/// <param name="snapshots">Takes those of claims.</param>
public sealed class VolumeDriver(VolumeFreeze freeze, ProtectedEstate estate, DataFolder data, ServedNodes nodes, VolumeSnapshots snapshots, TimeProvider time) : ISourceDriver
{
    /// <summary>The manifests' kind.</summary>
    public const string ManifestKind = "volume";

    /// <summary>Strategy of a directory.</summary>
    public const string FilesStrategy = "files";

    /// <summary>Strategy of a raw image or a block device.</summary>
    public const string ImageStrategy = "image";

    /// <summary>Property of the manifest: what was read, as <see cref="VolumeSettings.Place"/> names it.</summary>
    public const string PathProperty = "path";

    /// <summary>Property of the manifest: how it was taken.</summary>
    public const string StrategyProperty = "strategy";

    /// <summary>The artifact that holds a directory's files.</summary>
    public const string FilesArtifact = "files";

    /// <inheritdoc/>
    public SourceKind Kind => SourceKind.Volume;

    /// <inheritdoc/>
    /// <remarks>What lies at the path is seen by whoever captures it, which may be the agent of another node.</remarks>
    public Task<string> NextStrategyAsync(Source source, CancellationToken cancellationToken) => Task.FromResult(FilesStrategy);

    /// <inheritdoc/>
    public async Task<BackupResult> CaptureAsync(
        CaptureRequest request, BackupRepository repository, IProgress<TransferProgress>? progress, Action<string, string>? log, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(repository);
        var settings = request.Source.Volume!;
        nodes.Require(settings.Node, request.Source.Name, "volume-elsewhere");
        if (settings.Snapshot is null)
        {
            return await StoreAsync(request, repository, await LookAsync(settings, cancellationToken), progress, log, cancellationToken);
        }

        await using var taken = await snapshots.TakeAsync(request.Source, request.Properties.GetValueOrDefault(BackupRun.RunProperty), log, cancellationToken);
        var result = await StoreAsync(request, repository, taken.Reading, progress, log, cancellationToken);
        // The restore point is made: what could not be removed is told with it, removed later, and stands in the way of the next backup.
        return await taken.RemoveAsync() is { } left ? result with { Warnings = [left, .. result.Warnings] } : result;
    }

    /// <summary>Where the volume is now.</summary>
    private async Task<VolumeReading> LookAsync(VolumeSettings settings, CancellationToken cancellationToken)
    {
        var claim = settings.Claim is null ? null : await ClaimPlace.FindAsync(settings, time, cancellationToken);
        return new VolumeReading(settings.Place, VolumePlace.Look(claim?.Path ?? settings.Path!), claim?.Volume);
    }

    /// <summary>Reads it and makes the restore point.</summary>
    private async Task<BackupResult> StoreAsync(
        CaptureRequest request, BackupRepository repository, VolumeReading reading, IProgress<TransferProgress>? progress, Action<string, string>? log, CancellationToken cancellationToken)
    {
        var (settings, place) = (request.Source.Volume!, reading.Place);
        log?.Invoke("preflight", reading.ToString());
        var last = await FindLastAsync(repository, request.Source.Name, reading, cancellationToken);
        var before = last is null ? null : VolumeFacts.TryParse(last.Facts);
        if (reading.Snapshot is null)
        {
            VolumePreflight.Check(settings, place, before);
        }

        // Another volume of the same claim has other files by the same names.
        var parent = before?.Volume == reading.Volume ? last : null;
        await using var session = await repository.BeginAsync(
            request.Description with { Strategy = place.Form == VolumeFacts.DirectoryForm ? FilesStrategy : ImageStrategy, Parent = parent?.Id }, cancellationToken);
        var (artifact, held, how) = await ReadAsync(request, session, reading, parent, progress, log, cancellationToken);
        var facts = Describe(reading, artifact, parent, before, held, how) with { Node = settings.Node };
        VolumePreflight.CheckContent(settings, facts);
        foreach (var warning in artifact.Warnings)
        {
            log?.Invoke("warning", warning);
        }

        log?.Invoke("commit", string.Create(CultureInfo.InvariantCulture,
            $"{facts.Files} files, {facts.ChangedFiles} of them {(reading.Snapshot is null ? "new or changed" : "read anew")}, {facts.Unreadable} items unreadable; committing"));
        var manifest = await session.CommitAsync(facts.ToJson(), Properties(request, reading), cancellationToken);
        return Result(request, repository, manifest);
    }

    /// <inheritdoc/>
    public Task<BackupResult> DescribeAsync(CaptureRequest request, BackupRepository repository, Manifest committed, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(repository);
        return Task.FromResult(Result(request, repository, committed));
    }

    /// <summary>Reads it, held still where that is configured; a snapshot lies still by itself, and was held for its cut.</summary>
    private async Task<(StoredArtifact Artifact, TimeSpan Held, string? How)> ReadAsync(
        CaptureRequest request, BackupSession session, VolumeReading reading, Manifest? parent, IProgress<TransferProgress>? progress, Action<string, string>? log,
        CancellationToken cancellationToken) => reading.Snapshot is { } snapshot
        ? (await WriteAsync(request, session, reading.Place, parent, progress, cancellationToken), snapshot.Held, snapshot.How)
        : await freeze.WhileHeldAsync(
            request.Source, reading.Place, "all of it was read", token => WriteAsync(request, session, reading.Place, parent, progress, token), log, cancellationToken);

    private async Task<StoredArtifact> WriteAsync(
        CaptureRequest request, BackupSession session, VolumePlace place, Manifest? parent, IProgress<TransferProgress>? progress, CancellationToken cancellationToken)
    {
        var settings = request.Source.Volume!;
        var name = ArtifactOf(place);
        if (place.Form == VolumeFacts.DeviceForm)
        {
            await using var device = new FileStream(place.Path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0, FileOptions.SequentialScan);
            return await session.WriteStreamAsync(name, "block device", device, progress, cancellationToken);
        }

        return await session.WriteTreeAsync(name, [place.Path], new TreeOptions
        {
            ParentArtifact = parent is null ? null : name,
            Excluded = [.. OwnFolders(place.Path)],
            // What a restore keeps aside is no content of the volume.
            Exclude = [.. settings.Exclude, VolumeUndo.FolderPattern],
            OneFileSystem = settings.OneFileSystem,
        }, progress, cancellationToken);
    }

    /// <summary>The newest restore point of this source that was read from the same place: what did not change is taken over from it.</summary>
    private static async Task<Manifest?> FindLastAsync(BackupRepository repository, string source, VolumeReading reading, CancellationToken cancellationToken) =>
        (await repository.ListAsync(cancellationToken)).Points.LastOrDefault(point =>
            point is { Kind: ManifestKind } && point.Source == source && point.Properties.GetValueOrDefault(PathProperty) == reading.Name
            && point.Artifacts.Any(artifact => artifact.Name == ArtifactOf(reading.Place)));

    private static VolumeFacts Describe(VolumeReading reading, StoredArtifact artifact, Manifest? parent, VolumeFacts? before, TimeSpan held, string? how)
    {
        var place = reading.Place;
        var counts = artifact.Counts ?? new TreeCounts(1, 0, 0, 0, 0, artifact.Length, 1, artifact.Length);
        return new VolumeFacts
        {
            Path = reading.Name,
            Volume = reading.Volume,
            ReadAt = reading.Volume is null ? null : place.Path,
            Form = place.Form,
            Files = counts.Files,
            Directories = counts.Directories,
            Links = counts.Links,
            HardLinks = counts.HardLinks,
            Others = counts.Others,
            Bytes = artifact.Length,
            ContentBytes = counts.ContentBytes,
            ChangedFiles = counts.ReadFiles,
            ChangedBytes = counts.ReadBytes,
            Since = parent?.Id.Value,
            FilesBefore = before?.Files,
            Unreadable = artifact.Unreadable,
            ChangedWhileRead = counts.ChangedWhileRead,
            // The mount of a snapshot's copy is gone by the next backup, and says nothing of the volume's own.
            MountPoint = reading.Snapshot is null ? place.MountPoint : null,
            MountSource = reading.Snapshot is null ? place.MountSource : null,
            FileSystem = place.FileSystem,
            HeldStill = how,
            SnapshotAt = reading.Snapshot?.CutAt,
            SnapshotClass = reading.Snapshot?.Class,
            HeldSeconds = how is null ? null : Math.Round(held.TotalSeconds, 3),
        };
    }

    private static Dictionary<string, string> Properties(CaptureRequest request, VolumeReading reading) => new(request.Properties)
    {
        [StrategyProperty] = reading.Place.Form == VolumeFacts.DirectoryForm ? FilesStrategy : ImageStrategy,
        [PathProperty] = reading.Name,
    };

    private static BackupResult Result(CaptureRequest request, BackupRepository repository, Manifest manifest)
    {
        var facts = VolumeFacts.Of(manifest);
        var warnings = manifest.Artifacts.SelectMany(artifact => artifact.Warnings).ToList();
        if (facts.Unreadable > 0)
        {
            warnings.Insert(0, string.Create(CultureInfo.InvariantCulture, $"{facts.Unreadable} items could not be read and are MISSING from this restore point"));
        }

        return BackupResult.Of(manifest, repository.Info, request, facts.Path, facts.SnapshotAt ?? manifest.CreatedAt, warnings) with
        {
            Contents =
            [
                new ContentCount("files", facts.Files), new ContentCount("directories", facts.Directories), new ContentCount("links", facts.Links + facts.HardLinks),
                new ContentCount("changedFiles", facts.ChangedFiles), new ContentCount("unreadable", facts.Unreadable),
            ],
        };
    }

    private static string ArtifactOf(VolumePlace place) => place.Form switch
    {
        VolumeFacts.DirectoryForm => FilesArtifact,
        VolumeFacts.DeviceForm => Path.GetFileName(place.Path) + ".img",
        _ => Path.GetFileName(place.Path),
    };

    /// <summary>
    /// The console's own folders: a tier in a volume would back itself up, more at each turn. By where they really are, in the
    /// names by which the volume is walked: both may be configured through symbolic links.
    /// </summary>
    private IEnumerable<string> OwnFolders(string path)
    {
        var (root, real) = (path.TrimEnd('/'), VolumePlace.RealPath(path).TrimEnd('/'));
        return estate.Tiers.Select(tier => StoreUrl.Parse(tier.Store).LocalFolder).OfType<string>().Append(data.Root).Select(VolumePlace.RealPath)
            .Where(own => own.StartsWith(real + '/', StringComparison.Ordinal)).Select(own => root + own[real.Length..]);
    }
}
