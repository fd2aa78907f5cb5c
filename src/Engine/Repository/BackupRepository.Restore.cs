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
    public async Task<TreeRestoreResult> RestoreAsync(
        Manifest manifest, IReadOnlyList<StoredArtifact> artifacts, string directory, IProgress<TransferProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(artifacts);
        RequireEmpty(directory);
        var result = new TreeRestoreResult(0, 0, [], 0);
        try
        {
            Directory.CreateDirectory(directory);
            foreach (var artifact in artifacts)
            {
                var target = Path.Combine(directory, artifact.Name);
                if (artifact.Type == StoredArtifact.TreeType)
                {
                    var tree = await RestoreTreeAsync(manifest, artifact.Name, target, progress, cancellationToken);
                    result = new TreeRestoreResult(
                        result.Items + tree.Items, result.Bytes + tree.Bytes, [.. result.Warnings, .. tree.Warnings], result.WarningCount + tree.WarningCount);
                    continue;
                }

                var partial = target + ".partial";
                await using (var file = new FileStream(partial, FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 0))
                {
                    await ReadStreamAsync(manifest, artifact.Name, file, progress, cancellationToken);
                    file.Flush(flushToDisk: true);
                }

                File.Move(partial, target, overwrite: false);
                result = result with { Items = result.Items + 1, Bytes = result.Bytes + artifact.Length };
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
    public async Task<TreeRestoreResult> RestoreTreeAsync(
        Manifest manifest, string artifact, string target, IProgress<TransferProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(manifest);
        BackupSession.RequireLinux();
        var stored = FindArtifact(manifest, artifact);
        var path = RequireEmpty(target);
        var meter = new ProgressMeter(progress, _parts.Options.Time, artifact, stored.Items, stored.Length);
        using var restorer = new TreeRestorer(_parts, path, meter, cancellationToken);
        var result = await restorer.RestoreAsync(stored);
        meter.Finish();
        return result;
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
