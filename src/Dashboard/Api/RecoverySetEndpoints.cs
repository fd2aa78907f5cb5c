using System.Text.Json;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Backups.Maintenance;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Recovery;
using Hexabase.DrConsole.Engine.Recovery.Plans;

namespace Hexabase.DrConsole.Dashboard.Api;

/// <summary>Restore points of several sources that were taken together.</summary>
/// <param name="Run">The run that took it; its name.</param>
/// <param name="SkewSeconds">From the oldest to the newest part's content.</param>
/// <param name="HeldSeconds">How long the application was held still.</param>
/// <param name="HeldToEnd">False where it went on before every part was captured.</param>
/// <param name="IsWhole">True where every source was captured and none of the restore points was given up since.</param>
/// <param name="MomentAt">The instant of its newest part.</param>
public sealed record ApiRecoverySet(
    long Run, string Workspace, double? SkewSeconds, double? HeldSeconds, bool? HeldToEnd, bool IsComplete, bool IsWhole, DateTimeOffset TakenAt, DateTimeOffset? MomentAt,
    IReadOnlyList<SetPartRow> Parts);

/// <summary>What a plan to a recovery set is made for.</summary>
/// <param name="Disaster">What happened; left out: unknown.</param>
/// <param name="LeaveOut">Sources that stay as they are.</param>
public sealed record ApiSetPlanRequest(string? Disaster, IReadOnlyList<string>? LeaveOut);

/// <summary>Recovery sets: taking one, looking at one, and the plan that would bring the workspace back to it.</summary>
internal static class RecoverySetEndpoints
{
    public static void Map(RouteGroupBuilder api)
    {
        api.MapGet("/recovery-sets", async (string? workspace, int? limit, SetCatalog sets, CancellationToken ct) =>
            (await sets.ListAsync(workspace, ApiEndpoints.Limit(limit), ct)).Select(Of)).Produces<IEnumerable<ApiRecoverySet>>();
        api.MapGet("/recovery-sets/{run:long}", async (long run, SetCatalog sets, CancellationToken ct) => await sets.FindAsync(run, ct) is { } set
            ? Results.Ok(Of(set))
            : throw new EngineException("set-unknown", ErrorKind.NotFound, $"there is no recovery set {run}", "List them with GET /api/v1/recovery-sets.")).Produces<ApiRecoverySet>();
        api.MapPost("/workspaces/{name}/recovery-sets", async (string name, HttpContext context, WorkspaceRequests requests, CancellationToken ct) =>
            ApiEndpoints.Accepted(await requests.TakeSetAsync(name, ApiEndpoints.ActorOf(context), ct))).RequireAuthorization(ApiEndpoints.CanOperate).Produces<ApiRun>(StatusCodes.Status202Accepted);
        api.MapPost("/recovery-sets/{run:long}/plan", async (long run, ApiSetPlanRequest body, HttpContext context, PlanGiving plans, CancellationToken ct) =>
            Results.Ok(await plans.GiveAsync(
                new PlanAsk(RecoveryRequests.WorkspacePlan, null, run, body.Disaster, null, body.LeaveOut ?? []), ApiEndpoints.ActorOf(context), ct))).RequireAuthorization(ApiEndpoints.CanOperate).Produces<ApiPlanDraft>();
    }

    private static ApiRecoverySet Of(SetRow set) => new(
        set.RunId, set.Workspace, set.SkewSeconds, set.HeldSeconds, set.HeldToEnd, set.IsComplete, set.IsWhole, set.TakenAt, set.MomentAt, set.Parts);
}
