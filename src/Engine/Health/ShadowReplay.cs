using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Health.Probes;

namespace Hexabase.DrConsole.Engine.Health;

/// <summary>An incident that would have been.</summary>
public sealed record ReplayedIncident(
    DisasterKind Kind, IReadOnlyList<string> Sources, IReadOnlyList<string> Tiers, DateTimeOffset FirstEvidenceAt, DateTimeOffset SuspectedAt, DateTimeOffset? ConfirmedAt,
    DateTimeOffset? ResolvedAt)
{
    /// <summary><c>healthy</c>, <c>superseded</c> or <c>closed</c>; null where it would still be open.</summary>
    public string? Resolution { get; init; }

    /// <summary>True where a recovery would have been proposed: it was confirmed, and it is no partition.</summary>
    public bool IsProposed => ConfirmedAt is not null && Kind.IsDisaster() && Sources.Count > 0 && !IsOnlyFullDisk;

    /// <summary>As <see cref="Incident.IsOnlyFullDisk"/>.</summary>
    public bool IsOnlyFullDisk { get; init; }
}

/// <summary>Plays kept rounds again with other thresholds: what would have been suspected, confirmed and proposed. Changes nothing.</summary>
public static class ShadowReplay
{
    /// <summary>In the order in which they would have been suspected.</summary>
    public static IReadOnlyList<ReplayedIncident> Run(IEnumerable<HealthRound> rounds, HealthThresholds thresholds)
    {
        ArgumentNullException.ThrowIfNull(rounds);
        var state = HealthState.Empty;
        var open = new Dictionary<IncidentId, Incident>();
        var all = new SortedDictionary<long, ReplayedIncident>();
        foreach (var round in rounds)
        {
            state = Hysteresis.Advance(state, round, thresholds);
            foreach (var closed in open.Values.Where(one => IsClosed(one, round)).ToList())
            {
                End(closed, "closed", round.At);
            }

            var changes = IncidentChanges.From(Classification.Of(state, round, thresholds), [.. open.Values], state, thresholds);
            foreach (var (incident, _) in changes.Superseded)
            {
                End(incident, "superseded", round.At);
            }

            foreach (var incident in changes.Healthy)
            {
                End(incident, "healthy", round.At);
            }

            foreach (var (incident, verdict) in changes.Continued)
            {
                var isSure = incident.State == IncidentState.Confirmed || verdict.State == IncidentState.Confirmed;
                open[incident.Id] = incident with { Kind = verdict.Kind, Sources = verdict.Sources, State = isSure ? IncidentState.Confirmed : IncidentState.Suspected };
                // As what is written of it: what was full and now does not serve is another trouble, and else the card stays when it is sure.
                var was = all[incident.Id.Value];
                var isWorse = was.IsOnlyFullDisk && verdict.IsWorseThanFull;
                var isKept = incident.State == IncidentState.Confirmed && !isWorse && incident.Kind == verdict.Kind && incident.Sources.SequenceEqual(verdict.Sources);
                all[incident.Id.Value] = was with
                {
                    Kind = verdict.Kind, Sources = verdict.Sources, IsOnlyFullDisk = isKept ? was.IsOnlyFullDisk : IsFullDisk(verdict),
                    FirstEvidenceAt = isKept ? was.FirstEvidenceAt : isWorse || verdict.FirstEvidenceAt < was.FirstEvidenceAt ? verdict.FirstEvidenceAt : was.FirstEvidenceAt,
                    ConfirmedAt = all[incident.Id.Value].ConfirmedAt ?? (isSure ? round.At : null),
                };
            }

            foreach (var verdict in changes.Opened)
            {
                var id = new IncidentId(all.Count + 1);
                open[id] = new Incident(id, verdict.Kind, verdict.Sources, verdict.State, verdict.FirstEvidenceAt, null, "") { Tiers = verdict.Tiers };
                all[id.Value] = new ReplayedIncident(
                    verdict.Kind, verdict.Sources, verdict.Tiers, verdict.FirstEvidenceAt, round.At, verdict.State == IncidentState.Confirmed ? round.At : null, null) { IsOnlyFullDisk = IsFullDisk(verdict) };
            }
        }

        return [.. all.Values];

        static bool IsFullDisk(Verdict verdict) => verdict.Kind == DisasterKind.StorageFailure && verdict.Evidence.IsOnlyFullDisk;

        static bool IsClosed(Incident incident, HealthRound round)
        {
            var closed = incident.Kind == DisasterKind.DatabaseCorruption ? round.Cleared : round.Settled;
            return HealthSubject.IdsOf(incident.Sources, incident.Tiers).Any(closed.Contains);
        }

        void End(Incident incident, string resolution, DateTimeOffset at)
        {
            open.Remove(incident.Id);
            all[incident.Id.Value] = all[incident.Id.Value] with { ResolvedAt = at, Resolution = resolution };
        }
    }
}
