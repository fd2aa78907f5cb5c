namespace Hexabase.DrConsole.Engine.Servers;

/// <summary>A server program in the foreground.</summary>
public sealed record LocalServerOptions
{
    /// <summary>Unique name of its record: lower-case letters, digits, <c>-</c>.</summary>
    public required string Name { get; init; }

    /// <summary>What it is for, in words for messages and records.</summary>
    public required string Purpose { get; init; }

    /// <summary>The program. It must stay in the foreground, so that its process id is known from the first instant.</summary>
    public required ToolCommand Command { get; init; }

    /// <summary>Gets what it writes.</summary>
    public required string LogFile { get; init; }

    public TimeSpan StartTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long it may take to end after TERM, before KILL.</summary>
    public TimeSpan StopPatience { get; init; } = TimeSpan.FromSeconds(10);
}

/// <summary>
/// A server on this machine that is started, waited for and stopped by pid, and whose record lets the next start end it where
/// its starter was killed. Not safe for calls at the same time.
/// </summary>
public sealed class LocalServer(LocalServerOptions options, ProcessRegistry registry, TimeProvider? time = null) : IAsyncDisposable
{
    private static readonly TimeSpan s_poll = TimeSpan.FromMilliseconds(20);
    private readonly TimeProvider _time = time ?? TimeProvider.System;
    private readonly ServerLog _log = new(Path.GetFullPath(options.LogFile));
    private ChildProcess? _child;

    /// <summary>The process while it is known to have been started, else null.</summary>
    public ProcessIdentity? Process => _child?.Identity;

    /// <summary>True while it lives.</summary>
    public bool IsAlive => Process?.IsAlive() == true;

    /// <summary>Starts it and waits until <paramref name="isReady"/> says so.</summary>
    /// <exception cref="EngineException">
    /// <c>tool-missing</c>; <c>port-in-use</c>; <c>server-start-failed</c>: it ended or did not get ready, with the end of its log.
    /// </exception>
    public async Task StartAsync(Func<CancellationToken, Task<bool>> isReady, CancellationToken cancellationToken)
    {
        var record = registry.NewRecord(options.Name, options.Purpose, Afterlife.Ended, folder: null, isServer: false);
        _log.Open();
        _child = ChildProcess.Start(options.Command with { OutputFile = _log.Path }, record, registry);
        var deadline = new Deadline(_time, options.StartTimeout);
        while (!await isReady(cancellationToken).ConfigureAwait(false))
        {
            if (!IsAlive || deadline.IsOver)
            {
                throw await StartFailedAsync().ConfigureAwait(false);
            }

            await Task.Delay(s_poll, _time, cancellationToken).ConfigureAwait(false);
        }

        if (!IsAlive)
        {
            // Somebody else has answered.
            throw await StartFailedAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Ends it: TERM, then KILL; always waits for the end.</summary>
    public Task StopAsync(CancellationToken cancellationToken) =>
        EndAsync([new(UnixSignal.Terminate, options.StopPatience), new(UnixSignal.Kill, TimeSpan.FromSeconds(10))], cancellationToken);

    /// <summary>Ends it by KILL, as a crash would.</summary>
    public Task KillAsync(CancellationToken cancellationToken) => EndAsync([new(UnixSignal.Kill, TimeSpan.FromSeconds(10))], cancellationToken);

    /// <summary>Ends it by KILL together with all processes that it started and that still lead back to it.</summary>
    public async Task KillTreeAsync(CancellationToken cancellationToken)
    {
        var tree = Process is { } root ? Below(root) : [];
        await KillAsync(cancellationToken).ConfigureAwait(false);
        foreach (var process in tree)
        {
            await ProcessEnding.EndAsync(process, [new(UnixSignal.Kill, TimeSpan.FromSeconds(10))], _time, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Stops it where it runs.</summary>
    public async ValueTask DisposeAsync() => await StopAsync(CancellationToken.None).ConfigureAwait(false);

    private async Task EndAsync(IReadOnlyList<EndingStep> ladder, CancellationToken cancellationToken)
    {
        if (_child is { } child)
        {
            if (child.Identity is { } process)
            {
                await ProcessEnding.EndAsync(process, ladder, _time, cancellationToken).ConfigureAwait(false);
            }

            registry.RemoveForGood(options.Name);
            child.Dispose();
            _child = null;
        }
    }

    private static List<ProcessIdentity> Below(ProcessIdentity root)
    {
        var parents = Directory.EnumerateDirectories("/proc")
            .Select(path => int.TryParse(Path.GetFileName(path), out var pid) ? ProcessIdentity.ReadWithParent(pid) : null)
            .OfType<(ProcessIdentity Process, int Parent)>()
            .ToLookup(found => found.Parent, found => found.Process);
        List<ProcessIdentity> found = [root];
        for (var next = 0; next < found.Count; next++)
        {
            found.AddRange(parents[found[next].Pid]);
        }

        return found[1..];
    }

    private async Task<EngineException> StartFailedAsync()
    {
        var outlived = IsAlive;
        await KillAsync(CancellationToken.None).ConfigureAwait(false);
        var tail = _log.Tail();
        return tail.Contains("Address already in use", StringComparison.Ordinal)
            ? new EngineException("port-in-use", ErrorKind.Conflict, $"a port of {options.Purpose} is already in use on this machine", "start it again: another port is chosen")
            : new EngineException(
                "server-start-failed", ErrorKind.Unavailable,
                $"{options.Purpose} {(outlived ? $"was not ready within {options.StartTimeout}" : "ended at once")}: {tail}", $"the whole log is {_log.Path}");
    }
}
