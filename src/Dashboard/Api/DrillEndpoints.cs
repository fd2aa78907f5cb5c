using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Recovery.Drills;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Dashboard.Api;

/// <summary>A drill of a plan.</summary>
/// <param name="State">Its run's.</param>
/// <param name="Outcome">As a recovery's.</param>
/// <param name="Passed">True where every step that a drill does was verified, something was restored, and nothing was left behind.</param>
/// <param name="Seconds">From the first step to the last, measured; null where it has not passed.</param>
/// <param name="Left">What was still there when it had ended; null until it was looked.</param>
public sealed record ApiDrill(
    long Run, string Plan, int PlanVersion, string Source, string State, string? Outcome, bool Passed, double? Seconds, string? Failure, string RequestedBy, DateTimeOffset CreatedAt,
    DateTimeOffset? EndedAt, IReadOnlyList<string>? Left);

/// <summary>A drill with its steps.</summary>
public sealed record ApiDrillDetail(ApiDrill Drill, IReadOnlyList<ApiRecoveryStep> Steps);

/// <summary>What can be drilled, and when the schedule does it.</summary>
/// <param name="Source">The source, or what several together are called: what a drill is asked for with.</param>
/// <param name="Last">The newest drill's run.</param>
/// <param name="IsDue">True where the schedule would begin it in the next night.</param>
/// <param name="DueAt">When it is due; null where it was never drilled, and where the schedule never does it.</param>
public sealed record ApiDrillDue(string Plan, int PlanVersion, string Source, IReadOnlyList<string> Sources, string Class, long? Last, bool? LastPassed, bool IsDue, DateTimeOffset? DueAt);

/// <summary>What to drill.</summary>
/// <param name="Source">The source; of a plan for a recovery set the workspace, of one for several sources their names with commas between.</param>
public sealed record ApiDrillRequest(string? Plan, string? Source);

/// <summary>A drill to a moment.</summary>
/// <param name="Moment">Of the recoverable window; left out: a random second of it.</param>
public sealed record ApiMomentDrill(DateTimeOffset? Moment);

/// <summary>Drills: what is due, all of them, and asking for one.</summary>
internal static class DrillEndpoints
{
    public static void Map(RouteGroupBuilder api)
    {
        api.MapGet("/drills", async (string? source, string? plan, int? limit, PlanDrillCatalog drills, CancellationToken ct) =>
            (await drills.ListAsync(source, plan, ApiEndpoints.Limit(limit), ct)).Select(Of)).Produces<IEnumerable<ApiDrill>>();
        api.MapGet("/drills/due", async (DrillRequests requests, TimeProvider time, CancellationToken ct) =>
            (await requests.DueAsync(ct)).Select(due => Of(due, time.GetUtcNow()))).Produces<IEnumerable<ApiDrillDue>>();
        api.MapGet("/drills/{run:long}", async (long run, PlanDrillCatalog drills, RecoveryCatalog recoveries, CancellationToken ct) =>
        {
            var drill = await drills.FindAsync(new RunId(run), ct)
                ?? throw new EngineException("drill-unknown", ErrorKind.NotFound, $"{new RunId(run)} is no drill of a plan", "List them with GET /api/v1/drills.");
            return Results.Ok(new ApiDrillDetail(Of(drill), [.. (await recoveries.StepsAsync(drill.Run, ct)).Select(ApiRecoveryStep.Of)]));
        }).Produces<ApiDrillDetail>();
        api.MapPost("/drills", async (ApiDrillRequest body, HttpContext context, DrillRequests requests, CancellationToken ct) =>
        {
            ApiMistakes.Require((!string.IsNullOrWhiteSpace(body.Plan), "plan is missing"), (!string.IsNullOrWhiteSpace(body.Source), "source is missing"));
            return ApiEndpoints.Accepted(await requests.RequestAsync(body.Plan!, body.Source!, ApiEndpoints.ActorOf(context), ct));
        }).RequireAuthorization(ApiEndpoints.CanOperate).Produces<ApiRun>(StatusCodes.Status202Accepted);
        api.MapPost("/sources/{name}/drills", async (string name, ApiMomentDrill? body, HttpContext context, RunRequests requests, TimeProvider time, CancellationToken ct) =>
        {
            ApiMistakes.Require((!(body?.Moment > time.GetUtcNow()), "moment has not come yet"));
            return ApiEndpoints.Accepted(await requests.DrillAsync(name, body?.Moment, ApiEndpoints.ActorOf(context), ct));
        }).RequireAuthorization(ApiEndpoints.CanOperate).Produces<ApiRun>(StatusCodes.Status202Accepted);
    }

    private static ApiDrill Of(PlanDrillRow drill) => new(
        drill.Run.Value, drill.Recovery.Plan, drill.Recovery.PlanVersion, drill.Recovery.Source, RecoveryNames.Of(drill.State), drill.Recovery.Outcome is { } outcome ? RecoveryNames.Of(outcome) : null,
        drill.Passed, drill.Seconds, drill.Failure, drill.RequestedBy, drill.CreatedAt, drill.EndedAt, drill.Cleanup?.Left);

    private static ApiDrillDue Of(DrillDue due, DateTimeOffset now) => new(
        due.Version.Plan, due.Version.Version, due.Subject, [.. due.Sources.Select(source => source.Name)], due.Protection.Name, due.Last?.Run.Value, due.Last?.Passed, due.DueAt <= now,
        due.Last is null ? null : due.DueAt);
}
