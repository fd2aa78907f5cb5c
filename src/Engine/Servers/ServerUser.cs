namespace Hexabase.DrConsole.Engine.Servers;

/// <summary>A user of this machine that a server process runs as.</summary>
/// <param name="Name">Its name, or its number where the machine's user list has none.</param>
/// <param name="UserId">User id.</param>
/// <param name="GroupId">Primary group id.</param>
/// <param name="Home">Home folder.</param>
public sealed record ServerUser(string Name, uint UserId, uint GroupId, string Home)
{
    /// <summary>The user this process runs as.</summary>
    public static ServerUser Current { get; } = LibC.FindCurrentUser()
        ?? new ServerUser(
            LibC.EffectiveUser().ToString(System.Globalization.CultureInfo.InvariantCulture), LibC.EffectiveUser(), LibC.EffectiveGroup(), "/");

    /// <summary>True where this process may start others as any user.</summary>
    public static bool IsRoot => Environment.IsPrivilegedProcess;

    /// <summary>True for the user this process runs as.</summary>
    public bool IsCurrent => UserId == Current.UserId;

    /// <summary>The user of that name, or null where the machine has none.</summary>
    public static ServerUser? Find(string name) => LibC.FindUser(name);

    /// <summary>
    /// Who runs a PostgreSQL of ours: <c>postgres</c> where this process is root (PostgreSQL refuses to run as root),
    /// else the user of this process.
    /// </summary>
    /// <exception cref="EngineException"><c>postgres-user-missing</c>: root, but no such user.</exception>
    public static ServerUser ForPostgres() => IsRoot
        ? Find("postgres") ?? throw new EngineException(
            "postgres-user-missing", ErrorKind.Unavailable, "there is no user postgres to run a database server as",
            "install PostgreSQL (apt-get install postgresql), which creates it, or run the console as an ordinary user")
        : Current;

    /// <summary>The words before a command that make it run as this user, without a way back to more rights.</summary>
    internal IEnumerable<string> LaunchPrefix() => IsCurrent
        ? []
        : ["setpriv", $"--reuid={UserId}", $"--regid={GroupId}", "--init-groups", "--no-new-privs"];
}
