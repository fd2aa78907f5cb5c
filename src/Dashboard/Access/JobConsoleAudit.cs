using Hexabase.DrConsole.Engine.Audit;
using Npgsql;

namespace Hexabase.DrConsole.Dashboard.Access;

/// <summary>
/// Records what a person changes in the job console. Hangfire has transactions of its own, so the event is written before the
/// change: one that then fails leaves an event too many, never a change without one.
/// </summary>
internal sealed class JobConsoleAudit(RequestDelegate next, NpgsqlDataSource catalog)
{
    public async Task InvokeAsync(HttpContext context)
    {
        // Hangfire posts its statistics, too; they change nothing.
        if (HttpMethods.IsPost(context.Request.Method) && context.Request.Path.StartsWithSegments("/jobs", out var rest) && rest != "/stats")
        {
            await using var connection = await catalog.OpenConnectionAsync(context.RequestAborted);
            await using var transaction = await connection.BeginTransactionAsync(context.RequestAborted);
            await AuditLog.AppendAsync(transaction, context.User.Identity?.Name ?? "nobody", "jobs.changed", rest.Value ?? "", new { }, context.RequestAborted);
            await transaction.CommitAsync(context.RequestAborted);
        }

        await next(context);
    }
}
