using Hexabase.DrConsole.Dashboard.Access;
using Hexabase.DrConsole.Dashboard.Pages.Recovery;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Recovery.Approvals;
using Hexabase.DrConsole.Engine.Recovery.Execution;

namespace Hexabase.DrConsole.Dashboard.Api;

/// <summary>A gate.</summary>
/// <param name="RunKind"><c>recovery</c>, or <c>restore</c> for one outside of plans.</param>
/// <param name="Step">Null: all that the run does.</param>
/// <param name="SubjectHash">What an answer must name: the hash of exactly what will run.</param>
/// <param name="Approved">How many have approved, of the <paramref name="Needed"/>.</param>
/// <param name="State"><c>open</c>, <c>granted</c>, <c>used</c>, <c>declined</c>, <c>expired</c> or <c>void</c>.</param>
/// <param name="Review">What somebody wrote who looked at it after the glass was broken; null while that is due, and where it was not.</param>
public sealed record ApiGate(
    long Id, long Run, string RunKind, string Source, int? Step, string SubjectHash, string Risk, int Needed, int Approved, string Requester, string State, DateTimeOffset OpenedAt,
    DateTimeOffset ApproveUntil, DateTimeOffset? GrantedAt, DateTimeOffset? ClosedAt, string? ClosedWhy, bool IsBreakGlass, string? ReviewedBy, string? Review)
{
    internal static ApiGate Of(GateStanding standing)
    {
        var gate = standing.Gate;
        return new ApiGate(
            gate.Id, gate.Run.Value, standing.RunKind, standing.Source, gate.Step, gate.SubjectHash, gate.Risk, gate.Needed, standing.Approved, gate.Requester, RecoveryNames.Of(gate.State),
            gate.OpenedAt, gate.ApproveUntil, gate.GrantedAt, gate.ClosedAt, gate.ClosedWhy, gate.IsBreakGlass, gate.ReviewedBy, gate.Review);
    }
}

/// <summary>A gate with what people said at it.</summary>
public sealed record ApiGateDetail(ApiGate Gate, IReadOnlyList<ApiVote> Votes);

/// <summary>What a person said at a gate.</summary>
/// <param name="Counts">False where the account was disabled, or lost its role, before the run went through the gate.</param>
public sealed record ApiVote(string Person, bool Approves, string Reason, string Incident, DateTimeOffset At, bool Counts);

/// <summary>An answer at a gate, with the person's password anew.</summary>
/// <param name="Act"><c>approve</c>, <c>decline</c> or <c>break-glass</c>.</param>
public sealed record ApiGateAnswer(string Act, string SubjectHash, string Reason, string? Incident, string Password);

/// <summary>The review of a gate where the glass was broken, with the person's password anew.</summary>
public sealed record ApiGateReview(string Review, string Password);

/// <summary>The inbox of gates; takes answers from people, never from tokens.</summary>
internal static class ApprovalEndpoints
{
    public static void Map(RouteGroupBuilder api)
    {
        api.MapGet("/approvals", async (string? state, int? limit, ApprovalCatalog gates, CancellationToken ct) =>
            (await gates.StandingsAsync([ApiEndpoints.StateOf<GateState>(state, "a gate") ?? GateState.Open], ApiEndpoints.Limit(limit), ct)).Select(ApiGate.Of)).Produces<IEnumerable<ApiGate>>();
        api.MapGet("/approvals/reviews-due", async (ApprovalCatalog gates, CancellationToken ct) => (await gates.ReviewsDueAsync(ct)).Select(ApiGate.Of)).Produces<IEnumerable<ApiGate>>();
        api.MapGet("/approvals/{gate:long}", async (long gate, ApprovalCatalog gates, CancellationToken ct) => Results.Ok(new ApiGateDetail(
            await FindAsync(gates, gate, ct), [.. (await gates.VotesAsync(gate, ct)).Select(vote => new ApiVote(vote.Person, vote.Approves, vote.Reason, vote.Incident, vote.At, vote.Counts))])))
            .Produces<ApiGateDetail>();
        api.MapPost("/approvals/{gate:long}/answer", AnswerAsync).Produces<ApiGate>();
        api.MapPost("/approvals/{gate:long}/review", ReviewAsync).Produces<ApiGate>();
    }

    /// <summary>The same rule as on the page: a person, signed in, with the password of this moment and the role of this moment.</summary>
    private static async Task<IResult> AnswerAsync(long gate, ApiGateAnswer answer, HttpContext context, GateAnswering answering, ApprovalCatalog gates, TokenRefusals refusals, CancellationToken ct)
    {
        // Before anything is recorded: the audit holds the acts that there are, never what somebody sent.
        if (!GateAnswering.IsAct(answer.Act))
        {
            return ApiProblems.Of(StatusCodes.Status400BadRequest, "act-unknown", "that is no answer", "One of approve, decline, break-glass.");
        }

        if (await RefuseTokenAsync(gate, answer.Act, context, answering, gates, refusals, ct) is { } refused)
        {
            return refused;
        }

        await FindAsync(gates, gate, ct);
        return await TellAsync(
            await answering.AnswerAsync(ApiEndpoints.ActorOf(context), answer.Password, answer.Act, gate, answer.SubjectHash, answer.Reason, answer.Incident, ct), gates, gate, ct);
    }

    private static async Task<IResult> ReviewAsync(long gate, ApiGateReview review, HttpContext context, GateAnswering answering, ApprovalCatalog gates, TokenRefusals refusals, CancellationToken ct)
    {
        if (await RefuseTokenAsync(gate, GateAnswering.Review, context, answering, gates, refusals, ct) is { } refused)
        {
            return refused;
        }

        await FindAsync(gates, gate, ct);
        return await TellAsync(await answering.ReviewAsync(ApiEndpoints.ActorOf(context), review.Password, gate, review.Review, ct), gates, gate, ct);
    }

    /// <summary>Null where a person asks.</summary>
    private static async Task<IResult?> RefuseTokenAsync(
        long gate, string act, HttpContext context, GateAnswering answering, ApprovalCatalog gates, TokenRefusals refusals, CancellationToken ct)
    {
        if (!context.User.HasClaim(claim => claim.Type == TokenAuthentication.TokenClaim))
        {
            return null;
        }

        const string why = "a token cannot answer at a gate";
        await FindAsync(gates, gate, ct);
        if (refusals.IsNew(ApiEndpoints.ActorOf(context), $"gate {gate}: {act}"))
        {
            await answering.RefuseTokenAsync(ApiEndpoints.ActorOf(context), act, gate, why, ct);
        }

        return ApiProblems.Of(StatusCodes.Status403Forbidden, "person-needed", why, "A person answers, with the session's cookie and their password.");
    }

    private static async Task<IResult> TellAsync(Said said, ApprovalCatalog gates, long gate, CancellationToken ct) => said switch
    {
        Said.Password => ApiProblems.PasswordWrong,
        Said.Role => ApiProblems.RoleMissing,
        _ => Results.Ok(await FindAsync(gates, gate, ct)),
    };

    internal static async Task<ApiGate> FindAsync(ApprovalCatalog gates, long gate, CancellationToken ct) => await gates.StandingsAsync([gate], ct) is [var found]
        ? ApiGate.Of(found)
        : throw new EngineException("gate-unknown", ErrorKind.NotFound, $"there is no gate G-{gate}", "List them with GET /api/v1/approvals.");
}
