using System.Net;
using Hexabase.DrConsole.Dashboard.Language;
using Hexabase.DrConsole.Dashboard.Tests.Access;

namespace Hexabase.DrConsole.Dashboard.Tests.Language;

public sealed class LanguageOverHttpTests : IAsyncLifetime
{
    private ConsoleHost _host = default!;
    private HttpClient _browser = default!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _host = await ConsoleHost.StartAsync(Cancel);
        _browser = _host.Browse();
    }

    public async ValueTask DisposeAsync()
    {
        _browser.Dispose();
        await _host.DisposeAsync();
    }

    [Theory]
    [InlineData(null, "en")]
    [InlineData("ja", "ja")]
    [InlineData("ja-JP,en;q=0.5", "ja")]
    [InlineData("en-GB,ja;q=0.5", "en")]
    [InlineData("de,ja;q=0.8,en;q=0.3", "ja")]
    [InlineData("de-CH, fr;q=0.9", "en")]
    public async Task First_visit_is_in_the_browsers_language_else_English(string? accepted, string expected) => await ExpectAsync(accepted, expected);

    [Fact]
    public async Task Choice_is_kept_in_a_cookie_and_outweighs_the_browser()
    {
        using var answer = await ChooseAsync("ja", "/runs?kind=backup");
        Assert.Equal(HttpStatusCode.Redirect, answer.StatusCode);
        Assert.Equal("/runs?kind=backup", answer.Headers.Location?.ToString());
        var cookie = Assert.Single(answer.Headers.GetValues("Set-Cookie"));
        Assert.StartsWith($"{Languages.CookieName}=c%3Dja%7Cuic%3Dja; max-age=31536000; path=/", cookie, StringComparison.Ordinal);
        Assert.Contains("samesite=lax", cookie, StringComparison.Ordinal);
        await ExpectAsync("en", "ja");

        using var back = await ChooseAsync("en", "/");
        await ExpectAsync("ja", "en");
    }

    // A link that somebody sent must not change what its reader chose.
    [Fact]
    public async Task Address_does_not_choose_a_language()
        => Assert.Contains("<html lang=\"en\"", await _browser.GetStringAsync(new Uri("/sign-in?culture=ja&ui-culture=ja", UriKind.Relative), Cancel), StringComparison.Ordinal);

    [Theory]
    [InlineData("de")]
    [InlineData("")]
    [InlineData("ja; path=/x")]
    public async Task Unknown_language_chooses_nothing(string language)
    {
        using var answer = await ChooseAsync(language, "/runs");
        Assert.Equal("/runs", answer.Headers.Location?.ToString());
        Assert.False(answer.Headers.Contains("Set-Cookie"));
    }

    [Theory]
    [InlineData("//elsewhere.example/")]
    [InlineData("https://elsewhere.example/")]
    [InlineData("/\\elsewhere.example")]
    public async Task Choice_never_leads_to_another_host(string returnUrl)
    {
        using var answer = await ChooseAsync("ja", returnUrl);
        Assert.Equal("/", answer.Headers.Location?.ToString());
    }

    [Fact]
    public async Task Sign_in_page_carries_the_switch_and_what_the_person_wanted()
    {
        var html = await _browser.GetStringAsync(new Uri("/sign-in?returnUrl=%2Fruns%2F7", UriKind.Relative), Cancel);
        Assert.Contains("action=\"/language\"", html, StringComparison.Ordinal);
        Assert.Contains("name=\"returnUrl\" value=\"/runs/7\"", html, StringComparison.Ordinal);
    }

    private async Task ExpectAsync(string? accepted, string expected)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri("/sign-in", UriKind.Relative));
        if (accepted is not null)
        {
            request.Headers.Add("Accept-Language", accepted);
        }

        using var answer = await _browser.SendAsync(request, Cancel);
        var html = await answer.Content.ReadAsStringAsync(Cancel);
        Assert.Contains($"<html lang=\"{expected}\"", html, StringComparison.Ordinal);
        Assert.Contains(expected == "ja" ? "パスワード" : "Password", WebUtility.HtmlDecode(html), StringComparison.Ordinal);
    }

    private async Task<HttpResponseMessage> ChooseAsync(string language, string returnUrl)
    {
        using var form = new FormUrlEncodedContent(new Dictionary<string, string> { ["language"] = language, ["returnUrl"] = returnUrl });
        return await _browser.PostAsync(new Uri(Languages.Path, UriKind.Relative), form, Cancel);
    }
}
