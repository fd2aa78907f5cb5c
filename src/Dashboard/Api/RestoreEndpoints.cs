using System.Text.Json;
using Hexabase.DrConsole.Dashboard.Access;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Runs;
using Microsoft.AspNetCore.Authorization;

namespace Hexabase.DrConsole.Dashboard.Api;

/// <summary>Where a restore is to go.</summary>
/// <param name="Target">A target's URL, as on the command line.</param>
public sealed record ApiRestoreTarget(string? Target);

/// <summary>The restore that would be asked for.</summary>
/// <param name="Hash">What it is asked for with, and what approvals would be bound to.</param>
/// <param name="WritesOver">True where it writes over something that lives: an admin asks for it, and others approve it.</param>
/// <param name="Approvals">How many other people approve it; 0 for nobody.</param>
/// <param name="Remarks">What servers say besides; no part of the plan, and not covered by its hash.</param>
/// <param name="KeptUntil">Until when it can be asked for by its hash.</param>
public sealed record ApiRestoreDraft(string Hash, JsonElement Plan, bool WritesOver, int Approvals, IReadOnlyList<string> Remarks, DateTimeOffset KeptUntil);

/// <summary>The restore that is to be carried out.</summary>
/// <param name="Hash">Of the plan that was made for whoever asks, and that they have looked at.</param>
public sealed record ApiRestoreAsk(string? Hash);

/// <summary>Makes plans of restores for programs and keeps them until they are asked for, as a page keeps the one that its person looks at.</summary>
internal sealed class RestoreGiving(RunRequests requests, ProtectedEstate estate, TimeProvider time)
{
    private readonly KeptPlans<RestorePlan> _kept = new(plan => plan.Hash, "/restore-points/{id}/restores/plan", time);

    public async Task<ApiRestoreDraft> GiveAsync(string restorePoint, string target, string actor, CancellationToken cancellationToken)
    {
        var plan = await requests.PlanRestoreAsync(restorePoint, target, estate.DataDirectory, cancellationToken);
        return new ApiRestoreDraft(
            plan.Hash, JsonElement.Parse(plan.ToCanonicalJson()), plan.WritesOver, plan.WritesOver ? estate.RestoreApprovals : 0, plan.Remarks, _kept.Keep(plan, actor));
    }

    /// <inheritdoc cref="KeptPlans{TPlan}.AskOnceAsync"/>
    public Task<Run> AskOnceAsync(string actor, string hash, Func<RestorePlan, Task<Run>> ask, CancellationToken cancellationToken) =>
        _kept.AskOnceAsync(actor, hash, ask, cancellationToken);
}

/// <summary>Restores outside of plans: making the plan of one, and asking for it. One that writes over what lives waits at its gate.</summary>
internal static class RestoreEndpoints
{
    public static void Map(RouteGroupBuilder api)
    {
        api.MapPost("/restore-points/{id}/restores/plan", async (string id, ApiRestoreTarget body, HttpContext context, RestoreGiving plans, CancellationToken ct) =>
        {
            ApiMistakes.Require((!string.IsNullOrWhiteSpace(body.Target), "target is missing: a URL such as dir:/path or postgres://user@host:port/newdb?passwordFile=F"));
            return Results.Ok(await plans.GiveAsync(id, body.Target!.Trim(), ApiEndpoints.ActorOf(context), ct));
        }).RequireAuthorization(ApiEndpoints.CanOperate).Produces<ApiRestoreDraft>();
        api.MapPost("/restores", async (ApiRestoreAsk body, HttpContext context, RestoreGiving plans, RunRequests requests, RunStore runs, IAuthorizationService authorization, CancellationToken ct) =>
        {
            ApiMistakes.Require((!string.IsNullOrWhiteSpace(body.Hash), "hash is missing: of the plan that POST /api/v1/restore-points/{id}/restores/plan has made"));
            var asker = new RestoreAsker(ApiEndpoints.ActorOf(context), (await authorization.AuthorizeAsync(context.User, Policies.CanAdminister)).Succeeded);
            var asked = await plans.AskOnceAsync(asker.Name, body.Hash!, plan => requests.RestoreAsync(plan, body.Hash!, asker, ct), ct);
            return ApiEndpoints.Accepted(await runs.FindAsync(asked.Id, ct) ?? asked);
        }).RequireAuthorization(ApiEndpoints.CanOperate).Produces<ApiRun>(StatusCodes.Status202Accepted);
    }
}
