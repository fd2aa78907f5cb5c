using System.Text;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Physical;

/// <summary>
/// Reads a data directory that is here, in backup mode. Files that did not change since the parent restore point are taken
/// over unread; of those that did, only chunks with changed pages are stored.
/// </summary>
internal sealed class DirectoryFiles(string directory, Manifest? parent, BackupRepository repository) : ClusterCopy
{
    /// <summary>Property of the manifest: the directory that was read; only its own parent can spare reading.</summary>
    public const string DirectoryProperty = "dataDirectory";

    /// <summary>Property of the manifest: the node that has that directory; absent for the console's machine.</summary>
    public const string NodeProperty = "node";

    /// <summary>The artifact that holds the control file, which is read after all others.</summary>
    public const string ControlArtifactName = "pg_control";

    public override async Task<CopiedCluster> CopyAsync(CopyContext context, CancellationToken cancellationToken)
    {
        var known = await ReadParentManifestAsync(cancellationToken);
        var start = await context.Cluster.StartAsync(context.Label, cancellationToken);
        context.Log?.Invoke("copy", $"reading {directory} in backup mode from {start.Lsn}");
        var manifest = new BackupManifestFile();
        var warnings = new List<string>();
        var damaged = new List<DamagedPage>();
        var isWhole = true;
        var changes = parent is null ? null : new RelationChanges();
        foreach (var (artifact, path, prefix) in Trees(context.Cluster.Facts))
        {
            var pages = context.Cluster.Facts.HasChecksums ? new PageVerification(path, prefix) { BackupStart = (ulong)start.Lsn } : null;
            var inspector = new ClusterInspector(manifest, pages, known, prefix) { Changes = changes };
            var options = new TreeOptions
            {
                Exclude = ClusterFiles.LeftOut,
                Inspector = inspector,
                ParentArtifact = parent?.Artifacts.Any(one => one.Name == artifact) == true ? artifact : null,
            };
            var stored = await context.Session.WriteTreeAsync(artifact, [path], options, context.Progress, cancellationToken);
            RequireReadable(stored);
            damaged.AddRange(pages?.Damaged ?? []);
            isWhole &= !inspector.IsIncomplete;
        }

        // Last of all: on a standby it says how far replay must come, and nothing may be copied after that.
        var control = await ReadControlAsync(cancellationToken);
        var stop = await context.Cluster.StopAsync(cancellationToken);
        await StoreAsync(ControlArtifactName, ClusterFiles.Control, control);
        await StoreAsync("backup_label", "backup_label", Encoding.UTF8.GetBytes(stop.Label!));
        if (stop.TablespaceMap.Length > 0)
        {
            await StoreAsync("tablespace_map", "tablespace_map", Encoding.UTF8.GetBytes(stop.TablespaceMap));
        }

        var (from, timeline) = ReadLabel(stop.Label!);
        if (isWhole)
        {
            await WriteAsync(BackupManifestFile.Name, manifest.ToBytes(timeline, from, stop.Lsn));
        }
        else
        {
            warnings.Add("the parent restore point has no whole backup_manifest, so this one has none");
        }

        return new CopiedCluster("files", timeline, from, stop.Lsn, damaged, warnings) { Changes = changes };

        async Task StoreAsync(string artifact, string path, byte[] content)
        {
            manifest.Add(path, content, context.Time.GetUtcNow());
            await WriteAsync(artifact, content);
        }

        async Task WriteAsync(string artifact, byte[] content)
        {
            using var stream = new MemoryStream(content, writable: false);
            await context.Session.WriteStreamAsync(artifact, "cluster file", stream, null, cancellationToken);
        }
    }

    private IEnumerable<(string Artifact, string Path, string Prefix)> Trees(ClusterFacts facts) =>
    [
        (PhysicalBackup.DataArtifactName, directory, ""),
        .. facts.Tablespaces.Select(space => (space.ArtifactName, LocationOf(space), $"pg_tblspc/{space.Oid}/")),
    ];

    /// <summary>By its link, which leads there also where the directory is another machine's that is mounted here.</summary>
    private string LocationOf(TablespaceFacts space)
    {
        var link = Path.Combine(directory, "pg_tblspc", space.Oid.ToString(System.Globalization.CultureInfo.InvariantCulture));
        return Directory.ResolveLinkTarget(link, returnFinalTarget: true)?.FullName is { } target && Directory.Exists(target)
            ? target
            : throw new EngineException("data-directory-unreadable", ErrorKind.Denied,
                $"tablespace {space.Name} ({link}) leads to no directory here", "mount it where the link leads, or leave DataDirectory out");
    }

    private async Task<BackupManifestFile?> ReadParentManifestAsync(CancellationToken cancellationToken)
    {
        if (parent?.Artifacts.Any(artifact => artifact.Name == BackupManifestFile.Name) != true)
        {
            return null;
        }

        using var text = new MemoryStream();
        await repository.ReadStreamAsync(parent, BackupManifestFile.Name, text, null, cancellationToken);
        return BackupManifestFile.Parse(text.GetBuffer().AsMemory(0, (int)text.Length));
    }

    private async Task<byte[]> ReadControlAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await File.ReadAllBytesAsync(Path.Combine(directory, ClusterFiles.Control), cancellationToken);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new EngineException("data-directory-unreadable", ErrorKind.Denied, $"the control file cannot be read: {exception.Message}", "look at the server", exception);
        }
    }

    private static void RequireReadable(StoredArtifact stored)
    {
        if (stored.Unreadable > 0)
        {
            throw new EngineException("files-unreadable", ErrorKind.Denied,
                $"{stored.Unreadable} files of {stored.Name} cannot be read, the first: {string.Join("; ", stored.Warnings.Take(1))}",
                "let the console's user read all of the data directory; a cluster without some of its files is no backup");
        }
    }
}
