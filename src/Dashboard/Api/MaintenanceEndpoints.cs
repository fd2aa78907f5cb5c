using Hexabase.DrConsole.Engine.Health;

namespace Hexabase.DrConsole.Dashboard.Api;

/// <summary>A time in which a source, or everything, may be away without an incident.</summary>
/// <param name="Source">Null for everything.</param>
/// <param name="State"><c>planned</c>, <c>now</c> or <c>over</c>.</param>
/// <param name="EndedBy">Who ended it before its time, or null.</param>
public sealed record ApiMaintenance(
    long Id, string? Source, DateTimeOffset From, DateTimeOffset To, string Reason, string State, string By, DateTimeOffset CreatedAt, string? EndedBy, DateTimeOffset? EndedAt)
{
    internal static ApiMaintenance Of(MaintenanceWindow window, DateTimeOffset now) => new(
        window.Id, window.Source, window.From, window.To, window.Reason, window.Covers(now) ? "now" : window.From > now && window.EndedAt is null ? "planned" : "over", window.By, window.CreatedAt,
        window.EndedBy, window.EndedAt);
}

/// <summary>Maintenance that is announced.</summary>
/// <param name="Source">Left out: everything.</param>
public sealed record ApiMaintenanceAsk(string? Source, DateTimeOffset? From, DateTimeOffset? To, string? Reason);

/// <summary>Maintenance windows: all of them, announcing one and ending one.</summary>
internal static class MaintenanceEndpoints
{
    public static void Map(RouteGroupBuilder api)
    {
        api.MapGet("/maintenance", async (int? limit, MaintenanceWindows windows, TimeProvider time, CancellationToken ct) =>
            (await windows.ListAsync(ApiEndpoints.Limit(limit), ct)).Select(window => ApiMaintenance.Of(window, time.GetUtcNow()))).Produces<IEnumerable<ApiMaintenance>>();
        api.MapPost("/maintenance", async (ApiMaintenanceAsk body, HttpContext context, MaintenanceWindows windows, TimeProvider time, CancellationToken ct) =>
        {
            var added = await windows.AddAsync(string.IsNullOrWhiteSpace(body.Source) ? null : body.Source, body.From, body.To, body.Reason ?? "", ApiEndpoints.ActorOf(context), ct);
            return Results.Created($"{ApiEndpoints.Root}/v1/maintenance", ApiMaintenance.Of(added, time.GetUtcNow()));
        }).RequireAuthorization(ApiEndpoints.CanOperate).Produces<ApiMaintenance>(StatusCodes.Status201Created);
        api.MapPost("/maintenance/{id:long}/end", async (long id, HttpContext context, MaintenanceWindows windows, TimeProvider time, CancellationToken ct) =>
            Results.Ok(ApiMaintenance.Of(await windows.EndAsync(id, ApiEndpoints.ActorOf(context), ct), time.GetUtcNow()))).RequireAuthorization(ApiEndpoints.CanOperate).Produces<ApiMaintenance>();
    }
}
