using System.Text.Json;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Recovery.Readiness;

namespace Hexabase.DrConsole.Dashboard.Api;

/// <summary>A version of a plan.</summary>
/// <param name="Body">The plan as its author wrote it, with its steps.</param>
public sealed record ApiPlan(string Name, int Version, string Hash, string Author, string Note, DateTimeOffset CreatedAt, JsonElement Body);

/// <summary>A plan's text to be saved.</summary>
/// <param name="Body">As <see cref="ApiPlan.Body"/> has it. Another name than any plan's makes a new plan.</param>
/// <param name="Note">Why.</param>
/// <param name="BasedOn">The version that the author saw; 0, or left out, for a new plan.</param>
public sealed record ApiPlanText(JsonElement? Body, string? Note, int? BasedOn);

/// <summary>How a plan stands for a source, a workspace or several sources.</summary>
/// <param name="State"><c>verified</c>, <c>needs_verification</c> or <c>not_verified</c>.</param>
/// <param name="Proof">The drill or recovery that it was judged by.</param>
/// <param name="Since">Since when it stands so, for these reasons.</param>
public sealed record ApiReadiness(
    string Plan, string Source, int PlanVersion, string State, IReadOnlyList<ApiReadinessReason> Reasons, long? Proof, DateTimeOffset Since, DateTimeOffset LookedAt);

/// <summary>Why a plan is not verified.</summary>
/// <param name="Cause"><c>no_drill</c>, <c>drill_failed</c>, <c>plan_impossible</c> and others.</param>
/// <param name="Text">The particulars.</param>
public sealed record ApiReadinessReason(string Cause, string Text);

/// <summary>A plan's readiness for everything that it is for, and how it stood before.</summary>
public sealed record ApiPlanReadiness(IReadOnlyList<ApiReadiness> Now, IReadOnlyList<ApiReadiness> History);

/// <summary>Plans with their versions, steps and readiness.</summary>
internal static class PlanEndpoints
{
    private const int LongestNote = 200;

    public static void Map(RouteGroupBuilder api)
    {
        api.MapGet("/plans", async (PlanLibrary library, CancellationToken ct) => (await library.ListAsync(ct)).Select(Of)).Produces<IEnumerable<ApiPlan>>();
        api.MapGet("/plans/{name}", async (string name, PlanLibrary library, CancellationToken ct) =>
            Results.Ok((await VersionsAsync(library, name, ct)).Select(Of))).Produces<IEnumerable<ApiPlan>>();
        api.MapPost("/plans", async (ApiPlanText body, HttpContext context, PlanLibrary library, CancellationToken ct) =>
        {
            ApiMistakes.Require(
                (body.Body is { ValueKind: JsonValueKind.Object }, "body is no plan: a JSON object as GET /api/v1/plans has it"),
                ((body.Note ?? "").Trim().Length is >= 1 and <= LongestNote, $"note is missing, or longer than {LongestNote} characters: it says why"),
                (body.BasedOn is null or >= 0, "basedOn is no version"));
            var saved = await library.SaveAsync(body.Body!.Value.GetRawText(), ApiEndpoints.ActorOf(context), body.Note!.Trim(), body.BasedOn ?? 0, ct);
            return Results.Created(FormattableString.Invariant($"{ApiEndpoints.Root}/v1/plans/{Uri.EscapeDataString(saved.Plan)}"), Of(saved));
        }).RequireAuthorization(ApiEndpoints.CanAdminister).Produces<ApiPlan>(StatusCodes.Status201Created);
        api.MapGet("/plans/{name}/readiness", async (string name, string? source, int? limit, PlanLibrary library, ReadinessCatalog readiness, CancellationToken ct) =>
        {
            var rows = ApiEndpoints.Limit(limit);
            await VersionsAsync(library, name, ct);
            return Results.Ok(new ApiPlanReadiness(
                [.. (await readiness.ListAsync(ct)).Where(row => row.Plan == name && (source is null || row.Source == source)).Select(Of)],
                [.. (await readiness.HistoryAsync(name, source, rows, ct)).Select(Of)]));
        }).Produces<ApiPlanReadiness>();
        api.MapGet("/readiness", async (ReadinessCatalog readiness, CancellationToken ct) => (await readiness.ListAsync(ct)).Select(Of)).Produces<IEnumerable<ApiReadiness>>();
    }

    private static async Task<IReadOnlyList<PlanVersion>> VersionsAsync(PlanLibrary library, string name, CancellationToken ct) =>
        await library.VersionsAsync(name, ct) is { Count: > 0 } versions
            ? versions
            : throw new EngineException("plan-unknown", ErrorKind.NotFound, $"there is no plan '{name}'", "List them with GET /api/v1/plans.");

    private static ApiPlan Of(PlanVersion version) => new(version.Plan, version.Version, version.Hash, version.Author, version.Note, version.CreatedAt, JsonElement.Parse(version.Text));

    private static ApiReadiness Of(ReadinessRow row) => new(
        row.Plan, row.Source, row.PlanVersion, RecoveryNames.Of(row.State), [.. row.Reasons.Select(reason => new ApiReadinessReason(RecoveryNames.Of(reason.Cause), reason.Text))], row.Proof?.Value,
        row.Since, row.LookedAt);
}
