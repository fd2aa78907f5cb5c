using Hexabase.DrConsole.Dashboard.Access;
using Hexabase.DrConsole.Dashboard.Pages.Recovery;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Recovery;
using Hexabase.DrConsole.Engine.Recovery.Approvals;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Dashboard.Api;

/// <summary>A recovery run, or a drill's.</summary>
/// <param name="Outcome"><c>completed</c>, <c>rolled_back</c>, <c>rollback_failed</c>, <c>failed_no_rollback</c>, <c>verification_failed</c>, <c>error</c> or <c>cancelled</c>; null while it is under way.</param>
/// <param name="WaitsFor"><c>approval</c>, <c>resume</c> or <c>decision</c>; null while it goes on by itself.</param>
/// <param name="PausedBy">Who asked it to stop before its next step.</param>
public sealed record ApiRecovery(
    long Run, string Plan, int PlanVersion, string PlanHash, string Source, string Disaster, long? Incident, bool IsDrill, string? Outcome, string? WaitsFor, string? WaitsWhy, string? PausedBy,
    string? PauseReason)
{
    internal static ApiRecovery Of(RecoveryRow row) => new(
        row.Run.Value, row.Plan, row.PlanVersion, row.PlanHash, row.Source, row.Disaster, row.Incident, row.IsDrill, row.Outcome is { } outcome ? RecoveryNames.Of(outcome) : null,
        row.WaitsFor is { } wait ? RecoveryNames.Of(wait) : null, row.WaitsWhy, row.PauseBy, row.PauseReason);
}

/// <summary>A step of it.</summary>
/// <param name="Part">In a recovery of several sources: the one that it is about.</param>
/// <param name="Reason">Why a person left it out or marked it done; in a drill, why it is not done.</param>
public sealed record ApiRecoveryStep(
    int Position, string Name, string Action, string? Part, string State, int Attempt, string? Verification, string? Error, string? Reason, DateTimeOffset? StartedAt, DateTimeOffset? EndedAt,
    DateTimeOffset? RollbackStartedAt, DateTimeOffset? RollbackEndedAt, string? RollbackError)
{
    internal static ApiRecoveryStep Of(RecoveryStepRow step) => new(
        step.Position, step.Name, step.Action, step.Part, RecoveryNames.Of(step.State), step.Attempt, step.Verification, step.Error, step.Reason, step.StartedAt, step.EndedAt,
        step.RollbackStartedAt, step.RollbackEndedAt, step.RollbackError);
}

/// <summary>A recovery with its steps and gates.</summary>
public sealed record ApiRecoveryDetail(ApiRecovery Recovery, IReadOnlyList<ApiRecoveryStep> Steps, IReadOnlyList<ApiGate> Gates);

/// <summary>Why a person does it.</summary>
public sealed record ApiReason(string? Reason);

/// <summary>How a recovery is to end.</summary>
/// <param name="Undo">True: what was done is undone first; false: it stays as it is.</param>
public sealed record ApiRecoveryEnd(string? Reason, bool? Undo);

/// <summary>What becomes of a step that cannot go on by itself.</summary>
/// <param name="Choice"><c>retry</c>, <c>mark_done</c>, <c>skip</c>, <c>roll_back</c> or <c>abort</c>.</param>
/// <param name="Password">Of the person, for <c>mark_done</c> and <c>skip</c>, which change what others approved.</param>
/// <param name="Step">The position of the step that was seen waiting; left out: whichever waits.</param>
public sealed record ApiDecision(string? Choice, string? Reason, string? Password = null, int? Step = null);

/// <summary>Recoveries, and what a person can do with one that has not ended.</summary>
internal static class RecoveryEndpoints
{
    /// <summary>An answer names what it refuses, but sends no megabyte back.</summary>
    private const int LongestChoiceShown = 40;

    public static void Map(RouteGroupBuilder api)
    {
        api.MapGet("/recoveries", async (int? limit, RecoveryCatalog recoveries, CancellationToken ct) =>
            (await recoveries.ListAsync(ApiEndpoints.Limit(limit), ct)).Select(ApiRecovery.Of)).Produces<IEnumerable<ApiRecovery>>();
        api.MapGet("/recoveries/{run:long}", async (long run, RecoveryCatalog recoveries, ApprovalCatalog gates, CancellationToken ct) =>
        {
            var recovery = await FindAsync(recoveries, run, ct);
            return Results.Ok(new ApiRecoveryDetail(
                ApiRecovery.Of(recovery), [.. (await recoveries.StepsAsync(recovery.Run, ct)).Select(ApiRecoveryStep.Of)], [.. (await gates.StandingsAsync(recovery.Run, ct)).Select(ApiGate.Of)]));
        }).Produces<ApiRecoveryDetail>();
        api.MapPost("/recoveries/{run:long}/pause", async (long run, ApiReason body, HttpContext context, RecoveryRequests requests, RecoveryCatalog recoveries, CancellationToken ct) =>
        {
            ApiMistakes.Require(ReasonOf(body.Reason));
            await requests.PauseAsync(new RunId(run), ApiEndpoints.ActorOf(context), body.Reason!, ct);
            return await NowAsync(recoveries, run, ct);
        }).RequireAuthorization(ApiEndpoints.CanOperate).Produces<ApiRecovery>();
        api.MapPost("/recoveries/{run:long}/resume", async (long run, HttpContext context, RecoveryRequests requests, RecoveryCatalog recoveries, CancellationToken ct) =>
        {
            await requests.ResumeAsync(new RunId(run), ApiEndpoints.ActorOf(context), ct);
            return await NowAsync(recoveries, run, ct);
        }).RequireAuthorization(ApiEndpoints.CanOperate).Produces<ApiRecovery>();
        api.MapPost("/recoveries/{run:long}/cancel", async (long run, ApiRecoveryEnd body, HttpContext context, RecoveryRequests requests, RecoveryCatalog recoveries, CancellationToken ct) =>
        {
            ApiMistakes.Require(ReasonOf(body.Reason), (body.Undo is not null, "undo is neither true (what was done is undone first) nor false (it stays as it is)"));
            await requests.CancelAsync(new RunId(run), body.Undo!.Value, ApiEndpoints.ActorOf(context), body.Reason!, ct);
            return await NowAsync(recoveries, run, ct);
        }).RequireAuthorization(ApiEndpoints.CanOperate).Produces<ApiRecovery>();
        api.MapPost("/recoveries/{run:long}/ask-again", async (long run, HttpContext context, ApprovalDesk desk, RecoveryCatalog recoveries, CancellationToken ct) =>
        {
            await FindAsync(recoveries, run, ct);
            await desk.AskAgainAsync(new RunId(run), ApiEndpoints.ActorOf(context), ct);
            return await NowAsync(recoveries, run, ct);
        }).RequireAuthorization(ApiEndpoints.CanOperate).Produces<ApiRecovery>();
        // It changes what others approved, so it takes one who may approve.
        api.MapPost("/recoveries/{run:long}/decision", DecideAsync).RequireAuthorization(ApiEndpoints.CanApprove).Produces<ApiRecovery>();
    }

    /// <summary>What takes something from what was approved is said by a person with their password, as at the gate; the rest by whoever has the role.</summary>
    private static async Task<IResult> DecideAsync(
        long run, ApiDecision body, HttpContext context, RecoveryRequests requests, DecisionMaking decisions, RecoveryCatalog recoveries, TokenRefusals refusals, CancellationToken ct)
    {
        var choices = Enum.GetValues<StepChoice>().ToDictionary(RecoveryNames.Of);
        var named = body.Choice is { Length: <= LongestChoiceShown } ? $"'{body.Choice}'" : "that";
        ApiMistakes.Require((choices.ContainsKey(body.Choice ?? ""), $"{named} is no choice: one of {string.Join(", ", choices.Keys)}"), ReasonOf(body.Reason));
        var (id, choice, actor) = (new RunId(run), choices[body.Choice!], ApiEndpoints.ActorOf(context));
        if (!StepDecisions.NeedsSecondPerson(choice))
        {
            await requests.DecideAsync(id, choice, actor, body.Reason!, ct, body.Step);
            return await NowAsync(recoveries, run, ct);
        }

        await FindAsync(recoveries, run, ct);
        if (context.User.HasClaim(claim => claim.Type == TokenAuthentication.TokenClaim))
        {
            var why = $"a token cannot decide {body.Choice}, which changes what people approved";
            if (refusals.IsNew(actor, $"{id}: {body.Choice}"))
            {
                await requests.RecordRefusalAsync(id, choice, actor, why, ct);
            }

            return ApiProblems.Of(StatusCodes.Status403Forbidden, "person-needed", why, "A person decides that, with the session's cookie and their password.");
        }

        return await decisions.DecideAsync(actor, body.Password, id, choice, body.Reason!, body.Step, ct) switch
        {
            Said.Password => ApiProblems.PasswordWrong,
            Said.Role => ApiProblems.RoleMissing,
            _ => await NowAsync(recoveries, run, ct),
        };
    }

    private static (bool IsFit, string Mistake) ReasonOf(string? reason) => (RecoveryRequests.IsReason(reason), RecoveryRequests.ReasonNeeded);

    private static async Task<IResult> NowAsync(RecoveryCatalog recoveries, long run, CancellationToken ct) => Results.Ok(ApiRecovery.Of(await FindAsync(recoveries, run, ct)));

    internal static async Task<RecoveryRow> FindAsync(RecoveryCatalog recoveries, long run, CancellationToken ct) => await recoveries.FindAsync(new RunId(run), ct)
        ?? throw new EngineException("recovery-unknown", ErrorKind.NotFound, $"{new RunId(run)} is no recovery", "List them with GET /api/v1/recoveries.");
}
