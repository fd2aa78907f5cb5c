namespace Hexabase.DrConsole.Dashboard.Access;

/// <summary>The headers of every answer, error pages and static files included.</summary>
public static class SecurityHeaders
{
    /// <summary>
    /// No script but our own files. Styles may stand inline because MudBlazor writes its theme and the positions of its
    /// popovers so.
    /// </summary>
    public const string ContentSecurityPolicy =
        "default-src 'self'; base-uri 'self'; object-src 'none'; frame-ancestors 'none'; form-action 'self'; "
        + "img-src 'self' data:; connect-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'";

    /// <summary>Adds the headers before anything else writes to the answer.</summary>
    public static IApplicationBuilder UseSecurityHeaders(this IApplicationBuilder app) => app.Use((context, next) =>
    {
        var headers = context.Response.Headers;
        headers.ContentSecurityPolicy = ContentSecurityPolicy;
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "same-origin";
        headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()";
        return next(context);
    });
}
