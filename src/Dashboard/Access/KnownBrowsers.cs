using System.Security.Cryptography;
using Microsoft.AspNetCore.DataProtection;

namespace Hexabase.DrConsole.Dashboard.Access;

/// <summary>
/// Browsers in which somebody has signed in before. Wrong passwords from elsewhere lock a name, and anybody can give them; they do not
/// lock it in its owner's own browser, which has a count of its own.
/// </summary>
public sealed class KnownBrowsers(IDataProtectionProvider protection)
{
    private const string CookieName = "drconsole-browser";
    private const char Between = '\n';

    private static readonly TimeSpan s_remembered = TimeSpan.FromDays(180);

    private readonly ITimeLimitedDataProtector _seal = protection.CreateProtector("drconsole.known-browser").ToTimeLimitedDataProtector();

    /// <summary>What this browser is counted by for that person; null where nobody of that name has signed in here.</summary>
    public string? MarkOf(HttpRequest request, string? name)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (string.IsNullOrWhiteSpace(name) || request.Cookies[CookieName] is not { } cookie)
        {
            return null;
        }

        try
        {
            var mark = _seal.Unprotect(cookie);
            return mark.StartsWith(ConsoleUser.Normalize(name) + Between, StringComparison.Ordinal) ? mark : null;
        }
        catch (CryptographicException)
        {
            // Of another console, too old, or made up: a browser that nobody knows.
            return null;
        }
    }

    /// <summary>Knows the browser of somebody who has signed in. Who signs in there next takes their place.</summary>
    public void Remember(HttpContext context, string name)
    {
        ArgumentNullException.ThrowIfNull(context);
        var mark = MarkOf(context.Request, name) ?? ConsoleUser.Normalize(name) + Between + RandomNumberGenerator.GetHexString(32);
        context.Response.Cookies.Append(CookieName, _seal.Protect(mark, s_remembered), new CookieOptions
        {
            Path = AccessPaths.SignIn, HttpOnly = true, SameSite = SameSiteMode.Strict, Secure = context.Request.IsHttps, MaxAge = s_remembered, IsEssential = true,
        });
    }
}
