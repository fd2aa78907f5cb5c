using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Backups.Postgres;

/// <summary>A program that is about to be started, and where it connects to, for its messages.</summary>
internal sealed record SourceTool(ToolCommand Command, ProcessRegistry Registry, string Address);

/// <summary>PostgreSQL's programs for one server, with a password file that ends with this object.</summary>
internal sealed class SourceTools : IDisposable
{
    private readonly PostgresSource _source;
    private readonly PostgresBinaries _binaries;
    private readonly ProcessRegistry _registry;
    private readonly PasswordFile? _password;
    private readonly string? _passwordPath;
    private readonly ServerUser? _runAs;

    private SourceTools(
        PostgresSource source, PostgresBinaries binaries, ProcessRegistry registry, PasswordFile? password, string? passwordPath, ServerUser? runAs)
    {
        _source = source;
        _binaries = binaries;
        _registry = registry;
        _password = password;
        _passwordPath = passwordPath;
        _runAs = runAs;
    }

    public PostgresBinaries Binaries => _binaries;

    /// <summary>The programs run as this process's user; the source's password goes into a file of their own.</summary>
    public static async Task<SourceTools> OpenAsync(
        PostgresSource source, PostgresBinaries binaries, ProcessRegistry registry, CancellationToken cancellationToken)
    {
        var password = await source.ReadPasswordAsync(cancellationToken);
        var file = password is null ? null : PasswordFile.Create(registry, source.Host, source.Port, source.Username, password);
        return new SourceTools(source, binaries, registry, file, file?.Path, null);
    }

    /// <summary>The programs run as another user, who can read the password file given: for somebody else's dump.</summary>
    public static SourceTools ForUser(
        PostgresSource source, PostgresBinaries binaries, ProcessRegistry registry, string passwordPath, ServerUser runAs) =>
        new(source, binaries, registry, null, passwordPath, runAs);

    public SourceTool Globals(bool withPasswords) => Tool("pg_dumpall", DumpArguments.Globals(_source, withPasswords));

    public SourceTool Dump(string snapshot, DumpSelection selection) => Tool("pg_dump", DumpArguments.Dump(_source, snapshot, selection));

    public SourceTool BaseBackup(string target, string label) => Tool("pg_basebackup", DumpArguments.BaseBackup(_source, target, label));

    public SourceTool Amcheck(int jobs) => Tool("pg_amcheck", DumpArguments.Amcheck(_source, jobs));

    public SourceTool Restore(RestoreOptions options, string? listFile) => Tool("pg_restore", DumpArguments.Restore(_source, options, listFile), readsInput: true);

    /// <summary>Reads a timeline history over the replication protocol: <c>name|content</c>.</summary>
    public SourceTool TimelineHistory(uint timeline) => Tool("psql", DumpArguments.TimelineHistory(_source, timeline));

    public void Dispose() => _password?.Dispose();

    private SourceTool Tool(string program, IReadOnlyList<string> arguments, bool readsInput = false)
    {
        // Variables of this process's own environment must not steer the programs: an empty value takes their effect away.
        var environment = new Dictionary<string, string>
        {
            ["PGPASSFILE"] = _passwordPath ?? "/dev/null",
            ["PGAPPNAME"] = $"drconsole {program}",
            ["PGOPTIONS"] = "",
            ["LC_MESSAGES"] = "C",
        };
        if (_source.SslMode is { } mode)
        {
            environment["PGSSLMODE"] = mode;
        }

        var command = new ToolCommand(_binaries.PathOf(program), arguments)
        {
            Purpose = $"{program} of {_source.Address}",
            Environment = environment,
            RunAs = _runAs,
            ReadsInput = readsInput,
        };
        return new SourceTool(command, _registry, _source.Address);
    }
}

/// <summary>Runs a tool with its output going into a session.</summary>
internal static class ToolOutput
{
    /// <summary>
    /// Stores what a tool writes to standard output as an artifact. A tool that is killed also ends its output in good
    /// order, so the exit code decides; the session must not be committed after a failure here.
    /// </summary>
    /// <exception cref="EngineException">The tool failed (see <see cref="ToolFault"/>), or the store did.</exception>
    public static async Task<StoredArtifact> StoreOutputAsync(
        this BackupSession session, string name, string kind, SourceTool tool, IProgress<TransferProgress>? progress, Action<string> warn,
        CancellationToken cancellationToken)
    {
        var lines = new ErrorLines();
        await using var process = ToolProcess.Start(tool.Command with { OnErrorLine = lines.Add }, tool.Registry);
        var artifact = await session.WriteStreamAsync(name, kind, process.StandardOutput, progress, cancellationToken);
        var exitCode = await process.WaitAsync(cancellationToken);
        if (exitCode != 0)
        {
            throw ToolFault.From(tool, exitCode, lines);
        }

        foreach (var line in lines.All)
        {
            warn(line);
        }

        return artifact.Length > 0 ? artifact : throw ToolFault.Empty(tool);
    }
}
