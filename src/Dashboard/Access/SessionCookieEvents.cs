using System.Globalization;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.Cookies;
using Microsoft.Extensions.Options;

namespace Hexabase.DrConsole.Dashboard.Access;

/// <summary>Asks again, at an interval, whether a cookie's session still holds.</summary>
public sealed class SessionCookieEvents(IUserDirectory users, ISessionStore sessions, IOptions<DashboardOptions> options, TimeProvider time)
    : CookieAuthenticationEvents
{
    private const string CheckedAt = ".checked";

    /// <inheritdoc/>
    public override Task SigningIn(CookieSigningInContext context)
    {
        Remember(context.Properties);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public override async Task ValidatePrincipal(CookieValidatePrincipalContext context)
    {
        if (context.Principal is not { } principal || (ConsoleSession.IdOf(principal) is not null && ConsoleSession.EndOf(principal) > time.GetUtcNow() && !IsDue(context.Properties)))
        {
            return;
        }

        if (!await ConsoleSession.HoldsAsync(principal, users, sessions, time.GetUtcNow(), context.HttpContext.RequestAborted))
        {
            context.RejectPrincipal();
            await context.HttpContext.SignOutAsync(context.Scheme.Name);
            return;
        }

        Remember(context.Properties);
        context.ShouldRenew = true;
    }

    private bool IsDue(AuthenticationProperties properties)
        => !properties.Items.TryGetValue(CheckedAt, out var text)
            || !DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, out var at)
            || time.GetUtcNow() - at >= options.Value.SessionCheckInterval;

    private void Remember(AuthenticationProperties properties)
        => properties.Items[CheckedAt] = time.GetUtcNow().ToString("O", CultureInfo.InvariantCulture);
}
