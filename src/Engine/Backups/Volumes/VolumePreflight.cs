using System.Globalization;
using Hexabase.DrConsole.Engine.Estate;

namespace Hexabase.DrConsole.Engine.Backups.Volumes;

/// <summary>
/// Tells a volume from the empty directory that it is mounted on. A backup of that would be a restore point that looks well
/// and holds nothing, and retention would let the full ones go for it.
/// </summary>
internal static class VolumePreflight
{
    /// <summary>So many files do not go by themselves between two backups.</summary>
    private const long Many = 1000;

    /// <summary>Fewer than one in a hundred that are left count as emptied.</summary>
    private const long LeftOneIn = 100;

    /// <summary>Before anything is read for a backup.</summary>
    /// <exception cref="EngineException"><c>volume-unmounted</c>.</exception>
    public static void Check(VolumeSettings settings, VolumePlace place, VolumeFacts? before) =>
        RequireMount(settings, place, before, "back up again", "No restore point was made.");

    /// <summary>Before a volume is restored in place: its files must not fill the disk that its empty mount point lies on.</summary>
    /// <exception cref="EngineException"><c>volume-unmounted</c>, and as <see cref="VolumePlace.Look"/>.</exception>
    public static void CheckTarget(VolumeSettings settings, string path, VolumeFacts stored) =>
        RequireMount(settings, VolumePlace.Look(path), stored, "make the plan again", "Nothing was changed.");

    private static void RequireMount(VolumeSettings settings, VolumePlace place, VolumeFacts? before, string then, string state)
    {
        if (settings.RequireMount == true && place.MountPoint == "/")
        {
            throw new EngineException("volume-unmounted", ErrorKind.Unavailable, $"{place.Path} lies on the root file system, and RequireMount is set",
                $"Mount its disk and {then}. {state}");
        }

        if (settings.RequireMount != false && before?.MountPoint is { } was && was != place.MountPoint && VolumePlace.IsBelow(was, place.MountPoint))
        {
            throw new EngineException("volume-unmounted", ErrorKind.Unavailable,
                $"{place.Path} was on {was} ({before.FileSystem} from {before.MountSource}) at the last backup, and nothing is mounted there now",
                $"Mount its disk and {then}. Where the volume has moved for good, set RequireMount to false. {state}");
        }
    }

    /// <summary>After all was read, before the restore point is made.</summary>
    /// <exception cref="EngineException"><c>volume-emptied</c>.</exception>
    public static void CheckContent(VolumeSettings settings, VolumeFacts facts)
    {
        if (!settings.MayBeEmptied && IsEmptied(facts.FilesBefore, facts.Files))
        {
            throw new EngineException("volume-emptied", ErrorKind.Conflict,
                string.Create(CultureInfo.InvariantCulture, $"{facts.Path} has {facts.Files} files, and had {facts.FilesBefore} at the last backup"),
                "Look whether its disk is mounted and who deleted them. Where it is meant to be empty, set MayBeEmptied. No restore point was made.");
        }
    }

    /// <summary>True where nearly all of many files went between two backups; false where either was not counted.</summary>
    public static bool IsEmptied(long? before, long? now) => before >= Many && now < before / LeftOneIn;
}
