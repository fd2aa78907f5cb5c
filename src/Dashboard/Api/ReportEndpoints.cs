using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Reports;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Dashboard.Api;

/// <summary>A recovery or a drill that has ended, and of which there is a report.</summary>
/// <param name="Outcome">As a recovery's.</param>
public sealed record ApiReport(long Run, bool IsDrill, string Source, string Plan, int PlanVersion, string Disaster, long? Incident, string Outcome, string RequestedBy, DateTimeOffset AskedAt);

/// <summary>Reports: the list, each as the signed file that the page gives out, and the key to check them with.</summary>
internal static class ReportEndpoints
{
    public static void Map(RouteGroupBuilder api)
    {
        api.MapGet("/reports", async (string? source, bool? drills, string? outcome, int? limit, RecoveryCatalog recoveries, CancellationToken ct) =>
            (await recoveries.EndedAsync(new EndedFilter(source, drills, ApiEndpoints.StateOf<RecoveryOutcome>(outcome, "an ended recovery")), ApiEndpoints.Limit(limit), ct)).Select(Of))
            .Produces<IEnumerable<ApiReport>>();
        // The very bytes that are signed; not a form of its own, in which the signature would not hold.
        api.MapGet("/reports/{run:long}", async (long run, HttpContext context, ReportSigning signing, CancellationToken ct) =>
            Results.File(await signing.SignAsync(new RunId(run), ApiEndpoints.ActorOf(context), ct), "application/json", ReportSigning.NameOf(new RunId(run)))).Produces(StatusCodes.Status200OK, null, "application/json");
        api.MapGet("/reports/signing-key", (ReportKey key) => Results.Text(key.PublicPem(), "application/x-pem-file")).Produces(StatusCodes.Status200OK, null, "application/x-pem-file");
    }

    private static ApiReport Of(EndedRecovery row) => new(
        row.Recovery.Run.Value, row.Recovery.IsDrill, row.Recovery.Source, row.Recovery.Plan, row.Recovery.PlanVersion, row.Recovery.Disaster, row.Recovery.Incident,
        RecoveryNames.Of(row.Recovery.Outcome!.Value), row.AskedBy, row.AskedAt);
}
