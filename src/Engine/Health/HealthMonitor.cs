using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Health.Probes;
using Hexabase.DrConsole.Engine.Runs;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Health;

/// <summary>
/// Looks at every source and tier, round after round, in one process at a time. What a round saw, what follows from it and that
/// it was done is one transaction behind the fence of the lease: a process that was frozen and wakes up writes nothing.
/// </summary>
public sealed class HealthMonitor(NpgsqlDataSource catalog, ProbeRunner probes, ProtectedEstate estate, LeaseTimes times, TimeProvider time, ILogger<HealthMonitor> log) : BackgroundService
{
    /// <summary>What a new leader reads of its predecessor's rounds: as much as any hysteresis remembers, at the usual pace.</summary>
    private static readonly TimeSpan Remembered = TimeSpan.FromHours(1);

    private readonly HashSet<string> _clusters = [.. estate.Sources.Where(source => source.Kind == SourceKind.VCluster).Select(source => HealthSubject.IdOf(source.Name, SubjectKind.VCluster))];

    private HealthState _state = HealthState.Empty;

    /// <inheritdoc/>
    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        new Leadership(catalog, times, HealthWatch.Lease, HealthWatch.Monitor, time, log, "the health monitor stops")
            .ServeAsync((lease, over) => [LookOnAsync(lease, over)], stoppingToken);

    private async Task LookOnAsync(LeaderLease lease, CancellationToken ct)
    {
        await RememberAsync(ct);
        while (true)
        {
            var began = time.GetTimestamp();
            var pause = estate.Health.Interval;
            try
            {
                await LookAsync(lease, ct);
            }
            catch (Exception fault) when (fault is not OperationCanceledException && !IsLost(fault))
            {
                // The edge of the loop: a round that fails must not be the last one.
                log.LogError(fault, "a look at the estate's health failed; the next is in {Pause}", estate.Health.ErrorInterval);
                pause = estate.Health.ErrorInterval;
                await SayAsync(lease, fault, ct);
            }

            var rest = pause - time.GetElapsedTime(began);
            await Task.Delay(rest > TimeSpan.Zero ? rest : TimeSpan.Zero, time, ct);
        }
    }

    /// <summary>Takes over what the rounds before said.</summary>
    internal async Task RememberAsync(CancellationToken ct)
    {
        var now = time.GetUtcNow();
        var history = new HealthHistory(catalog);
        var state = (await history.RoundsAsync(now - Remembered, now, ct)).Aggregate(HealthState.Empty, (before, round) => Hysteresis.Advance(before, round, estate.Health.Thresholds));
        // Of corruption no sign is ever too old: one is looked for once a day perhaps, and the second makes it sure.
        foreach (var incident in (await new IncidentStore(catalog).OpenAsync(ct)).Where(one => one.Kind == DisasterKind.DatabaseCorruption))
        {
            foreach (var subject in incident.Sources.Select(name => HealthSubject.IdOf(name, SubjectKind.Database)))
            {
                state = Hysteresis.Recall(state, subject, incident, await history.RoundsAsync(now - HealthHistory.RawKept, now, ct, subject));
            }
        }

        _state = state;
    }

    /// <summary>One round: ask, judge, write.</summary>
    /// <exception cref="LeadershipLostException">Another process leads; nothing was written.</exception>
    internal async Task<IReadOnlyList<Verdict>> LookAsync(LeaderLease lease, CancellationToken ct)
    {
        var at = time.GetUtcNow();
        var began = time.GetTimestamp();
        var counters = await FailureCounters.ReadAsync(catalog, ct);
        var windows = await MaintenanceWindows.CurrentAsync(catalog, at, ct);
        var atWork = await new SourcesAtWork(catalog, estate).ReadAsync(ct);
        var answers = await probes.AskAllAsync(ct);
        var subjects = answers.GroupBy(asked => asked.Probe.Subject).Select(subject => new SubjectRound(
            subject.Key, [.. subject.Select(counters.Judge)],
            windows.Any(window => window.Source is null || (subject.Key.IsSource && window.Source == subject.Key.Name))
                || (subject.Key.IsSource && atWork.Contains(subject.Key.Name)))).ToList();
        IReadOnlyList<Verdict> verdicts = [];
        var next = _state;
        await lease.CommitAsync(async transaction =>
        {
            var open = await IncidentWriter.OpenAsync(transaction, ct);
            var round = new HealthRound(at, subjects, Cleared(open)) { Settled = Settled(open) };
            next = Hysteresis.Advance(_state, round, estate.Health.Thresholds);
            verdicts = Classification.Of(next, round, estate.Health.Thresholds);
            await HealthHistory.WriteAsync(transaction, round, ct);
            await counters.WriteAsync(transaction, at, ct);
            await DoneAsync(transaction, at, time.GetElapsedTime(began), next, round, ct);
            await IncidentWriter.WriteAsync(transaction, IncidentChanges.From(verdicts, open, next, estate.Health.Thresholds), at, ct);
        }, ct);
        // Only what is written counts: a round that was lost is as if it had not been.
        _state = next;
        return verdicts;
    }

    /// <summary>Subjects that were corrupt and whose incident somebody has closed.</summary>
    private HashSet<string> Cleared(IReadOnlyList<Incident> open)
    {
        var still = open.Where(incident => incident.Kind == DisasterKind.DatabaseCorruption).SelectMany(incident => incident.Sources)
            .Select(name => HealthSubject.IdOf(name, SubjectKind.Database)).ToHashSet();
        return _state.Subjects.Where(one => one.Value.CorruptRounds > 0 && !still.Contains(one.Key)).Select(one => one.Key).ToHashSet();
    }

    /// <summary>
    /// Subjects that are in trouble without an open incident: somebody has closed it. Each has an incident of its own but clusters, of
    /// which those that are only suspected stand beside an incident of those that are sure.
    /// </summary>
    private HashSet<string> Settled(IReadOnlyList<Incident> open)
    {
        // A corruption of the same source is another matter, and stays open.
        var still = open.Where(incident => incident.Kind != DisasterKind.DatabaseCorruption).SelectMany(incident => HealthSubject.IdsOf(incident.Sources, incident.Tiers)).ToHashSet();
        var areClustersOpen = open.Any(incident => incident.Kind is DisasterKind.MassiveVClusterFailure or DisasterKind.PartialVClusterFailure);
        return _state.IsIsolated || _state.AreClustersCutOff
            ? []
            : _state.Subjects.Where(one => one.Value.Status != HealthStatus.Healthy && !still.Contains(one.Key) && !(areClustersOpen && _clusters.Contains(one.Key)))
                .Select(one => one.Key).ToHashSet();
    }

    private Task DoneAsync(NpgsqlTransaction transaction, DateTimeOffset at, TimeSpan took, HealthState state, HealthRound round, CancellationToken ct) =>
        transaction.Command(
            "UPDATE health_watch SET looked_at = $2, round_seconds = $3, interval_seconds = $4, subjects = $5, missing = $6, isolated = $7 WHERE name = $1",
            HealthWatch.Monitor, at.ToUniversalTime(), took.TotalSeconds, estate.Health.Interval.TotalSeconds, round.Subjects.Count,
            round.Subjects.Count(one => one.Results.Any(result => result.IsMiss || result.Answer == ProbeAnswer.Corrupt)), state.IsIsolated).RunAsync(ct);

    private async Task SayAsync(LeaderLease lease, Exception fault, CancellationToken ct)
    {
        try
        {
            await lease.CommitAsync(
                transaction => transaction.Command("UPDATE health_watch SET error = $2, error_at = $3 WHERE name = $1", HealthWatch.Monitor, fault.Message, time.GetUtcNow().ToUniversalTime())
                    .RunAsync(ct), ct);
        }
        catch (LeadershipLostException lost) when (!IsLost(lost))
        {
            // The catalog itself is away; its age tells that nobody could write.
            log.LogDebug("the failed look could not be written down: {Reason}", lost.Message);
        }
    }

    /// <summary>True where another process leads; a catalog that does not answer is a fault like any other.</summary>
    private static bool IsLost(Exception fault) => fault is LeadershipLostException { InnerException: not NpgsqlException };
}
