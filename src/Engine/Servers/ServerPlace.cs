namespace Hexabase.DrConsole.Engine.Servers;

/// <summary>Who runs the servers and the programs of a restored cluster, and what keeps its servers apart.</summary>
/// <param name="User">The user.</param>
/// <param name="Isolation">A command before a server's own; empty for a server that takes its original's place.</param>
public sealed record ServerPlace(ServerUser User, IReadOnlyList<string> Isolation)
{
    /// <summary>In place: as every PostgreSQL of this machine.</summary>
    /// <exception cref="EngineException">As <see cref="ServerUser.ForPostgres"/>.</exception>
    public static ServerPlace InPlace() => new(ServerUser.ForPostgres(), []);
}
