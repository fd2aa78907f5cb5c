using Hexabase.DrConsole.Engine.Repository.Trees;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Backups.Redis;

/// <summary>
/// Takes a restore in place back that had come to its end: the files that it put aside return. What it had put in their place goes,
/// unless a server has written to it since. Called again after a crash it goes on where it stopped.
/// </summary>
internal static class RedisTakeBack
{
    /// <summary>Says in the folder of the old files that all of them have returned.</summary>
    private const string EndedName = "taken-back";

    private const string RecoveredName = "recovered";

    /// <returns>What was done, as a line for the log.</returns>
    /// <exception cref="EngineException"><c>server-running</c>; <c>directory-missing</c>.</exception>
    public static string Go(RedisDirectoryTarget target, RedisPlaces places)
    {
        RedisDirectoryRestore.RequireStopped(target);
        var ended = Path.Combine(places.Aside, EndedName);
        if (!File.Exists(ended))
        {
            Directory.CreateDirectory(places.Recovered, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            foreach (var name in RedisPlaces.NamesIn(target))
            {
                Return(target, places, name);
            }

            LocalFolder.Flush(target.Path);
            LocalFolder.WritePrivateFile(ended, "the old files are back in their places\n"u8);
        }

        var isKept = Directory.Exists(places.Recovered) && WasWrittenTo(target, places);
        if (!isKept && Directory.Exists(places.Recovered))
        {
            Directory.Move(places.Recovered, Path.Combine(places.Aside, RecoveredName));
        }

        // One rename ends it, and what is deleted bears a name that says nothing: half of the folder under its own, without its mark,
        // would say that the files are still to be returned, and move the old ones away.
        RedisDirectoryRestore.RemoveStaging(places);
        Directory.Move(places.Aside, places.Staging);
        LocalFolder.Flush(target.Path);
        RedisDirectoryRestore.RemoveStaging(places);
        return isKept
            ? $"{target.Path} is as it was before the restore; what a server wrote there since is kept in {places.Recovered}"
            : $"{target.Path} is as it was before the restore";
    }

    /// <summary>A name that has its mark has been dealt with: what bears it is the old file, or there was none.</summary>
    private static void Return(RedisDirectoryTarget target, RedisPlaces places, string name)
    {
        var (here, old, mark) = (Path.Combine(target.Path, name), Path.Combine(places.Aside, name), Path.Combine(places.Recovered, $".{name}"));
        if (File.Exists(mark))
        {
            return;
        }

        var away = Path.Combine(places.Recovered, name);
        // No restore puts the log of older servers there: without an old one aside, the one that is there is the old one.
        if (Path.Exists(here) && !Path.Exists(away) && (name != target.AppendName || Path.Exists(old)))
        {
            Directory.Move(here, away);
        }

        // From here on what is at its place is the old one.
        if (Path.Exists(old))
        {
            Directory.Move(old, here);
        }

        LocalFolder.WritePrivateFile(mark, ""u8);
    }

    /// <summary>The restore made one file with two names, and nothing else; whatever is more or other, a server wrote.</summary>
    private static bool WasWrittenTo(RedisDirectoryTarget target, RedisPlaces places)
    {
        var dump = Path.Combine(places.Recovered, target.DumpName);
        var append = Path.Combine(places.Recovered, target.AppendDirectory);
        var based = Path.Combine(append, $"{target.AppendName}.1.base.rdb");
        if (!File.Exists(dump) || !File.Exists(based) || File.Exists(Path.Combine(places.Recovered, target.AppendName)))
        {
            return true;
        }

        var (one, other) = (Posix.Stat(Posix.ToPath(dump), follow: true), Posix.Stat(Posix.ToPath(based), follow: true));
        return (one.Device, one.Inode) != (other.Device, other.Inode)
            || Directory.EnumerateFiles(append).Any(file => file != based && !file.EndsWith(".manifest", StringComparison.Ordinal) && new FileInfo(file).Length > 0);
    }
}
