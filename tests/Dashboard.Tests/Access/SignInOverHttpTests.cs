using System.Net;
using System.Security.Claims;
using Hexabase.DrConsole.Dashboard.Access;

namespace Hexabase.DrConsole.Dashboard.Tests.Access;

public sealed class SignInOverHttpTests : IAsyncLifetime
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
    [InlineData("/")]
    [InlineData("/runs/R-58?tab=log")]
    [InlineData("/probe/nothing-said")]
    [InlineData("/no-such-page")]
    public async Task Any_address_unsigned_leads_to_sign_in_and_back(string path)
    {
        using var answer = await GetAsync(path);
        Assert.Equal(HttpStatusCode.Redirect, answer.StatusCode);
        Assert.Equal($"/sign-in?returnUrl={Uri.EscapeDataString(path)}", answer.Headers.Location?.PathAndQuery, ignoreCase: true);
    }

    [Theory]
    [InlineData("/sign-in")]
    [InlineData("/css/absent.css")]
    [InlineData("/probe/nothing-said")]
    public async Task Any_answer_carries_the_security_headers(string path)
    {
        using var answer = await GetAsync(path);
        Assert.Equal([SecurityHeaders.ContentSecurityPolicy], answer.Headers.GetValues("Content-Security-Policy"));
        Assert.Equal(["nosniff"], answer.Headers.GetValues("X-Content-Type-Options"));
        Assert.Equal(["same-origin"], answer.Headers.GetValues("Referrer-Policy"));
    }

    [Fact]
    public async Task Sign_in_page_has_no_inline_script_and_is_not_cached()
    {
        using var answer = await GetAsync("/sign-in");
        var html = await answer.Content.ReadAsStringAsync(Cancel);
        Assert.DoesNotContain("<script>", html, StringComparison.Ordinal);
        Assert.DoesNotContain("importmap", html, StringComparison.Ordinal);
        Assert.True(answer.Headers.CacheControl?.NoStore);
    }

    [Fact]
    public async Task Sign_in_right_password_sets_a_guarded_cookie_and_goes_back()
    {
        using var answer = await ConsoleHost.SignInAsync(_browser, "operator", ConsoleHost.Password, "/runs?tab=all", Cancel);

        Assert.Equal(HttpStatusCode.Redirect, answer.StatusCode);
        Assert.EndsWith("/runs?tab=all", answer.Headers.Location?.ToString(), StringComparison.Ordinal);
        var cookie = answer.Headers.GetValues("Set-Cookie").Single(value => value.StartsWith("drconsole-session", StringComparison.Ordinal));
        Assert.Contains("httponly", cookie, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("samesite=lax", cookie, StringComparison.OrdinalIgnoreCase);
        Assert.Equal("in", await _browser.GetStringAsync(Relative("/probe/nothing-said"), Cancel));
    }

    [Fact]
    public async Task Sign_in_foreign_return_url_leads_to_the_root()
    {
        using var answer = await ConsoleHost.SignInAsync(_browser, "viewer", ConsoleHost.Password, "//evil.example", Cancel);
        Assert.Equal("/", new Uri(_host.Address, answer.Headers.Location!).PathAndQuery);
        Assert.Equal(_host.Address.Host, new Uri(_host.Address, answer.Headers.Location!).Host);
    }

    [Theory]
    [InlineData("/runs/R-12", "/runs/12")]
    [InlineData("/incidents/I-3", "/incidents/3")]
    [InlineData("/approvals/G-4", "/approvals/4")]
    public async Task Address_with_an_id_as_it_is_shown_leads_to_its_page(string shown, string page)
    {
        using var stranger = await _browser.GetAsync(new Uri(shown, UriKind.Relative), Cancel);
        Assert.Contains("/sign-in", stranger.Headers.Location?.ToString(), StringComparison.Ordinal);

        using var signedIn = await ConsoleHost.SignInAsync(_browser, "viewer", ConsoleHost.Password, shown, Cancel);
        Assert.EndsWith(shown, signedIn.Headers.Location?.ToString(), StringComparison.Ordinal);
        using var answer = await _browser.GetAsync(new Uri(shown, UriKind.Relative), Cancel);

        Assert.EndsWith(page, answer.Headers.Location?.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Sign_in_without_antiforgery_token_is_refused()
    {
        using var form = new FormUrlEncodedContent(new Dictionary<string, string>
        {
            ["_handler"] = "sign-in", ["Input.Name"] = "operator", ["Input.Password"] = ConsoleHost.Password,
        });
        using var answer = await _browser.PostAsync(Relative("/sign-in"), form, Cancel);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.False(answer.Headers.TryGetValues("Set-Cookie", out var cookies)
            && cookies.Any(cookie => cookie.StartsWith("drconsole-session", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Sign_in_unknown_name_and_wrong_password_answer_alike()
    {
        var known = await RefusalAsync("operator");
        var unknown = await RefusalAsync("nobody");
        Assert.Equal(known.Replace("operator", "…", StringComparison.Ordinal), unknown.Replace("nobody", "…", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Sign_in_repeated_failures_tell_the_time_left()
    {
        for (var attempt = 0; attempt < 5; attempt++)
        {
            using var refused = await ConsoleHost.SignInAsync(_browser, "admin", "wrong", null, Cancel);
        }

        _host.Time.Advance(TimeSpan.FromSeconds(17));
        using var locked = await ConsoleHost.SignInAsync(_browser, "admin", ConsoleHost.Password, null, Cancel);
        Assert.Equal(HttpStatusCode.TooManyRequests, locked.StatusCode);
        Assert.Contains("Locked for 43s.", await locked.Content.ReadAsStringAsync(Cancel), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("viewer", Policies.CanView)]
    [InlineData("operator", Policies.CanView, Policies.CanOperate)]
    [InlineData("approver", Policies.CanView, Policies.CanApprove)]
    [InlineData("admin", Policies.CanView, Policies.CanOperate, Policies.CanApprove, Policies.CanAdminister)]
    public async Task Role_opens_exactly_its_policies(string name, params string[] opened)
    {
        using var signedIn = await ConsoleHost.SignInAsync(_browser, name, ConsoleHost.Password, null, Cancel);
        foreach (var policy in new[] { Policies.CanView, Policies.CanOperate, Policies.CanApprove, Policies.CanAdminister })
        {
            using var answer = await GetAsync($"/probe/{policy}");
            Assert.Equal(opened.Contains(policy), answer.StatusCode == HttpStatusCode.OK);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Session_of_a_changed_user_ends_at_the_next_check(bool isDisabled)
    {
        using var signedIn = await ConsoleHost.SignInAsync(_browser, "admin", ConsoleHost.Password, null, Cancel);
        _host.Users.Put(_host.Users["admin"] with { IsDisabled = isDisabled, Role = isDisabled ? ConsoleRole.Admin : ConsoleRole.Viewer });
        _host.Time.Advance(TimeSpan.FromSeconds(31));

        using var answer = await GetAsync("/probe/nothing-said");
        Assert.Equal(HttpStatusCode.Redirect, answer.StatusCode);
    }

    [Fact]
    public async Task Session_outlives_a_directory_that_does_not_answer_and_sign_in_tells_so()
    {
        using var signedIn = await ConsoleHost.SignInAsync(_browser, "admin", ConsoleHost.Password, null, Cancel);
        _host.Users.IsUp = false;
        _host.Time.Advance(TimeSpan.FromSeconds(31));
        Assert.Equal("in", await _browser.GetStringAsync(Relative("/probe/nothing-said"), Cancel));

        using var other = _host.Browse();
        using var refused = await ConsoleHost.SignInAsync(other, "viewer", ConsoleHost.Password, null, Cancel);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        Assert.Contains("start PostgreSQL again", await refused.Content.ReadAsStringAsync(Cancel), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Session_without_requests_ends_after_its_lifetime()
    {
        using var signedIn = await ConsoleHost.SignInAsync(_browser, "admin", ConsoleHost.Password, null, Cancel);
        _host.Time.Advance(TimeSpan.FromHours(8) + TimeSpan.FromSeconds(1));
        using var answer = await GetAsync("/probe/nothing-said");
        Assert.Equal(HttpStatusCode.Redirect, answer.StatusCode);
    }

    [Fact]
    public async Task Sign_out_without_token_keeps_the_session()
    {
        using var signedIn = await ConsoleHost.SignInAsync(_browser, "viewer", ConsoleHost.Password, null, Cancel);
        using var form = new FormUrlEncodedContent([]);
        using var answer = await _browser.PostAsync(Relative("/sign-out"), form, Cancel);
        Assert.Equal("in", await _browser.GetStringAsync(Relative("/probe/nothing-said"), Cancel));
    }

    [Fact]
    public async Task Sign_out_ends_the_session_for_its_other_tabs_and_for_a_copied_cookie()
    {
        using var signedIn = await ConsoleHost.SignInAsync(_browser, "admin", ConsoleHost.Password, null, Cancel);
        using var copy = new HttpClient(new HttpClientHandler { UseCookies = false, AllowAutoRedirect = false }) { BaseAddress = _host.Address };
        copy.DefaultRequestHeaders.Add("Cookie", signedIn.Headers.GetValues("Set-Cookie").Single(value => value.StartsWith("drconsole-session", StringComparison.Ordinal)).Split(';')[0]);
        Assert.Equal("in", await copy.GetStringAsync(Relative("/probe/nothing-said"), Cancel));

        using var answer = await SignOutAsync();
        Assert.Equal("/sign-in", answer.Headers.Location?.ToString());
        _host.Time.Advance(TimeSpan.FromSeconds(11));
        using var late = await copy.GetAsync(Relative("/probe/nothing-said"), Cancel);

        Assert.Equal(HttpStatusCode.Redirect, late.StatusCode);
    }

    [Fact]
    public async Task Sign_out_everywhere_ends_the_sessions_of_that_person_in_all_browsers_and_nobody_else_s()
    {
        using var signedIn = await ConsoleHost.SignInAsync(_browser, "admin", ConsoleHost.Password, null, Cancel);
        using var forgotten = _host.Browse();
        using var there = await ConsoleHost.SignInAsync(forgotten, "admin", ConsoleHost.Password, null, Cancel);
        using var other = _host.Browse();
        using var alsoIn = await ConsoleHost.SignInAsync(other, "viewer", ConsoleHost.Password, null, Cancel);

        using var answer = await SignOutAsync("/sign-out/everywhere");
        Assert.Equal("/sign-in", answer.Headers.Location?.ToString());
        _host.Time.Advance(TimeSpan.FromSeconds(11));
        using var late = await forgotten.GetAsync(Relative("/probe/nothing-said"), Cancel);

        Assert.Equal(HttpStatusCode.Redirect, late.StatusCode);
        Assert.Equal("in", await other.GetStringAsync(Relative("/probe/nothing-said"), Cancel));
    }

    [Fact]
    public async Task Sign_out_of_a_tab_that_was_drawn_in_the_person_s_former_session_ends_the_present_one()
    {
        using var before = await ConsoleHost.SignInAsync(_browser, "admin", ConsoleHost.Password, null, Cancel);
        var token = await _browser.GetStringAsync(Relative("/probe/token"), Cancel);
        using var ended = await SignOutAsync();
        using var again = await ConsoleHost.SignInAsync(_browser, "admin", ConsoleHost.Password, null, Cancel);
        Assert.Equal("in", await _browser.GetStringAsync(Relative("/probe/nothing-said"), Cancel));

        using var answer = await SignOutAsync(token: token);
        using var after = await GetAsync("/probe/nothing-said");

        Assert.Equal(HttpStatusCode.Redirect, after.StatusCode);
    }

    [Fact]
    public async Task Name_that_strangers_have_locked_can_be_used_in_its_own_browser()
    {
        using var own = await ConsoleHost.SignInAsync(_browser, "admin", ConsoleHost.Password, null, Cancel);
        using var signedOut = await SignOutAsync();
        using var stranger = _host.Browse();
        for (var attempt = 0; attempt < 5; attempt++)
        {
            using var guess = await ConsoleHost.SignInAsync(stranger, "admin", "wrong", null, Cancel);
        }

        using var refused = await ConsoleHost.SignInAsync(stranger, "admin", ConsoleHost.Password, null, Cancel);
        Assert.Equal(HttpStatusCode.TooManyRequests, refused.StatusCode);
        using var accepted = await ConsoleHost.SignInAsync(_browser, "admin", ConsoleHost.Password, null, Cancel);
        Assert.Equal(HttpStatusCode.Redirect, accepted.StatusCode);
    }

    [Fact]
    public async Task Sign_out_that_only_the_browser_hears_of_says_so()
    {
        using var signedIn = await ConsoleHost.SignInAsync(_browser, "admin", ConsoleHost.Password, null, Cancel);
        _host.Sessions.IsUp = false;
        using var answer = await SignOutAsync();

        Assert.Equal("/sign-in?ended=false", answer.Headers.Location?.ToString());
        Assert.Contains("signed out in this browser only", await _browser.GetStringAsync(answer.Headers.Location, Cancel), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Session_that_is_used_all_the_time_ends_after_a_day()
    {
        using var signedIn = await ConsoleHost.SignInAsync(_browser, "admin", ConsoleHost.Password, null, Cancel);
        for (var hours = 4; hours < 24; hours += 4)
        {
            _host.Time.Advance(TimeSpan.FromHours(4));
            Assert.Equal("in", await _browser.GetStringAsync(Relative("/probe/nothing-said"), Cancel));
        }

        _host.Time.Advance(TimeSpan.FromHours(4));
        using var answer = await GetAsync("/probe/nothing-said");
        Assert.Equal(HttpStatusCode.Redirect, answer.StatusCode);
    }

    [Fact]
    public async Task Session_ends_after_a_day_also_while_the_catalog_that_keeps_it_is_away()
    {
        using var signedIn = await ConsoleHost.SignInAsync(_browser, "admin", ConsoleHost.Password, null, Cancel);
        (_host.Sessions.IsUp, _host.Users.IsUp) = (false, false);
        for (var hours = 4; hours < 24; hours += 4)
        {
            _host.Time.Advance(TimeSpan.FromHours(4));
            Assert.Equal("in", await _browser.GetStringAsync(Relative("/probe/nothing-said"), Cancel));
        }

        // Asked a moment ago, so that the next look is not due yet.
        _host.Time.Advance(TimeSpan.FromHours(4) - TimeSpan.FromSeconds(1));
        Assert.Equal("in", await _browser.GetStringAsync(Relative("/probe/nothing-said"), Cancel));
        _host.Time.Advance(TimeSpan.FromSeconds(1));
        using var answer = await GetAsync("/probe/nothing-said");
        Assert.Equal(HttpStatusCode.Redirect, answer.StatusCode);
    }

    [Fact]
    public async Task Page_that_stays_open_ends_with_its_session_also_while_the_catalog_is_away()
    {
        var begun = _host.Time.GetUtcNow();
        var session = await _host.Sessions.BeginAsync("admin", Cancel);
        var person = ConsoleSession.PrincipalOf(_host.Users["admin"], session, begun + TimeSpan.FromHours(24));
        Assert.True(await ConsoleSession.HoldsAsync(person, _host.Users, _host.Sessions, begun, Cancel));
        (_host.Sessions.IsUp, _host.Users.IsUp) = (false, false);
        Assert.True(await ConsoleSession.HoldsAsync(person, _host.Users, _host.Sessions, begun + TimeSpan.FromHours(23.9), Cancel));
        Assert.False(await ConsoleSession.HoldsAsync(person, _host.Users, _host.Sessions, begun + TimeSpan.FromHours(24), Cancel));

        // Of one that does not say its end nobody knows it then.
        var silent = new ClaimsPrincipal(new ClaimsIdentity(person.Claims.Where(claim => claim.Type != "drconsole:session-ends"), "cookie"));
        Assert.False(await ConsoleSession.HoldsAsync(silent, _host.Users, _host.Sessions, begun, Cancel));
        (_host.Sessions.IsUp, _host.Users.IsUp) = (true, true);
        Assert.True(await ConsoleSession.HoldsAsync(silent, _host.Users, _host.Sessions, begun, Cancel));
    }

    [Fact]
    public async Task Cookie_of_a_version_without_sessions_signs_nobody_in()
    {
        using var old = await GetAsync("/probe/old-cookie");
        Assert.Contains(old.Headers.GetValues("Set-Cookie"), value => value.StartsWith("drconsole-session", StringComparison.Ordinal));
        using var answer = await GetAsync("/probe/nothing-said");
        Assert.Equal(HttpStatusCode.Redirect, answer.StatusCode);
    }

    private async Task<HttpResponseMessage> SignOutAsync(string path = "/sign-out", string? token = null)
    {
        using var form = new FormUrlEncodedContent(new Dictionary<string, string> { ["__RequestVerificationToken"] = token ?? await _browser.GetStringAsync(Relative("/probe/token"), Cancel) });
        return await _browser.PostAsync(Relative(path), form, Cancel);
    }

    private static Uri Relative(string path) => new(path, UriKind.Relative);

    private Task<HttpResponseMessage> GetAsync(string path) => _browser.GetAsync(Relative(path), Cancel);

    private async Task<string> RefusalAsync(string name)
    {
        using var browser = _host.Browse();
        using var answer = await ConsoleHost.SignInAsync(browser, name, "wrong", null, Cancel);
        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        var html = await answer.Content.ReadAsStringAsync(Cancel);
        return html[..html.IndexOf("<!--Blazor", StringComparison.Ordinal)].Replace(ConsoleHost.TokenOf(html), string.Empty, StringComparison.Ordinal);
    }
}
