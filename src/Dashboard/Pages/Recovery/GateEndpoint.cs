using Hexabase.DrConsole.Dashboard.Access;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.Mvc;

namespace Hexabase.DrConsole.Dashboard.Pages.Recovery;

/// <summary>
/// Takes the answer at a gate, and the review after broken glass, over HTTP and with the person's password anew: a page that was left open, or a circuit that
/// somebody else took over, approves nothing.
/// </summary>
internal static class GateEndpoint
{
    private const string Purpose = "gate-refusal";

    public static string PathOf(long gate) => FormattableString.Invariant($"/approvals/{gate}/answer");

    public static string ReviewPathOf(long gate) => FormattableString.Invariant($"/approvals/{gate}/review");

    public static void MapGates(this IEndpointRouteBuilder endpoints)
    {
        // The token is checked by hand, so that a stale form gets the page and not a bare 400.
        endpoints.MapPost("/approvals/{gate:long}/answer", AnswerAsync).RequireAuthorization(Policies.CanView).DisableAntiforgery();
        endpoints.MapPost("/approvals/{gate:long}/review", ReviewAsync).RequireAuthorization(Policies.CanView).DisableAntiforgery();
    }

    /// <summary>What became of an answer, in the reader's words; null for nothing that this endpoint says.</summary>
    /// <param name="isRestore">True at the gate of a restore outside of plans, which ends where it is declined.</param>
    public static string? TextOf(string? said, bool isRestore, IDataProtectionProvider protection) => said switch
    {
        GateAnswering.Approve or GateAnswering.BreakGlass => RecoveryTexts.SaidApproved,
        GateAnswering.Decline => isRestore ? RecoveryTexts.SaidDeclinedRestore : RecoveryTexts.SaidDeclined,
        GateAnswering.Review => RecoveryTexts.SaidReviewed,
        _ => RefusalSeal.TextOf(protection, Purpose, said),
    };

    private static Task<IResult> AnswerAsync(
        HttpContext context, long gate, [FromForm] string? act, [FromForm] string? hash, [FromForm] string? reason, [FromForm] string? incident, [FromForm] string? password,
        IAntiforgery antiforgery, GateAnswering answering, IDataProtectionProvider protection) => TakeAsync(context, gate, act, antiforgery, protection,
        () => answering.AnswerAsync(context.User.Identity!.Name!, password, act, gate, hash, reason, incident, context.RequestAborted));

    private static Task<IResult> ReviewAsync(
        HttpContext context, long gate, [FromForm] string? review, [FromForm] string? password,
        IAntiforgery antiforgery, GateAnswering answering, IDataProtectionProvider protection) => TakeAsync(context, gate, GateAnswering.Review, antiforgery, protection,
        () => answering.ReviewAsync(context.User.Identity!.Name!, password, gate, review, context.RequestAborted));

    /// <summary>Takes a form, and leads back to the page, which says what became of it.</summary>
    private static async Task<IResult> TakeAsync(
        HttpContext context, long gate, string? act, IAntiforgery antiforgery, IDataProtectionProvider protection, Func<Task<Said>> take)
    {
        if (!await antiforgery.IsRequestValidAsync(context))
        {
            return To(gate, "stale");
        }

        try
        {
            return await take() switch
            {
                Said.Password => To(gate, "password"),
                Said.Role => To(gate, "role"),
                Said.Unknown => To(gate, "unknown"),
                _ => To(gate, act!),
            };
        }
        catch (EngineException refusal) when (refusal.Kind == ErrorKind.Denied)
        {
            return To(gate, RefusalSeal.Close(protection, Purpose, refusal.Message));
        }
    }

    private static IResult To(long gate, string what) => Results.LocalRedirect(FormattableString.Invariant($"/approvals/{gate}?said={Uri.EscapeDataString(what)}"));
}
