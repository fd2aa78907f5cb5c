using System.Globalization;
using Hexabase.DrConsole.Engine.Backups.Drivers;
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
public sealed class VolumeDriver(VolumeFreeze freeze, ProtectedEstate estate, DataFolder data, ServedNodes nodes) : ISourceDriver
{
    /// <summary>The manifests' kind.</summary>
    public const string ManifestKind = "volume";

    /// <summary>Strategy of a directory.</summary>
    public const string FilesStrategy = "files";

    /// <summary>Strategy of a raw image or a block device.</summary>
    public const string ImageStrategy = "image";

    /// <summary>Property of the manifest: the path that was read.</summary>
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
        RequireNode(request.Source, settings);
        var place = VolumePlace.Look(settings.Path);
        log?.Invoke("preflight", place.ToString());
        var parent = await FindParentAsync(repository, request.Source.Name, place, cancellationToken);
        var before = parent is null ? null : VolumeFacts.TryParse(parent.Facts);
        VolumePreflight.Check(settings, place, before);
        await using var session = await repository.BeginAsync(
            request.Description with { Strategy = place.Form == VolumeFacts.DirectoryForm ? FilesStrategy : ImageStrategy, Parent = parent?.Id }, cancellationToken);
        var (artifact, held, how) = await ReadAsync(request, session, place, parent, progress, log, cancellationToken);
        var facts = Describe(place, artifact, parent, before, held, how);
        VolumePreflight.CheckContent(settings, facts);
        foreach (var warning in artifact.Warnings)
        {
            log?.Invoke("warning", warning);
        }

        log?.Invoke("commit", string.Create(CultureInfo.InvariantCulture,
            $"{facts.Files} files, {facts.ChangedFiles} of them new or changed, {facts.Unreadable} items unreadable; committing"));
        var manifest = await session.CommitAsync(facts.ToJson(), Properties(request, settings, place), cancellationToken);
        return Result(request, repository, manifest);
    }

    /// <inheritdoc/>
    public Task<BackupResult> DescribeAsync(CaptureRequest request, BackupRepository repository, Manifest committed, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(repository);
        return Task.FromResult(Result(request, repository, committed));
    }

    /// <summary>Reads it, held still where that is configured; thawed as soon as the last byte is read, before the commit.</summary>
    private async Task<(StoredArtifact Artifact, TimeSpan Held, string? How)> ReadAsync(
        CaptureRequest request, BackupSession session, VolumePlace place, Manifest? parent, IProgress<TransferProgress>? progress, Action<string, string>? log,
        CancellationToken cancellationToken)
    {
        var frozen = await freeze.HoldAsync(request.Source, place, log, cancellationToken);
        if (frozen is null)
        {
            return (await WriteAsync(request, session, place, parent, progress, cancellationToken), TimeSpan.Zero, null);
        }

        await using (frozen)
        {
            using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, frozen.Expired);
            StoredArtifact artifact;
            try
            {
                artifact = await WriteAsync(request, session, place, parent, progress, either.Token);
            }
            catch (OperationCanceledException) when (frozen.Expired.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
            {
                throw TooLong(request.Source);
            }

            var wasFrozen = await frozen.ThawAsync();
            // It may have run out between the last byte and the thaw, or another may have thawed it: then nobody knows whether a writer came between.
            return frozen.HasExpired ? throw TooLong(request.Source)
                : wasFrozen ? (artifact, frozen.Held, frozen.Record.How)
                : throw new EngineException("frozen-no-more", ErrorKind.Conflict, $"{request.Source.Name} was thawed by somebody else while it was read; no restore point was made",
                    "Look what else freezes and thaws this file system, such as a snapshot tool, and let it run at another time.");
        }
    }

    private static EngineException TooLong(Source source) => new(
        "frozen-too-long", ErrorKind.Unavailable, $"{source.Name} was frozen for {source.Volume!.Hooks!.FrozenLimit:c} and thawed before all of it was read; no restore point was made",
        "Give more time with FrozenLimit, leave out what need not be of the same instant, or let FreezeCommand make a snapshot and back that up.");

    private async Task<StoredArtifact> WriteAsync(
        CaptureRequest request, BackupSession session, VolumePlace place, Manifest? parent, IProgress<TransferProgress>? progress, CancellationToken cancellationToken)
    {
        var settings = request.Source.Volume!;
        var name = ArtifactOf(place);
        if (place.Form == VolumeFacts.DeviceForm)
        {
            await using var device = new FileStream(settings.Path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0, FileOptions.SequentialScan);
            return await session.WriteStreamAsync(name, "block device", device, progress, cancellationToken);
        }

        return await session.WriteTreeAsync(name, [settings.Path], new TreeOptions
        {
            ParentArtifact = parent is null ? null : name,
            Excluded = [.. OwnFolders(settings.Path)],
            // What a restore keeps aside is no content of the volume.
            Exclude = [.. settings.Exclude, VolumeUndo.FolderPattern],
            OneFileSystem = settings.OneFileSystem,
        }, progress, cancellationToken);
    }

    /// <summary>The newest restore point of this source that was read from the same place: what did not change is taken over from it.</summary>
    private static async Task<Manifest?> FindParentAsync(BackupRepository repository, string source, VolumePlace place, CancellationToken cancellationToken) =>
        (await repository.ListAsync(cancellationToken)).Points.LastOrDefault(point =>
            point is { Kind: ManifestKind } && point.Source == source && point.Properties.GetValueOrDefault(PathProperty) == place.Path
            && point.Artifacts.Any(artifact => artifact.Name == ArtifactOf(place)));

    private static VolumeFacts Describe(VolumePlace place, StoredArtifact artifact, Manifest? parent, VolumeFacts? before, TimeSpan held, string? how)
    {
        var counts = artifact.Counts ?? new TreeCounts(1, 0, 0, 0, 0, artifact.Length, 1, artifact.Length);
        return new VolumeFacts
        {
            Path = place.Path,
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
            MountPoint = place.MountPoint,
            MountSource = place.MountSource,
            FileSystem = place.FileSystem,
            HeldStill = how,
            HeldSeconds = how is null ? null : Math.Round(held.TotalSeconds, 3),
        };
    }

    private static Dictionary<string, string> Properties(CaptureRequest request, VolumeSettings settings, VolumePlace place) => new(request.Properties)
    {
        [StrategyProperty] = place.Form == VolumeFacts.DirectoryForm ? FilesStrategy : ImageStrategy,
        [PathProperty] = settings.Path,
    };

    private static BackupResult Result(CaptureRequest request, BackupRepository repository, Manifest manifest)
    {
        var facts = VolumeFacts.Of(manifest);
        var warnings = manifest.Artifacts.SelectMany(artifact => artifact.Warnings).ToList();
        if (facts.Unreadable > 0)
        {
            warnings.Insert(0, string.Create(CultureInfo.InvariantCulture, $"{facts.Unreadable} items could not be read and are MISSING from this restore point"));
        }

        return BackupResult.Of(manifest, repository.Info, request, facts.Path, manifest.CreatedAt, warnings) with
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

    private void RequireNode(Source source, VolumeSettings settings)
    {
        if (settings.Node is { } node && !nodes.Serves(node))
        {
            throw new EngineException("volume-elsewhere", ErrorKind.Unsupported, $"{source.Name} lies on node {node}, and this process is not its agent",
                $"Run there: drconsole worker --queues node-{node}. Its backup is executed by that worker only.");
        }
    }
}
