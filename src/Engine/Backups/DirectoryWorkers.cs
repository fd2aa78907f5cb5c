using System.Globalization;
using Hexabase.DrConsole.Engine.Repository.Trees;

namespace Hexabase.DrConsole.Engine.Backups;

/// <summary>
/// The servers that work in a data directory, told by the directory itself and not by its name: a server in a container, or behind
/// another mount or a link, calls it otherwise.
/// </summary>
internal static class DirectoryWorkers
{
    /// <summary>A process that works in the directory and has such a name; null for none.</summary>
    /// <param name="directory">It exists.</param>
    /// <param name="isServer">True for the names of its servers' programs.</param>
    public static int? Find(string directory, Func<string, bool> isServer)
    {
        var wanted = Posix.Stat(Posix.ToPath(directory), follow: true);
        foreach (var process in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(process), NumberStyles.None, CultureInfo.InvariantCulture, out var pid) && WorksIn(process, wanted, isServer))
            {
                return pid;
            }
        }

        return null;
    }

    private static bool WorksIn(string process, FileStat wanted, Func<string, bool> isServer)
    {
        try
        {
            if (!isServer(File.ReadAllText(Path.Combine(process, "comm")).TrimEnd('\n')))
            {
                return false;
            }

            var there = Posix.Stat(Posix.ToPath(Path.Combine(process, "cwd")), follow: true);
            return (there.Device, there.Inode) == (wanted.Device, wanted.Inode);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // It ended meanwhile, or it is another user's: such a one could not write into a directory of ours either.
            return false;
        }
    }
}
