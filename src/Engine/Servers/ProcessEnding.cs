namespace Hexabase.DrConsole.Engine.Servers;

/// <summary>One rung of the ladder that ends a process: a signal, and how long it may take to obey.</summary>
/// <param name="Signal">The signal.</param>
/// <param name="Patience">How long to wait for the end before the next rung.</param>
internal readonly record struct EndingStep(UnixSignal Signal, TimeSpan Patience);

/// <summary>Ends a process gently first, then not; always waits for its end.</summary>
internal static class ProcessEnding
{
    private static readonly TimeSpan s_poll = TimeSpan.FromMilliseconds(20);

    /// <summary>For tools: TERM, and KILL after five seconds.</summary>
    internal static IReadOnlyList<EndingStep> Tool { get; } =
        [new(UnixSignal.Terminate, TimeSpan.FromSeconds(5)), new(UnixSignal.Kill, TimeSpan.FromSeconds(10))];

    /// <summary>For a PostgreSQL whose data is thrown away: immediate shutdown, then KILL.</summary>
    internal static IReadOnlyList<EndingStep> ScratchServer { get; } =
        [new(UnixSignal.Quit, TimeSpan.FromSeconds(8)), new(UnixSignal.Kill, TimeSpan.FromSeconds(10))];

    /// <summary>For a PostgreSQL whose data matters: fast shutdown with its checkpoint, then immediate, then KILL.</summary>
    internal static IReadOnlyList<EndingStep> Server(TimeSpan patience) =>
        [new(UnixSignal.Interrupt, patience), new(UnixSignal.Quit, TimeSpan.FromSeconds(10)), new(UnixSignal.Kill, TimeSpan.FromSeconds(10))];

    /// <summary>Climbs the ladder until the process is gone. True where it had to be signalled at all.</summary>
    /// <exception cref="EngineException"><c>process-survives</c>: not even KILL ended it (it hangs in the kernel).</exception>
    internal static async Task<bool> EndAsync(
        ProcessIdentity process, IReadOnlyList<EndingStep> ladder, TimeProvider time, CancellationToken cancellationToken)
    {
        foreach (var step in ladder)
        {
            if (!LibC.Signal(process, step.Signal))
            {
                return step != ladder[0];
            }

            if (await WaitGoneAsync(process, step.Patience, time, cancellationToken).ConfigureAwait(false))
            {
                return true;
            }
        }

        throw new EngineException(
            "process-survives", ErrorKind.Unavailable, $"process {process.Pid} does not end, not even by KILL",
            "it hangs in the kernel, often on a storage device that does not answer: look at the device");
    }

    internal static async Task<bool> WaitGoneAsync(
        ProcessIdentity process, TimeSpan patience, TimeProvider time, CancellationToken cancellationToken)
    {
        var start = time.GetTimestamp();
        while (process.IsAlive())
        {
            if (time.GetElapsedTime(start) > patience)
            {
                return false;
            }

            await Task.Delay(s_poll, time, cancellationToken).ConfigureAwait(false);
        }

        return true;
    }
}
