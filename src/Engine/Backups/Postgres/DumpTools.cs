using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Backups.Postgres;

/// <summary>Chooses which installed PostgreSQL's programs dump and restore.</summary>
internal static class DumpTools
{
    /// <summary>
    /// pg_dump for a server: its own major where installed, else the oldest newer one with a warning. An older pg_dump
    /// refuses a newer server, so that is said before anything is started.
    /// </summary>
    /// <exception cref="EngineException"><c>pg-dump-missing</c>, <c>pg-dump-older-than-server</c>.</exception>
    public static (PostgresBinaries Binaries, string? Warning) ForDump(IReadOnlyList<PostgresBinaries> clients, int serverMajor)
    {
        if (clients.Count == 0)
        {
            throw new EngineException("pg-dump-missing", ErrorKind.Unavailable, "pg_dump is not installed on this machine",
                $"install PostgreSQL's client programs (apt-get install postgresql-client-{serverMajor}), or name their folder in {PostgresBinaries.FolderVariable}");
        }

        if (clients.FirstOrDefault(client => client.Major == serverMajor) is { } same)
        {
            return (same, null);
        }

        return clients.Where(client => client.Major > serverMajor).MinBy(client => client.Major) is { } newer
            ? (newer, $"pg_dump {newer.Version} dumps a server of PostgreSQL {serverMajor}: the dump may not restore into {serverMajor}; "
                + $"install postgresql-client-{serverMajor}")
            : throw new EngineException("pg-dump-older-than-server", ErrorKind.Unavailable,
                $"pg_dump {clients[0].Version} in {clients[0].Folder} is older than the server's PostgreSQL {serverMajor}",
                $"install postgresql-client-{serverMajor} or newer, or name its folder in {PostgresBinaries.FolderVariable}");
    }

    /// <summary>pg_restore that reads what a pg_dump of <paramref name="dumpMajor"/> wrote; the target's major is preferred.</summary>
    /// <exception cref="EngineException"><c>pg-restore-missing</c>.</exception>
    public static PostgresBinaries ForRestore(IReadOnlyList<PostgresBinaries> clients, int dumpMajor, int? targetMajor) =>
        clients.FirstOrDefault(client => client.Major == targetMajor && client.Major >= dumpMajor)
        ?? clients.Where(client => client.Major >= dumpMajor).MinBy(client => client.Major)
        ?? throw new EngineException("pg-restore-missing", ErrorKind.Unavailable,
            $"pg_restore {dumpMajor} or newer is not installed on this machine",
            $"install PostgreSQL's client programs (apt-get install postgresql-client-{dumpMajor})");
}
