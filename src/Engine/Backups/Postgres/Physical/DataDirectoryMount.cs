using Hexabase.DrConsole.Engine.Backups.Volumes;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Physical;

/// <summary>
/// Tells a data directory that is lost from one whose disk is only not mounted. A cluster that is recovered below an empty mount point
/// fills the disk that the point lies on, and is hidden, with all that it took since, as soon as somebody mounts the disk.
/// </summary>
internal static class DataDirectoryMount
{
    public const string UnmountedCode = "data-directory-unmounted";

    /// <summary>Property of the manifest: the mount point that the directory lay on.</summary>
    public const string MountProperty = "dataDirectoryMount";

    /// <summary>Before a cluster is put back at the place that a restore point was read from.</summary>
    /// <exception cref="EngineException">Code <see cref="UnmountedCode"/>: it lay on a mount that is not there.</exception>
    public static void Require(string directory, Manifest stored)
    {
        // Who names another directory now has moved it, to wherever that lies.
        if (stored.Properties.GetValueOrDefault(DirectoryFiles.DirectoryProperty) != directory || stored.Properties.GetValueOrDefault(MountProperty) is not { } was)
        {
            return;
        }

        var now = VolumePlace.MountPointOf(directory);
        if (now != was && VolumePlace.IsBelow(was, now))
        {
            throw new EngineException(UnmountedCode, ErrorKind.Unavailable, $"{directory} was on {was} when it was backed up, and nothing is mounted there now",
                $"Mount its disk, or a new one, at {was}, then make the plan again. Where it is to lie elsewhere, name that place in DataDirectory. Nothing was restored.");
        }
    }
}
