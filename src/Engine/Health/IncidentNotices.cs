using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Health.Probes;
using Hexabase.DrConsole.Engine.Notifications.Outbox;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Health;

/// <summary>Says what happened to an incident to those who must hear of it, in the transaction in which it happens.</summary>
internal static class IncidentNotices
{
    private const int ProbesTold = 6;

    /// <param name="what">As in <see cref="IncidentEvent.What"/>.</param>
    public static async Task WriteAsync(NpgsqlTransaction transaction, IncidentId id, string what, string actor, string? text, CancellationToken ct)
    {
        var incident = (await transaction.Command($"SELECT {IncidentStore.Columns} FROM incident i WHERE i.id = $1", id.Value).FirstAsync(IncidentStore.Map, ct))!;
        var (told, severity) = Of(what, incident);
        await NotificationOutbox.WriteAsync(transaction, new Notice(told, severity, id.ToString(), FormattableString.Invariant($"/incidents/{id.Value}"), Facts(incident, actor, text))
        {
            Closes = !incident.IsOpen,
        }, ct);
    }

    private static (NotificationEvent Event, NotificationSeverity Severity) Of(string what, Incident incident) => what switch
    {
        "suspected" => (NotificationEvent.IncidentSuspected, NotificationSeverity.Warning),
        "confirmed" => (NotificationEvent.IncidentConfirmed, NotificationSeverity.Critical),
        "changed" => (NotificationEvent.IncidentChanged, incident.State == IncidentState.Confirmed ? NotificationSeverity.Critical : NotificationSeverity.Warning),
        "acknowledged" => (NotificationEvent.IncidentAcknowledged, NotificationSeverity.Info),
        _ => (NotificationEvent.IncidentResolved, NotificationSeverity.Info),
    };

    private static NotificationFacts Facts(Incident incident, string actor, string? text) => new()
    {
        Kind = incident.Kind.ToName(),
        Incident = incident.Id.ToString(),
        Sources = incident.Sources,
        Tiers = incident.Tiers,
        FirstEvidenceAt = incident.FirstEvidenceAt,
        Evidence = incident.IsOpen ? Evidence(incident) : [],
        Outcome = incident.Resolution,
        Person = actor,
        Reason = text,
    };

    /// <summary>What speaks against it first; of a round without a miss nothing.</summary>
    private static IReadOnlyList<EvidenceFact> Evidence(Incident incident) =>
    [
        .. Health.Evidence.Parse(incident.EvidenceJson).Subjects
            .SelectMany(subject => subject.Probes.Where(probe => probe.Answer is not (ProbeAnswer.Answered or ProbeAnswer.NotDetectable)).Select(probe => (subject.Name, Probe: probe)))
            .OrderByDescending(one => one.Probe.Answer == ProbeAnswer.Corrupt)
            .Take(ProbesTold)
            .Select(one => new EvidenceFact(one.Name, one.Probe.Probe, one.Probe.Answer.ToString(), one.Probe.Detail, one.Probe.MissesInARow)),
    ];
}
