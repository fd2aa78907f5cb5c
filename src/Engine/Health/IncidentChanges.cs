using Hexabase.DrConsole.Engine.Health.Probes;
using Hexabase.DrConsole.Engine.Estate;

namespace Hexabase.DrConsole.Engine.Health;

/// <summary>What a round changes in the incidents.</summary>
/// <param name="Opened">New ones.</param>
/// <param name="Continued">Open ones that a verdict still stands behind; the verdict may have become sure, or touch others now.</param>
/// <param name="Healthy">Open ones whose subjects are healthy again.</param>
/// <param name="Superseded">Suspected ones that turned out to be something else, and those that another open one covers now.</param>
public sealed record IncidentChanges(
    IReadOnlyList<Verdict> Opened, IReadOnlyList<(Incident Incident, Verdict Verdict)> Continued, IReadOnlyList<Incident> Healthy,
    IReadOnlyList<(Incident Incident, Verdict By)> Superseded)
{
    /// <summary>Compares the verdicts of a round with the open incidents; pure.</summary>
    public static IncidentChanges From(IReadOnlyList<Verdict> verdicts, IReadOnlyList<Incident> open, HealthState state, HealthThresholds thresholds)
    {
        ArgumentNullException.ThrowIfNull(verdicts);
        ArgumentNullException.ThrowIfNull(open);
        // One that is sure before one that is not, then the oldest: people have it before their eyes, and gates may stand on it.
        var ranked = open.OrderByDescending(incident => incident.State == IncidentState.Confirmed).ThenBy(incident => incident.Id.Value).ToList();
        var pairs = verdicts.Select(verdict => (Verdict: verdict, Incident: ranked.FirstOrDefault(incident => IsSame(incident, verdict)))).ToList();
        var left = open.Except(pairs.Select(pair => pair.Incident).OfType<Incident>()).ToList();
        var healthy = left.Where(incident => IsOver(incident, state, thresholds)).ToList();
        // What was suspected or sure in pieces, as of clusters that failed around a maintenance window, is one incident now: the oldest.
        var merged = left.Except(healthy).SelectMany(incident => pairs.Where(pair => pair.Incident is not null && IsSame(incident, pair.Verdict)).Take(1).Select(pair => (incident, pair.Verdict))).ToList();
        return new IncidentChanges(
            [.. pairs.Where(pair => pair.Incident is null && IsMissed(pair.Verdict, state)).Select(pair => pair.Verdict)],
            [.. pairs.Where(pair => pair.Incident is not null).Select(pair => (pair.Incident!, pair.Verdict))],
            healthy,
            [
                .. merged,
                .. from incident in left.Except(healthy).Except(merged.Select(one => one.incident))
                   where incident is { State: IncidentState.Suspected, Kind: not (DisasterKind.DatabaseCorruption or DisasterKind.NetworkPartition) }
                   let other = verdicts.FirstOrDefault(verdict => verdict.Kind != DisasterKind.DatabaseCorruption && (Touches(verdict, incident) || (verdict.Kind == DisasterKind.NetworkPartition && state.IsIsolated)))
                   where other is not null
                   select (incident, other),
            ]);
    }

    /// <summary>
    /// True where something of it goes unanswered now. What answers again and has no incident open, since a person or a recovery closed
    /// it, waits for nothing but enough good rounds.
    /// </summary>
    private static bool IsMissed(Verdict verdict, HealthState state) => verdict.Kind is DisasterKind.DatabaseCorruption or DisasterKind.NetworkPartition
        || HealthSubject.IdsOf(verdict.Sources, verdict.Tiers).Any(id => state.Of(id).Misses > 0);

    /// <summary>A failure of virtual clusters stays one incident while clusters join or leave it, also across the half; a partition is one.</summary>
    private static bool IsSame(Incident incident, Verdict verdict) => (incident.Kind, verdict.Kind) switch
    {
        (DisasterKind.NetworkPartition, DisasterKind.NetworkPartition) => true,
        (DisasterKind.MassiveVClusterFailure or DisasterKind.PartialVClusterFailure, DisasterKind.MassiveVClusterFailure or DisasterKind.PartialVClusterFailure) =>
            incident.Sources.Intersect(verdict.Sources).Any(),
        _ => incident.Kind == verdict.Kind && incident.Sources.SequenceEqual(verdict.Sources) && incident.Tiers.SequenceEqual(verdict.Tiers),
    };

    private static bool Touches(Verdict verdict, Incident incident) =>
        incident.Sources.Intersect(verdict.Sources).Any() || incident.Tiers.Intersect(verdict.Tiers).Any();

    /// <summary>
    /// Good answers end an outage, enough of them, also where this process has only begun to look; of corruption they disprove
    /// nothing, so that a person or a recovery ends it. So does a person where nobody asks any more, as of a source that is declared no longer.
    /// </summary>
    private static bool IsOver(Incident incident, HealthState state, HealthThresholds thresholds) => incident.Kind switch
    {
        DisasterKind.DatabaseCorruption => false,
        DisasterKind.NetworkPartition => !state.IsIsolated && !state.AreClustersCutOff && state.ConnectedRounds >= thresholds.HealthyAfter,
        _ => HealthSubject.IdsOf(incident.Sources, incident.Tiers)
            .All(id => state.Subjects.TryGetValue(id, out var health) && TroubleOf(incident.Kind, health) is { Status: HealthStatus.Healthy } trouble && trouble.Good >= thresholds.HealthyAfter),
    };

    /// <summary>One that only refuses this console's role, or is only full, serves again.</summary>
    private static Trouble TroubleOf(DisasterKind kind, SubjectHealth health) =>
        kind is DisasterKind.DatabaseOutage or DisasterKind.MassiveVClusterFailure or DisasterKind.PartialVClusterFailure ? health.Outage : health.All;
}
