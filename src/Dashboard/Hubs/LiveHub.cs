using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Hexabase.DrConsole.Dashboard.Api;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Recovery.Approvals;
using Hexabase.DrConsole.Engine.Runs;
using Microsoft.AspNetCore.SignalR;

namespace Hexabase.DrConsole.Dashboard.Hubs;

/// <summary>A run as it is now, with the lines of its log that are new.</summary>
public sealed record RunUpdate(ApiRun Run, IReadOnlyList<RunEvent> Events);

/// <summary>A run as it is now, with its progress and the steps that changed.</summary>
/// <param name="Recovery">Of a recovery or a drill: what it waits for, who paused it, how it ended.</param>
/// <param name="LastLine">The sequence number of the newest line of its log; 0 where there is none.</param>
public sealed record StepsUpdate(ApiRun Run, ApiRecovery? Recovery, long LastLine, IReadOnlyList<ApiStep> Steps)
{
    /// <summary>True where whoever has the other need not be told this one, but for its steps.</summary>
    internal bool IsLike(StepsUpdate other) =>
        (Run.State, Run.Attempt, Run.CancelRequestedBy, Recovery, LastLine, Run.Progress?.GetRawText())
        == (other.Run.State, other.Run.Attempt, other.Run.CancelRequestedBy, other.Recovery, other.LastLine, other.Run.Progress?.GetRawText());
}

/// <summary>
/// What happens, as streams: each gives what is so now, then what changed, at most twice a second and with nothing lost but what
/// lay in between. Whoever's session or token ends meanwhile hears no more.
/// </summary>
internal sealed class LiveHub(LiveTicks ticks, RunStore runs, RunStepReading steps, IncidentFeed news, IncidentStore incidents, ApprovalCatalog gates) : Hub
{
    public const string Path = "/hubs/live";

    private const int RunsShown = 50;
    private const int LinesAtOnce = 500;
    private const int GatesShown = 1000;

    /// <summary>The newest runs, then those that changed.</summary>
    public async IAsyncEnumerable<IReadOnlyList<ApiRun>> Runs([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var changed = new ConcurrentDictionary<RunId, bool>();
        var isAll = true;
        await foreach (var _ in ticks.OfAsync(Context.User, run =>
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
        await foreach (var _ in ticks.OfAsync(Context.User, run => run is null || run == wanted, null, cancellationToken))
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
        await foreach (var _ in ticks.OfAsync(Context.User, _ => false, changed => news.Subscribe(_ => changed()), cancellationToken))
        {
            yield return [.. (await incidents.OpenAsync(cancellationToken)).Select(ApiIncident.Of)];
        }
    }

    /// <summary>The gates that are open or granted, then each that was asked, answered, used, declined or has expired since.</summary>
    public async IAsyncEnumerable<IReadOnlyList<ApiGate>> Approvals([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var told = new Dictionary<long, ApiGate>();
        var isFirst = true;
        await foreach (var _ in ticks.OfAsync(Context.User, _ => true, null, cancellationToken))
        {
            var live = await gates.StandingsAsync([GateState.Open, GateState.Granted], GatesShown, cancellationToken);
            // Those that were told as live and are not any more: how they ended is told once.
            var ended = await gates.StandingsAsync([.. told.Keys.Except(live.Select(gate => gate.Gate.Id))], cancellationToken);
            List<ApiGate> changed = [.. live.Concat(ended).Select(ApiGate.Of).Where(gate => told.GetValueOrDefault(gate.Id) != gate)];
            changed.ForEach(gate => told[gate.Id] = gate);
            foreach (var gate in ended.Where(gate => !gate.IsLive))
            {
                told.Remove(gate.Gate.Id);
            }

            if (isFirst || changed.Count > 0)
            {
                isFirst = false;
                yield return changed;
            }
        }
    }

    /// <summary>One run with all of its steps, then with those that changed, until it has ended.</summary>
    /// <exception cref="HubException">There is no such run.</exception>
    public async IAsyncEnumerable<StepsUpdate> Steps(long id, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var wanted = new RunId(id);
        var told = new Dictionary<int, ApiStep>();
        StepsUpdate? last = null;
        await foreach (var _ in ticks.OfAsync(Context.User, run => run is null || run == wanted, null, cancellationToken))
        {
            // The run before its steps: one that has ended has written them all.
            var run = await runs.FindAsync(wanted, cancellationToken) ?? throw new HubException($"there is no run {wanted}");
            var reading = await steps.ReadAsync(run, cancellationToken);
            List<ApiStep> changed = [.. reading.Steps.Where(step => told.GetValueOrDefault(step.Position) != step)];
            changed.ForEach(step => told[step.Position] = step);
            var update = new StepsUpdate(ApiRun.Of(run), reading.Recovery, reading.LastLine, changed);
            if (last is null || changed.Count > 0 || !update.IsLike(last))
            {
                yield return last = update;
            }

            if (!run.IsOpen)
            {
                yield break;
            }
        }
    }
}
