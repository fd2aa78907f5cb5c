using System.Text.Json;
using System.Text.Json.Serialization;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Runs;
using Npgsql;

namespace Hexabase.DrConsole.Dashboard.Api;

/// <summary>Why a request came to nothing, as RFC 9457 has it, with the engine's code and what to do.</summary>
public sealed record ApiProblem(string Type, string Title, int Status, string Code, string? Hint);

/// <summary>Turns faults into <see cref="ApiProblem"/>s.</summary>
internal static class ApiProblems
{
    public const string ContentType = "application/problem+json";

    /// <summary>The class of what PostgreSQL says of values that it cannot take.</summary>
    private const string DataException = "22";

    private const string AwayCode = "catalog-unavailable";
    private const string AwayTitle = "the console's database does not answer";
    private const string AwayHint = "Try again; its log is in the data folder.";

    private static readonly JsonSerializerOptions s_form = new(JsonSerializerDefaults.Web) { DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull };

    public static Task WriteAsync(HttpContext context, int status, string code, string title, string? hint)
    {
        context.Response.StatusCode = status;
        return context.Response.WriteAsJsonAsync(new ApiProblem("about:blank", title, status, code, hint), s_form, ContentType, context.RequestAborted);
    }

    public static Task WriteCatalogAwayAsync(HttpContext context) => WriteAsync(context, StatusCodes.Status503ServiceUnavailable, AwayCode, AwayTitle, AwayHint);

    public static IResult Of(int status, string code, string title, string? hint) =>
        Results.Json(new ApiProblem("about:blank", title, status, code, hint), s_form, ContentType, status);

    public static IResult PasswordWrong => Of(StatusCodes.Status403Forbidden, "password-wrong", "the password is wrong, or the account is locked", "Nothing was changed.");

    public static IResult RoleMissing => Of(StatusCodes.Status403Forbidden, "role-missing", "your role may not approve", "Ask an admin for the role Approver. Nothing was changed.");

    /// <summary>The edge of the API: what an endpoint throws that a caller can act on.</summary>
    public static async ValueTask<object?> CatchAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next)
    {
        try
        {
            return await next(context);
        }
        catch (EngineException fault)
        {
            return Of(StatusOf(fault.Kind), fault.Code, fault.Message, fault.Hint);
        }
        catch (PostgresException fault) when (fault.SqlState.StartsWith(DataException, StringComparison.Ordinal))
        {
            return Of(StatusCodes.Status400BadRequest, "value-invalid", $"a value cannot be read: {fault.MessageText}", "Correct it and send it again; nothing was changed.");
        }
        catch (NpgsqlException fault) when (RunExecution.IsCatalogAway(fault))
        {
            return Of(StatusCodes.Status503ServiceUnavailable, AwayCode, AwayTitle, AwayHint);
        }
    }

    private static int StatusOf(ErrorKind kind) => kind switch
    {
        ErrorKind.Input => StatusCodes.Status400BadRequest,
        ErrorKind.NotFound => StatusCodes.Status404NotFound,
        ErrorKind.Conflict => StatusCodes.Status409Conflict,
        ErrorKind.Denied => StatusCodes.Status403Forbidden,
        ErrorKind.Unavailable => StatusCodes.Status503ServiceUnavailable,
        ErrorKind.OutOfSpace => StatusCodes.Status507InsufficientStorage,
        ErrorKind.Unsupported => StatusCodes.Status422UnprocessableEntity,
        _ => StatusCodes.Status500InternalServerError,
    };
}
