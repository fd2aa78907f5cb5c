using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Recovery;
using Hexabase.DrConsole.Engine.Recovery.Plans;

namespace Hexabase.DrConsole.Engine.Tests.Executable;

/// <summary>Plans for incidents, their versions, and recovery sets.</summary>
public sealed partial class RecoveryApiTests
{
    [Fact]
    public async Task A_plan_for_an_incident_goes_by_what_it_is()
    {
        await BackUpAsync();
        var id = (long)(await console.Catalog.Command(
            """
            INSERT INTO incident (kind, sources, state, first_evidence_at, suspected_at, confirmed_at, evidence)
            VALUES ('STORAGE_FAILURE', ARRAY['uploads'], 'confirmed', clock_timestamp(), clock_timestamp(), clock_timestamp(), $1) RETURNING id
            """, new Jsonb(new Evidence(TimeProvider.System.GetUtcNow(), [], [], []).ToJson())).FirstAsync(row => (object)row.GetInt64(0), Ct))!;
        var draft = (await PostAsync("operator", "/api/v1/recoveries/plan", new { plan = Plan, source = ApiConsole.Uploads, incident = id })).GetProperty("plan");
        Assert.Equal((id, Disaster), (draft.GetProperty("incident").GetInt64(), Text(draft, "disaster")));
        await PostAsync("operator", $"/api/v1/incidents/{id}/close", new { reason = "it was a test" });
        Assert.Equal("incident-not-open", await RefusedAsync("operator", "/api/v1/recoveries", new { hash = RecoveryPlan.Parse(draft.GetRawText()).Hash }, HttpStatusCode.Conflict));
    }

    [Fact]
    public async Task A_plan_is_copied_under_another_name_and_each_version_is_saved_on_top_of_the_one_that_was_seen()
    {
        var body = JsonNode.Parse((await GetAsync("viewer", $"/api/v1/plans/{Plan}"))[0].GetProperty("body").GetRawText())!;
        Assert.Equal("plan-exists", await RefusedAsync("admin", "/api/v1/plans", new { body, note = "a second of that name" }, HttpStatusCode.Conflict));
        body["name"] = "uploads-at-night";
        body["title"] = "Bring uploads back at night";
        Assert.Equal("role-missing", await RefusedAsync("operator", "/api/v1/plans", new { body, note = "for the night" }, HttpStatusCode.Forbidden));
        Assert.Equal("values-invalid", await RefusedAsync("admin", "/api/v1/plans", new { }, HttpStatusCode.BadRequest));

        var answer = await console.PostAsync("admin", "/api/v1/plans", new { body, note = "for the night" }, Ct);
        Assert.Equal((HttpStatusCode.Created, "/api/v1/plans/uploads-at-night"), (answer.StatusCode, answer.Headers.Location?.OriginalString));
        Assert.Equal(("uploads-at-night", 1), (Text(await ApiConsole.ReadAsync(answer, Ct), "name"), (await GetAsync("viewer", "/api/v1/plans/uploads-at-night"))[0].GetProperty("version").GetInt32()));
        body["maximumPointAgeHours"] = 12;
        Assert.Equal("plan-version-taken", await RefusedAsync("admin", "/api/v1/plans", new { body, note = "younger points", basedOn = 7 }, HttpStatusCode.Conflict));
        Assert.Equal(2, (await PostAsync("admin", "/api/v1/plans", new { body, note = "younger points", basedOn = 1 })).GetProperty("version").GetInt32());
        body["steps"] = new JsonArray();
        Assert.Equal("plan-invalid", await RefusedAsync("admin", "/api/v1/plans", new { body, note = "nothing at all", basedOn = 2 }, HttpStatusCode.BadRequest));
    }

    [Fact]
    public async Task A_recovery_set_is_taken_looked_at_and_planned_to()
    {
        Assert.Equal("workspace-unknown", await RefusedAsync("operator", "/api/v1/workspaces/none/recovery-sets", null, HttpStatusCode.NotFound));
        var run = IdOf(await PostAsync("operator", $"/api/v1/workspaces/{ConsoleEstate.Workspace}/recovery-sets", null));
        Assert.Equal("completed", Text((await FollowAsync(run))[^1].GetProperty("run"), "state"));
        var set = await GetAsync("viewer", $"/api/v1/recovery-sets/{run}");
        Assert.Equal(["orders", ApiConsole.Uploads], set.GetProperty("parts").EnumerateArray().Select(part => Text(part, "source")));
        Assert.True(set.GetProperty("isWhole").GetBoolean(), set.ToString());
        Assert.Equal(run, (await GetAsync("viewer", $"/api/v1/recovery-sets?workspace={ConsoleEstate.Workspace}&limit=1"))[0].GetProperty("run").GetInt64());

        var path = $"/api/v1/recovery-sets/{run}/plan";
        // A dump of another server cannot be put back in its place: the draft says so, and what to do.
        var unfit = await PostAsync("operator", path, new { });
        Assert.Equal(("orders", JsonValueKind.Null), (Text(Assert.Single(unfit.GetProperty("faults").EnumerateArray()), "source"), unfit.GetProperty("hash").ValueKind));
        Assert.Equal("recovery-parts-unknown", await RefusedAsync("operator", path, new { leaveOut = new[] { "order" } }, HttpStatusCode.BadRequest));
        Assert.Equal("disaster-unknown", await RefusedAsync("operator", path, new { disaster = "FLOOD" }, HttpStatusCode.BadRequest));
        var draft = await PostAsync("operator", path, new { leaveOut = new[] { "orders" } });
        Assert.Equal(RecoveryPlan.Parse(draft.GetProperty("plan").GetRawText()).Hash, Text(draft, "hash"));
        Assert.DoesNotContain((await GetAsync("viewer", "/api/v1/recoveries")).EnumerateArray(), one => Text(one, "plan") == RecoveryRequests.WorkspacePlan);
        // The same by its name; and what was planned to is asked for.
        Assert.True(JsonElement.DeepEquals(draft.GetProperty("plan"), (await PostAsync("operator", "/api/v1/recoveries/plan", new { plan = RecoveryRequests.WorkspacePlan, set = run, leaveOut = new[] { "orders" } })).GetProperty("plan")));
        var asked = IdOf(await PostAsync("operator", "/api/v1/recoveries", new { hash = Text(draft, "hash") }));
        await PostAsync("operator", $"/api/v1/recoveries/{asked}/cancel", new { reason = Reason, undo = false });
        Assert.Equal("cancelled", Text((await FollowAsync(asked))[^1].GetProperty("recovery"), "outcome"));
    }
}
