using System.Security.Cryptography;
using System.Text;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Backups;

/// <summary>Writes the raw artifacts of a restore point of any kind into a new directory.</summary>
public sealed class ArtifactRestore(TimeProvider time)
{
    /// <summary>The kind of its plans.</summary>
    public const string Kind = "artifacts";

    /// <summary>Checks the target, changes nothing, and says what a restore would do.</summary>
    /// <exception cref="EngineException"><c>directory-not-empty</c>.</exception>
    public static RestorePlan Plan(Manifest manifest, DirectoryTarget target)
    {
        RequireNew(target);
        return LogicalRestore.Plan(manifest, target, Kind, []);
    }

    /// <summary>Executes a plan. The directory gets its name only when everything is in it.</summary>
    /// <exception cref="EngineException">
    /// <c>plan-changed</c>, <c>directory-not-empty</c>, <c>directory-full</c>, <c>directory-not-writable</c>, or what the repository says.
    /// </exception>
    public async Task<RestoreResult> ExecuteAsync(
        BackupRepository repository, Manifest manifest, RestorePlan plan, string approvedHash, string operation,
        IProgress<TransferProgress>? progress, Action<string, string>? log, CancellationToken cancellationToken)
    {
        LogicalRestore.RequireSame(plan, approvedHash, manifest);
        var target = RestoreTarget.Parse(plan.Target, "/") as DirectoryTarget ?? throw new EngineException(
            "restore-target-unsupported", ErrorKind.Unsupported, $"{plan.Target} is no directory", "make the plan again");
        RequireNew(target);
        var began = time.GetTimestamp();
        var staging = StagingOf(target, operation);
        try
        {
            await WriteAllAsync(repository, manifest, staging, progress, log, cancellationToken);
            if (Directory.Exists(target.Path))
            {
                Directory.Delete(target.Path);
            }

            // The files' names before the directory's, and that before anybody is told that it is done.
            Durability.SyncDirectory(staging);
            Directory.Move(staging, target.Path);
            Durability.SyncDirectory(Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(target.Path))!);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            Remove(staging);
            throw DirectoryFault.Of(target.Path, exception, isInPlace: false);
        }
        catch
        {
            Remove(staging);
            throw;
        }

        return new RestoreResult(plan.Target, time.GetElapsedTime(began), manifest.Bytes, []);
    }

    /// <summary>
    /// True where the target holds exactly what the plan writes, byte for byte: an attempt that died after it gave the
    /// directory its name leaves no other trace. Reads all of it.
    /// </summary>
    public static async Task<bool> IsFinishedAsync(Manifest manifest, RestorePlan plan, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(manifest);
        ArgumentNullException.ThrowIfNull(plan);
        if (RestoreTarget.Parse(plan.Target, "/") is not DirectoryTarget { Path: var path } || !Directory.Exists(path))
        {
            return false;
        }

        var found = new DirectoryInfo(path).EnumerateFileSystemInfos().ToDictionary(entry => entry.Name);
        if (found.Count != manifest.Artifacts.Count
            || !manifest.Artifacts.All(artifact => found.GetValueOrDefault(artifact.Name) is FileInfo { LinkTarget: null } file && file.Length == artifact.Length))
        {
            return false;
        }

        foreach (var artifact in manifest.Artifacts)
        {
            await using var file = File.OpenRead(Path.Combine(path, artifact.Name));
            if (Convert.ToHexStringLower(await SHA256.HashDataAsync(file, cancellationToken)) != artifact.Sha256)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Removes what an interrupted attempt of an operation left that will not be resumed.</summary>
    /// <returns>What was found, for the run's log; null where there was nothing.</returns>
    public static string? Abandon(RestorePlan plan, string operation)
    {
        ArgumentNullException.ThrowIfNull(plan);
        var staging = StagingOf((DirectoryTarget)RestoreTarget.Parse(plan.Target, "/"), operation);
        if (!Directory.Exists(staging))
        {
            return null;
        }

        Remove(staging);
        return $"removed {staging}, which an interrupted attempt had left";
    }

    internal static string StagingOf(DirectoryTarget target, string operation) =>
        $"{target.Path.TrimEnd('/')}.drconsole-{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(operation)))[..16]}";

    private static async Task WriteAllAsync(
        BackupRepository repository, Manifest manifest, string folder, IProgress<TransferProgress>? progress, Action<string, string>? log,
        CancellationToken cancellationToken)
    {
        // What a killed attempt of the same operation left is not trusted.
        Remove(folder);
        Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        foreach (var artifact in manifest.Artifacts)
        {
            log?.Invoke("restore", $"{artifact.Name}, {artifact.Length} bytes");
            if (artifact.Type != StoredArtifact.StreamType)
            {
                throw new EngineException("artifact-is-tree", ErrorKind.Unsupported, $"artifact {artifact.Name} is a file tree",
                    "restore it with 'drconsole repository restore'");
            }

            await using var file = new FileStream(Path.Combine(folder, artifact.Name), new FileStreamOptions
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.Write,
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
                Options = FileOptions.Asynchronous,
            });
            await repository.ReadStreamAsync(manifest, artifact.Name, file, progress, cancellationToken);
            file.Flush(flushToDisk: true);
        }
    }

    /// <exception cref="EngineException"><c>directory-not-empty</c>.</exception>
    internal static void RequireNew(DirectoryTarget target)
    {
        if (File.Exists(target.Path) || (Directory.Exists(target.Path) && Directory.EnumerateFileSystemEntries(target.Path).Any()))
        {
            throw new EngineException("directory-not-empty", ErrorKind.Conflict, $"{target.Path} exists and is not empty; it was not touched",
                "name a directory that does not exist");
        }
    }

    internal static void Remove(string folder) => BackupRepository.RemoveTree(folder);
}
