using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Http.Features;

namespace Hexabase.DrConsole.Dashboard.Api;

/// <summary>What holds for every request of programs: no pages instead of answers, and nothing in the name of a person from a foreign page.</summary>
internal static class ApiGuard
{
    private const string Hubs = "/hubs";

    /// <summary>The longest body, a plan's, is far shorter.</summary>
    private const long MostBytes = 256 * 1024;

    public static IApplicationBuilder UseApiGuard(this IApplicationBuilder app) => app.Use(async (context, next) =>
    {
        if (!IsOfPrograms(context))
        {
            await next(context);
            return;
        }

        if (context.Features.Get<IStatusCodePagesFeature>() is { } pages)
        {
            pages.Enabled = false;
        }

        if (IsForeign(context))
        {
            await ApiProblems.WriteAsync(context, StatusCodes.Status403Forbidden, "foreign-origin", "the request comes from another site's page", "Send it from the console's own origin, or with a token and no Origin header.");
            return;
        }

        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } body)
        {
            body.MaxRequestBodySize = MostBytes;
        }

        await next(context);
        if (!context.Response.HasStarted && context.Response is { StatusCode: >= 400, ContentType: null, ContentLength: null } && !context.WebSockets.IsWebSocketRequest)
        {
            await ApiProblems.WriteAsync(context, context.Response.StatusCode, "request-invalid", context.Response.StatusCode switch
            {
                StatusCodes.Status404NotFound => "there is nothing at this address",
                StatusCodes.Status405MethodNotAllowed => "this address does not take that method",
                StatusCodes.Status413PayloadTooLarge => $"the body is longer than {MostBytes / 1024} KiB",
                StatusCodes.Status415UnsupportedMediaType => "the body is not JSON",
                _ => "the request cannot be understood",
            }, "See docs/api.md and /api/openapi/v1.json.");
        }
    });

    private static bool IsOfPrograms(HttpContext context) => context.Request.Path.StartsWithSegments(ApiEndpoints.Root) || context.Request.Path.StartsWithSegments(Hubs);

    /// <summary>Reading is harmless: a foreign page cannot see the answer. Over a hub's socket it could.</summary>
    private static bool IsForeign(HttpContext context)
    {
        var request = context.Request;
        if ((HttpMethods.IsGet(request.Method) && !request.Path.StartsWithSegments(Hubs)) || request.Headers.Origin is not [{ } origin])
        {
            return false;
        }

        return !Uri.TryCreate(origin, UriKind.Absolute, out var from) || from.Authority != request.Host.Value;
    }
}
