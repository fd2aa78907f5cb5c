using System.Globalization;
using System.Security.Claims;
using Hexabase.DrConsole.Engine;
using Microsoft.AspNetCore.Authentication.Cookies;

namespace Hexabase.DrConsole.Dashboard.Access;

/// <summary>What the cookie says about the person, and whether that is still true.</summary>
public static class ConsoleSession
{
    internal const string StampClaim = "drconsole:stamp";

    private const string IdClaim = "drconsole:session";
    private const string EndClaim = "drconsole:session-ends";

    /// <summary>The identity that the cookie carries for <paramref name="user"/> in the session of that id.</summary>
    /// <param name="ends">When it ends by itself: the catalog knows that too, but may be away by then.</param>
    public static ClaimsPrincipal PrincipalOf(ConsoleUser user, string session, DateTimeOffset ends)
    {
        Claim[] claims =
        [
            new(ClaimTypes.Name, user.Name),
            // What a form's token is bound to: the person, so that a tab of their former session can still post.
            new(ClaimTypes.NameIdentifier, user.Name),
            new(ClaimTypes.Role, user.Role.ToString()),
            new(StampClaim, user.SessionStamp()),
            new(IdClaim, session),
            new(EndClaim, ends.ToString("O", CultureInfo.InvariantCulture)),
        ];
        return new ClaimsPrincipal(new ClaimsIdentity(claims, CookieAuthenticationDefaults.AuthenticationScheme));
    }

    /// <summary>The id of the session; null for nobody, and for a cookie of a version that had none, which signs nobody in.</summary>
    public static string? IdOf(ClaimsPrincipal principal) => principal.FindFirstValue(IdClaim);

    /// <summary>When the session ends by itself; null for a cookie that does not say.</summary>
    public static DateTimeOffset? EndOf(ClaimsPrincipal principal) =>
        DateTimeOffset.TryParse(principal.FindFirstValue(EndClaim), CultureInfo.InvariantCulture, DateTimeStyles.RoundtripKind, out var ends) ? ends : null;

    /// <summary>
    /// True while the session has not ended and the user exists, is enabled and has the role and password of when they signed in. While the directory
    /// does not answer, a session goes on until its own end: its pages show what they last knew, and nothing can be changed without the
    /// catalog anyway. It is asked again at the next interval. One whose end only the directory knows does not go on then.
    /// </summary>
    public static async Task<bool> HoldsAsync(
        ClaimsPrincipal principal, IUserDirectory users, ISessionStore sessions, DateTimeOffset now, CancellationToken cancellationToken)
    {
        if (principal.Identity is not { IsAuthenticated: true, Name: { } name } || IdOf(principal) is not { } id || EndOf(principal) <= now)
        {
            return false;
        }

        try
        {
            var user = await users.FindAsync(name, cancellationToken);
            return user is { IsDisabled: false } && user.SessionStamp() == principal.FindFirstValue(StampClaim)
                && await sessions.HoldsAsync(id, name, cancellationToken);
        }
        catch (EngineException fault) when (fault.Kind == ErrorKind.Unavailable)
        {
            return EndOf(principal) is not null;
        }
    }
}
