namespace Hexabase.DrConsole.Engine.Servers;

/// <summary>A program to run as a child process. Holds no secret: arguments and environment can be read by others.</summary>
/// <param name="Executable">Absolute path, or a name that PATH finds.</param>
/// <param name="Arguments">One entry per argument; no shell reads them.</param>
public sealed record ToolCommand(string Executable, IReadOnlyList<string> Arguments)
{
    /// <summary>What it is for, in words for messages and records; the program's name where null.</summary>
    public string? Purpose { get; init; }

    /// <summary>Additions to the environment, such as <c>PGPASSFILE</c>.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>Who runs it; this process's user where null.</summary>
    public ServerUser? RunAs { get; init; }

    /// <summary>Its working folder; <c>/</c> where null.</summary>
    public string? WorkingFolder { get; init; }

    /// <summary>True where <see cref="ToolProcess.StandardInput"/> will be written; else it reads an empty input.</summary>
    public bool ReadsInput { get; init; }

    /// <summary>Gets each line of standard error as it comes, without its line end.</summary>
    public Action<string>? OnErrorLine { get; init; }

    /// <summary>A command before the command that isolates it, for example <c>unshare --net</c>.</summary>
    internal IReadOnlyList<string> Isolation { get; init; } = [];

    /// <summary>Both outputs are appended to this file instead of being read: for servers, which outlive their reader.</summary>
    internal string? OutputFile { get; init; }

    internal string Name => Path.GetFileName(Executable);
}
