using System.Net;
using System.Text.Json;
using Hexabase.DrConsole.Engine.Catalog;

namespace Hexabase.DrConsole.Engine.Tests.Executable;

/// <summary>Restores outside of plans, drills to a moment, and maintenance windows.</summary>
public sealed partial class RecoveryApiTests
{
    [Fact]
    public async Task A_restore_into_something_new_is_planned_looked_at_and_asked_for_by_its_hash()
    {
        await BackUpAsync();
        var path = $"/api/v1/restore-points/{await NewestPointAsync()}/restores/plan";
        foreach (var role in new[] { "viewer", "approver" })
        {
            Assert.Equal("role-missing", await RefusedAsync(role, path, new { target = "dir:/nowhere" }, HttpStatusCode.Forbidden));
            Assert.Equal("role-missing", await RefusedAsync(role, "/api/v1/restores", new { hash = "0" }, HttpStatusCode.Forbidden));
        }

        var place = console.Estate.Combine("restored-by-a-program");
        Assert.Equal("values-invalid", await RefusedAsync("operator", path, new { }, HttpStatusCode.BadRequest));
        Assert.Equal("values-invalid", await RefusedAsync("operator", "/api/v1/restores", new { }, HttpStatusCode.BadRequest));
        Assert.Equal("restore-point-unknown", await RefusedAsync("operator", "/api/v1/restore-points/ffffffffffff/restores/plan", new { target = $"dir:{place}" }, HttpStatusCode.NotFound));
        // All mistakes of a target at once.
        var wrong = await console.PostAsync("operator", path, new { target = $"dir:{place}?odd=1&inPlace=maybe" }, Ct);
        var text = await wrong.Content.ReadAsStringAsync(Ct);
        Assert.Equal("restore-target-invalid", await ApiConsole.CodeOfAsync(wrong, HttpStatusCode.BadRequest, Ct));
        Assert.Matches("option odd is none of.*option inPlace is maybe", text);

        var draft = await PostAsync("operator", path, new { target = $"dir:{place}" });
        var hash = Text(draft, "hash")!;
        Assert.Equal((false, 0, ApiConsole.Uploads), (draft.GetProperty("writesOver").GetBoolean(), draft.GetProperty("approvals").GetInt32(), Text(draft.GetProperty("plan"), "source")));
        Assert.False(Directory.Exists(place));
        Assert.Equal("plan-not-given", await RefusedAsync("admin", "/api/v1/restores", new { hash }, HttpStatusCode.NotFound));
        var answer = await console.PostAsync("operator", "/api/v1/restores", new { hash }, Ct);
        var run = IdOf(await ApiConsole.ReadAsync(answer, Ct));
        Assert.Equal((HttpStatusCode.Accepted, $"/api/v1/runs/{run}"), (answer.StatusCode, answer.Headers.Location?.OriginalString));
        Assert.Equal("completed", Text((await FollowAsync(run))[^1].GetProperty("run"), "state"));
        Assert.Equal("as it was", await File.ReadAllTextAsync(Path.Combine(place, "letter"), Ct));
        Assert.Equal(["run.requested"], await AuditAsync($"R-{run}", "token/ci"));
    }

    [Fact]
    public async Task A_restore_over_what_lives_takes_an_admin_and_waits_at_its_gate()
    {
        await BackUpAsync();
        using var pamela = await console.PersonAsync("pamela", "Approver", Password, Ct);
        var path = $"/api/v1/restore-points/{await NewestPointAsync()}/restores/plan";
        var body = new { target = $"dir:{console.Estate.Combine(ApiConsole.Uploads)}?inPlace=true&verify=true" };
        var draft = await PostAsync("operator", path, body);
        Assert.Equal((true, 1), (draft.GetProperty("writesOver").GetBoolean(), draft.GetProperty("approvals").GetInt32()));
        Assert.Equal("role-missing", await RefusedAsync("operator", "/api/v1/restores", new { hash = Text(draft, "hash") }, HttpStatusCode.Forbidden));

        draft = await PostAsync("admin", path, body);
        var run = IdOf(await PostAsync("admin", "/api/v1/restores", new { hash = Text(draft, "hash") }));
        var gate = await GateOfAsync(run);
        Assert.Equal(("token/admin", Text(draft, "hash")), (Text(gate, "requester"), Text(gate, "subjectHash")));
        Assert.Equal("damaged", await File.ReadAllTextAsync(Letter, Ct));
        await ApproveAsync(pamela, gate);
        Assert.Equal("completed", Text((await FollowAsync(run))[^1].GetProperty("run"), "state"));
        Assert.Equal("as it was", await File.ReadAllTextAsync(Letter, Ct));
    }

    [Fact]
    public async Task A_drill_to_a_moment_is_for_sources_whose_WAL_is_received()
    {
        Assert.Equal("role-missing", await RefusedAsync("viewer", "/api/v1/sources/orders/drills", null, HttpStatusCode.Forbidden));
        Assert.Equal("source-unknown", await RefusedAsync("operator", "/api/v1/sources/nobody/drills", null, HttpStatusCode.NotFound));
        Assert.Equal("no-wal", await RefusedAsync("operator", "/api/v1/sources/orders/drills", new { moment = "2026-01-01T00:00:00Z" }, HttpStatusCode.UnprocessableEntity));
        Assert.Equal("values-invalid", await RefusedAsync("operator", "/api/v1/sources/orders/drills", new { moment = "2999-01-01T00:00:00Z" }, HttpStatusCode.BadRequest));
    }

    [Fact]
    public async Task Maintenance_is_announced_listed_and_ended()
    {
        const string Path = "/api/v1/maintenance";
        var from = TimeProvider.System.GetUtcNow();
        foreach (var role in new[] { "viewer", "approver" })
        {
            Assert.Equal("role-missing", await RefusedAsync(role, Path, new { from, to = from.AddHours(1), reason = "new disks" }, HttpStatusCode.Forbidden));
            Assert.Equal("role-missing", await RefusedAsync(role, $"{Path}/1/end", null, HttpStatusCode.Forbidden));
        }

        var wrong = await console.PostAsync("operator", Path, new { source = "nobody", to = from.AddHours(-1) }, Ct);
        var all = (await wrong.Content.ReadAsStringAsync(Ct)).Replace("\\u0027", "'", StringComparison.Ordinal);
        Assert.Equal("maintenance-window", await ApiConsole.CodeOfAsync(wrong, HttpStatusCode.BadRequest, Ct));
        Assert.Contains("there is no source named 'nobody'; when it begins is missing; it is over already; a reason of 1 to 500 characters is needed", all, StringComparison.Ordinal);

        var answer = await console.PostAsync("operator", Path, new { source = "orders", from, to = from.AddHours(1), reason = "new disks" }, Ct);
        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
        var window = await ApiConsole.ReadAsync(answer, Ct);
        Assert.Equal(("orders", "now", "token/ci", "new disks"), (Text(window, "source"), Text(window, "state"), Text(window, "by"), Text(window, "reason")));
        var planned = await PostAsync("operator", Path, new { from = from.AddDays(1), to = from.AddDays(2), reason = "everything moves" });
        Assert.Equal(("planned", JsonValueKind.Null), (Text(planned, "state"), planned.GetProperty("source").ValueKind));
        Assert.Equal([IdOf(planned), IdOf(window)], (await GetAsync("viewer", $"{Path}?limit=2")).EnumerateArray().Select(IdOf));

        var ended = await PostAsync("operator", $"{Path}/{IdOf(planned)}/end", null);
        Assert.Equal(("over", "token/ci"), (Text(ended, "state"), Text(ended, "endedBy")));
        await PostAsync("operator", $"{Path}/{IdOf(window)}/end", null);
        Assert.Equal("maintenance-over", await RefusedAsync("operator", $"{Path}/{IdOf(window)}/end", null, HttpStatusCode.Conflict));
        Assert.Equal("maintenance-unknown", await RefusedAsync("operator", $"{Path}/999999/end", null, HttpStatusCode.NotFound));
        Assert.Equal(["maintenance.announced", "maintenance.ended"], await AuditAsync("orders", "token/ci", "maintenance.%"));
    }

    [Fact]
    public async Task The_description_names_what_pages_can_do_too()
    {
        var paths = (await GetAsync("viewer", "/api/openapi/v1.json")).GetProperty("paths");
        foreach (var path in new[] { "/maintenance", "/maintenance/{id}/end", "/sources/{name}/drills", "/restore-points/{id}/restores/plan", "/restores" })
        {
            Assert.True(paths.TryGetProperty($"/api/v1{path}", out var address) && address.TryGetProperty("post", out _), path);
        }
    }

    private async Task<string> NewestPointAsync() => Text((await GetAsync("viewer", $"/api/v1/restore-points?source={ApiConsole.Uploads}&limit=1"))[0], "id")!;

    /// <summary>The gate that a restore waits at.</summary>
    private async Task<JsonElement> GateOfAsync(long run)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        patience.CancelAfter(s_patience);
        while (true)
        {
            foreach (var gate in (await GetAsync("viewer", "/api/v1/approvals")).EnumerateArray().Where(gate => gate.GetProperty("run").GetInt64() == run))
            {
                return gate;
            }

            await Task.Delay(50, patience.Token);
        }
    }

    private async Task<IReadOnlyList<string>> AuditAsync(string subject, string actor, string like) => await console.Catalog.Command(
        "SELECT action FROM audit_event WHERE subject = $1 AND actor = $2 AND action LIKE $3 ORDER BY seq", subject, actor, like).ListAsync(row => row.GetString(0), Ct);
}
