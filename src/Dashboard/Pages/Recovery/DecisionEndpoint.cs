using Hexabase.DrConsole.Dashboard.Access;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Recovery.Approvals;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Runs;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.Mvc;

namespace Hexabase.DrConsole.Dashboard.Pages.Recovery;

/// <summary>Takes the decision about a step that changes what others approved, over HTTP and with the password anew, as <see cref="GateEndpoint"/> takes the answer at a gate.</summary>
internal static class DecisionEndpoint
{
    private const string Purpose = "decision-refusal";
    private const string Taken = "decided";

    public static string PathOf(RunId run) => FormattableString.Invariant($"/runs/{run.Value}/decision");

    public static void MapDecisions(this IEndpointRouteBuilder endpoints) =>
        // The token is checked by hand, so that a stale form gets the page and not a bare 400.
        endpoints.MapPost("/runs/{run:long}/decision", DecideAsync).RequireAuthorization(Policies.CanView).DisableAntiforgery();

    /// <summary>What became of a decision, in the reader's words; null for nothing that this endpoint says.</summary>
    public static string? TextOf(string? said, IDataProtectionProvider protection) => said switch
    {
        Taken => RecoveryTexts.SaidDecided,
        _ => RefusalSeal.TextOf(protection, Purpose, said),
    };

    private static async Task<IResult> DecideAsync(
        HttpContext context, long run, [FromForm] string? choice, [FromForm] string? reason, [FromForm] string? password, [FromForm] int? step, IAntiforgery antiforgery, DecisionMaking decisions,
        IDataProtectionProvider protection)
    {
        if (!await antiforgery.IsRequestValidAsync(context))
        {
            return To(run, "stale");
        }

        StepChoice? known = Enum.GetValues<StepChoice>().Where(StepDecisions.NeedsSecondPerson).Cast<StepChoice?>().FirstOrDefault(one => RecoveryNames.Of(one!.Value) == choice);
        if (known is not { } chosen)
        {
            return To(run, "unknown");
        }

        try
        {
            return await decisions.DecideAsync(context.User.Identity!.Name!, password, new RunId(run), chosen, reason ?? "", step, context.RequestAborted) switch
            {
                Said.Password => To(run, "password"),
                Said.Role => To(run, "role"),
                _ => To(run, Taken),
            };
        }
        catch (EngineException refusal) when (refusal.Kind is ErrorKind.Denied or ErrorKind.Conflict or ErrorKind.NotFound)
        {
            return To(run, RefusalSeal.Close(protection, Purpose, refusal.Message));
        }
    }

    private static IResult To(long run, string what) => Results.LocalRedirect(FormattableString.Invariant($"/runs/{run}?said={Uri.EscapeDataString(what)}"));
}
