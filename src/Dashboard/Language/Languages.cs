using System.Globalization;
using Hexabase.DrConsole.Dashboard.Access;
using Microsoft.AspNetCore.Localization;
using Microsoft.AspNetCore.Mvc;

namespace Hexabase.DrConsole.Dashboard.Language;

/// <summary>A language of the pages.</summary>
/// <param name="Code">As in the <c>lang</c> attribute: <c>en</c>.</param>
/// <param name="Name">What its readers call it.</param>
/// <param name="Mark">One or two characters of it, for the app bar.</param>
public sealed record PageLanguage(string Code, string Name, string Mark);

/// <summary>
/// The languages of the pages: English and Japanese. What a person chose is kept in a cookie; without one the browser's list
/// decides, and where that names neither, English. Texts of the engine (reasons, log lines, faults) are English in both.
/// </summary>
public static class Languages
{
    public const string CookieName = "drconsole-language";

    /// <summary>Takes a choice: a form with <c>language</c> and <c>returnUrl</c>.</summary>
    public const string Path = "/language";

    private static readonly TimeSpan CookieLifetime = TimeSpan.FromDays(365);

    public static PageLanguage English { get; } = new("en", "English", "EN");

    public static PageLanguage Japanese { get; } = new("ja", "日本語", "あ");

    private static IReadOnlyList<PageLanguage> All { get; } = [English, Japanese];

    /// <summary>The one that the reader does not read now.</summary>
    public static PageLanguage Other => CultureInfo.CurrentUICulture.TwoLetterISOLanguageName == Japanese.Code ? English : Japanese;

    /// <summary>Cookie, then the browser's list, then English; no address changes the language, so that a shared link does not either.</summary>
    public static void Configure(RequestLocalizationOptions localization)
    {
        string[] codes = [.. All.Select(language => language.Code)];
        localization.SetDefaultCulture(English.Code).AddSupportedCultures(codes).AddSupportedUICultures(codes);
        localization.RequestCultureProviders = [new CookieRequestCultureProvider { CookieName = CookieName }, new AcceptLanguageHeaderRequestCultureProvider()];
    }

    // Without an antiforgery token: the worst that a foreign page could do is to show its visitor the other language, and a form
    // of before a restart must still work.
    public static void MapLanguage(this IEndpointRouteBuilder endpoints) => endpoints.MapPost(Path, Choose).AllowAnonymous().DisableAntiforgery();

    private static IResult Choose(HttpContext context, [FromForm] string? language, [FromForm] string? returnUrl)
    {
        // A name that is no language came from no form of ours: nothing is chosen.
        if (All.FirstOrDefault(one => one.Code == language) is { } chosen)
        {
            context.Response.Cookies.Append(CookieName, CookieRequestCultureProvider.MakeCookieValue(new RequestCulture(chosen.Code)), new CookieOptions
            {
                Path = "/", HttpOnly = true, IsEssential = true, MaxAge = CookieLifetime, SameSite = SameSiteMode.Lax, Secure = context.Request.IsHttps,
            });
        }

        return Results.LocalRedirect(LocalUrl.OrRoot(returnUrl));
    }
}
