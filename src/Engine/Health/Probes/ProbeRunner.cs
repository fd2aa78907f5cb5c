using System.Collections.Concurrent;
using System.Globalization;
using Hexabase.DrConsole.Engine.Estate;
using Microsoft.Extensions.Logging;

namespace Hexabase.DrConsole.Engine.Health.Probes;

/// <summary>What one asking brought.</summary>
internal sealed record Asked(IHealthProbe Probe, ProbeResult Result, bool IsFailureCount);

/// <summary>
/// Asks all probes side by side, a bounded number at a time, each within its own time. One that hangs holds up neither the round
/// nor the others, and is not asked a second time while it hangs.
/// </summary>
public sealed class ProbeRunner(IEnumerable<IProbeSource> sources, ProtectedEstate estate, TimeProvider time, ILogger<ProbeRunner> log)
{
    private readonly IReadOnlyList<IHealthProbe> _probes = [.. sources.SelectMany(source => source.Probes)];
    private readonly ConcurrentDictionary<IHealthProbe, Task> _hanging = new();
    private readonly ConcurrentDictionary<IHealthProbe, (DateTimeOffset At, Asked Asked)> _standing = new();

    /// <summary>Every answer of one round.</summary>
    internal async Task<IReadOnlyList<Asked>> AskAllAsync(CancellationToken cancellationToken)
    {
        using var bound = new SemaphoreSlim(estate.Health.Parallel);
        return await Task.WhenAll(_probes.Select(async probe =>
        {
            var now = time.GetUtcNow();
            if (probe.Every is { } every && _standing.TryGetValue(probe, out var last) && now - last.At < every)
            {
                return last.Asked;
            }

            await bound.WaitAsync(cancellationToken);
            try
            {
                var asked = await AskAsync(probe, cancellationToken);
                _standing[probe] = (now, asked);
                return asked;
            }
            finally
            {
                bound.Release();
            }
        }));
    }

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
        probe, new ProbeResult(probe.Name, probe.Kind, found.Answer, Math.Round(took.TotalMilliseconds, 2)) { Detail = found.Detail, Code = found.Code, Number = found.Number },
        found.IsFailureCount);
}
