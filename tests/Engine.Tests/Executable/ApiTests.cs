using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Hexabase.DrConsole.Engine.Catalog;
using Microsoft.AspNetCore.SignalR;
using Microsoft.AspNetCore.SignalR.Client;

namespace Hexabase.DrConsole.Engine.Tests.Executable;

/// <summary>What programs may ask and do, by role; over HTTP, of a console that runs.</summary>
[Collection(nameof(ApiConsole))]
public sealed class ApiTests(ApiConsole console)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public static TheoryData<string, bool> Reads => new()
    {
        { "/api/v1/sources", false }, { "/api/v1/sources/orders", false }, { "/api/v1/restore-points", false }, { "/api/v1/runs", false }, { "/api/v1/runs?state=completed&limit=5", false },
        { "/api/v1/incidents", false }, { "/api/v1/plans", false }, { "/api/v1/plans/postgres-corruption", false }, { "/api/v1/recoveries", false }, { "/api/v1/approvals", false },
        { "/api/v1/notifications", false }, { "/api/openapi/v1.json", false }, { "/api/v1/notifications/deliveries", true }, { "/api/v1/notifications/channels", true },
    };

    [Theory]
    [MemberData(nameof(Reads))]
    public async Task Reading_needs_a_token_that_holds_and_a_role(string path, bool isForAdmins)
    {
        Assert.Equal("not-signed-in", await ApiConsole.CodeOfAsync(await GetAsync(null, path), HttpStatusCode.Unauthorized, Ct));
        Assert.Equal("not-signed-in", await ApiConsole.CodeOfAsync(await GetAsync("guessed", path), HttpStatusCode.Unauthorized, Ct));
        foreach (var role in new[] { "viewer", "operator", "approver" })
        {
            var answer = await GetAsync(role, path);
            if (isForAdmins)
            {
                Assert.Equal("role-missing", await ApiConsole.CodeOfAsync(answer, HttpStatusCode.Forbidden, Ct));
            }
            else
            {
                Assert.True(answer.StatusCode == HttpStatusCode.OK, $"{role}: {answer.StatusCode} {await answer.Content.ReadAsStringAsync(Ct)}");
            }
        }

        var all = await GetAsync("admin", path);
        Assert.Equal(HttpStatusCode.OK, all.StatusCode);
        JsonElement.Parse(await all.Content.ReadAsStringAsync(Ct));
    }

    [Fact]
    public async Task Asking_for_a_backup_needs_an_operator_and_its_run_can_be_followed_over_HTTP_and_by_the_hub()
    {
        foreach (var (role, expected, code) in new[] { (null, HttpStatusCode.Unauthorized, "not-signed-in"), ("viewer", HttpStatusCode.Forbidden, "role-missing"), ("approver", HttpStatusCode.Forbidden, "role-missing") })
        {
            Assert.Equal(code, await ApiConsole.CodeOfAsync(await PostAsync(role, "/api/v1/sources/orders/backups"), expected, Ct));
            Assert.Equal(code, await ApiConsole.CodeOfAsync(await PostAsync(role, "/api/v1/restore-points/00/validations"), expected, Ct));
        }

        var asked = await PostAsync("operator", "/api/v1/sources/orders/backups");
        Assert.Equal(HttpStatusCode.Accepted, asked.StatusCode);
        var run = await ReadAsync(asked);
        Assert.Equal(("backup", "token/ci"), (run.GetProperty("kind").GetString(), run.GetProperty("requestedBy").GetString()));

        await using var hub = Connect("viewer");
        await hub.StartAsync(Ct);
        JsonElement last = default;
        var lines = new List<long>();
        await foreach (var update in hub.StreamAsync<JsonElement>("Run", run.GetProperty("id").GetInt64(), 0L, Ct))
        {
            last = update.GetProperty("run");
            lines.AddRange(update.GetProperty("events").EnumerateArray().Select(line => line.GetProperty("seq").GetInt64()));
        }

        Assert.Equal("completed", last.GetProperty("state").GetString());
        Assert.Equal(lines.Order().Distinct(), lines);
        var again = await ReadAsync(await GetAsync("viewer", asked.Headers.Location!.ToString()));
        Assert.Equal("completed", again.GetProperty("state").GetString());
        var rest = await ReadAsync(await GetAsync("viewer", $"{asked.Headers.Location}/events?after={lines[^2]}"));
        Assert.Equal(lines[^1], Assert.Single(rest.EnumerateArray()).GetProperty("seq").GetInt64());
        Assert.Contains((await ReadAsync(await GetAsync("viewer", "/api/v1/restore-points?source=orders"))).EnumerateArray(), one => one.GetProperty("run").GetInt64() == run.GetProperty("id").GetInt64());
    }

    [Fact]
    public async Task A_refusal_says_its_code_and_what_to_do()
    {
        foreach (var (path, status, code) in new[]
        {
            ("/api/v1/runs/999999", HttpStatusCode.NotFound, "run-unknown"), ("/api/v1/sources/nobody", HttpStatusCode.NotFound, "source-unknown"),
            ("/api/v1/runs?limit=0", HttpStatusCode.BadRequest, "limit-invalid"), ("/api/v1/runs?state=odd", HttpStatusCode.BadRequest, "state-unknown"),
            ("/api/v1/runs?limit=many", HttpStatusCode.BadRequest, "request-invalid"), ("/api/v1/incidents?kind=odd", HttpStatusCode.BadRequest, "kind-unknown"),
            ("/api/v1/drills/999999", HttpStatusCode.NotFound, "drill-unknown"), ("/api/v1/reports/999999", HttpStatusCode.NotFound, "run-unknown"),
            ("/api/v1/recovery-sets/999999", HttpStatusCode.NotFound, "set-unknown"), ("/api/v1/approvals/999999", HttpStatusCode.NotFound, "gate-unknown"),
            ("/api/v1/plans/none/readiness", HttpStatusCode.NotFound, "plan-unknown"), ("/api/v1/reports?outcome=odd", HttpStatusCode.BadRequest, "state-unknown"),
            ("/api/v1/approvals?state=odd", HttpStatusCode.BadRequest, "state-unknown"), ("/api/v1/runs/999999/steps", HttpStatusCode.NotFound, "run-unknown"),
            ("/api/v1/incidents/999999", HttpStatusCode.NotFound, "incident-unknown"), ("/api/v1/recoveries/999999", HttpStatusCode.NotFound, "recovery-unknown"),
            ("/api/v1/recoveries/999999/plan", HttpStatusCode.NotFound, "recovery-unknown"), ("/api/v1/approvals/999999/plan", HttpStatusCode.NotFound, "gate-unknown"),
            ("/api/v1/nothing", HttpStatusCode.NotFound, "address-unknown"),
        })
        {
            Assert.Equal(code, await ApiConsole.CodeOfAsync(await GetAsync("viewer", path), status, Ct));
        }
    }

    [Fact]
    public async Task A_gate_takes_no_answer_from_a_token_nor_without_the_password_nor_from_another_site()
    {
        var gate = await console.OpenGateAsync("olga");
        var path = $"/api/v1/approvals/{gate}/answer";
        var (browser, password) = await console.AdminAsync(Ct);
        using (browser)
        {
            Assert.Equal("person-needed", await ApiConsole.CodeOfAsync(await PostAsync("admin", path, Answer(password)), HttpStatusCode.Forbidden, Ct));
            Assert.Equal("password-wrong", await ApiConsole.CodeOfAsync(await browser.PostAsJsonAsync(path, Answer("a guess"), Ct), HttpStatusCode.Forbidden, Ct));
            Assert.Equal("approval-refused", await ApiConsole.CodeOfAsync(await browser.PostAsJsonAsync(path, Answer(password) with { SubjectHash = "other" }, Ct), HttpStatusCode.Forbidden, Ct));
            using var foreign = new HttpRequestMessage(HttpMethod.Post, path) { Content = JsonContent.Create(Answer(password)) };
            foreign.Headers.Add("Origin", "https://elsewhere.example");
            Assert.Equal("foreign-origin", await ApiConsole.CodeOfAsync(await browser.SendAsync(foreign, Ct), HttpStatusCode.Forbidden, Ct));
            Assert.Contains((await ReadAsync(await GetAsync("viewer", "/api/v1/approvals"))).EnumerateArray(), one => one.GetProperty("id").GetInt64() == gate);

            var declined = await ReadAsync(await browser.PostAsJsonAsync(path, Answer(password), Ct));
            Assert.Equal("declined", declined.GetProperty("state").GetString());
            var own = await console.OpenGateAsync("admin");
            var refused = await browser.PostAsJsonAsync($"/api/v1/approvals/{own}/answer", Answer(password) with { Act = "approve" }, Ct);
            Assert.Equal("approval-refused", await ApiConsole.CodeOfAsync(refused, HttpStatusCode.Forbidden, Ct));
        }
    }

    [Fact]
    public async Task A_gate_is_not_for_viewers_and_takes_one_of_two_answers_that_one_person_sends_at_once()
    {
        var approval = Answer("the password of the person") with { Act = "approve" };
        using var one = await console.PersonAsync("paul", "Approver", approval.Password, Ct);
        var gate = await console.OpenGateAsync("olga");
        var path = $"/api/v1/approvals/{gate}/answer";
        using var viewer = await console.PersonAsync("vera", "Viewer", approval.Password, Ct);
        Assert.Equal("role-missing", await ApiConsole.CodeOfAsync(await viewer.PostAsJsonAsync(path, approval, Ct), HttpStatusCode.Forbidden, Ct));
        Assert.Equal("the role Viewer may not approve", await console.Catalog.Command(
            "SELECT details::jsonb->>'why' FROM audit_event WHERE actor = 'vera' AND action = 'approval.refused' AND subject = $1", $"gate {gate}").FirstAsync(row => row.GetString(0), Ct));

        using var other = await ConsoleBrowser.SignInAsync(console.Address, "paul", approval.Password, Ct);
        var answers = await Task.WhenAll(one.PostAsJsonAsync(path, approval, Ct), other.PostAsJsonAsync(path, approval, Ct));
        Assert.Equal([HttpStatusCode.OK, HttpStatusCode.Forbidden], answers.Select(answer => answer.StatusCode).Order());
        // Nor does a third that comes later: what was used is not used again.
        Assert.Equal("approval-refused", await ApiConsole.CodeOfAsync(await one.PostAsJsonAsync(path, approval, Ct), HttpStatusCode.Forbidden, Ct));
        Assert.Equal(2L, await console.Catalog.Command(
            "SELECT count(*) FROM audit_event WHERE actor = 'paul' AND action = 'approval.refused' AND subject = $1", $"gate {gate}").FirstAsync(row => (object)row.GetInt64(0), Ct));
    }

    [Fact]
    public async Task The_review_after_broken_glass_is_written_by_a_person_who_did_not_break_it()
    {
        const string password = "the password of the person";
        using var breaker = await console.PersonAsync("brook", "Approver", password, Ct);
        using var other = await console.PersonAsync("rita", "Approver", password, Ct);
        var gate = await console.OpenGateAsync("olga");
        await console.Catalog.Command("INSERT INTO approval_vote (gate, person, vote, reason, incident) VALUES ($1, 'brook', 'approve', 'nobody else is awake', 'INC-1')", gate).RunAsync(Ct);
        await console.Catalog.Command("UPDATE approval_gate SET is_break_glass = true, state = 'used', granted_at = clock_timestamp() WHERE id = $1", gate).RunAsync(Ct);
        var (path, review) = ($"/api/v1/approvals/{gate}/review", new { review = "it was right to, seen in daylight", password });
        Assert.Contains((await ReadAsync(await GetAsync("viewer", "/api/v1/approvals/reviews-due"))).EnumerateArray(), one => one.GetProperty("id").GetInt64() == gate);

        Assert.Equal("person-needed", await ApiConsole.CodeOfAsync(await PostAsync("admin", path, review), HttpStatusCode.Forbidden, Ct));
        Assert.Equal("password-wrong", await ApiConsole.CodeOfAsync(await other.PostAsJsonAsync(path, new { review.review, password = "a guess" }, Ct), HttpStatusCode.Forbidden, Ct));
        Assert.Equal("approval-refused", await ApiConsole.CodeOfAsync(await breaker.PostAsJsonAsync(path, review, Ct), HttpStatusCode.Forbidden, Ct));
        Assert.Equal("gate-unknown", await ApiConsole.CodeOfAsync(await other.PostAsJsonAsync("/api/v1/approvals/999999/review", review, Ct), HttpStatusCode.NotFound, Ct));

        var written = await ReadAsync(await other.PostAsJsonAsync(path, review, Ct));
        Assert.Equal(("rita", review.review), (written.GetProperty("reviewedBy").GetString(), written.GetProperty("review").GetString()));
        Assert.DoesNotContain((await ReadAsync(await GetAsync("viewer", "/api/v1/approvals/reviews-due"))).EnumerateArray(), one => one.GetProperty("id").GetInt64() == gate);
        Assert.Equal("approval-refused", await ApiConsole.CodeOfAsync(await other.PostAsJsonAsync(path, review, Ct), HttpStatusCode.Forbidden, Ct));
    }

    [Fact]
    public async Task A_token_is_kept_as_a_digest_and_ends_at_once_when_it_is_revoked()
    {
        var token = (await console.Estate.RunAsync("token", "add", "brief", "--role", "Viewer")).AssertDone().Output.Trim();
        using var program = new HttpClient { BaseAddress = console.Address };
        program.DefaultRequestHeaders.Authorization = new("Bearer", token);
        Assert.Equal(HttpStatusCode.OK, (await program.GetAsync(new Uri("/api/v1/runs", UriKind.Relative), Ct)).StatusCode);
        Assert.NotNull(await console.Catalog.Command("SELECT name FROM api_token WHERE name = 'brief' AND last_used_at IS NOT NULL AND position($1 in encode(digest, 'escape')) = 0", token).FirstAsync(row => row.GetString(0), Ct));
        Assert.Equal("brief", await console.Catalog.Command("SELECT subject FROM audit_event WHERE action = 'token.added' AND subject = 'brief' AND position($1 in details) = 0", token).FirstAsync(row => row.GetString(0), Ct));

        (await console.Estate.RunAsync("token", "revoke", "brief")).AssertDone();
        Assert.Equal("not-signed-in", await ApiConsole.CodeOfAsync(await program.GetAsync(new Uri("/api/v1/runs", UriKind.Relative), Ct), HttpStatusCode.Unauthorized, Ct));
        (await console.Estate.RunAsync("token", "revoke", "brief")).AssertRefused("there is no token brief that holds");
        (await console.Estate.RunAsync("token", "add", "brief", "--role", "Viewer")).AssertRefused("there is, or was, a token brief");
    }

    [Fact]
    public async Task A_stream_ends_with_the_token_that_opened_it_and_nobody_connects_without_one()
    {
        await using var nobody = Connect(null);
        var refused = await Assert.ThrowsAsync<HttpRequestException>(() => nobody.StartAsync(Ct));
        Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);

        await console.AddTokenAsync("passing", "Viewer");
        await using var hub = Connect("passing");
        await hub.StartAsync(Ct);
        await using var runs = hub.StreamAsync<JsonElement>("Runs", Ct).GetAsyncEnumerator(Ct);
        await using var incidents = hub.StreamAsync<JsonElement>("Incidents", Ct).GetAsyncEnumerator(Ct);
        Assert.True(await incidents.MoveNextAsync());
        await console.Catalog.Command("UPDATE api_token SET revoked_at = clock_timestamp() WHERE name = 'passing'").RunAsync(Ct);
        await console.Catalog.Command("SELECT pg_notify('drconsole_run', '1')").RunAsync(Ct);
        var ended = await Assert.ThrowsAsync<HubException>(async () =>
        {
            while (await runs.MoveNextAsync())
            {
                // What was on its way still arrives.
            }
        });
        Assert.Contains("has ended", ended.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_description_names_every_address()
    {
        var paths = (await ReadAsync(await GetAsync("viewer", "/api/openapi/v1.json"))).GetProperty("paths").EnumerateObject().Select(path => path.Name).ToHashSet();
        Assert.Superset(
            new HashSet<string> { "/api/v1/sources", "/api/v1/sources/{name}/backups", "/api/v1/runs/{id}/events", "/api/v1/incidents/{id}", "/api/v1/approvals/{gate}/answer", "/api/v1/recoveries", "/api/v1/recoveries/plan", "/api/v1/notifications" }, paths);
        Assert.All(paths, path => Assert.StartsWith("/api/v1/", path, StringComparison.Ordinal));
    }

    private static GateAnswer Answer(string password) => new("decline", "hash", "not in business hours", "INC-1", password);

    private Task<HttpResponseMessage> GetAsync(string? token, string path) => console.GetAsync(token, path, Ct);

    private Task<HttpResponseMessage> PostAsync(string? token, string path, object? body = null) => console.PostAsync(token, path, body, Ct);

    private static Task<JsonElement> ReadAsync(HttpResponseMessage answer) => ApiConsole.ReadAsync(answer, Ct);

    private HubConnection Connect(string? token) => console.Hub(token);

    private sealed record GateAnswer(string Act, string SubjectHash, string Reason, string Incident, string Password);
}
