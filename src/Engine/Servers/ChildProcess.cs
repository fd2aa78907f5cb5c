using System.ComponentModel;
using System.Diagnostics;

namespace Hexabase.DrConsole.Engine.Servers;

/// <summary>
/// A child that was recorded before it was started. It leads a session of its own, so that Ctrl-C at the console's terminal
/// reaches the console only, which then ends its children in order.
/// </summary>
internal sealed class ChildProcess : IDisposable
{
    // Everything else stays behind: the console's environment may hold passwords and cloud credentials.
    private static readonly string[] s_inherited =
    [
        "PATH", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "TZ", "TZDIR", "TMPDIR", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR",
        "PGSYSCONFDIR", "PGSERVICEFILE", "PGSSLROOTCERT", "KRB5_CONFIG", "KRB5CCNAME",
    ];

    private readonly Process _process;

    private ChildProcess(Process process, ProcessIdentity? identity)
    {
        _process = process;
        Identity = identity;
    }

    /// <summary>The child, or null where it ended before it could be looked at.</summary>
    public ProcessIdentity? Identity { get; }

    public Process Process => _process;

    /// <summary>Writes the record, starts the program, and completes the record.</summary>
    /// <exception cref="EngineException"><c>tool-missing</c>: there is no such program.</exception>
    internal static ChildProcess Start(ToolCommand command, ProcessRecord record, ProcessRegistry registry)
    {
        var executable = Resolve(command.Executable);
        registry.Write(record);
        var info = Describe(command, executable, record.Mark);
        Process process;
        try
        {
            process = Process.Start(info) ?? throw new UnreachableException("a process without a shell is always new");
        }
        catch (Win32Exception exception)
        {
            if (record.Folder is null)
            {
                registry.Remove(record.Name);
            }

            throw Missing(command.Executable, exception);
        }

        var identity = ProcessIdentity.Read(process.Id);
        registry.Write(record with { Child = identity });
        return new ChildProcess(process, identity);
    }

    /// <summary>The absolute path of a program.</summary>
    internal static string Resolve(string executable)
    {
        if (Path.IsPathRooted(executable))
        {
            return File.Exists(executable) ? executable : throw Missing(executable, null);
        }

        return TryResolve(executable) ?? throw Missing(executable, null);
    }

    /// <summary>The absolute path of a program in PATH or the system's folders, or null.</summary>
    internal static string? TryResolve(string name) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries)
            .Concat(["/usr/sbin", "/usr/bin", "/sbin", "/bin"])
            .Select(folder => Path.Combine(folder, name))
            .FirstOrDefault(File.Exists);

    public void Dispose() => _process.Dispose();

    private static ProcessStartInfo Describe(ToolCommand command, string executable, string mark)
    {
        List<string> line = [];
        if (command.OutputFile is { } output)
        {
            line.AddRange(["/bin/sh", "-c", "out=$1; shift; exec \"$@\" </dev/null >>\"$out\" 2>&1", "sh", output]);
        }

        line.Add("setsid");
        line.AddRange(command.Isolation);
        line.AddRange(command.RunAs?.LaunchPrefix() ?? []);
        line.Add(executable);
        line.AddRange(command.Arguments);

        var toFile = command.OutputFile is not null;
        var info = new ProcessStartInfo(line[0], line.Skip(1))
        {
            WorkingDirectory = command.WorkingFolder ?? "/",
            RedirectStandardInput = !toFile,
            RedirectStandardOutput = !toFile,
            RedirectStandardError = !toFile,
        };
        var user = command.RunAs ?? ServerUser.Current;
        var inherited = s_inherited
            .Select(name => KeyValuePair.Create(name, Environment.GetEnvironmentVariable(name)))
            .Where(pair => pair.Value is not null)
            .ToList();
        info.Environment.Clear();
        foreach (var (name, value) in inherited)
        {
            info.Environment[name] = value;
        }

        info.Environment["HOME"] = user.Home;
        info.Environment["USER"] = user.Name;
        info.Environment["LOGNAME"] = user.Name;
        foreach (var (name, value) in command.Environment)
        {
            info.Environment[name] = value;
        }

        info.Environment[ProcessRegistry.MarkVariable] = mark;
        return info;
    }

    private static EngineException Missing(string executable, Exception? inner) => new(
        "tool-missing", ErrorKind.Unavailable, $"{executable}: there is no such program",
        "install the package that brings it, or correct PATH", inner);
}
