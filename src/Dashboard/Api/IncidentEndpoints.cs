using System.Text.Json;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Recovery;
using Hexabase.DrConsole.Engine.Recovery.Execution;

namespace Hexabase.DrConsole.Dashboard.Api;

/// <summary>An incident.</summary>
/// <param name="Id">Its number; pages write 12 as I-12.</param>
/// <param name="Evidence">What each probe said, which disagreed, what else it could be.</param>
public sealed record ApiIncident(
    long Id, string Kind, string State, IReadOnlyList<string> Sources, IReadOnlyList<string> Tiers, DateTimeOffset FirstEvidenceAt, DateTimeOffset SuspectedAt, DateTimeOffset? ConfirmedAt,
    DateTimeOffset? ResolvedAt, string? Resolution, string? AcknowledgedBy, DateTimeOffset? AcknowledgedAt, string? Note, JsonElement? Evidence)
{
    internal static ApiIncident Of(Incident incident) => new(
        incident.Id.Value, incident.Kind.ToName(), RecoveryNames.Of(incident.State), incident.Sources, incident.Tiers, incident.FirstEvidenceAt, incident.SuspectedAt, incident.ConfirmedAt,
        incident.ResolvedAt, incident.Resolution, incident.AcknowledgedBy, incident.AcknowledgedAt, incident.Note, ApiRun.Json(incident.EvidenceJson));
}

/// <summary>What is proposed for a source of an incident; or, as its refusal, why nothing can be.</summary>
public sealed record ApiProposal(string Source, string Plan, int PlanVersion, string? RestorePoint, DateTimeOffset? KeepsUntil, double? EstimateSeconds, string? Refusal, DateTimeOffset ProposedAt);

/// <summary>An incident with its history.</summary>
public sealed record ApiIncidentDetail(ApiIncident Incident, IReadOnlyList<IncidentEvent> Events, IReadOnlyList<ApiProposal> Proposals);

/// <summary>What a person has to say about an incident that they have seen; may be left out.</summary>
public sealed record ApiNote(string? Note);

/// <summary>The kept rounds judged by other thresholds.</summary>
/// <param name="From">The first round; null where none is kept.</param>
/// <param name="Thresholds">What they were judged by.</param>
/// <param name="Incidents">Those that would have been.</param>
public sealed record ApiReplay(DateTimeOffset? From, DateTimeOffset? To, int Rounds, HealthThresholds Thresholds, IReadOnlyList<ApiReplayed> Incidents);

/// <summary>An incident that would have been.</summary>
/// <param name="IsProposed">True where a recovery would have been proposed.</param>
/// <param name="Proposals">Which, with the plans and restore points of now; looked up for the first fifty.</param>
public sealed record ApiReplayed(
    string Kind, IReadOnlyList<string> Sources, IReadOnlyList<string> Tiers, DateTimeOffset FirstEvidenceAt, DateTimeOffset SuspectedAt, DateTimeOffset? ConfirmedAt, DateTimeOffset? ResolvedAt,
    string? Resolution, bool IsProposed, IReadOnlyList<ShadowProposal> Proposals);

/// <summary>Incidents, their evidence and what is proposed; takes what a person does about one.</summary>
internal static class IncidentEndpoints
{
    public static void Map(RouteGroupBuilder api)
    {
        api.MapGet("/incidents", async (string? source, string? kind, string? state, int? limit, IncidentStore incidents, CancellationToken ct) =>
            (await incidents.ListAsync(new IncidentFilter(source, KindOf(kind), ApiEndpoints.StateOf<IncidentState>(state, "an incident")), ApiEndpoints.Limit(limit), ct)).Select(ApiIncident.Of)).Produces<IEnumerable<ApiIncident>>();
        api.MapGet("/incidents/replay", async (int? suspect, int? confirm, int? kinds, int? healthy, Replays replays, ShadowProposals shadow, CancellationToken ct) =>
        {
            var replay = await replays.RunAsync(new ReplayThresholds(suspect, confirm, kinds, healthy), ct);
            var proposals = await shadow.OfAsync(replay.Incidents, ct);
            return Results.Ok(new ApiReplay(replay.From, replay.To, replay.Rounds, replay.Thresholds, [.. replay.Incidents.Select(one => Of(one, proposals.GetValueOrDefault(one) ?? []))]));
        }).Produces<ApiReplay>();
        api.MapGet("/incidents/{id:long}", async (long id, IncidentStore incidents, RecoveryProposals proposals, CancellationToken ct) =>
        {
            var incident = await FindAsync(incidents, id, ct);
            return Results.Ok(new ApiIncidentDetail(
                ApiIncident.Of(incident), await incidents.EventsAsync(incident.Id, ct), [.. (await proposals.ListAsync(incident.Id, ct)).Select(Of)]));
        }).Produces<ApiIncidentDetail>();
        api.MapPost("/incidents/{id:long}/acknowledge", async (long id, ApiNote body, HttpContext context, IncidentStore incidents, CancellationToken ct) =>
        {
            await incidents.AcknowledgeAsync(new IncidentId(id), body.Note ?? "", ApiEndpoints.ActorOf(context), ct);
            return Results.Ok(ApiIncident.Of(await FindAsync(incidents, id, ct)));
        }).RequireAuthorization(ApiEndpoints.CanOperate).Produces<ApiIncident>();
        api.MapPost("/incidents/{id:long}/close", async (long id, ApiReason body, HttpContext context, IncidentStore incidents, CancellationToken ct) =>
        {
            await incidents.CloseAsync(new IncidentId(id), body.Reason ?? "", ApiEndpoints.ActorOf(context), ct);
            return Results.Ok(ApiIncident.Of(await FindAsync(incidents, id, ct)));
        }).RequireAuthorization(ApiEndpoints.CanOperate).Produces<ApiIncident>();
    }

    private static async Task<Incident> FindAsync(IncidentStore incidents, long id, CancellationToken ct) => await incidents.FindAsync(new IncidentId(id), ct)
        ?? throw new EngineException("incident-unknown", ErrorKind.NotFound, $"there is no incident {new IncidentId(id)}", "List them with GET /api/v1/incidents.");

    private static ApiReplayed Of(ReplayedIncident one, IReadOnlyList<ShadowProposal> proposals) => new(
        one.Kind.ToName(), one.Sources, one.Tiers, one.FirstEvidenceAt, one.SuspectedAt, one.ConfirmedAt, one.ResolvedAt, one.Resolution, one.IsProposed, proposals);

    private static ApiProposal Of(RecoveryProposal proposal) => new(
        proposal.Source, proposal.Plan, proposal.PlanVersion, proposal.RestorePoint, proposal.KeepsUntil, proposal.Estimate?.TotalSeconds, proposal.Refusal, proposal.ProposedAt);

    private static DisasterKind? KindOf(string? text) => string.IsNullOrEmpty(text) ? null : DisasterKinds.Parse(text)
        ?? throw new EngineException("kind-unknown", ErrorKind.Input, $"'{text}' is no kind of incident", $"One of {string.Join(", ", Enum.GetValues<DisasterKind>().Select(DisasterKinds.ToName))}.");
}
