using System.Text.Json;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Recovery;
using Hexabase.DrConsole.Engine.Recovery.Execution;

namespace Hexabase.DrConsole.Dashboard.Api;

/// <summary>An incident.</summary>
/// <param name="Id">Its number; pages write 12 as I-12.</param>
/// <param name="Evidence">What each probe said, which disagreed, what else it could be.</param>
public sealed record ApiIncident(
    long Id, string Kind, string State, IReadOnlyList<string> Sources, IReadOnlyList<string> Tiers, DateTimeOffset FirstEvidenceAt, DateTimeOffset SuspectedAt, DateTimeOffset? ConfirmedAt,
    DateTimeOffset? ResolvedAt, string? Resolution, string? AcknowledgedBy, DateTimeOffset? AcknowledgedAt, JsonElement? Evidence)
{
    internal static ApiIncident Of(Incident incident) => new(
        incident.Id.Value, incident.Kind.ToName(), RecoveryNames.Of(incident.State), incident.Sources, incident.Tiers, incident.FirstEvidenceAt, incident.SuspectedAt, incident.ConfirmedAt,
        incident.ResolvedAt, incident.Resolution, incident.AcknowledgedBy, incident.AcknowledgedAt, ApiRun.Json(incident.EvidenceJson));
}

/// <summary>What is proposed for a source of an incident; or, as its refusal, why nothing can be.</summary>
public sealed record ApiProposal(string Source, string Plan, int PlanVersion, string? RestorePoint, DateTimeOffset? KeepsUntil, double? EstimateSeconds, string? Refusal, DateTimeOffset ProposedAt);

/// <summary>An incident with its history.</summary>
public sealed record ApiIncidentDetail(ApiIncident Incident, IReadOnlyList<IncidentEvent> Events, IReadOnlyList<ApiProposal> Proposals);

/// <summary>Incidents, their evidence and what is proposed.</summary>
internal static class IncidentEndpoints
{
    public static void Map(RouteGroupBuilder api)
    {
        api.MapGet("/incidents", async (string? source, string? kind, string? state, int? limit, IncidentStore incidents, CancellationToken ct) =>
            (await incidents.ListAsync(new IncidentFilter(source, KindOf(kind), ApiEndpoints.StateOf<IncidentState>(state, "an incident")), ApiEndpoints.Limit(limit), ct)).Select(ApiIncident.Of)).Produces<IEnumerable<ApiIncident>>();
        api.MapGet("/incidents/{id:long}", async (long id, IncidentStore incidents, RecoveryProposals proposals, CancellationToken ct) =>
        {
            var incident = await incidents.FindAsync(new IncidentId(id), ct)
                ?? throw new EngineException("incident-unknown", ErrorKind.NotFound, $"there is no incident {new IncidentId(id)}", "List them with GET /api/v1/incidents.");
            return Results.Ok(new ApiIncidentDetail(
                ApiIncident.Of(incident), await incidents.EventsAsync(incident.Id, ct), [.. (await proposals.ListAsync(incident.Id, ct)).Select(Of)]));
        }).Produces<ApiIncidentDetail>();
    }

    private static ApiProposal Of(RecoveryProposal proposal) => new(
        proposal.Source, proposal.Plan, proposal.PlanVersion, proposal.RestorePoint, proposal.KeepsUntil, proposal.Estimate?.TotalSeconds, proposal.Refusal, proposal.ProposedAt);

    private static DisasterKind? KindOf(string? text) => string.IsNullOrEmpty(text) ? null : DisasterKinds.Parse(text)
        ?? throw new EngineException("kind-unknown", ErrorKind.Input, $"'{text}' is no kind of incident", $"One of {string.Join(", ", Enum.GetValues<DisasterKind>().Select(DisasterKinds.ToName))}.");
}
