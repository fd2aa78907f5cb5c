using System.Globalization;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.RedisProtocol;

namespace Hexabase.DrConsole.Lab.Redis;

/// <summary>The shop's sessions at work: a few are written each second. It goes on when the server is stopped and started under it.</summary>
public sealed class CacheLoad(RedisEndpoint server, TimeProvider time)
{
    private static readonly TimeSpan s_interval = TimeSpan.FromSeconds(1);

    /// <summary>Writes until cancelled, then returns.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(s_interval, time);
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken).ConfigureAwait(false))
            {
                try
                {
                    await WriteAsync(cancellationToken).ConfigureAwait(false);
                }
                catch (EngineException fault) when (fault.Kind == ErrorKind.Unavailable)
                {
                    await Console.Error.WriteLineAsync($"the cache's load pauses: {fault.Message}").ConfigureAwait(false);
                }
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The lab ends.
        }
    }

    private async Task WriteAsync(CancellationToken cancellationToken)
    {
        var connection = await RedisConnection.OpenAsync(server, cancellationToken).ConfigureAwait(false);
        await using (connection.ConfigureAwait(false))
        {
            var now = time.GetUtcNow().ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
            await connection.RequireAsync(["SET", $"session:live:{now}", now, "EX", "3600"], cancellationToken).ConfigureAwait(false);
            await connection.RequireAsync(["ZINCRBY", "ranking:small", "1", "a"], cancellationToken).ConfigureAwait(false);
            await connection.RequireAsync(["XADD", "events", "MAXLEN", "1000", "*", "kind", "seen", "at", now], cancellationToken).ConfigureAwait(false);
        }
    }
}
