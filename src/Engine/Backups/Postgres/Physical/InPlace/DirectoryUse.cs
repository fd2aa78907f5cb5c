using System.Globalization;
using Hexabase.DrConsole.Engine.Repository.Trees;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Physical.InPlace;

/// <summary>
/// Whether a server works in a data directory. Its postmaster.pid alone does not say: it outlives a kill -9, and backends
/// outlive their postmaster and go on writing. All of them work in the directory itself, which the system tells by its inode.
/// </summary>
internal static class DirectoryUse
{
    /// <summary>A postmaster or backend in the directory; null for none.</summary>
    public static int? FindProcess(string directory)
    {
        if (PostmasterFile.FindLiving(directory) is { } living)
        {
            return living.Process.Pid;
        }

        var wanted = Posix.Stat(Posix.ToPath(directory), follow: true);
        foreach (var process in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(process), NumberStyles.None, CultureInfo.InvariantCulture, out var pid) && WorksIn(process, wanted))
            {
                return pid;
            }
        }

        return null;
    }

    /// <summary>Refuses a directory that a server works in.</summary>
    /// <exception cref="EngineException"><c>server-running</c>.</exception>
    public static void RequireStopped(string directory)
    {
        if (Directory.Exists(directory) && FindProcess(directory) is { } pid)
        {
            throw new EngineException("server-running", ErrorKind.Conflict, $"a PostgreSQL server runs on {directory} (process {pid})",
                "stop it first, by the way that it is supervised; nothing was changed");
        }
    }

    private static bool WorksIn(string process, FileStat wanted)
    {
        try
        {
            if (File.ReadAllText(Path.Combine(process, "comm")).Trim() is not ("postgres" or "postmaster"))
            {
                return false;
            }

            var there = Posix.Stat(Posix.ToPath(Path.Combine(process, "cwd")), follow: true);
            return there.Inode == wanted.Inode && there.Device == wanted.Device;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // It ended meanwhile, or it is another user's: such a one could not write into a directory of ours either.
            return false;
        }
    }
}
