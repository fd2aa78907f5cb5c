using Hexabase.DrConsole.Engine.Backups.VClusters.Api;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;

/// <summary>
/// Asks an API server again while it is away or busy. One that is restarted, or whose webhooks are, answers within a minute or so:
/// that must not end a restore in the middle. What is asked must bear to be done twice.
/// </summary>
internal sealed class ServerPatience(TimeProvider time)
{
    private static readonly TimeSpan s_longest = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan s_every = TimeSpan.FromSeconds(1);

    /// <summary>Refuses an answer that says something of the server and nothing of what it was asked: also a success that was cut short on the way.</summary>
    /// <exception cref="EngineException">It is transient.</exception>
    public static void Require(KubeAnswer answer, string what)
    {
        if (answer.Status is >= 500 or 429)
        {
            throw answer.ToFault(what);
        }

        if (answer is { IsSuccess: true, Body: null })
        {
            throw new EngineException("api-unreachable", ErrorKind.Unavailable, $"{what}: the API server's answer is no object", "look at what is between the console and the API server") { IsTransient = true };
        }
    }

    /// <summary>Asks until there is an answer, or a fault that does not pass.</summary>
    /// <exception cref="EngineException">The last fault, where the server stayed as it was for two minutes, or one that asking again does not mend.</exception>
    public async Task<T> AskAsync<T>(Func<Task<T>> ask, CancellationToken cancellationToken)
    {
        var began = time.GetTimestamp();
        while (true)
        {
            try
            {
                return await ask().ConfigureAwait(false);
            }
            catch (EngineException fault) when (fault.IsTransient && time.GetElapsedTime(began) < s_longest)
            {
                await Task.Delay(s_every, time, cancellationToken).ConfigureAwait(false);
            }
        }
    }
}
