using System.Collections.Concurrent;
using System.Globalization;
using Hexabase.DrConsole.Engine.Estate;
using Microsoft.Extensions.Logging;

namespace Hexabase.DrConsole.Engine.Health.Probes;

/// <summary>What one asking brought.</summary>
internal sealed record Asked(IHealthProbe Probe, ProbeResult Result, bool IsFailureCount)
{
    /// <summary>As <see cref="ProbeFinding.LastFailure"/>.</summary>
    public DateTimeOffset? LastFailure { get; init; }
}

/// <summary>
/// Asks all probes side by side, of a bounded number of subjects at a time, each within its own time. One that hangs holds up neither the round
/// nor the others, and is not asked a second time while it hangs.
/// </summary>
public sealed class ProbeRunner(IEnumerable<IProbeSource> sources, ProtectedEstate estate, TimeProvider time, ILogger<ProbeRunner> log)
{
    private readonly IReadOnlyList<IHealthProbe> _probes = [.. sources.SelectMany(source => source.Probes)];
    private readonly ConcurrentDictionary<IHealthProbe, Task> _hanging = new();
    private readonly ConcurrentDictionary<IHealthProbe, Standing> _standing = new();

    /// <summary>
    /// Every answer of one round. As many subjects are asked side by side as the configuration allows, each by all of its probes at once:
    /// one that is silent costs its time once, however many questions there are.
    /// </summary>
    internal async Task<IReadOnlyList<Asked>> AskAllAsync(CancellationToken cancellationToken)
    {
        using var bound = new SemaphoreSlim(estate.Health.Parallel);
        var rounds = await Task.WhenAll(_probes.GroupBy(probe => probe.Subject).Select(async subject =>
        {
            await bound.WaitAsync(cancellationToken);
            try
            {
                return await Task.WhenAll(subject.Select(probe => probe.Every is { } every ? StandingAsync(probe, every, cancellationToken) : AskAsync(probe, cancellationToken)));
            }
            finally
            {
                bound.Release();
            }
        }));
        return [.. rounds.SelectMany(answers => answers)];
    }

    /// <summary>
    /// What is asked now and then may take minutes. It is asked beside the rounds: each waits for it no longer than for any other probe,
    /// and takes its last answer where that is not enough.
    /// </summary>
    private async Task<Asked> StandingAsync(IHealthProbe probe, TimeSpan every, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var standing = _standing.GetOrAdd(probe, _ => new Standing());
        if (standing.IsDue(now, every))
        {
            (standing.BegunAt, standing.IsTold, standing.Asking) = (now, false, AskAsync(probe, cancellationToken));
        }

        try
        {
            var asked = await standing.Asking!.WaitAsync(estate.Health.Timeout, time, cancellationToken);
            var isRepeat = standing.IsTold;
            (standing.IsTold, standing.Last) = (true, asked);
            return isRepeat ? Again(asked) : asked;
        }
        catch (TimeoutException)
        {
            return standing.Last is { } before ? Again(before) : Say(probe, new ProbeFinding(ProbeAnswer.NotDetectable, "its first look is under way"), estate.Health.Timeout);
        }
    }

    private static Asked Again(Asked asked) => asked with { Result = asked.Result with { IsRepeat = true } };

    private async Task<Asked> AskAsync(IHealthProbe probe, CancellationToken cancellationToken)
    {
        var limit = probe.Timeout ?? estate.Health.Timeout;
        if (_hanging.TryGetValue(probe, out var hanging) && !hanging.IsCompleted)
        {
            return Say(probe, new ProbeFinding(ProbeAnswer.NoAnswer, "still waits for an answer to an earlier round"), limit);
        }

        using var stop = new CancellationTokenSource(limit, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(stop.Token, cancellationToken);
        var began = time.GetTimestamp();
        // Also what blocks in a system call must not hold up the others.
        var asking = Task.Run(() => probe.AskAsync(both.Token), CancellationToken.None);
        _hanging[probe] = asking;
        try
        {
            var found = await asking.WaitAsync(limit + TimeSpan.FromMilliseconds(250), time, cancellationToken);
            return Say(probe, found, time.GetElapsedTime(began));
        }
        catch (Exception late) when (late is TimeoutException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            return Say(probe, new ProbeFinding(ProbeAnswer.NoAnswer, string.Create(CultureInfo.InvariantCulture, $"no answer within {limit.TotalSeconds:0.#} s")), limit);
        }
        catch (Exception fault) when (fault is not OperationCanceledException)
        {
            // The edge of a probe: a fault of its own says nothing of what it asks, and must not end the look at everything else.
            log.LogError(fault, "probe {Probe} of {Subject} failed itself", probe.Name, probe.Subject.Id);
            return Say(probe, new ProbeFinding(ProbeAnswer.NotDetectable, $"the probe itself failed: {fault.Message}"), time.GetElapsedTime(began));
        }
    }

    private static Asked Say(IHealthProbe probe, ProbeFinding found, TimeSpan took) => new(
        probe, new ProbeResult(probe.Name, probe.Kind, found.Answer, Math.Round(took.TotalMilliseconds, 2)) { Detail = found.Detail, Code = found.Code, Number = found.Number, Since = found.Since },
        found.IsFailureCount) { LastFailure = found.LastFailure };

    /// <summary>How it stands with a probe that is asked now and then. One round at a time looks at it.</summary>
    private sealed class Standing
    {
        public DateTimeOffset BegunAt { get; set; }

        public Task<Asked>? Asking { get; set; }

        /// <summary>True once a round has had the answer of this asking.</summary>
        public bool IsTold { get; set; }

        /// <summary>The newest answer that a round has had, perhaps of an asking before.</summary>
        public Asked? Last { get; set; }

        /// <summary>An answer that came between two rounds is told before it is asked again; one that was broken off is none.</summary>
        public bool IsDue(DateTimeOffset now, TimeSpan every) => Asking switch
        {
            null or { IsFaulted: true } or { IsCanceled: true } => true,
            { IsCompletedSuccessfully: true } => IsTold && now - BegunAt >= every,
            _ => false,
        };
    }
}
