using System.Security.Cryptography;
using System.Text.Json;
using Hexabase.DrConsole.Engine.Repository.Chunking;
using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Repository.Manifests;
using Hexabase.DrConsole.Engine.Repository.Packs;
using Hexabase.DrConsole.Engine.Repository.Prune;
using Hexabase.DrConsole.Engine.Repository.Streams;
using Hexabase.DrConsole.Engine.Repository.Trees;

namespace Hexabase.DrConsole.Engine.Repository;

/// <summary>
/// One backup in the making. Artifacts are written one after the other; <see cref="CommitAsync"/> makes the restore point.
/// Without it nothing shows in the repository: chunks that were stored lie there unreferenced and are found again by the
/// next backup.
/// </summary>
public sealed class BackupSession : IAsyncDisposable
{
    private readonly RepositoryParts _parts;
    private readonly BackupDescription _description;
    private readonly BlobWriter _blobs;
    private readonly ContentWriter _contents;
    private readonly List<StoredArtifact> _artifacts = [];
    private DateTimeOffset _createdAt;
    private readonly WriterSession _writer;
    private string? _unfinished;
    private bool _ended;
    private bool _isDisposed;

    private BackupSession(RepositoryParts parts, BackupDescription description, BlobWriter blobs, WriterSession writer)
    {
        _parts = parts;
        _description = description;
        _createdAt = description.CreatedAt ?? parts.Options.Time.GetUtcNow();
        Id = new RestorePointId(Guid.CreateVersion7(_createdAt).ToString("N"));
        _blobs = blobs;
        _writer = writer;
        _contents = new ContentWriter(_blobs, parts.Keys, parts.Options.Workers);
    }

    internal static async Task<BackupSession> BeginAsync(RepositoryParts parts, BackupDescription description, CancellationToken ct)
    {
        var blobs = new BlobWriter(parts.Keys, parts.Index.Index, parts.Store, compression: description.Compression);
        return new BackupSession(parts, description, blobs, await WriterSession.BeginAsync(parts, blobs, SessionRecord.Backup, ct));
    }

    internal WriterSession Writer => _writer;

    /// <summary>The id of the restore point that a commit will make.</summary>
    public RestorePointId Id { get; }

    /// <summary>Stores a stream, read once from its position to its end. Memory does not grow with its length.</summary>
    /// <param name="name">Unique in this restore point; a file name, since restores write it as one.</param>
    /// <param name="kind">What it is, for example <c>pg_dump custom</c>.</param>
    /// <param name="content">The bytes; not disposed. What it throws ends the writing and comes through unchanged.</param>
    /// <param name="progress">Told the bytes read.</param>
    /// <param name="cancellationToken">Ends the writing.</param>
    /// <exception cref="EngineException">Whatever the store says; kind OutOfSpace where it is full.</exception>
    public async Task<StoredArtifact> WriteStreamAsync(
        string name, string kind, Stream content, IProgress<TransferProgress>? progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(content);
        CheckName(name);
        var tally = new StoredTally();
        var meter = new ProgressMeter(progress, _parts.Options.Time, name);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        _unfinished = name;
        var root = await _contents.WriteAsync(
            content, ObjectType.Stream, ChunkerProfile.Content, tally, hash, read => meter.Add(0, read), cancellationToken);
        meter.Add(1, 0);
        meter.Finish();
        var artifact = new StoredArtifact
        {
            Name = name,
            Kind = kind,
            Type = StoredArtifact.StreamType,
            Length = root.Length,
            Sha256 = Convert.ToHexStringLower(hash.GetHashAndReset()),
            StoredBytes = tally.Bytes,
            Root = ArtifactRoot.From(root),
        };
        _artifacts.Add(artifact);
        _unfinished = null;
        return artifact;
    }

    /// <summary>
    /// Stores a file tree: modes, times, owners, links, holes, extended attributes, names of any bytes. One path becomes the
    /// tree's root; several stand side by side under their last names. Files that cannot be read are left out, counted in
    /// <see cref="StoredArtifact.Unreadable"/> and named in <see cref="StoredArtifact.Warnings"/>.
    /// </summary>
    /// <param name="name">Unique in this restore point; the directory's or file's name when it is restored.</param>
    /// <param name="paths">Files or directories that exist.</param>
    /// <param name="options">How to read them.</param>
    /// <param name="progress">Told files and bytes.</param>
    /// <param name="cancellationToken">Ends the writing.</param>
    /// <exception cref="EngineException">Kind NotFound or Denied where a path cannot be read at all, or whatever the store says.</exception>
    public async Task<StoredArtifact> WriteTreeAsync(
        string name, IReadOnlyList<string> paths, TreeOptions options, IProgress<TransferProgress>? progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        CheckName(name);
        RequireLinux();
        var parent = _description.Parent is { } id && options.ParentArtifact is not null ? await FindParentAsync(id, cancellationToken) : null;
        _unfinished = name;
        var artifact = await new TreeWriter(_parts, _blobs, _contents).WriteAsync(name, paths, options, parent, progress, cancellationToken);
        _artifacts.Add(artifact);
        _unfinished = null;
        return artifact;
    }

    /// <summary>Stores what a tar archive holds as a file tree; it restores like any other tree.</summary>
    /// <param name="name">Unique in this restore point; the directory's name when it is restored.</param>
    /// <param name="archive">An uncompressed archive, read to its end and not disposed.</param>
    /// <param name="inspector">Looks at the files' bytes; null where nobody does.</param>
    /// <param name="progress">Told files and bytes.</param>
    /// <param name="cancellationToken">Ends the writing.</param>
    /// <exception cref="EngineException">Kind Damaged where the archive ends too early, or whatever the store says.</exception>
    public async Task<StoredArtifact> WriteTarTreeAsync(
        string name, Stream archive, ITreeInspector? inspector, IProgress<TransferProgress>? progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(archive);
        CheckName(name);
        _unfinished = name;
        var meter = new ProgressMeter(progress, _parts.Options.Time, name);
        var artifact = await new TarTreeWriter(_blobs, _contents, meter, inspector).WriteAsync(name, archive, cancellationToken);
        _artifacts.Add(artifact);
        _unfinished = null;
        return artifact;
    }

    /// <summary>
    /// Says of which moment the content is. Where that lies before the backup began, the restore point counts from it: what was
    /// written in between is not in it.
    /// </summary>
    public void ContentIsOf(DateTimeOffset moment) => _createdAt = moment < _createdAt ? moment : _createdAt;

    /// <summary>
    /// Makes the restore point: packs, index, manifest, each durable before the next, then a check that every pack that it
    /// leans on is listed by the store. Only when this returns does the restore point count.
    /// </summary>
    /// <param name="facts">What the source said about its content; null where it said nothing.</param>
    /// <param name="properties">Further facts by name; never secrets.</param>
    /// <param name="cancellationToken">Ends the commit; then there is no restore point, but for one that <see cref="BackupDescription.BeforeManifest"/> was told of.</param>
    public async Task<Manifest> CommitAsync(
        JsonElement? facts, IReadOnlyDictionary<string, string>? properties, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_ended, this);
        _ended = true;
        if (_unfinished is not null)
        {
            // A dump that failed half-way must never look like a backup, whatever its driver does afterwards.
            throw new EngineException(
                "artifact-unfinished", ErrorKind.Conflict, $"artifact '{_unfinished}' was not written to its end, so there is no restore point", "run the backup again");
        }

        await _blobs.FlushAsync(cancellationToken);
        await _writer.IndexDurableAsync(cancellationToken);
        // Before the manifest, so that a pack that vanished under a long backup costs no manifest that would have to go again.
        await _writer.ProveAsync(always: true, cancellationToken);
        var manifest = new Manifest
        {
            Id = Id,
            Source = _description.Source,
            Kind = _description.Kind,
            Workspace = _description.Workspace,
            Class = _description.Class,
            Strategy = _description.Strategy,
            HostName = _description.HostName,
            ToolVersions = _description.ToolVersions,
            Parent = _description.Parent,
            CreatedAt = _createdAt,
            CompletedAt = _parts.Options.Time.GetUtcNow(),
            Bytes = _artifacts.Sum(a => a.Length),
            StoredBytes = _artifacts.Sum(a => a.StoredBytes),
            Artifacts = [.. _artifacts],
            Facts = facts,
            Properties = properties ?? new Dictionary<string, string>(),
        };
        if (_description.BeforeManifest is { } before)
        {
            await before(Id, cancellationToken);
        }

        var proven = false;
        try
        {
            // Also a write that failed may have been done: its answer got lost.
            await _parts.Manifests.WriteAsync(manifest, cancellationToken);
            await _writer.ProveAsync(always: false, cancellationToken);
            manifest = await _parts.Manifests.ReadAsync(ManifestStore.KeyOf(Id), cancellationToken);
            proven = true;
            return manifest;
        }
        finally
        {
            if (!proven && _description.BeforeManifest is null)
            {
                await TakeBackAsync();
            }
        }
    }

    /// <summary>It must not show as a restore point, whatever ended the commit.</summary>
    private async Task TakeBackAsync()
    {
        try
        {
            await _parts.Store.DeleteAsync(ManifestStore.KeyOf(Id), CancellationToken.None);
        }
        catch (EngineException error) when (error.Kind is ErrorKind.Unavailable or ErrorKind.Denied)
        {
            // What ended the commit is told. The store does not answer, or lets nobody delete who only writes: a check names what is left.
        }
    }

    /// <summary>Ends the session; without a commit there is no restore point.</summary>
    public async ValueTask DisposeAsync()
    {
        _ended = true;
        if (_isDisposed)
        {
            return;
        }

        _isDisposed = true;
        await _blobs.DisposeAsync();
        await _writer.DisposeAsync();
        _contents.Dispose();
    }

    /// <summary>Null where retention gave it up since this backup chose it: then every file is read.</summary>
    private async Task<Manifest?> FindParentAsync(RestorePointId id, CancellationToken ct)
    {
        try
        {
            return await _parts.Manifests.ReadAsync(ManifestStore.KeyOf(id), ct);
        }
        catch (EngineException error) when (error.Kind == ErrorKind.NotFound)
        {
            return null;
        }
    }

    internal static void RequireLinux()
    {
        if (!OperatingSystem.IsLinux())
        {
            throw new EngineException(
                "trees-need-linux", ErrorKind.Unsupported, "file trees can be backed up and restored on Linux only", "run drconsole on Linux");
        }
    }

    private void CheckName(string name)
    {
        if (name.Length is 0 or > 200 || name is "." or ".." || name.Any(c => c is '/' or '\0' || char.IsControl(c)))
        {
            throw new EngineException("artifact-name-invalid", ErrorKind.Input, $"'{name}' cannot name an artifact", "use a plain file name");
        }

        if (_artifacts.Any(a => a.Name == name))
        {
            throw new EngineException(
                "artifact-name-taken", ErrorKind.Conflict, $"two artifacts of this restore point would be restored as '{name}'",
                "back them up as separate restore points");
        }
    }
}
