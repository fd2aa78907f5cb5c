using System.Globalization;
using Hexabase.DrConsole.Engine.Backups.Drivers;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Trees;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Backups.Volumes;

/// <summary>Writes volumes: all, a folder or a file, into a new directory. It gets its name only when everything is in it.</summary>
public sealed class VolumeRestore(TimeProvider time)
{
    /// <summary>Restores a part into a directory that is new or empty.</summary>
    internal async Task<RestoreOutcome> WriteNewAsync(RestoreWork work, DirectoryTarget target, VolumePart part, CancellationToken cancellationToken)
    {
        ArtifactRestore.RequireNew(target);
        var began = time.GetTimestamp();
        var staging = ArtifactRestore.StagingOf(target, work.Operation);
        try
        {
            // What a killed attempt of the same operation left is not trusted, and is none of the space that others use.
            ArtifactRestore.Remove(staging);
            RequireSpace(target, part);
            Directory.CreateDirectory(staging, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            var result = await WriteAsync(work, part, staging, cancellationToken);
            if (Directory.Exists(target.Path))
            {
                Directory.Delete(target.Path);
            }

            // What is told to be restored must be so after a power cut too.
            Posix.Sync(staging);
            Directory.Move(staging, target.Path);
            LocalFolder.Flush(Path.GetDirectoryName(target.Path)!);
            return new RestoreOutcome(result.Bytes, time.GetElapsedTime(began).TotalSeconds, result.Warnings);
        }
        catch (Exception fault)
        {
            ArtifactRestore.Remove(staging);
            if (fault is IOException or UnauthorizedAccessException)
            {
                throw DirectoryFault.Of(target.Path, fault, isInPlace: false);
            }

            throw;
        }
    }

    /// <summary>Writes a part below a folder that is empty.</summary>
    internal static async Task<TreeRestoreResult> WriteAsync(RestoreWork work, VolumePart part, string folder, CancellationToken cancellationToken)
    {
        var root = part.RootIn(folder);
        if (!part.IsStream)
        {
            return await work.Repository.RestoreTreeAsync(work.Manifest, part.Artifact.Name, root, new TreeRestoreOptions { Path = part.Part }, work.Progress, cancellationToken);
        }

        await using var file = new FileStream(root, new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            BufferSize = 0,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        });
        await using var sparse = new SparseFileStream(file);
        await work.Repository.ReadStreamAsync(work.Manifest, part.Artifact.Name, sparse, work.Progress, cancellationToken);
        sparse.Complete();
        return new TreeRestoreResult(1, part.Artifact.Length, [], 0) { Created = 1 };
    }

    /// <summary>Refuses what does not fit before the first byte is written.</summary>
    /// <exception cref="EngineException"><c>directory-full</c>.</exception>
    internal static void RequireSpace(DirectoryTarget target, VolumePart part)
    {
        var space = FileSystemSpace.Of(target.Path);
        if (space.FreeBytes < part.ContentBytes || space.FreeInodes < part.Items)
        {
            throw new EngineException("directory-full", ErrorKind.OutOfSpace,
                string.Create(CultureInfo.InvariantCulture,
                    $"{part.ContentBytes} bytes in {part.Items} files and folders do not fit on the file system of {target.Path}: {space.FreeBytes} bytes and {space.FreeInodes?.ToString(CultureInfo.InvariantCulture) ?? "uncounted"} inodes are free"),
                "Free space, name another place, or restore a part. Nothing was written.");
        }
    }
}
