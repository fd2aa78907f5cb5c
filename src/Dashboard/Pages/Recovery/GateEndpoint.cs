using System.Security.Cryptography;
using Hexabase.DrConsole.Dashboard.Access;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Recovery.Approvals;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.Mvc;

namespace Hexabase.DrConsole.Dashboard.Pages.Recovery;

/// <summary>
/// Takes the answer at a gate, over HTTP and with the person's password anew: a page that was left open, or a circuit that
/// somebody else took over, approves nothing.
/// </summary>
internal static class GateEndpoint
{
    private const string Refusal = "refused:";
    private const string Purpose = "gate-refusal";

    public static string PathOf(long gate) => FormattableString.Invariant($"/approvals/{gate}/answer");

    public static void MapGates(this IEndpointRouteBuilder endpoints) =>
        // The token is checked by hand, so that a stale form gets the page and not a bare 400.
        endpoints.MapPost("/approvals/{gate:long}/answer", AnswerAsync).RequireAuthorization(Policies.CanView).DisableAntiforgery();

    /// <summary>What became of an answer, in the reader's words; null for nothing that this endpoint says.</summary>
    public static string? TextOf(string? said, IDataProtectionProvider protection) => said switch
    {
        "approve" or "break-glass" => RecoveryTexts.SaidApproved,
        "decline" => RecoveryTexts.SaidDeclined,
        "password" => RecoveryTexts.SaidPassword,
        "role" => RecoveryTexts.SaidRole,
        "stale" => RecoveryTexts.SaidStale,
        not null when said.StartsWith(Refusal, StringComparison.Ordinal) => Reason(said[Refusal.Length..], protection),
        _ => null,
    };

    /// <summary>Only what this console wrote into the address itself: a link that somebody sends cannot put words on the page.</summary>
    private static string? Reason(string sealedText, IDataProtectionProvider protection)
    {
        try
        {
            return Figures.Format(RecoveryTexts.SaidRefused, protection.CreateProtector(Purpose).Unprotect(sealedText));
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    private static async Task<IResult> AnswerAsync(
        HttpContext context, long gate, [FromForm] string? act, [FromForm] string? hash, [FromForm] string? reason, [FromForm] string? incident, [FromForm] string? password,
        IAntiforgery antiforgery, SignInDesk signIn, ApprovalDesk desk, IDataProtectionProvider protection)
    {
        if (!await antiforgery.IsRequestValidAsync(context))
        {
            return Said(gate, "stale");
        }

        if (await signIn.TryAsync(context.User.Identity!.Name, password, context.RequestAborted) is not SignInOutcome.Accepted accepted)
        {
            return Said(gate, "password");
        }

        // By the directory as it is now, not by the cookie: the role may have been taken away since.
        var answer = new GateAnswer(gate, accepted.User.Name, hash ?? "", reason ?? "", incident ?? "");
        if (accepted.User.Role is not (ConsoleRole.Approver or ConsoleRole.Admin))
        {
            await desk.RecordRefusalAsync(answer, act ?? "", $"the role {accepted.User.Role} may not approve", context.RequestAborted);
            return Said(gate, "role");
        }

        try
        {
            await (act switch
            {
                "approve" => desk.ApproveAsync(answer, context.RequestAborted),
                "break-glass" => desk.BreakGlassAsync(answer, context.RequestAborted),
                _ => desk.DeclineAsync(answer, context.RequestAborted),
            });
            return Said(gate, act is "approve" or "break-glass" ? act : "decline");
        }
        catch (EngineException refusal) when (refusal.Kind == ErrorKind.Denied)
        {
            return Said(gate, Refusal + protection.CreateProtector(Purpose).Protect(refusal.Message));
        }
    }

    private static IResult Said(long gate, string what) => Results.LocalRedirect(FormattableString.Invariant($"/approvals/{gate}?said={Uri.EscapeDataString(what)}"));
}
