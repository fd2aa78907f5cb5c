using System.Text.Json;
using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Dashboard.Api;

/// <summary>A run.</summary>
/// <param name="Id">Its number; pages write 5 as R-5.</param>
/// <param name="State"><c>queued</c>, <c>running</c>, <c>waiting</c>, <c>completed</c>, <c>failed</c>, <c>cancelled</c> or <c>needs_decision</c>.</param>
/// <param name="Source">A source, or the tier or workspace that it works on.</param>
public sealed record ApiRun(
    long Id, string Kind, string Source, string? RestorePoint, string State, int Attempt, string RequestedBy, string? CancelRequestedBy, long? Parent, DateTimeOffset CreatedAt,
    DateTimeOffset? StartedAt, DateTimeOffset? EndedAt, JsonElement? Progress, JsonElement? Result, JsonElement? Error)
{
    internal static ApiRun Of(Run run) => new(
        run.Id.Value, run.Kind, run.Source, run.RestorePoint, RecoveryNames.Of(run.State), run.Attempt, run.RequestedBy, run.CancelRequestedBy, run.Parent?.Value, run.CreatedAt, run.StartedAt,
        run.EndedAt, Json(run.ProgressJson), Json(run.Kind == RunKinds.TableRescue ? WithoutRows(run.ResultJson) : run.ResultJson), Json(run.ErrorJson));

    /// <summary>Whoever may look at runs need not be one who may see what stands in a source's tables.</summary>
    private static string? WithoutRows(string? result)
    {
        var node = result is null ? null : JsonNode.Parse(result);
        (node?["difference"] as JsonObject)?.Remove("examples");
        return node?.ToJsonString();
    }

    internal static JsonElement? Json(string? text) => text is null ? null : JsonElement.Parse(text);
}

/// <summary>Runs, their steps and their log; ends one.</summary>
internal static class RunEndpoints
{
    public static void Map(RouteGroupBuilder api)
    {
        api.MapGet("/runs", async (string? source, string? kind, string? state, int? limit, RunStore runs, CancellationToken ct) =>
            (await runs.ListAsync(source, kind, ApiEndpoints.StateOf<RunState>(state, "a run"), ApiEndpoints.Limit(limit), ct)).Select(ApiRun.Of)).Produces<IEnumerable<ApiRun>>();
        api.MapGet("/runs/{id:long}", async (long id, RunStore runs, CancellationToken ct) => Results.Ok(ApiRun.Of(await FindAsync(runs, id, ct)))).Produces<ApiRun>();
        api.MapGet("/runs/{id:long}/steps", async (long id, RunStore runs, RunStepReading steps, CancellationToken ct) =>
            Results.Ok((await steps.ReadAsync(await FindAsync(runs, id, ct), ct)).Steps)).Produces<IReadOnlyList<ApiStep>>();
        api.MapPost("/runs/{id:long}/cancel", async (long id, HttpContext context, RunRequests requests, RunStore runs, CancellationToken ct) =>
        {
            await requests.CancelAsync(new RunId(id), ApiEndpoints.ActorOf(context), ct);
            return Results.Ok(ApiRun.Of(await FindAsync(runs, id, ct)));
        }).RequireAuthorization(ApiEndpoints.CanOperate).Produces<ApiRun>();
        api.MapGet("/runs/{id:long}/events", async (long id, long? after, int? limit, RunStore runs, CancellationToken ct) =>
        {
            await FindAsync(runs, id, ct);
            return Results.Ok(await runs.EventsAsync(new RunId(id), after ?? 0, ApiEndpoints.Limit(limit), ct));
        }).Produces<IReadOnlyList<RunEvent>>();
    }

    internal static async Task<Run> FindAsync(RunStore runs, long id, CancellationToken ct) => await runs.FindAsync(new RunId(id), ct)
        ?? throw new EngineException("run-unknown", ErrorKind.NotFound, $"there is no run {new RunId(id)}", "List them with GET /api/v1/runs.");
}
