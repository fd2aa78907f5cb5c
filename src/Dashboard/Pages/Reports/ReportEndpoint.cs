using Hexabase.DrConsole.Dashboard.Access;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Recovery.Reports;
using Hexabase.DrConsole.Engine.Runs;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Hexabase.DrConsole.Dashboard.Pages.Reports;

/// <summary>Gives reports out: as a page to print, and as a signed file.</summary>
internal static class ReportEndpoint
{
    public const string KeyPath = "/reports/signing-key.pem";

    public static string PrintOf(RunId run) => FormattableString.Invariant($"/reports/{run.Value}/print");

    public static string SignedOf(RunId run) => FormattableString.Invariant($"/reports/{run.Value}/signed");

    public static void MapReports(this IEndpointRouteBuilder endpoints)
    {
        endpoints.MapGet("/reports/{run:long}/print", PrintAsync).RequireAuthorization(Policies.CanView);
        endpoints.MapGet("/reports/{run:long}/signed", SignAsync).RequireAuthorization(Policies.CanView);
        endpoints.MapGet(KeyPath, (ReportKey key) => Results.Text(key.PublicPem(), "application/x-pem-file")).RequireAuthorization(Policies.CanView);
    }

    private static async Task<Results<RazorComponentResult<ReportDocument>, NotFound<string>>> PrintAsync(
        long run, HttpContext context, ReportWriter writer, CancellationToken cancellationToken)
    {
        if (await FindAsync(run, writer, cancellationToken) is not { } report)
        {
            return TypedResults.NotFound(Figures.Format(DrillTexts.NoReport, new RunId(run)));
        }

        return new RazorComponentResult<ReportDocument>(new Dictionary<string, object?> { [nameof(ReportDocument.Report)] = report, [nameof(ReportDocument.Reader)] = context.User.Identity!.Name });
    }

    private static async Task<IResult> SignAsync(long run, HttpContext context, ReportSigning signing, CancellationToken cancellationToken)
    {
        var id = new RunId(run);
        try
        {
            return Results.File(await signing.SignAsync(id, context.User.Identity!.Name!, cancellationToken), "application/json", ReportSigning.NameOf(id));
        }
        catch (EngineException unknown) when (unknown.Code == "run-unknown")
        {
            return Results.NotFound();
        }
    }

    private static async Task<RecoveryReport?> FindAsync(long run, ReportWriter writer, CancellationToken cancellationToken)
    {
        try
        {
            return await writer.WriteAsync(new RunId(run), cancellationToken);
        }
        catch (EngineException unknown) when (unknown.Code == "run-unknown")
        {
            return null;
        }
    }
}
