namespace Hexabase.DrConsole.Engine.Servers;

/// <summary>
/// How far a scratch server is kept apart. What is false was not to be had here, and a validation must say "not provable
/// here" instead of promising it.
/// </summary>
/// <param name="UserSeparated">True where it can read none of the paths that were to be protected; tried, not assumed.</param>
/// <param name="NetworkSeparated">True where it has a network of its own that leads nowhere, not even to this machine.</param>
/// <param name="Reason">Why one of them is false; null where both hold.</param>
public sealed record ScratchIsolation(bool UserSeparated, bool NetworkSeparated, string? Reason)
{
    /// <summary>True where both hold.</summary>
    public bool IsComplete => UserSeparated && NetworkSeparated;
}

/// <summary>Finds out what isolation this machine allows, and the command that gives it.</summary>
internal sealed class ScratchSandbox
{
    private ScratchSandbox(ServerUser user, IReadOnlyList<string> command, ScratchIsolation isolation)
    {
        User = user;
        Command = command;
        Isolation = isolation;
    }

    internal ServerUser User { get; }

    internal IReadOnlyList<string> Command { get; }

    internal ScratchIsolation Isolation { get; }

    /// <summary>Chooses the strongest isolation that works here; each one is tried with a harmless command first.</summary>
    /// <param name="folder">The one folder that the server may write.</param>
    /// <param name="protectedPaths">What it must not be able to read.</param>
    /// <param name="registry">Records the trial commands.</param>
    /// <param name="cancellationToken">Ends the trials.</param>
    internal static async Task<ScratchSandbox> ChooseAsync(
        string folder, IReadOnlyList<string> protectedPaths, ProcessRegistry registry, CancellationToken cancellationToken)
    {
        var user = await ScratchUser.EnsureAsync(registry, cancellationToken).ConfigureAwait(false);
        List<string> failures = [];
        foreach (var command in Candidates(folder, protectedPaths))
        {
            var trial = await TryAsync(new ToolCommand("true", []) { RunAs = user, Isolation = command }, registry, cancellationToken)
                .ConfigureAwait(false);
            if (trial is null)
            {
                return await JudgeAsync(user, command, null, protectedPaths, registry, cancellationToken).ConfigureAwait(false);
            }

            failures.Add(trial);
        }

        var reason = $"no network namespace: {string.Join("; ", failures)}";
        return await JudgeAsync(user, [], reason, protectedPaths, registry, cancellationToken).ConfigureAwait(false);
    }

    private static IEnumerable<IReadOnlyList<string>> Candidates(string folder, IReadOnlyList<string> protectedPaths)
    {
        if (ServerUser.IsRoot)
        {
            yield return ["unshare", "--net", "--ipc"];
            yield break;
        }

        if (ChildProcess.TryResolve("bwrap") is { } bubblewrap)
        {
            List<string> command =
                [bubblewrap, "--unshare-user", "--unshare-net", "--unshare-ipc", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"];
            foreach (var path in protectedPaths.Where(Path.Exists))
            {
                command.AddRange(Directory.Exists(path) ? ["--tmpfs", path] : ["--ro-bind", "/dev/null", path]);
            }

            // After the hidden paths: the scratch folder may lie inside one of them.
            command.AddRange(["--bind", folder, folder]);
            yield return command;
        }

        yield return ["unshare", "--user", "--map-current-user", "--net", "--ipc"];
    }

    private static async Task<ScratchSandbox> JudgeAsync(
        ServerUser user, IReadOnlyList<string> command, string? networkReason, IReadOnlyList<string> protectedPaths,
        ProcessRegistry registry, CancellationToken cancellationToken)
    {
        var readable = await ReadableAsync(user, command, protectedPaths, registry, cancellationToken).ConfigureAwait(false);
        List<string> reasons = [];
        if (readable.Count > 0)
        {
            reasons.Add($"the scratch server's user {user.Name} can read {string.Join(", ", readable)}");
        }

        if (networkReason is not null)
        {
            reasons.Add(networkReason);
        }

        return new ScratchSandbox(user, command, new ScratchIsolation(
            readable.Count == 0, networkReason is null, reasons.Count == 0 ? null : string.Join("; ", reasons)));
    }

    private static async Task<IReadOnlyList<string>> ReadableAsync(
        ServerUser user, IReadOnlyList<string> command, IReadOnlyList<string> protectedPaths, ProcessRegistry registry,
        CancellationToken cancellationToken)
    {
        // A hidden folder is there and empty; only one with something in it, or a file with bytes, gives anything away.
        const string Script = """
            for path; do
              if [ -d "$path" ]; then [ -n "$(ls -A "$path" 2>/dev/null)" ] && printf '%s\n' "$path"
              elif [ -r "$path" ] && [ -s "$path" ]; then printf '%s\n' "$path"; fi
            done; true
            """;
        var trial = new ToolCommand("/bin/sh", ["-c", Script, "sh", .. protectedPaths]) { RunAs = user, Isolation = command };
        var result = await ToolProcess.RunAsync(trial, registry, cancellationToken).ConfigureAwait(false);
        return result.ExitCode == 0
            ? result.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            : protectedPaths;
    }

    private static async Task<string?> TryAsync(ToolCommand trial, ProcessRegistry registry, CancellationToken cancellationToken)
    {
        var result = await ToolProcess.RunAsync(trial, registry, cancellationToken).ConfigureAwait(false);
        return result.ExitCode == 0 ? null : $"{trial.Isolation[0]}: {result.ErrorTail.Trim()}";
    }
}
