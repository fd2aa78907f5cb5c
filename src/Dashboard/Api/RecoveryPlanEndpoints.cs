using System.Text.Json;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Recovery;
using Hexabase.DrConsole.Engine.Recovery.Approvals;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Dashboard.Api;

/// <summary>What a plan is made for.</summary>
/// <param name="Plan">The plan's name; its newest version is taken.</param>
/// <param name="Source">The source; of a plan for several their names with commas between.</param>
/// <param name="Set">The run that took the recovery set, of a plan for a workspace.</param>
/// <param name="Disaster">What happened; left out: what the incident is, else the plan's first.</param>
/// <param name="Incident">The incident that it answers.</param>
/// <param name="LeaveOut">Sources that stay as they are, of a plan for several.</param>
public sealed record ApiPlanAsk(string? Plan, string? Source, long? Set, string? Disaster, long? Incident, IReadOnlyList<string>? LeaveOut);

/// <summary>The plan that is to be carried out.</summary>
/// <param name="Hash">Of the plan that was made for whoever asks, and that they have looked at.</param>
public sealed record ApiRecoveryAsk(string? Hash);

/// <summary>Makes a plan concrete, asks for it to be carried out, and shows exactly what a recovery, or what waits at a gate, does.</summary>
internal static class RecoveryPlanEndpoints
{
    public static void Map(RouteGroupBuilder api)
    {
        api.MapPost("/recoveries/plan", async (ApiPlanAsk body, HttpContext context, PlanGiving plans, CancellationToken ct) =>
        {
            ApiMistakes.Require(
                (!string.IsNullOrWhiteSpace(body.Plan), "plan is missing"),
                (string.IsNullOrWhiteSpace(body.Source) != (body.Set is null), "either source or set says what it is made for"));
            return Results.Ok(await plans.GiveAsync(
                new PlanAsk(body.Plan!, body.Source?.Trim(), body.Set, body.Disaster, body.Incident, body.LeaveOut ?? []), ApiEndpoints.ActorOf(context), ct));
        }).RequireAuthorization(ApiEndpoints.CanOperate).Produces<ApiPlanDraft>();
        api.MapPost("/recoveries", async (ApiRecoveryAsk body, HttpContext context, PlanGiving plans, RecoveryRequests requests, RunStore runs, CancellationToken ct) =>
        {
            ApiMistakes.Require((!string.IsNullOrWhiteSpace(body.Hash), "hash is missing: of the plan that POST /api/v1/recoveries/plan has made"));
            var actor = ApiEndpoints.ActorOf(context);
            var asked = await plans.AskOnceAsync(actor, body.Hash!, plan => requests.RequestAsync(plan, body.Hash!, actor, ct), ct);
            return ApiEndpoints.Accepted(await runs.FindAsync(asked.Id, ct) ?? asked);
        }).RequireAuthorization(ApiEndpoints.CanOperate).Produces<ApiRun>(StatusCodes.Status202Accepted);
        // The very text whose hash is approved, not a form of its own.
        api.MapGet("/recoveries/{run:long}/plan", async (long run, RunStore runs, RecoveryCatalog recoveries, CancellationToken ct) =>
            Json(RecoveryRequest.PlanOf((await runs.FindAsync((await RecoveryEndpoints.FindAsync(recoveries, run, ct)).Run, ct))!).ToJson())).Produces<JsonElement>();
        api.MapGet("/approvals/{gate:long}/plan", async (long gate, RunStore runs, ApprovalCatalog gates, CancellationToken ct) =>
        {
            var run = (await runs.FindAsync(new RunId((await ApprovalEndpoints.FindAsync(gates, gate, ct)).Run), ct))!;
            return run.Kind == RunKinds.Restore ? Results.Ok(RestoreRequest.Of(run).Plan) : Json(RecoveryRequest.PlanOf(run).ToJson());
        }).Produces<JsonElement>();
    }

    private static IResult Json(string text) => Results.Text(text, "application/json");
}
