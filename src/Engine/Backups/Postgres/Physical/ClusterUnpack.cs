using System.Globalization;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Wal;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Physical;

/// <summary>
/// Writes a restore point's cluster into a new data directory, exactly as the server had it, with the WAL that makes it
/// consistent. The control file comes last: a directory without one is started by nobody.
/// </summary>
/// <param name="repository">Where the restore point is.</param>
/// <param name="manifest">The restore point.</param>
/// <param name="facts">What is known of its cluster.</param>
internal sealed class ClusterUnpack(BackupRepository repository, Manifest manifest, ClusterFacts facts)
{
    private const string TablespaceMap = "tablespace_map";
    private static readonly string[] s_files = ["backup_label", TablespaceMap, BackupManifestFile.Name];

    /// <summary>Writes everything.</summary>
    /// <param name="data">The data directory, new or empty.</param>
    /// <param name="tablespaces">A directory that gets one directory per tablespace, where there are any.</param>
    /// <param name="owner">Whom all of it is to belong to.</param>
    /// <param name="progress">Told files and bytes.</param>
    /// <param name="cancellationToken">Ends it and leaves what was written so far.</param>
    /// <exception cref="EngineException">Kind Damaged naming the pack, OutOfSpace, Conflict where the directory holds something.</exception>
    public async Task WriteAsync(string data, string tablespaces, ServerUser owner, IProgress<TransferProgress>? progress, CancellationToken cancellationToken)
    {
        await repository.RestoreTreeAsync(manifest, PhysicalBackup.DataArtifactName, data, progress, cancellationToken);
        DropLinks(data, _ => true, owner);
        await FinishAsync(data, tablespaces, owner, progress, cancellationToken);
    }

    /// <summary>
    /// The same into a directory that holds some of it: files are written of which <paramref name="isWanted"/> is true. The
    /// control file comes last here as well, whether the restore point has it in the tree or beside it.
    /// </summary>
    public async Task WriteMissingAsync(
        string data, string tablespaces, Predicate<string> isWanted, ServerUser owner, IProgress<TransferProgress>? progress, CancellationToken cancellationToken)
    {
        await RestoreOnlyAsync(path => path != ClusterFiles.Control && !path.StartsWith("pg_tblspc/", StringComparison.Ordinal) && isWanted(path));
        DropLinks(data, isWanted, owner);
        await FinishAsync(data, tablespaces, owner, progress, cancellationToken);
        if (!Has(DirectoryFiles.ControlArtifactName))
        {
            await RestoreOnlyAsync(path => path == ClusterFiles.Control);
            OwnedFolder.Give(data, owner);
        }

        Task RestoreOnlyAsync(Predicate<string> only) => repository.RestoreTreeAsync(
            manifest, PhysicalBackup.DataArtifactName, data, new TreeRestoreOptions { Delta = true, VerifyContent = true, Only = only }, progress, cancellationToken);
    }

    /// <summary>
    /// Takes away the links that the stored tree brought, before anything else is written: they lead to what is the source's own,
    /// its living WAL perhaps, and whatever writes below their names writes there. Directories that a server wants are made.
    /// </summary>
    private static void DropLinks(string data, Predicate<string> isWanted, ServerUser owner)
    {
        DropBelow(new DirectoryInfo(data), "");
        foreach (var name in ClusterFiles.MadeAnew.Where(name => !Directory.Exists(Path.Combine(data, name))))
        {
            LocalFolder.CreatePrivate(Path.Combine(data, name), owner);
        }

        void DropBelow(DirectoryInfo directory, string prefix)
        {
            foreach (var entry in directory.EnumerateFileSystemInfos())
            {
                if (!entry.Attributes.HasFlag(FileAttributes.ReparsePoint))
                {
                    if (entry is DirectoryInfo below)
                    {
                        DropBelow(below, $"{prefix}{entry.Name}/");
                    }
                }
                else if (isWanted(prefix + entry.Name))
                {
                    File.Delete(entry.FullName);
                }
            }
        }
    }

    private async Task FinishAsync(string data, string tablespaces, ServerUser owner, IProgress<TransferProgress>? progress, CancellationToken cancellationToken)
    {
        foreach (var space in facts.Tablespaces)
        {
            var place = Path.Combine(tablespaces, space.Oid.ToString(CultureInfo.InvariantCulture));
            Directory.CreateDirectory(tablespaces);
            await repository.RestoreTreeAsync(manifest, space.ArtifactName, place, progress, cancellationToken);
            var link = Path.Combine(data, "pg_tblspc", space.Oid.ToString(CultureInfo.InvariantCulture));
            File.Delete(link);
            File.CreateSymbolicLink(link, place);
        }

        foreach (var name in s_files.Where(Has))
        {
            await WriteFileAsync(name, Path.Combine(data, name), cancellationToken);
        }

        await WriteWalAsync(data, progress, cancellationToken);
        if (Has(DirectoryFiles.ControlArtifactName))
        {
            await WriteFileAsync(DirectoryFiles.ControlArtifactName, Path.Combine(data, ClusterFiles.Control), cancellationToken);
        }

        OwnedFolder.Give(data, owner);
        if (facts.Tablespaces.Count > 0)
        {
            OwnedFolder.Give(tablespaces, owner);
        }

        LocalFolder.CreatePrivate(data, owner);
    }

    /// <summary>
    /// Takes away what would lead the server elsewhere: to the places where tablespaces were on the source's machine, for the links are
    /// made and a map makes a start set its own; or, of a standby's files, to wait for a primary for ever.
    /// </summary>
    public static void DropLeads(string data)
    {
        foreach (var name in new[] { TablespaceMap, "standby.signal", "recovery.signal" })
        {
            File.Delete(Path.Combine(data, name));
        }
    }

    /// <summary>Configuration files that the source kept elsewhere, where the data directory has none of that name.</summary>
    public async Task WriteConfigurationAsync(string data, ServerUser owner, CancellationToken cancellationToken)
    {
        foreach (var name in facts.ConfigurationFiles.Where(name => Has(name) && !File.Exists(Path.Combine(data, name))))
        {
            await WriteFileAsync(name, Path.Combine(data, name), cancellationToken);
            LocalFolder.GiveTo(Path.Combine(data, name), owner);
        }
    }

    private bool Has(string artifact) => manifest.Artifacts.Any(one => one.Name == artifact);

    private async Task WriteWalAsync(string data, IProgress<TransferProgress>? progress, CancellationToken cancellationToken)
    {
        var directory = Path.Combine(data, "pg_wal");
        Directory.CreateDirectory(Path.Combine(directory, "archive_status"));
        await using var segments = new WalSegments(directory, facts.Timeline, Lsn.Parse(facts.WalStartLsn).Value, new WalSegmentSize(facts.WalSegmentBytes));
        await repository.ReadStreamAsync(manifest, BaseWal.ArtifactName, segments, progress, cancellationToken);
    }

    private async Task WriteFileAsync(string artifact, string path, CancellationToken cancellationToken)
    {
        await using var file = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0);
        await repository.ReadStreamAsync(manifest, artifact, file, null, cancellationToken);
        file.Flush(flushToDisk: true);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }
}
