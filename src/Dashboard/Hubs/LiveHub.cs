using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Security.Claims;
using System.Threading.Channels;
using Hexabase.DrConsole.Dashboard.Access;
using Hexabase.DrConsole.Dashboard.Api;
using Hexabase.DrConsole.Dashboard.Live;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Runs;
using Microsoft.AspNetCore.SignalR;

namespace Hexabase.DrConsole.Dashboard.Hubs;

/// <summary>A run as it is now, with the lines of its log that are new.</summary>
public sealed record RunUpdate(ApiRun Run, IReadOnlyList<RunEvent> Events);

/// <summary>
/// What happens, as streams: each gives what is so now, then what changed, at most twice a second and with nothing lost but what
/// lay in between. Whoever's session or token ends meanwhile hears no more.
/// </summary>
public sealed class LiveHub(RunFeed feed, RunStore runs, IncidentFeed news, IncidentStore incidents, IUserDirectory users, ApiTokens tokens, TimeProvider time) : Hub
{
    public const string Path = "/hubs/live";

    private const int RunsShown = 50;
    private const int LinesAtOnce = 500;
    private static readonly TimeSpan s_interval = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan s_atLeastEvery = TimeSpan.FromSeconds(15);

    /// <summary>The newest runs, then those that changed.</summary>
    public async IAsyncEnumerable<IReadOnlyList<ApiRun>> Runs([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var changed = new ConcurrentDictionary<RunId, bool>();
        var isAll = true;
        await foreach (var _ in TicksAsync(run =>
        {
            if (run is { } one)
            {
                changed[one] = true;
            }
            else
            {
                Volatile.Write(ref isAll, true);
            }

            return true;
        }, null, cancellationToken))
        {
            var ids = changed.Keys.ToList();
            ids.ForEach(id => changed.TryRemove(id, out bool _));
            var found = new List<ApiRun>();
            if (Interlocked.Exchange(ref isAll, false))
            {
                found.AddRange((await runs.ListAsync(null, null, null, RunsShown, cancellationToken)).Select(ApiRun.Of));
            }
            else
            {
                foreach (var id in ids)
                {
                    if (await runs.FindAsync(id, cancellationToken) is { } run)
                    {
                        found.Add(ApiRun.Of(run));
                    }
                }
            }

            if (found.Count > 0)
            {
                yield return found;
            }
        }
    }

    /// <summary>One run with its log after a line, until it has ended.</summary>
    /// <param name="after">The last line that the caller has; 0 for all.</param>
    /// <exception cref="HubException">There is no such run.</exception>
    public async IAsyncEnumerable<RunUpdate> Run(long id, long after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var wanted = new RunId(id);
        await foreach (var _ in TicksAsync(run => run is null || run == wanted, null, cancellationToken))
        {
            // The run before its lines: one that has ended has written them all.
            var run = await runs.FindAsync(wanted, cancellationToken) ?? throw new HubException($"there is no run {wanted}");
            IReadOnlyList<RunEvent> lines;
            do
            {
                lines = await runs.EventsAsync(wanted, after, LinesAtOnce, cancellationToken);
                after = lines.Count > 0 ? lines[^1].Seq : after;
                yield return new RunUpdate(ApiRun.Of(run), lines);
            }
            while (lines.Count == LinesAtOnce);

            if (!run.IsOpen)
            {
                yield break;
            }
        }
    }

    /// <summary>The open incidents, and again whenever one changes.</summary>
    public async IAsyncEnumerable<IReadOnlyList<ApiIncident>> Incidents([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var _ in TicksAsync(_ => false, changed => news.Subscribe(_ => changed()), cancellationToken))
        {
            yield return [.. (await incidents.OpenAsync(cancellationToken)).Select(ApiIncident.Of)];
        }
    }

    /// <summary>One tick now, and one for what changed since the last, throttled as pages are.</summary>
    private async IAsyncEnumerable<bool> TicksAsync(Func<RunId?, bool> concerns, Func<Action, IDisposable>? hear, [EnumeratorCancellation] CancellationToken ct)
    {
        var user = Context.User;
        var ticks = System.Threading.Channels.Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
        ticks.Writer.TryWrite(true);
        await using var signal = new LiveSignal(feed, concerns, _ =>
        {
            ticks.Writer.TryWrite(true);
            return Task.CompletedTask;
        }, s_interval, s_atLeastEvery, time);
        using var heard = hear?.Invoke(signal.Changed);
        await foreach (var tick in ticks.Reader.ReadAllAsync(ct))
        {
            if (!await HoldsAsync(user, ct))
            {
                throw new HubException("your session or token has ended");
            }

            yield return tick;
        }
    }

    private async Task<bool> HoldsAsync(ClaimsPrincipal? user, CancellationToken ct) => user switch
    {
        null => false,
        _ when user.FindFirstValue(TokenAuthentication.TokenClaim) is { } token => await tokens.HoldsAsync(token, ct),
        _ => await ConsoleSession.HoldsAsync(user, users, ct),
    };
}
