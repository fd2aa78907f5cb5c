using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Dashboard.Api;

/// <summary>A source and whether it could be recovered now. Seconds are null where nobody measured.</summary>
/// <param name="Standing"><c>proven</c>, <c>degraded</c>, <c>stale</c>, <c>unproven</c>, <c>breached</c> or <c>failed</c>.</param>
/// <param name="RpoSeconds">What would be lost now.</param>
/// <param name="RestoreSeconds">Measured time of the last proven restore.</param>
public sealed record ApiSource(
    string Name, string Kind, string Class, string Workspace, string Standing, string Reason, double? RpoSeconds, double RpoTargetSeconds, double? RestoreSeconds, double RtoTargetSeconds,
    double? ProofAgeSeconds, string? NewestRestorePoint, DateTimeOffset? NewestAt, IReadOnlyList<TierStanding> Tiers, ApiNodeAgent? Agent);

/// <summary>The agent of a source's node; null where any process backs the source up.</summary>
/// <param name="SilentSeconds">For how long nothing was heard of it; null where no worker serves the node.</param>
/// <param name="IsSilent">True where nobody will make the source's next backup.</param>
public sealed record ApiNodeAgent(string Node, double? SilentSeconds, bool IsSilent);

/// <summary>A restore point.</summary>
public sealed record ApiRestorePoint(
    string Id, string Source, string Kind, string Class, string Workspace, string? Strategy, DateTimeOffset CreatedAt, DateTimeOffset CompletedAt, long Bytes, long StoredBytes, long? Run,
    DateTimeOffset? ExpiredAt);

/// <summary>Sources and their restore points; asks for backups and validations.</summary>
internal static class SourceEndpoints
{
    public static void Map(RouteGroupBuilder api)
    {
        api.MapGet("/sources", async (StandingCatalog standings, CancellationToken ct) => (await standings.ReadAsync(ct)).Select(Of)).Produces<IEnumerable<ApiSource>>();
        api.MapGet("/sources/{name}", async (string name, ProtectedEstate estate, StandingCatalog standings, CancellationToken ct) =>
        {
            var source = estate.SourceNamed(name);
            return Results.Ok(Of((await standings.ReadAsync(ct)).Single(one => one.Source.Name == source.Name)));
        }).Produces<ApiSource>();
        api.MapPost("/sources/{name}/backups", async (string name, HttpContext context, RunRequests requests, CancellationToken ct) =>
            ApiEndpoints.Accepted(await requests.BackupAsync(name, ApiEndpoints.ActorOf(context), ct))).RequireAuthorization(ApiEndpoints.CanOperate).Produces<ApiRun>(StatusCodes.Status202Accepted);
        api.MapGet("/restore-points", async (string? source, int? limit, RestorePointCatalog points, CancellationToken ct) =>
            (await points.ListAsync(source, ApiEndpoints.Limit(limit), ct)).Select(Of)).Produces<IEnumerable<ApiRestorePoint>>();
        api.MapGet("/restore-points/{id}", async (string id, RestorePointCatalog points, CancellationToken ct) => Results.Ok(Of(await points.FindAsync(id, ct)))).Produces<ApiRestorePoint>();
        api.MapPost("/restore-points/{id}/validations", async (string id, string? tier, HttpContext context, RunRequests requests, CancellationToken ct) =>
            ApiEndpoints.Accepted(await requests.ValidateAsync(id, tier, ApiEndpoints.ActorOf(context), ct))).RequireAuthorization(ApiEndpoints.CanOperate).Produces<ApiRun>(StatusCodes.Status202Accepted);
    }

    private static ApiSource Of(SourceStanding standing) => new(
        standing.Source.Name, standing.Source.Kind.ToString().ToLowerInvariant(), standing.Protection.Name, standing.Source.Workspace, RecoveryNames.Of(standing.Standing),
        RecoveryNames.Of(standing.Reason), standing.RpoNow?.TotalSeconds, standing.Protection.Rpo.TotalSeconds, standing.RestoreTime?.TotalSeconds, standing.Protection.Rto.TotalSeconds,
        standing.ProofAge?.TotalSeconds, standing.Facts.NewestPoint, standing.Facts.NewestAt, standing.Facts.Tiers,
        standing.Facts.Agent is { } agent ? new ApiNodeAgent(agent.Node, agent.Silence?.TotalSeconds, agent.IsSilent) : null);

    private static ApiRestorePoint Of(RestorePointRow point) => new(
        point.Id, point.Source, point.Kind, point.Class, point.Workspace, point.Strategy, point.CreatedAt, point.CompletedAt, point.Bytes, point.StoredBytes, point.RunId, point.ExpiredAt);
}
