using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Physical.InPlace;

/// <summary>
/// Whether a server works in a data directory. Its postmaster.pid alone does not say: it outlives a kill -9, and backends
/// outlive their postmaster and go on writing. All of them work in the directory itself, which the system tells by its inode.
/// </summary>
internal static class DirectoryUse
{
    /// <summary>A postmaster or backend in the directory; null for none.</summary>
    public static int? FindProcess(string directory) =>
        PostmasterFile.FindLiving(directory) is { } living ? living.Process.Pid : DirectoryWorkers.Find(directory, name => name is "postgres" or "postmaster");

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
}
