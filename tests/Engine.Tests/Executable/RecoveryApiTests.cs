using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Recovery;
using Hexabase.DrConsole.Engine.Recovery.Approvals;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Recovery.Reports;
using Microsoft.AspNetCore.SignalR.Client;

namespace Hexabase.DrConsole.Engine.Tests.Executable;

/// <summary>What programs do about incidents, recoveries, drills, reports and recovery sets; over HTTP and by the hub, of a console that runs.</summary>
[Collection(nameof(ApiConsole))]
public sealed partial class RecoveryApiTests(ApiConsole console)
{
    private const string Plan = "volume-storage-failure";
    private const string Disaster = "STORAGE_FAILURE";
    private const string Password = "the password of the person";
    private const string Reason = "the volume is being moved";

    /// <summary>Many times what it takes: what is never told must fail its test, not hang the run.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(90);

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_incident_is_acknowledged_and_closed()
    {
        var id = (long)(await console.Catalog.Command(
            """
            INSERT INTO incident (kind, sources, state, first_evidence_at, suspected_at, confirmed_at, evidence)
            VALUES ('DATABASE_CORRUPTION', ARRAY['orders'], 'confirmed', clock_timestamp(), clock_timestamp(), clock_timestamp(), $1) RETURNING id
            """, new Jsonb(new Evidence(TimeProvider.System.GetUtcNow(), [], [], []).ToJson())).FirstAsync(row => (object)row.GetInt64(0), Ct))!;
        var path = $"/api/v1/incidents/{id}";
        Assert.Equal("note-too-long", await RefusedAsync("operator", $"{path}/acknowledge", new { note = new string('x', 501) }, HttpStatusCode.BadRequest));
        var seen = await PostAsync("operator", $"{path}/acknowledge", new { note = "looking at it" });
        Assert.Equal(("token/ci", "looking at it", "confirmed"), (Text(seen, "acknowledgedBy"), Text(seen, "note"), Text(seen, "state")));
        Assert.Equal("incident-acknowledged", await RefusedAsync("operator", $"{path}/acknowledge", new { }, HttpStatusCode.Conflict));

        Assert.Equal("reason-missing", await RefusedAsync("operator", $"{path}/close", new { }, HttpStatusCode.BadRequest));
        var closed = await PostAsync("operator", $"{path}/close", new { reason = "the disk was replaced" });
        Assert.Equal(("resolved", "closed"), (Text(closed, "state"), Text(closed, "resolution")));
        Assert.Equal("incident-resolved", await RefusedAsync("operator", $"{path}/close", new { reason = "again" }, HttpStatusCode.Conflict));
        var told = (await GetAsync("viewer", path)).GetProperty("events").EnumerateArray().Select(one => (Text(one, "what"), Text(one, "actor"))).ToList();
        Assert.Equal([("acknowledged", "token/ci"), ("closed", "token/ci")], told);
        Assert.Equal(["incident.acknowledged", "incident.closed"], await AuditAsync($"I-{id}", "token/ci"));

        var replay = await GetAsync("viewer", "/api/v1/incidents/replay?suspect=1&confirm=1&kinds=1");
        Assert.Equal(1, replay.GetProperty("thresholds").GetProperty("confirmAfter").GetInt32());
        var refused = await console.GetAsync("viewer", "/api/v1/incidents/replay?suspect=5&confirm=2&healthy=0", Ct);
        var both = await refused.Content.ReadAsStringAsync(Ct);
        Assert.Equal("thresholds-invalid", await ApiConsole.CodeOfAsync(refused, HttpStatusCode.BadRequest, Ct));
        Assert.Contains("healthy is 0, and not from 1 to 1000; confirm is 2", both, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_drill_is_asked_for_followed_by_its_steps_and_reported_with_a_signature_that_holds()
    {
        await BackUpAsync();
        var wrong = await console.PostAsync("operator", "/api/v1/drills", new { plan = " " }, Ct);
        Assert.Contains("plan is missing; source is missing", await wrong.Content.ReadAsStringAsync(Ct), StringComparison.Ordinal);
        Assert.Equal("values-invalid", await ApiConsole.CodeOfAsync(wrong, HttpStatusCode.BadRequest, Ct));
        Assert.Equal("plan-unknown", await RefusedAsync("operator", "/api/v1/drills", new { plan = "none", source = ApiConsole.Uploads }, HttpStatusCode.NotFound));
        Assert.Contains((await GetAsync("viewer", "/api/v1/drills/due")).EnumerateArray(), due => Text(due, "plan") == Plan && Text(due, "source") == ApiConsole.Uploads);

        var run = await DrillAsync();
        var updates = await FollowAsync(run);
        var last = updates[^1];
        Assert.True(Text(last.GetProperty("run"), "state") == "completed", last.ToString());
        Assert.Equal("completed", Text(last.GetProperty("recovery"), "outcome"));
        var steps = updates.SelectMany(update => update.GetProperty("steps").EnumerateArray()).ToList();
        Assert.Equal(("restore", "done"), (Text(steps[^1], "name"), Text(steps[^1], "state")));
        // Where the step's lines stand in the log is true: the log has the step's own lines there.
        var lines = steps[^1].GetProperty("lines");
        var log = (await GetAsync("viewer", $"/api/v1/runs/{run}/events?limit=1000")).EnumerateArray().ToList();
        var own = log.Where(line => Text(line, "phase") == "restore").Select(line => line.GetProperty("seq").GetInt64()).ToList();
        Assert.Equal((own[0], own[^1]), (lines.GetProperty("first").GetInt64(), lines.GetProperty("last").GetInt64()));
        Assert.Equal(log[^1].GetProperty("seq").GetInt64(), last.GetProperty("lastLine").GetInt64());
        Assert.True(JsonElement.DeepEquals(steps[^1], Assert.Single((await GetAsync("viewer", $"/api/v1/runs/{run}/steps")).EnumerateArray())));

        var drill = (await GetAsync("viewer", $"/api/v1/drills/{run}")).GetProperty("drill");
        Assert.True(drill.GetProperty("passed").GetBoolean(), drill.ToString());
        Assert.Equal(0, drill.GetProperty("left").GetArrayLength());
        Assert.Contains((await GetAsync("viewer", $"/api/v1/drills?source={ApiConsole.Uploads}")).EnumerateArray(), one => one.GetProperty("run").GetInt64() == run);
        Assert.Contains((await GetAsync("viewer", "/api/v1/reports?drills=true&outcome=completed")).EnumerateArray(), one => one.GetProperty("run").GetInt64() == run);
        Assert.DoesNotContain((await GetAsync("viewer", "/api/v1/reports?drills=false")).EnumerateArray(), one => one.GetProperty("run").GetInt64() == run);

        using var viewer = console.Program("viewer");
        var file = await viewer.GetByteArrayAsync(new Uri($"/api/v1/reports/{run}", UriKind.Relative), Ct);
        var key = await viewer.GetStringAsync(new Uri("/api/v1/reports/signing-key", UriKind.Relative), Ct);
        Assert.Equal($"R-{run}", SignedReport.Check(file, key).Report.Run);
        file[file.Length / 2] ^= 1;
        Assert.Throws<EngineException>(() => SignedReport.Check(file, key));
        Assert.Equal(["report.signed"], await AuditAsync($"R-{run}", "token/viewer"));
        var readiness = await GetAsync("viewer", $"/api/v1/plans/{Plan}/readiness?source={ApiConsole.Uploads}");
        Assert.All(readiness.GetProperty("now").EnumerateArray(), row => Assert.Equal((Plan, ApiConsole.Uploads), (Text(row, "plan"), Text(row, "source"))));

        Assert.Equal("run-ended", await RefusedAsync("operator", $"/api/v1/runs/{run}/cancel", null, HttpStatusCode.Conflict));
        Assert.Equal("recovery-unknown", await RefusedAsync("operator", $"/api/v1/recoveries/{run}/pause", new { reason = Reason }, HttpStatusCode.NotFound));
    }

    [Fact]
    public async Task A_recovery_is_paused_resumed_and_cancelled_and_the_hub_tells_of_its_gates_and_steps()
    {
        await BackUpAsync();
        // After the question the command line would make nobody who may answer it.
        using var petra = await console.PersonAsync("petra", "Approver", Password, Ct);
        console.SetReady(true);
        await using var hub = console.Hub("viewer");
        await hub.StartAsync(Ct);
        await using var approvals = hub.StreamAsync<JsonElement>("Approvals", Ct).GetAsyncEnumerator(Ct);
        Assert.True(await approvals.MoveNextAsync());
        var run = await AskAsync();
        var asked = await ToldAsync(approvals, run, "open");
        Assert.Equal(("olga", ApiConsole.Uploads, "recovery", 0), (Text(asked, "requester"), Text(asked, "source"), Text(asked, "runKind"), asked.GetProperty("approved").GetInt32()));
        Assert.Contains((await GetAsync("viewer", "/api/v1/approvals")).EnumerateArray(), gate => JsonElement.DeepEquals(gate, asked));
        Assert.Equal("run-is-recovery", await RefusedAsync("operator", $"/api/v1/runs/{run}/cancel", null, HttpStatusCode.Conflict));

        var path = $"/api/v1/recoveries/{run}";
        Assert.Equal("recovery-refused", await RefusedAsync("operator", $"{path}/resume", null, HttpStatusCode.Conflict));
        Assert.Equal("values-invalid", await RefusedAsync("operator", $"{path}/pause", new { reason = "short" }, HttpStatusCode.BadRequest));
        Assert.Equal("token/ci", Text(await PostAsync("operator", $"{path}/pause", new { reason = Reason }), "pausedBy"));
        Assert.Equal("recovery-refused", await RefusedAsync("operator", $"{path}/pause", new { reason = Reason }, HttpStatusCode.Conflict));
        var gate = asked.GetProperty("id").GetInt64();
        var answer = new { act = "approve", subjectHash = Text(asked, "subjectHash"), reason = Reason, incident = "INC-1", password = Password };
        Assert.Equal("person-needed", await RefusedAsync("approver", $"/api/v1/approvals/{gate}/answer", answer, HttpStatusCode.Forbidden));
        Assert.Equal(["approval.refused"], await AuditAsync($"gate {gate}", "token/approver"));
        await ApproveAsync(petra, asked);
        Assert.Equal(1, (await ToldAsync(approvals, run, "granted")).GetProperty("approved").GetInt32());
        await UntilAsync(run, "resume");
        await using var steps = hub.StreamAsync<JsonElement>("Steps", run, Ct).GetAsyncEnumerator(Ct);
        Assert.True(await steps.MoveNextAsync());
        Assert.Equal(("token/ci", "resume"), (Text(steps.Current.GetProperty("recovery"), "pausedBy"), Text(steps.Current.GetProperty("recovery"), "waitsFor")));
        Assert.Equal("pending", Text(Assert.Single(steps.Current.GetProperty("steps").EnumerateArray()), "state"));
        Assert.Equal(JsonValueKind.Null, (await PostAsync("operator", $"{path}/resume", null)).GetProperty("pausedBy").ValueKind);
        await ToldAsync(approvals, run, "used");
        var (told, last) = (new List<string?>(), steps.Current);
        while (await steps.MoveNextAsync().AsTask().WaitAsync(s_patience, Ct))
        {
            last = steps.Current;
            told.AddRange(last.GetProperty("steps").EnumerateArray().Select(step => Text(step, "state")));
        }

        Assert.True(Text(last.GetProperty("recovery"), "outcome") == "completed", last.ToString());
        Assert.Equal(("done", "as it was"), (told[^1], await File.ReadAllTextAsync(Letter, Ct)));
        Assert.Equal(["recovery.pause-asked", "recovery.resumed"], await AuditAsync($"R-{run}", "token/ci"));
        Assert.Equal("petra", Text(Assert.Single((await GetAsync("viewer", $"/api/v1/approvals/{gate}")).GetProperty("votes").EnumerateArray()), "person"));

        // Nobody approves the next one in time; it is asked for again, and ended.
        var second = await AskAsync();
        var late = (await ToldAsync(approvals, second, "open")).GetProperty("id").GetInt64();
        await console.Catalog.Command("UPDATE approval_gate SET approve_until = clock_timestamp() - interval '1 second' WHERE id = $1", late).RunAsync(Ct);
        await (await console.EngineAsync<ApprovalDesk>()).ExpireAsync(Ct);
        Assert.Equal(late, (await ToldAsync(approvals, second, "expired")).GetProperty("id").GetInt64());
        Assert.Contains((await GetAsync("viewer", "/api/v1/approvals?state=expired")).EnumerateArray(), gate => gate.GetProperty("id").GetInt64() == late);
        await PostAsync("operator", $"/api/v1/recoveries/{second}/ask-again", null);
        await ToldAsync(approvals, second, "open");
        var end = await console.PostAsync("operator", $"/api/v1/recoveries/{second}/cancel", new { reason = "no" }, Ct);
        Assert.Matches("a reason of 8 to 500 characters is needed; undo is neither true", await end.Content.ReadAsStringAsync(Ct));
        Assert.Equal(HttpStatusCode.BadRequest, end.StatusCode);
        await PostAsync("operator", $"/api/v1/recoveries/{second}/cancel", new { reason = Reason, undo = true });
        await ToldAsync(approvals, second, "void");
        Assert.Equal("cancelled", Text((await FollowAsync(second))[^1].GetProperty("recovery"), "outcome"));
        Assert.Equal("recovery-refused", await RefusedAsync("operator", $"/api/v1/recoveries/{second}/resume", null, HttpStatusCode.Conflict));
    }

    [Fact]
    public async Task A_step_that_cannot_go_on_by_itself_is_decided_by_whoever_may_approve()
    {
        await BackUpAsync();
        console.SetReady(false);
        var library = await console.EngineAsync<PlanLibrary>();
        var newest = (await library.NewestAsync(Plan, Ct))!;
        var asking = JsonNode.Parse(newest.Text)!;
        asking["onFailure"] = "ask";
        await library.SaveAsync(asking.ToJsonString(), "admin", "ask where a step fails", newest.Version, Ct);
        using var paula = await console.PersonAsync("paula", "Approver", Password, Ct);
        var run = await AskAsync();
        var path = $"/api/v1/recoveries/{run}";
        Assert.Equal("recovery-refused", await RefusedAsync("approver", $"{path}/decision", new { choice = "retry", reason = Reason }, HttpStatusCode.Conflict));
        await ApproveAsync(paula, (await GetAsync("viewer", path)).GetProperty("gates")[0]);
        await UntilAsync(run, "decision");

        var wrong = await console.PostAsync("approver", $"{path}/decision", new { choice = "forget" }, Ct);
        Assert.Matches("'forget' is no choice: one of retry, mark_done, skip, roll_back, abort; a reason of 8 to 500", (await wrong.Content.ReadAsStringAsync(Ct)).Replace("\\u0027", "'", StringComparison.Ordinal));
        Assert.Equal(HttpStatusCode.BadRequest, wrong.StatusCode);
        await PostAsync("approver", $"{path}/decision", new { choice = "retry", reason = Reason });
        await UntilAsync(run, "decision");
        // What changes what was approved takes a person, and their password.
        Assert.Equal("person-needed", await RefusedAsync("approver", $"{path}/decision", new { choice = "skip", reason = Reason }, HttpStatusCode.Forbidden));
        Assert.Equal("password-wrong", await ApiConsole.CodeOfAsync(await paula.PostAsJsonAsync($"{path}/decision", new { choice = "skip", reason = Reason }, Ct), HttpStatusCode.Forbidden, Ct));
        await ApiConsole.ReadAsync(await paula.PostAsJsonAsync($"{path}/decision", new { choice = "skip", reason = Reason, password = Password }, Ct), Ct);
        Assert.Equal("completed", Text((await FollowAsync(run))[^1].GetProperty("recovery"), "outcome"));
        var step = Assert.Single((await GetAsync("viewer", path)).GetProperty("steps").EnumerateArray());
        Assert.Equal(("skipped", $"paula: {Reason}"), (Text(step, "state"), Text(step, "reason")));
        Assert.Equal(["recovery.decided-retry", "recovery.decision-refused"], await AuditAsync($"R-{run}", "token/approver"));
        Assert.Contains("recovery.decided-skip", await AuditAsync($"R-{run}", "paula"));
        await library.SaveAsync(newest.Text, "admin", "as before", newest.Version + 1, Ct);
    }

    [Fact]
    public async Task A_recovery_is_planned_looked_at_and_asked_for_by_the_hash_of_what_was_seen()
    {
        await BackUpAsync();
        // Somebody must be there who may answer.
        using var pia = await console.PersonAsync("pia", "Approver", Password, Ct);
        foreach (var role in new[] { "viewer", "approver" })
        {
            Assert.Equal("role-missing", await RefusedAsync(role, "/api/v1/recoveries/plan", new { plan = Plan, source = ApiConsole.Uploads }, HttpStatusCode.Forbidden));
            Assert.Equal("role-missing", await RefusedAsync(role, "/api/v1/recoveries", new { hash = "0" }, HttpStatusCode.Forbidden));
        }

        var nothing = await console.PostAsync("operator", "/api/v1/recoveries/plan", new { }, Ct);
        Assert.Contains("plan is missing; either source or set says", await nothing.Content.ReadAsStringAsync(Ct), StringComparison.Ordinal);
        foreach (var (body, status, code) in new (object, HttpStatusCode, string)[]
        {
            (new { plan = Plan, source = ApiConsole.Uploads, set = 1 }, HttpStatusCode.BadRequest, "values-invalid"),
            (new { plan = "none", source = ApiConsole.Uploads }, HttpStatusCode.NotFound, "plan-unknown"),
            (new { plan = Plan, source = "nobody" }, HttpStatusCode.NotFound, "source-unknown"),
            (new { plan = Plan, source = ConsoleEstate.Source }, HttpStatusCode.BadRequest, "plan-kind"),
            (new { plan = Plan, source = ApiConsole.Uploads, disaster = "FLOOD" }, HttpStatusCode.BadRequest, "disaster-unknown"),
            (new { plan = Plan, source = ApiConsole.Uploads, incident = 999999 }, HttpStatusCode.NotFound, "incident-unknown"),
            (new { plan = Plan, source = ApiConsole.Uploads, leaveOut = new[] { "orders" } }, HttpStatusCode.BadRequest, "plan-kind"),
        })
        {
            Assert.Equal(code, await RefusedAsync("operator", "/api/v1/recoveries/plan", body, status));
        }

        var draft = await PostAsync("operator", "/api/v1/recoveries/plan", new { plan = Plan, source = ApiConsole.Uploads });
        var (hash, made) = (Text(draft, "hash")!, RecoveryPlan.Parse(draft.GetProperty("plan").GetRawText()));
        Assert.Equal((hash, Disaster, ApiConsole.Uploads), (made.Hash, made.Disaster, made.Source));
        Assert.DoesNotContain((await GetAsync("viewer", "/api/v1/recoveries")).EnumerateArray(), one => Text(one, "planHash") == hash);
        Assert.Equal("values-invalid", await RefusedAsync("operator", "/api/v1/recoveries", new { }, HttpStatusCode.BadRequest));
        // Neither is one's own plan made by guessing, nor another's used.
        Assert.Equal("plan-not-given", await RefusedAsync("operator", "/api/v1/recoveries", new { hash = hash[..^1] }, HttpStatusCode.NotFound));
        Assert.Equal("plan-not-given", await RefusedAsync("admin", "/api/v1/recoveries", new { hash }, HttpStatusCode.NotFound));

        var answer = await console.PostAsync("operator", "/api/v1/recoveries", new { hash }, Ct);
        var asked = await ApiConsole.ReadAsync(answer, Ct);
        var run = IdOf(asked);
        Assert.Equal((HttpStatusCode.Accepted, $"/api/v1/runs/{run}", "token/ci"), (answer.StatusCode, answer.Headers.Location?.OriginalString, Text(asked, "requestedBy")));
        // Whose answer was lost asks again and gets the same run; made anew it is another plan, which waits for its turn.
        Assert.Equal(run, IdOf(await ApiConsole.ReadAsync(await console.PostAsync("operator", "/api/v1/recoveries", new { hash }, Ct), Ct)));
        var second = Text(await PostAsync("operator", "/api/v1/recoveries/plan", new { plan = Plan, source = ApiConsole.Uploads }), "hash");
        Assert.Equal("recovery-already-open", await RefusedAsync("operator", "/api/v1/recoveries", new { hash = second }, HttpStatusCode.Conflict));
        await UntilAsync(run, "approval");
        var gate = (await GetAsync("viewer", $"/api/v1/recoveries/{run}")).GetProperty("gates")[0];
        Assert.Equal(("token/ci", hash), (Text(gate, "requester"), Text(gate, "subjectHash")));
        using var viewer = console.Program("viewer");
        foreach (var path in new[] { $"/api/v1/recoveries/{run}/plan", $"/api/v1/approvals/{gate.GetProperty("id").GetInt64()}/plan" })
        {
            Assert.Equal(hash, Convert.ToHexStringLower(SHA256.HashData(await viewer.GetByteArrayAsync(new Uri(path, UriKind.Relative), Ct))));
        }

        console.SetReady(true);
        await ApproveAsync(pia, gate);
        Assert.Equal("completed", Text((await FollowAsync(run))[^1].GetProperty("recovery"), "outcome"));
        Assert.Equal("as it was", await File.ReadAllTextAsync(Letter, Ct));
        Assert.Equal(["run.requested"], await AuditAsync($"R-{run}", "token/ci"));
    }

    private string Letter => console.Estate.Combine($"{ApiConsole.Uploads}/letter");

    /// <summary>A restore point of the volume, which is damaged after it.</summary>
    private async Task BackUpAsync()
    {
        await File.WriteAllTextAsync(Letter, "as it was", Ct);
        var run = IdOf(await PostAsync("operator", $"/api/v1/sources/{ApiConsole.Uploads}/backups", null));
        Assert.Equal("completed", Text((await FollowAsync(run))[^1].GetProperty("run"), "state"));
        await File.WriteAllTextAsync(Letter, "damaged", Ct);
    }

    /// <summary>Asks for a drill; where a test runs by night the schedule may have another open, and two are never done at once.</summary>
    private async Task<long> DrillAsync()
    {
        while (true)
        {
            var answer = await console.PostAsync("operator", "/api/v1/drills", new { plan = Plan, source = ApiConsole.Uploads }, Ct);
            if (answer.StatusCode != HttpStatusCode.Conflict)
            {
                Assert.Equal(HttpStatusCode.Accepted, answer.StatusCode);
                return IdOf(await ApiConsole.ReadAsync(answer, Ct));
            }

            Assert.Equal("drill-already-open", await ApiConsole.CodeOfAsync(answer, HttpStatusCode.Conflict, Ct));
            await Task.Delay(200, Ct);
        }
    }

    /// <summary>Asks for the volume's recovery, as its plan's page does; it waits at its gate then.</summary>
    private async Task<long> AskAsync()
    {
        var requests = await console.EngineAsync<RecoveryRequests>();
        var plan = await requests.PlanAsync(Plan, new PlanRequest(ApiConsole.Uploads, Disaster), Ct);
        var run = (await requests.RequestAsync(plan, plan.Hash, "olga", Ct)).Id.Value;
        await UntilAsync(run, "approval");
        return run;
    }

    private static async Task ApproveAsync(HttpClient person, JsonElement gate)
    {
        var answer = await person.PostAsJsonAsync(
            $"/api/v1/approvals/{gate.GetProperty("id").GetInt64()}/answer", new { act = "approve", subjectHash = Text(gate, "subjectHash"), reason = Reason, incident = "INC-1", password = Password }, Ct);
        Assert.Equal("granted", Text(await ApiConsole.ReadAsync(answer, Ct), "state"));
    }

    /// <summary>What the hub tells of a run's steps until it has ended.</summary>
    private async Task<IReadOnlyList<JsonElement>> FollowAsync(long run)
    {
        await using var hub = console.Hub("viewer");
        await hub.StartAsync(Ct);
        return await hub.StreamAsync<JsonElement>("Steps", run, Ct).ToListAsync(Ct).AsTask().WaitAsync(s_patience, Ct);
    }

    /// <summary>The next time that a gate of the run is told of in that state.</summary>
    private static async Task<JsonElement> ToldAsync(IAsyncEnumerator<JsonElement> approvals, long run, string state)
    {
        var told = new List<string>();
        while (await NextAsync())
        {
            told.Add(approvals.Current.ToString());
            foreach (var gate in approvals.Current.EnumerateArray())
            {
                if (gate.GetProperty("run").GetInt64() == run && Text(gate, "state") == state)
                {
                    return gate;
                }
            }
        }

        throw new InvalidOperationException("the stream has ended");

        async Task<bool> NextAsync()
        {
            try
            {
                return await approvals.MoveNextAsync().AsTask().WaitAsync(s_patience, Ct);
            }
            catch (TimeoutException)
            {
                throw new TimeoutException($"no gate of run {run} was told as {state}; told was {string.Join('\n', told)}");
            }
        }
    }

    /// <summary>Waits until nobody holds the recovery and it waits for that; one that has ended never will.</summary>
    private async Task UntilAsync(long run, string waitsFor)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        patience.CancelAfter(s_patience);
        while (true)
        {
            var recovery = (await GetAsync("viewer", $"/api/v1/recoveries/{run}")).GetProperty("recovery");
            var now = await GetAsync("viewer", $"/api/v1/runs/{run}");
            Assert.True(recovery.GetProperty("outcome").ValueKind == JsonValueKind.Null && Text(now, "state") is "queued" or "running" or "waiting", $"{recovery} {now}");
            if (Text(now, "state") == "waiting" && Text(recovery, "waitsFor") == waitsFor)
            {
                return;
            }

            await Task.Delay(50, patience.Token);
        }
    }

    private async Task<IReadOnlyList<string>> AuditAsync(string subject, string actor) => await console.Catalog.Command(
        "SELECT action FROM audit_event WHERE subject = $1 AND actor = $2 ORDER BY seq", subject, actor).ListAsync(row => row.GetString(0), Ct);

    private async Task<JsonElement> GetAsync(string token, string path) => await ApiConsole.ReadAsync(await console.GetAsync(token, path, Ct), Ct);

    private async Task<JsonElement> PostAsync(string token, string path, object? body) => await ApiConsole.ReadAsync(await console.PostAsync(token, path, body, Ct), Ct);

    private async Task<string> RefusedAsync(string token, string path, object? body, HttpStatusCode status) => await ApiConsole.CodeOfAsync(await console.PostAsync(token, path, body, Ct), status, Ct);

    private static long IdOf(JsonElement run) => run.GetProperty("id").GetInt64();

    private static string? Text(JsonElement one, string name) => one.GetProperty(name).GetString();
}
