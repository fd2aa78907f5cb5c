using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Hexabase.DrConsole.Engine.Catalog;
using Microsoft.AspNetCore.SignalR;
using Microsoft.AspNetCore.SignalR.Client;

namespace Hexabase.DrConsole.Engine.Tests.Executable;

/// <summary>What a person's session ends with, what it is asked for, and what is written down of it; of a console that runs.</summary>
[Collection(nameof(ApiConsole))]
public sealed class SessionTests(ApiConsole console)
{
    private const string Password = "the password of the person";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_session_that_has_ended_ends_its_streams_and_copies_of_its_cookie_within_15_seconds()
    {
        using (await console.PersonAsync("sam", "Viewer", Password, Ct))
        {
            // Whoever is added is signed in once; this is of the second session.
        }

        var cookies = new CookieContainer();
        using var browser = await ConsoleBrowser.SignInAsync(console.Address, "sam", Password, Ct, cookies);
        var copied = new CookieContainer();
        copied.Add(cookies.GetCookies(console.Address));
        using var copy = new HttpClient(new HttpClientHandler { CookieContainer = copied, AllowAutoRedirect = false }) { BaseAddress = console.Address };
        await using var hub = new HubConnectionBuilder().WithUrl(new Uri(console.Address, "/hubs/live"), options => options.Cookies = copied).Build();
        await hub.StartAsync(Ct);
        await using var runs = hub.StreamAsync<JsonElement>("Runs", Ct).GetAsyncEnumerator(Ct);
        Assert.True(await runs.MoveNextAsync());
        Assert.Equal(HttpStatusCode.OK, (await GetAsync(copy)).StatusCode);

        // What signing out does.
        Assert.Equal(2, await console.Catalog.Command("DELETE FROM web_session WHERE person = 'sam'").RunAsync(Ct));
        var since = System.Diagnostics.Stopwatch.StartNew();
        var ended = await Assert.ThrowsAsync<HubException>(async () =>
        {
            while (await runs.MoveNextAsync())
            {
                // What was on its way still arrives.
            }
        });
        Assert.Contains("has ended", ended.Message, StringComparison.Ordinal);
        Assert.True(since.Elapsed < TimeSpan.FromSeconds(25), $"it took {since.Elapsed}");
        if (TimeSpan.FromSeconds(11) - since.Elapsed is { } left && left > TimeSpan.Zero)
        {
            await Task.Delay(left, Ct);
        }

        Assert.Equal(HttpStatusCode.Unauthorized, (await GetAsync(copy)).StatusCode);
    }

    [Fact]
    public async Task Session_is_kept_as_a_digest_ends_by_the_catalogs_clock_and_is_removed_when_somebody_signs_in()
    {
        using var browser = await console.PersonAsync("dora", "Viewer", Password, Ct);
        Assert.Equal(1L, await CountAsync("SELECT count(*) FROM web_session WHERE person = 'dora' AND length(digest) = 32 AND ends_at - began_at BETWEEN interval '23 hours 59 minutes' AND interval '24 hours 1 minute'"));
        await console.Catalog.Command("UPDATE web_session SET ends_at = clock_timestamp() WHERE person = 'dora'").RunAsync(Ct);
        await Task.Delay(TimeSpan.FromSeconds(11), Ct);
        Assert.Equal(HttpStatusCode.Unauthorized, (await GetAsync(browser)).StatusCode);

        using var again = await ConsoleBrowser.SignInAsync(console.Address, "dora", Password, Ct);
        Assert.Equal(1L, await CountAsync("SELECT count(*) FROM web_session WHERE person = 'dora'"));
        (await console.Estate.RunAsync("user", "set", "dora", "--role", "Operator")).AssertDone();
        Assert.Equal(0L, await CountAsync("SELECT count(*) FROM web_session WHERE person = 'dora'"));
    }

    [Fact]
    public async Task Guesses_at_the_sign_in_page_lock_nobody_out_of_a_gate()
    {
        using var approver = await console.PersonAsync("gus", "Approver", Password, Ct);
        await console.Catalog.Command("UPDATE app_user SET failed_attempts = 9, locked_until = clock_timestamp() + interval '10 minutes' WHERE name = 'gus'").RunAsync(Ct);
        var path = $"/api/v1/approvals/{await console.OpenGateAsync("olga")}/answer";

        Assert.Equal("password-wrong", await ApiConsole.CodeOfAsync(await approver.PostAsJsonAsync(path, Answer("a guess"), Ct), HttpStatusCode.Forbidden, Ct));
        Assert.Equal(1L, await CountAsync("SELECT count(*) FROM audit_event WHERE action = 'access.confirm-failed' AND actor = 'gus'"));
        Assert.Equal("declined", (await ApiConsole.ReadAsync(await approver.PostAsJsonAsync(path, Answer(Password), Ct), Ct)).GetProperty("state").GetString());
        // Nor does the right password there open the sign-in page again.
        Assert.Equal(1L, await CountAsync("SELECT count(*) FROM app_user WHERE name = 'gus' AND failed_attempts = 9 AND locked_until IS NOT NULL AND confirm_failures = 0"));
    }

    [Fact]
    public async Task What_is_said_at_a_gate_is_bounded_and_what_is_no_act_is_not_recorded()
    {
        using var approver = await console.PersonAsync("long", "Approver", Password, Ct);
        var gate = await console.OpenGateAsync("olga");
        var path = $"/api/v1/approvals/{gate}/answer";
        foreach (var answer in new object[]
        {
            new { act = "decline", subjectHash = "hash", reason = new string('r', 501), incident = "INC-1", password = Password },
            new { act = "decline", subjectHash = "hash", reason = "not in business hours", incident = new string('i', 81), password = Password },
        })
        {
            Assert.Equal("approval-refused", await ApiConsole.CodeOfAsync(await approver.PostAsJsonAsync(path, answer, Ct), HttpStatusCode.Forbidden, Ct));
        }

        var odd = new { act = new string('a', 10_000), subjectHash = "hash", reason = "", password = "" };
        Assert.Equal("act-unknown", await ApiConsole.CodeOfAsync(await console.PostAsync("viewer", path, odd, Ct), HttpStatusCode.BadRequest, Ct));
        for (var time = 0; time < 3; time++)
        {
            Assert.Equal("person-needed", await ApiConsole.CodeOfAsync(await console.PostAsync("viewer", path, odd with { act = "approve" }, Ct), HttpStatusCode.Forbidden, Ct));
        }

        Assert.Equal(1L, await CountAsync($"SELECT count(*) FROM audit_event WHERE action = 'approval.refused' AND subject = 'gate {gate}' AND actor = 'token/viewer'"));
        Assert.Equal(0L, await CountAsync("SELECT count(*) FROM audit_event WHERE length(details) > 2000 AND action LIKE 'approval.%'"));
    }

    [Fact]
    public async Task What_is_changed_in_the_job_console_is_named_and_what_is_refused_there_is_no_change()
    {
        using var viewer = await console.PersonAsync("vic", "Viewer", Password, Ct);
        using var operating = await console.PersonAsync("opal", "Operator", Password, Ct);
        foreach (var browser in new[] { viewer, operating })
        {
            using var form = new FormUrlEncodedContent([new("jobs[]", "no-such-job"), new("jobs[]", "nor-this")]);
            await browser.PostAsync(new Uri("/jobs/recurring/trigger", UriKind.Relative), form, Ct);
        }

        Assert.Equal(0L, await CountAsync("SELECT count(*) FROM audit_event WHERE action = 'jobs.changed' AND actor = 'vic'"));
        Assert.Equal("""{"jobs":["no-such-job","nor-this"],"count":2}""", await console.Catalog.Command(
            "SELECT details FROM audit_event WHERE action = 'jobs.changed' AND actor = 'opal' AND subject = '/recurring/trigger'").FirstAsync(row => row.GetString(0), Ct));
    }

    [Fact]
    public async Task A_NUL_in_a_value_is_no_catalog_that_is_away()
    {
        var answer = await console.GetAsync("viewer", "/api/v1/runs?source=%00", Ct);
        Assert.True(answer.StatusCode is HttpStatusCode.OK or HttpStatusCode.BadRequest, $"{answer.StatusCode}");
    }

    private static object Answer(string password) => new { act = "decline", subjectHash = "hash", reason = "not in business hours", incident = "INC-1", password };

    private static Task<HttpResponseMessage> GetAsync(HttpClient browser) => browser.GetAsync(new Uri("/api/v1/runs", UriKind.Relative), Ct);

    private async Task<long> CountAsync(string sql) => (long)(await console.Catalog.Command(sql).FirstAsync(row => (object)row.GetInt64(0), Ct))!;
}
