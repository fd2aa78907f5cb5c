using System.Net;
using System.Text.RegularExpressions;

namespace Hexabase.DrConsole.Engine.Tests.Executable;

/// <summary>A person's browser on a console that runs.</summary>
internal static partial class ConsoleBrowser
{
    /// <summary>The address that a console says it listens on.</summary>
    public static Uri AddressOf(ConsoleProcess console) => new(UrlLine().Match(console.Said).Groups[1].Value);

    /// <summary>Signs in through the form.</summary>
    /// <param name="cookies">Where its cookies are kept, for whoever copies them.</param>
    public static async Task<HttpClient> SignInAsync(Uri address, string name, string password, CancellationToken ct, CookieContainer? cookies = null)
    {
        var browser = new HttpClient(new HttpClientHandler { CookieContainer = cookies ?? new CookieContainer(), AllowAutoRedirect = false }) { BaseAddress = address };
        var html = await browser.GetStringAsync(new Uri("/sign-in", UriKind.Relative), ct);
        using var form = new FormUrlEncodedContent(new Dictionary<string, string>
        {
            ["_handler"] = "sign-in", ["__RequestVerificationToken"] = VerificationToken().Match(html).Groups[1].Value, ["Input.Name"] = name, ["Input.Password"] = password,
        });
        var answer = await browser.PostAsync(new Uri(WebUtility.HtmlDecode(FormAction().Match(html).Groups[1].Value), UriKind.Relative), form, ct);
        Assert.Equal(HttpStatusCode.Redirect, answer.StatusCode);
        return browser;
    }

    [GeneratedRegex(@"Console: (http://\S+)")]
    private static partial Regex UrlLine();

    [GeneratedRegex("name=\"__RequestVerificationToken\" value=\"([^\"]+)\"")]
    private static partial Regex VerificationToken();

    [GeneratedRegex("<form(?=[^>]*class=\"sign-in\")[^>]* action=\"([^\"]+)\"")]
    private static partial Regex FormAction();
}
