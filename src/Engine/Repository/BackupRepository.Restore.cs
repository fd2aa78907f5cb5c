using System.Security.Cryptography;
using System.Text;
using System.Text.Unicode;
using Hexabase.DrConsole.Engine.Repository.Trees;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Repository;

public sealed partial class BackupRepository
{
    /// <summary>
    /// Restores artifacts into a directory that is new or empty, each under its own name. A stream appears under its name
    /// only when all its bytes were verified.
    /// </summary>
    /// <exception cref="EngineException">Kind Conflict where the directory holds something; Damaged naming the pack; OutOfSpace.</exception>
    public Task<TreeRestoreResult> RestoreAsync(
        Manifest manifest, IReadOnlyList<StoredArtifact> artifacts, string directory, IProgress<TransferProgress>? progress = null,
        CancellationToken cancellationToken = default) =>
        RestoreAsync(manifest, artifacts, directory, new TreeRestoreOptions(), progress, cancellationToken);

    /// <summary>The same by options: a part of a tree, or only the difference to what the directory holds.</summary>
    /// <exception cref="EngineException">
    /// Kind Conflict where the directory holds something and it is no delta; NotFound for a path that is not in the tree;
    /// Damaged naming the pack; OutOfSpace.
    /// </exception>
    public async Task<TreeRestoreResult> RestoreAsync(
        Manifest manifest, IReadOnlyList<StoredArtifact> artifacts, string directory, TreeRestoreOptions options, IProgress<TransferProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(artifacts);
        ArgumentNullException.ThrowIfNull(options);
        if (!options.Delta)
        {
            RequireEmpty(directory);
        }

        var result = new TreeRestoreResult(0, 0, [], 0);
        try
        {
            if (!options.DryRun)
            {
                Directory.CreateDirectory(directory);
            }

            foreach (var artifact in artifacts)
            {
                result = result.Plus(artifact.Type == StoredArtifact.TreeType
                    ? await RestoreTreeAsync(manifest, artifact.Name, Path.Combine(directory, NameOf(artifact, options)), options, progress, cancellationToken)
                    : await RestoreStreamAsync(manifest, artifact, Path.Combine(directory, artifact.Name), options, progress, cancellationToken));
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw StoreFaults.From(error, directory);
        }

        return result;
    }

    /// <summary>Makes a tree artifact anew at a path where nothing is yet, or an empty directory.</summary>
    /// <param name="manifest">The restore point.</param>
    /// <param name="artifact">The tree's name.</param>
    /// <param name="target">What the tree's root becomes; its parent directory must exist.</param>
    /// <param name="progress">Told files and bytes.</param>
    /// <param name="cancellationToken">Ends the restore, which then leaves what it made so far.</param>
    /// <exception cref="EngineException">Kind Conflict where the target holds something; Damaged naming the pack; OutOfSpace.</exception>
    public Task<TreeRestoreResult> RestoreTreeAsync(
        Manifest manifest, string artifact, string target, IProgress<TransferProgress>? progress = null, CancellationToken cancellationToken = default) =>
        RestoreTreeAsync(manifest, artifact, target, new TreeRestoreOptions(), progress, cancellationToken);

    /// <summary>The same by options. A delta that was cut off is repeated; what it finished is found right.</summary>
    /// <exception cref="EngineException">As <see cref="RestoreTreeAsync(Manifest, string, string, IProgress{TransferProgress}?, CancellationToken)"/>, and NotFound for a path that is not in the tree.</exception>
    public async Task<TreeRestoreResult> RestoreTreeAsync(
        Manifest manifest, string artifact, string target, TreeRestoreOptions options, IProgress<TransferProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(manifest);
        ArgumentNullException.ThrowIfNull(options);
        BackupSession.RequireLinux();
        var stored = FindArtifact(manifest, artifact);
        var path = options.Delta ? Path.TrimEndingDirectorySeparator(Path.GetFullPath(target)) : RequireEmpty(target);
        if (options.DryRun && !Directory.Exists(Path.GetDirectoryName(path)))
        {
            throw new EngineException(
                "target-missing", ErrorKind.NotFound, $"there is no directory {Path.GetDirectoryName(path)} to compare with", "name an existing directory, or restore without a dry run");
        }

        var meter = new ProgressMeter(progress, _parts.Options.Time, artifact, options.Path is null ? stored.Items : null, options.Path is null ? stored.Length : null);
        using var restorer = new TreeRestorer(_parts, path, options, meter, cancellationToken);
        var result = await restorer.RestoreAsync(stored);
        meter.Finish();
        return result;
    }

    /// <summary>Compares a directory with a tree artifact by content, without changing anything.</summary>
    /// <param name="manifest">The restore point.</param>
    /// <param name="artifact">The tree's name.</param>
    /// <param name="directory">An existing directory; a symbolic link to one is followed.</param>
    /// <param name="progress">Told items and bytes of the restore point.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="EngineException">Kind Unavailable where a file cannot be read; Damaged naming the pack.</exception>
    public async Task<TreeComparison> CompareTreeAsync(
        Manifest manifest, string artifact, string directory, IProgress<TransferProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(manifest);
        BackupSession.RequireLinux();
        var stored = FindArtifact(manifest, artifact);
        var meter = new ProgressMeter(progress, _parts.Options.Time, "compare", stored.Items, stored.Length);
        try
        {
            var comparison = await new DirectoryComparison(_parts, Path.GetFullPath(directory), meter).CompareAsync(stored, cancellationToken);
            meter.Finish();
            return comparison;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw StoreFaults.From(error, directory);
        }
    }

    private async Task<TreeRestoreResult> RestoreStreamAsync(
        Manifest manifest, StoredArtifact artifact, string target, TreeRestoreOptions options, IProgress<TransferProgress>? progress, CancellationToken ct)
    {
        var exists = options.Delta && File.Exists(target);
        if (exists && new FileInfo(target).Length == artifact.Length && await HashOfAsync(target, ct) == artifact.Sha256)
        {
            return new TreeRestoreResult(1, 0, [], 0) { Unchanged = 1 };
        }

        options.OnChange?.Invoke(new RestoreChange(exists ? RestoreChangeKind.Replace : RestoreChangeKind.Create, artifact.Name));
        var result = new TreeRestoreResult(1, options.DryRun ? 0 : artifact.Length, [], 0) { Created = exists ? 0 : 1, Replaced = exists ? 1 : 0 };
        if (options.DryRun)
        {
            return result;
        }

        var partial = target + ".partial";
        // A killed delta may have left one; without delta the directory was empty.
        await using (var file = new FileStream(partial, options.Delta ? FileMode.Create : FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 0))
        {
            await ReadStreamAsync(manifest, artifact.Name, file, progress, ct);
            file.Flush(flushToDisk: true);
        }

        File.Move(partial, target, overwrite: options.Delta);
        Durability.SyncDirectory(Path.GetDirectoryName(Path.GetFullPath(target))!);
        return result;
    }

    private static async Task<string> HashOfAsync(string path, CancellationToken ct)
    {
        await using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        return Convert.ToHexStringLower(await SHA256.HashDataAsync(file, ct));
    }

    /// <summary>A part of a tree is restored under its own last name.</summary>
    private static string NameOf(StoredArtifact artifact, TreeRestoreOptions options)
    {
        var part = options.Path is null ? [] : PathText.Parse(options.Path);
        var name = part.AsSpan(part.AsSpan().LastIndexOf((byte)'/') + 1);
        return name.IsEmpty ? artifact.Name
            : Utf8.IsValid(name) ? Encoding.UTF8.GetString(name)
            : throw new EngineException(
                "tree-path-invalid", ErrorKind.Input, $"the name of '{options.Path}' is no UTF-8", "restore the directory that holds it");
    }

    private static string RequireEmpty(string target)
    {
        var path = Path.TrimEndingDirectorySeparator(Path.GetFullPath(target));
        return File.Exists(path) || (Directory.Exists(path) && Directory.EnumerateFileSystemEntries(path).Any())
            ? throw new EngineException(
                "target-not-empty", ErrorKind.Conflict, $"{path} exists and is not empty", "name a new or empty directory; nothing was changed")
            : path;
    }
}
