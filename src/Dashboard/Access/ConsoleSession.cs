using System.Security.Claims;
using Hexabase.DrConsole.Engine;
using Microsoft.AspNetCore.Authentication.Cookies;

namespace Hexabase.DrConsole.Dashboard.Access;

/// <summary>What the cookie says about the person, and whether that is still true.</summary>
public static class ConsoleSession
{
    internal const string StampClaim = "drconsole:stamp";

    private const string IdClaim = "drconsole:session";

    /// <summary>The identity that the cookie carries for <paramref name="user"/> in the session of that id.</summary>
    public static ClaimsPrincipal PrincipalOf(ConsoleUser user, string session)
    {
        Claim[] claims =
        [
            new(ClaimTypes.Name, user.Name),
            // What a form's token is bound to: the person, so that a tab of their former session can still post.
            new(ClaimTypes.NameIdentifier, user.Name),
            new(ClaimTypes.Role, user.Role.ToString()),
            new(StampClaim, user.SessionStamp()),
            new(IdClaim, session),
        ];
        return new ClaimsPrincipal(new ClaimsIdentity(claims, CookieAuthenticationDefaults.AuthenticationScheme));
    }

    /// <summary>The id of the session; null for nobody, and for a cookie of a version that had none, which signs nobody in.</summary>
    public static string? IdOf(ClaimsPrincipal principal) => principal.FindFirstValue(IdClaim);

    /// <summary>
    /// True while the session has not ended and the user exists, is enabled and has the role and password of when they signed in. While the directory
    /// does not answer, a session goes on: its pages show what they last knew, and nothing can be changed without the
    /// catalog anyway. It is asked again at the next interval.
    /// </summary>
    public static async Task<bool> HoldsAsync(
        ClaimsPrincipal principal, IUserDirectory users, ISessionStore sessions, CancellationToken cancellationToken)
    {
        if (principal.Identity is not { IsAuthenticated: true, Name: { } name } || IdOf(principal) is not { } id)
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
            return true;
        }
    }
}
