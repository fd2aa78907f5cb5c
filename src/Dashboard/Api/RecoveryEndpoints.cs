using System.Text.Json;
using Hexabase.DrConsole.Dashboard.Access;
using Hexabase.DrConsole.Dashboard.Pages.Recovery;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Recovery.Approvals;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Dashboard.Api;

/// <summary>A version of a plan.</summary>
/// <param name="Body">The plan as its author wrote it.</param>
public sealed record ApiPlan(string Name, int Version, string Hash, string Author, string Note, DateTimeOffset CreatedAt, JsonElement Body);

/// <summary>A recovery run.</summary>
/// <param name="Outcome"><c>completed</c>, <c>rolled_back</c>, <c>rollback_failed</c>, <c>failed_no_rollback</c>, <c>verification_failed</c>, <c>error</c> or <c>cancelled</c>; null while it is under way.</param>
/// <param name="WaitsFor"><c>approval</c>, <c>resume</c> or <c>decision</c>; null while it goes on by itself.</param>
public sealed record ApiRecovery(
    long Run, string Plan, int PlanVersion, string PlanHash, string Source, string Disaster, long? Incident, bool IsDrill, string? Outcome, string? WaitsFor, string? WaitsWhy);

/// <summary>A step of it.</summary>
public sealed record ApiRecoveryStep(
    int Position, string Name, string Action, string State, int Attempt, string? Verification, string? Error, DateTimeOffset? StartedAt, DateTimeOffset? EndedAt, DateTimeOffset? RollbackStartedAt,
    DateTimeOffset? RollbackEndedAt);

/// <summary>A gate.</summary>
/// <param name="SubjectHash">What an answer must name: the hash of exactly what will run.</param>
public sealed record ApiGate(
    long Id, long Run, int? Step, string SubjectHash, string Risk, int Needed, string Requester, string State, DateTimeOffset OpenedAt, DateTimeOffset ApproveUntil, DateTimeOffset? GrantedAt,
    DateTimeOffset? ClosedAt, string? ClosedWhy, bool IsBreakGlass);

/// <summary>A recovery with its steps and gates.</summary>
public sealed record ApiRecoveryDetail(ApiRecovery Recovery, IReadOnlyList<ApiRecoveryStep> Steps, IReadOnlyList<ApiGate> Gates);

/// <summary>An answer at a gate, with the person's password anew.</summary>
/// <param name="Act"><c>approve</c>, <c>decline</c> or <c>break-glass</c>.</param>
public sealed record ApiGateAnswer(string Act, string SubjectHash, string Reason, string? Incident, string Password);

/// <summary>Plans, recoveries and gates; takes answers from people, never from tokens.</summary>
internal static class RecoveryEndpoints
{
    public static void Map(RouteGroupBuilder api)
    {
        api.MapGet("/plans", async (PlanLibrary library, CancellationToken ct) => (await library.ListAsync(ct)).Select(Of)).Produces<IEnumerable<ApiPlan>>();
        api.MapGet("/plans/{name}", async (string name, PlanLibrary library, CancellationToken ct) => await library.VersionsAsync(name, ct) is { Count: > 0 } versions
            ? Results.Ok(versions.Select(Of))
            : throw new EngineException("plan-unknown", ErrorKind.NotFound, $"there is no plan '{name}'", "List them with GET /api/v1/plans.")).Produces<IEnumerable<ApiPlan>>();
        api.MapGet("/recoveries", async (int? limit, RecoveryCatalog recoveries, CancellationToken ct) =>
            (await recoveries.ListAsync(ApiEndpoints.Limit(limit), ct)).Select(Of)).Produces<IEnumerable<ApiRecovery>>();
        api.MapGet("/recoveries/{run:long}", async (long run, RecoveryCatalog recoveries, ApprovalCatalog gates, CancellationToken ct) =>
        {
            var recovery = await recoveries.FindAsync(new RunId(run), ct)
                ?? throw new EngineException("recovery-unknown", ErrorKind.NotFound, $"{new RunId(run)} is no recovery", "List them with GET /api/v1/recoveries.");
            return Results.Ok(new ApiRecoveryDetail(
                Of(recovery), [.. (await recoveries.StepsAsync(recovery.Run, ct)).Select(Of)], [.. (await gates.OfRunAsync(recovery.Run, ct)).Select(Of)]));
        }).Produces<ApiRecoveryDetail>();
        api.MapGet("/approvals", async (ApprovalCatalog gates, CancellationToken ct) => (await gates.OpenAsync(ct)).Select(Of)).Produces<IEnumerable<ApiGate>>();
        api.MapPost("/approvals/{gate:long}/answer", AnswerAsync).Produces<ApiGate>();
    }

    /// <summary>The same rule as on the page: a person, signed in, with the password of this moment and the role of this moment.</summary>
    private static async Task<IResult> AnswerAsync(long gate, ApiGateAnswer answer, HttpContext context, GateAnswering answering, ApprovalCatalog gates, CancellationToken ct)
    {
        if (context.User.HasClaim(claim => claim.Type == TokenAuthentication.TokenClaim))
        {
            return ApiProblems.Of(StatusCodes.Status403Forbidden, "person-needed", "a token cannot answer at a gate", "A person answers, with the session's cookie and their password.");
        }

        if (answer.Act is not ("approve" or "decline" or "break-glass"))
        {
            return ApiProblems.Of(StatusCodes.Status400BadRequest, "act-unknown", $"'{answer.Act}' is no answer", "One of approve, decline, break-glass.");
        }

        return await answering.AnswerAsync(context.User.Identity!.Name!, answer.Password, answer.Act, gate, answer.SubjectHash, answer.Reason, answer.Incident, ct) switch
        {
            GateAnswering.Said.Password => ApiProblems.Of(StatusCodes.Status403Forbidden, "password-wrong", "the password is wrong, or the account is locked", "Nothing was changed."),
            GateAnswering.Said.Role => ApiProblems.Of(StatusCodes.Status403Forbidden, "role-missing", "your role may not approve", "Ask an admin for the role Approver. Nothing was changed."),
            _ => Results.Ok(Of((await gates.FindAsync(gate, ct))!)),
        };
    }

    private static ApiPlan Of(PlanVersion version) => new(version.Plan, version.Version, version.Hash, version.Author, version.Note, version.CreatedAt, JsonElement.Parse(version.Text));

    private static ApiRecovery Of(RecoveryRow row) => new(
        row.Run.Value, row.Plan, row.PlanVersion, row.PlanHash, row.Source, row.Disaster, row.Incident, row.IsDrill, row.Outcome is { } outcome ? RecoveryNames.Of(outcome) : null,
        row.WaitsFor is { } wait ? RecoveryNames.Of(wait) : null, row.WaitsWhy);

    private static ApiRecoveryStep Of(RecoveryStepRow step) => new(
        step.Position, step.Name, step.Action, RecoveryNames.Of(step.State), step.Attempt, step.Verification, step.Error, step.StartedAt, step.EndedAt, step.RollbackStartedAt, step.RollbackEndedAt);

    private static ApiGate Of(ApprovalGate gate) => new(
        gate.Id, gate.Run.Value, gate.Step, gate.SubjectHash, gate.Risk, gate.Needed, gate.Requester, RecoveryNames.Of(gate.State), gate.OpenedAt, gate.ApproveUntil, gate.GrantedAt, gate.ClosedAt,
        gate.ClosedWhy, gate.IsBreakGlass);
}
