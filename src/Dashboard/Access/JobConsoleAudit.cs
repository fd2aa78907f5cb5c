using System.Security.Claims;
using Hexabase.DrConsole.Engine.Audit;
using Npgsql;

namespace Hexabase.DrConsole.Dashboard.Access;

/// <summary>
/// Records what a person changes in the job console. Hangfire has transactions of its own, so the event is written before the
/// change: one that then fails leaves an event too many, never a change without one. Who may only look changes nothing there:
/// Hangfire refuses it, and nothing is recorded.
/// </summary>
internal sealed class JobConsoleAudit(RequestDelegate next, NpgsqlDataSource catalog)
{
    private const string JobsField = "jobs[]";
    private const int MostJobs = 100;
    private const int LongestText = 200;

    public static bool MayOperate(ClaimsPrincipal user) => user.IsInRole(nameof(ConsoleRole.Operator)) || user.IsInRole(nameof(ConsoleRole.Admin));

    public async Task InvokeAsync(HttpContext context)
    {
        // Hangfire posts its statistics, too; they change nothing.
        if (HttpMethods.IsPost(context.Request.Method) && context.Request.Path.StartsWithSegments("/jobs", out var rest) && rest != "/stats" && MayOperate(context.User))
        {
            var form = context.Request.HasFormContentType ? await context.Request.ReadFormAsync(context.RequestAborted) : FormCollection.Empty;
            await using var connection = await catalog.OpenConnectionAsync(context.RequestAborted);
            await using var transaction = await connection.BeginTransactionAsync(context.RequestAborted);
            await AuditLog.AppendAsync(transaction, context.User.Identity?.Name ?? "nobody", "jobs.changed", Short(rest.Value), DetailsOf(form), context.RequestAborted);
            await transaction.CommitAsync(context.RequestAborted);
        }

        await next(context);
    }

    /// <summary>Which jobs a list's button was pressed for; an address that names its job has none. Bounded, since the audit keeps it for ever.</summary>
    internal static object DetailsOf(IFormCollection form)
    {
        var jobs = form[JobsField];
        return new { jobs = jobs.Take(MostJobs).Select(Short).ToArray(), count = jobs.Count };
    }

    private static string Short(string? text) => text is { Length: > LongestText } ? text[..LongestText] + "…" : text ?? "";
}
