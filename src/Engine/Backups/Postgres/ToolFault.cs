namespace Hexabase.DrConsole.Engine.Backups.Postgres;

/// <summary>The first lines of standard error, where the cause stands; what follows is most often its echo.</summary>
internal sealed class ErrorLines
{
    private const int Maximum = 50;
    private readonly List<string> _lines = [];
    private readonly Lock _gate = new();

    public IReadOnlyList<string> All
    {
        get
        {
            lock (_gate)
            {
                return [.. _lines];
            }
        }
    }

    public void Add(string line)
    {
        lock (_gate)
        {
            if (_lines.Count < Maximum && !string.IsNullOrWhiteSpace(line))
            {
                _lines.Add(line.Trim());
            }
        }
    }

    /// <summary>The first line that says "error", with its detail, or all there is.</summary>
    public string Cause()
    {
        var lines = All;
        var at = lines.ToList().FindIndex(line => line.Contains("error:", StringComparison.OrdinalIgnoreCase));
        return at < 0 ? string.Join("; ", lines.Take(3)) : lines[at];
    }
}

/// <summary>The failure of pg_dump, pg_dumpall or pg_restore.</summary>
internal static class ToolFault
{
    public static EngineException From(SourceTool tool, int exitCode, ErrorLines lines)
    {
        var program = Path.GetFileName(tool.Command.Executable);
        var code = program.Replace('_', '-') + "-failed";
        var cause = lines.Cause();
        if (exitCode > 128 && cause.Length == 0)
        {
            return new EngineException(code, ErrorKind.Unavailable,
                $"{program} of {tool.Address} was ended by signal {exitCode - 128}",
                "somebody or the kernel (out of memory) killed it; run it again") { IsTransient = true };
        }

        var (kind, hint, transient) = Judge(cause);
        return new EngineException(code, kind, $"{program} of {tool.Address} failed with exit code {exitCode}: {cause}", hint)
        {
            IsTransient = transient,
            Context = new Dictionary<string, string> { ["exitCode"] = exitCode.ToString(System.Globalization.CultureInfo.InvariantCulture) },
        };
    }

    public static EngineException Empty(SourceTool tool) => new(
        Path.GetFileName(tool.Command.Executable).Replace('_', '-') + "-failed", ErrorKind.Unavailable,
        $"{Path.GetFileName(tool.Command.Executable)} of {tool.Address} wrote nothing", "run it by hand and see what it says");

    private static (ErrorKind Kind, string Hint, bool Transient) Judge(string cause)
    {
        foreach (var (words, kind, hint, transient) in s_known)
        {
            if (words.Any(word => cause.Contains(word, StringComparison.Ordinal)))
            {
                return (kind, hint, transient);
            }
        }

        return (ErrorKind.Unavailable, "see the server's log for the whole story", false);
    }

    // The first that fits counts. The tools are started with English messages; the server's own language may differ, and
    // then the general hint is shown.
    private static readonly (string[] Words, ErrorKind Kind, string Hint, bool Transient)[] s_known =
    [
        (["terminating connection", "server closed the connection", "connection to server was lost"], ErrorKind.Unavailable,
            "the server shut down, or the database was dropped, meanwhile", true),
        (["row-level security"], ErrorKind.Denied, "let the user bypass row-level security (ALTER ROLE … BYPASSRLS)", false),
        (["permission denied"], ErrorKind.Denied, "grant the user what the message names; pg_read_all_data reads every table", false),
        (["must be owner", "must be member", "must be able to SET ROLE"], ErrorKind.Denied,
            "restore as a superuser, or leave owners out with noOwner=true", false),
        (["lock timeout", "could not obtain lock"], ErrorKind.Conflict,
            "another session holds or awaits an exclusive lock; run it again when it is done", true),
        (["server version mismatch"], ErrorKind.Unavailable, "install the client programs of the server's major version", false),
        (["No space left on device", "could not extend file"], ErrorKind.OutOfSpace, "free space on the server", false),
        (["is not available", "could not open extension control file"], ErrorKind.Unavailable,
            "install the extension's package on the target server", false),
        (["role \""], ErrorKind.NotFound, "make the role first (createRoles=true), or leave owners out with noOwner=true", false),
    ];
}
