namespace Hexabase.DrConsole.Engine.Servers;

/// <summary>
/// The user that scratch servers run as, where the console is root: it owns nothing but the scratch folders, so that code
/// inside a restored database can read neither keys nor the data folder.
/// </summary>
public static class ScratchUser
{
    /// <summary>Its name on this machine.</summary>
    public const string Name = "hexabase-scratch";

    /// <summary>The scratch user, made where it is missing; as an ordinary user, that user itself.</summary>
    /// <exception cref="EngineException"><c>scratch-user</c>: it cannot be made.</exception>
    public static async Task<ServerUser> EnsureAsync(ProcessRegistry registry, CancellationToken cancellationToken)
    {
        if (!ServerUser.IsRoot)
        {
            return ServerUser.Current;
        }

        if (ServerUser.Find(Name) is { } existing)
        {
            return existing;
        }

        var result = await ToolProcess.RunAsync(
            new ToolCommand("useradd",
            [
                "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin",
                "--comment", "Hexabase DrConsole scratch servers", Name,
            ]),
            registry, cancellationToken).ConfigureAwait(false);

        // Two consoles may have tried at once; then useradd of one fails and the user is there all the same.
        return ServerUser.Find(Name) ?? throw new EngineException(
            "scratch-user", ErrorKind.Unavailable, $"the user {Name} cannot be made: {result.ErrorTail}",
            $"make it by hand: useradd --system --no-create-home --shell /usr/sbin/nologin {Name}");
    }
}
