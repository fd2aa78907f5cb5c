using Hexabase.DrConsole.Engine;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.Cookies;
using Microsoft.AspNetCore.Components.Authorization;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Hexabase.DrConsole.Dashboard.Access;

internal static class AccessServices
{
    /// <summary>Cookie sign-in, the policies, lock-out and the keys that seal cookies. Needs an <see cref="IUserDirectory"/> and an <see cref="ISessionStore"/>.</summary>
    public static void AddAccess(this IServiceCollection services, DashboardOptions options)
    {
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton(LockOutPolicy.Default);
        services.TryAddSingleton(PasswordCost.Default);
        services.AddSingleton<PasswordHasher>();
        services.AddSingleton<FailureMemory>();
        services.AddSingleton<KnownBrowsers>();
        services.AddScoped<SignInDesk>();
        services.AddScoped<SessionCookieEvents>();
        services.AddScoped<AuthenticationStateProvider, CircuitSession>();
        services.AddCascadingAuthenticationState();
        services.AddAuthorization(Policies.Add);
        services.AddAuthentication(CookieAuthenticationDefaults.AuthenticationScheme).AddCookie(cookie =>
        {
            cookie.Cookie.Name = "drconsole-session";
            cookie.Cookie.HttpOnly = true;
            // Lax, not Strict: a link in a mail must open the run that it names. Every change is a POST or a circuit.
            cookie.Cookie.SameSite = SameSiteMode.Lax;
            cookie.Cookie.SecurePolicy = CookieSecurePolicy.SameAsRequest;
            cookie.ExpireTimeSpan = options.SessionLifetime;
            cookie.SlidingExpiration = true;
            cookie.LoginPath = AccessPaths.SignIn;
            cookie.LogoutPath = AccessPaths.SignOut;
            cookie.AccessDeniedPath = AccessPaths.Denied;
            cookie.ReturnUrlParameter = "returnUrl";
            cookie.EventsType = typeof(SessionCookieEvents);
        });
        services.AddAntiforgery(antiforgery =>
        {
            antiforgery.Cookie.Name = "drconsole-antiforgery";
            antiforgery.Cookie.SameSite = SameSiteMode.Strict;
            antiforgery.Cookie.SecurePolicy = CookieSecurePolicy.SameAsRequest;
        });
        services.AddDataProtection()
            .SetApplicationName("drconsole")
            .PersistKeysToFileSystem(PrivateDirectory(options.DataProtectionKeysDirectory));
    }

    public static void MapAccess(this IEndpointRouteBuilder endpoints)
    {
        endpoints.MapPost(AccessPaths.SignOut, (HttpContext context, IAntiforgery antiforgery, ISessionStore sessions) =>
            SignOutAsync(context, antiforgery, session => sessions.EndAsync(session, CancellationToken.None))).AllowAnonymous().DisableAntiforgery();
        endpoints.MapPost(AccessPaths.SignOutEverywhere, (HttpContext context, IAntiforgery antiforgery, ISessionStore sessions) =>
            SignOutAsync(context, antiforgery, session => sessions.EndAllAsync(session, CancellationToken.None))).AllowAnonymous().DisableAntiforgery();
    }

    // The token is checked here and not by the framework, which would answer a stale form (a console that was
    // restarted with other keys) with a bare 400 instead of the sign-in page.
    /// <param name="end">Ends the session of that id, or with it all of that person's. It does so also where the browser does not wait for the answer: whoever signs out and closes the window is signed out.</param>
    private static async Task<IResult> SignOutAsync(HttpContext context, IAntiforgery antiforgery, Func<string, Task> end)
    {
        if (!await antiforgery.IsRequestValidAsync(context))
        {
            return Results.LocalRedirect(AccessPaths.SignIn);
        }

        var session = ConsoleSession.IdOf(context.User);
        await context.SignOutAsync(CookieAuthenticationDefaults.AuthenticationScheme);
        try
        {
            if (session is not null)
            {
                await end(session);
            }

            return Results.LocalRedirect(AccessPaths.SignIn);
        }
        catch (EngineException fault) when (fault.Kind == ErrorKind.Unavailable)
        {
            return Results.LocalRedirect(AccessPaths.SignInNotEnded);
        }
    }

    private static DirectoryInfo PrivateDirectory(string path)
    {
        var directory = Directory.CreateDirectory(path);
        if (!OperatingSystem.IsWindows())
        {
            directory.UnixFileMode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
        }

        return directory;
    }
}
