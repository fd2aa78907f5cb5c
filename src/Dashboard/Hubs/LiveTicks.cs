using System.Runtime.CompilerServices;
using System.Security.Claims;
using System.Threading.Channels;
using Hexabase.DrConsole.Dashboard.Access;
using Hexabase.DrConsole.Dashboard.Live;
using Hexabase.DrConsole.Engine.Runs;
using Microsoft.AspNetCore.SignalR;

namespace Hexabase.DrConsole.Dashboard.Hubs;

/// <summary>When a stream reads again: as pages do, from the same feed, and only while its reader may.</summary>
internal sealed class LiveTicks(RunFeed feed, IUserDirectory users, ISessionStore sessions, ApiTokens tokens, TimeProvider time)
{
    private static readonly TimeSpan s_interval = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan s_atLeastEvery = TimeSpan.FromSeconds(15);

    /// <summary>One tick now, and one for what changed since the last, throttled as pages are.</summary>
    /// <param name="reader">Whose session or token must hold at each tick.</param>
    /// <param name="concerns">Whether a changed run (null: any) concerns the stream.</param>
    /// <param name="hear">Subscribes to what else the stream shows; null where there is nothing else.</param>
    /// <exception cref="HubException">The session or token has ended.</exception>
    public async IAsyncEnumerable<bool> OfAsync(
        ClaimsPrincipal? reader, Func<RunId?, bool> concerns, Func<Action, IDisposable>? hear, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var ticks = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
        ticks.Writer.TryWrite(true);
        await using var signal = new LiveSignal(feed, concerns, _ =>
        {
            ticks.Writer.TryWrite(true);
            return Task.CompletedTask;
        }, s_interval, s_atLeastEvery, time);
        using var heard = hear?.Invoke(signal.Changed);
        await foreach (var tick in ticks.Reader.ReadAllAsync(cancellationToken))
        {
            if (!await HoldsAsync(reader, cancellationToken))
            {
                throw new HubException("your session or token has ended");
            }

            yield return tick;
        }
    }

    private async Task<bool> HoldsAsync(ClaimsPrincipal? reader, CancellationToken ct) => reader switch
    {
        null => false,
        _ when reader.FindFirstValue(TokenAuthentication.TokenClaim) is { } token => await tokens.HoldsAsync(token, ct),
        _ => await ConsoleSession.HoldsAsync(reader, users, sessions, time.GetUtcNow(), ct),
    };
}
