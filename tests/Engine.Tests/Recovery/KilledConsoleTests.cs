using System.Globalization;
using Hexabase.DrConsole.Engine.Audit;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Notifications;
using Hexabase.DrConsole.Engine.Notifications.Outbox;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Tests.Executable;
using Hexabase.DrConsole.Engine.Tests.Support;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Tests.Recovery;

/// <summary>
/// The process that carries a recovery out is killed at the run's commits, and frozen past its lease. The recovered service is one
/// behind commands that write down each time it really stopped, started or was switched to.
/// </summary>
public sealed class KilledConsoleTests
{
    private const string Source = "uploads";
    private const string Switching = "recovery.step-begun switch";
    private const string Asks = "waits for decision";
    private const string Decided = "recovery.step-decided switch";

    private const string Template =
        """
        { "name": "volume-behind-a-service", "title": "Bring a volume back below its service", "disasters": ["STORAGE_FAILURE"], "kind": "volume", "maximumPointAgeHours": 192,
          "gate": { "risk": "destructive", "approvals": 1, "approveWithinMinutes": 60, "executeWithinMinutes": 30 }, "onFailure": "roll-back-all", "drillEveryDays": 0,
          "steps": [
            { "name": "stop", "title": "Stop it", "action": "stop_database_service", "estimateSeconds": 1, "timeoutSeconds": 60 },
            { "name": "restore", "title": "Restore it", "action": "restore_in_place", "estimateSeconds": 1, "timeoutSeconds": 60, "parameters": { "verify": "true", "delete": "false" } },
            { "name": "start", "title": "Start it", "action": "restart_services", "estimateSeconds": 1, "timeoutSeconds": 60 },
            { "name": "switch", "title": "Lead clients there", "action": "switch_traffic", "estimateSeconds": 1, "timeoutSeconds": 60 } ] }
        """;

    /// <summary>All commits that a run of this plan makes, in their order; docs/recovery.md says what is found after a death at each.</summary>
    private static readonly string[] s_all =
    [
        "taken up", "approval.asked", "waits for approval", "parked", "approval.approve", "gate used", "goes on",
        .. new[] { "stop", "restore", "start", "switch" }.SelectMany(step => new[] { $"recovery.step-begun {step}", $"recovery.step-acted {step}", $"recovery.step-done {step}" }),
        Asks, "recovery.decided-retry switch", "recovery.decided-mark-done switch", Decided, "recovery.completed", "incident.closed", "run.completed",
    ];

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Killed_at_its_commits_the_run_is_gone_on_with_and_no_step_has_a_second_effect()
    {
        var isCampaign = Environment.GetEnvironmentVariable("DRCONSOLE_CAMPAIGN_BOUNDARIES") == "all";
        await using var folder = new ServerFolder();
        await using var rig = await PrepareAsync(folder);
        await using var boundaries = await CommitBoundaries.InstallAsync(rig.Catalog.Connection);

        var met = await KillAsync(rig, folder, boundaries, isCampaign ? Every() : Some(), doubtful: true);
        if (isCampaign)
        {
            // In the first run nobody learns that the switch took effect.
            var other = await KillAsync(rig, folder, boundaries,
            [
                new("parked", Side.After), new("approval.approve", Side.After),
                new("recovery.step-acted switch", Side.After), new("recovery.step-done switch", Side.Before), new("recovery.step-done switch", Side.After),
            ], doubtful: false);
            Assert.Empty(s_all.Except(met).Except(other));
        }
    }

    [Fact]
    public async Task Frozen_past_its_lease_it_holds_nobody_up_and_writes_and_does_nothing_when_it_wakes()
    {
        await using var folder = new ServerFolder();
        await using var rig = await PrepareAsync(folder, "-c idle_in_transaction_session_timeout=5s");
        await using var boundaries = await CommitBoundaries.InstallAsync(rig.Catalog.Connection);
        Assert.Equal("30s", await rig.Catalog.Pool.Command("SHOW idle_in_transaction_session_timeout").FirstAsync(row => row.GetString(0), Ct));
        var plan = await DamageAsync(rig, folder);
        var run = (await rig.Engine.AskAsync(plan)).Id;
        await rig.Engine.ApproveAsync(run);
        await boundaries.WatchAsync(run);

        // In the middle of a transaction it holds the run's row and the audit's lock. The server takes them away.
        await boundaries.HaltAsync(new("recovery.step-acted stop", Side.Before));
        var first = await rig.ServeAsync("first");
        var session = await boundaries.ReachedAsync(() => first.Said);
        await first.FreezeAsync();
        await boundaries.ReleaseAsync();
        await boundaries.GoneAsync(session);
        await rig.Engine.ExpireLeaseAsync(run);

        // Between a step's intent and its effect it holds nothing, and believes that the step is its own.
        await boundaries.HaltAsync(new(Switching, Side.After));
        var second = await rig.ServeAsync("second");
        await boundaries.ReachedAsync(() => second.Said);
        await second.FreezeAsync();
        await boundaries.ReleaseAsync();
        while ((await boundaries.MetAsync())[^1] != Switching)
        {
            await Task.Delay(20, Ct);
        }

        await rig.Engine.ExpireLeaseAsync(run);
        Assert.Equal(RunState.Waiting, (await rig.Engine.AdvanceAsync(run)).State);
        await rig.Engine.Recoveries.DecideAsync(run, StepChoice.Retry, "paul", "it was not switched", Ct);
        var ended = await rig.Engine.AdvanceAsync(run);
        Assert.True(ended.State == RunState.Completed, $"{ended.ErrorJson}\n{await rig.Engine.LogAsync(run)}");

        var written = await WrittenAsync(rig, run);
        first.Thaw();
        second.Thaw();
        await first.WaitForAsync($"{run} lost the catalog");
        await second.WaitForAsync($"the lease of {run} was lost; another process goes on with it");
        Assert.Equal(0, (await first.StopAsync()).Code);
        Assert.Equal(0, (await second.StopAsync()).Code);
        Assert.Equal(written, await WrittenAsync(rig, run));
        await AssertDoneOnceAsync(rig, folder, run);
    }

    private static async Task<IReadOnlyList<string>> KillAsync(RecoveryConsoles rig, ServerFolder folder, CommitBoundaries boundaries, IReadOnlyList<Boundary> kills, bool doubtful)
    {
        var plan = await DamageAsync(rig, folder);
        // Whoever asked for it died before it was handed over: the first start finds it.
        var run = (await rig.Engine.Recoveries.RequestAsync(plan, plan.Hash, "olga", Ct)).Id;
        await boundaries.WatchAsync(run);
        var decisions = new Queue<StepChoice>([StepChoice.Retry, StepChoice.MarkDone]);
        foreach (var kill in kills)
        {
            var before = (await boundaries.MetAsync()).Count(name => name == kill.Name);
            await boundaries.HaltAsync(kill);
            var console = await rig.ServeAsync();
            var answer = kill.Name == "approval.approve" ? RecoveryConsoles.ApproveAsync(console, run) : Task.CompletedTask;
            var session = await boundaries.ReachedAsync(() => console.Said);
            await console.KillAsync();
            await boundaries.ReleaseAsync();
            await boundaries.GoneAsync(session);
            if (kill.Name == "approval.approve")
            {
                await Assert.ThrowsAnyAsync<HttpRequestException>(() => answer);
            }

            Assert.Equal(before + (kill.Side == Side.After ? 1 : 0), (await boundaries.MetAsync()).Count(name => name == kill.Name));
            var found = (await rig.Engine.Get<RunStore>().FindAsync(run, Ct))!;
            var steps = string.Join(", ", (await rig.Engine.Catalog.StepsAsync(run, Ct)).Select(step => $"{step.Name} {RecoveryNames.Of(step.State)}"));
            Tell($"| {kill.Name} | {kill.Side} | {found.State}, attempt {found.Attempt} | {steps} | {string.Join(' ', Effects(folder))} |");
            if (kill == new Boundary(Asks, Side.After))
            {
                await rig.Engine.Recoveries.DecideAsync(run, decisions.Dequeue(), "paul", "I have looked at the switch", Ct);
            }
        }

        var last = await rig.ServeAsync();
        await rig.UntilAsync(run, one => !one.IsOpen);
        Assert.Equal(0, (await last.StopAsync()).Code);
        var met = await boundaries.MetAsync();
        Assert.Empty(met.Except(s_all));
        Assert.Equal(doubtful ? 2 : 0, met.Count(name => name == Asks));
        await AssertDoneOnceAsync(rig, folder, run);
        return met;
    }

    /// <summary>One of each kind of commit.</summary>
    private static IReadOnlyList<Boundary> Some() =>
    [
        new("approval.asked", Side.Before), new("parked", Side.After), new("approval.approve", Side.After),
        new("recovery.step-begun stop", Side.After), new("recovery.step-acted stop", Side.Before), new("recovery.step-acted restore", Side.Before), new("recovery.step-acted start", Side.After),
        new(Switching, Side.After), new(Asks, Side.After), new("recovery.step-acted switch", Side.Before), new(Asks, Side.After),
        new("recovery.completed", Side.After), new("run.completed", Side.Before),
    ];

    /// <summary>Both sides of each commit, as the run comes by; one statement alone has only one side.</summary>
    private static IReadOnlyList<Boundary> Every()
    {
        return
        [
            .. s_all.TakeWhile(name => name != Switching).Append(Switching).SelectMany(Both),
            .. Both(Asks), .. Both(Decided), new("recovery.step-acted switch", Side.Before), .. Both(Asks), .. Both(Decided),
            .. new[] { "recovery.completed", "incident.closed", "run.completed" }.SelectMany(Both),
        ];

        IEnumerable<Boundary> Both(string name) => name == "taken up" ? [new(name, Side.After)] : [new(name, Side.Before), new(name, Side.After)];
    }

    private static async Task<RecoveryConsoles> PrepareAsync(ServerFolder folder, string options = "")
    {
        Directory.CreateDirectory(folder.Combine("uploads"));
        await File.WriteAllTextAsync(folder.Combine("uploads/letter"), "as it was", Ct);
        await File.WriteAllTextAsync(folder.Combine("up"), "", Ct);
        await File.WriteAllTextAsync(folder.Combine("service"), $$"""
            cd {{folder.Path}}
            case "$1" in
              start) test -e up || { echo start >> effects; touch up; };;
              stop) test ! -e up || { echo stop >> effects; rm up; };;
              status) test -e up;;
              *) echo "$1" >> effects;;
            esac
            """, Ct);
        var rig = await RecoveryConsoles.StartAsync(folder, $$"""
            "Classes": { "standard": { "Rpo": "7.00:00:00" } },
            "Health": { "Interval": "01:00:00", "Thresholds": { "HealthyAfter": 1000 } },
            "Sources": [ { "Name": "{{Source}}", "Kind": "volume", "Class": "standard", "Volume": { "Path": "uploads" },
              "Recovery": { "Service": { "Driver": "command", "Start": {{Words("start")}}, "Stop": {{Words("stop")}}, "Status": {{Words("status")}} },
                            "SwitchTraffic": {{Words("switch")}}, "SwitchBack": {{Words("back")}} } } ]
            """, options);
        await rig.Engine.Get<PlanLibrary>().SaveAsync(Template, "admin", "for a test", 0, Ct);
        await rig.Engine.BackUpAsync(Source);
        // The test is not about what follows a backup.
        foreach (var validation in await rig.Engine.Get<RunStore>().ListAsync(null, RunKinds.Validation, null, 10, Ct))
        {
            await rig.Engine.Get<RunStore>().CancelAsync(validation.Id, "tester", Ct);
        }

        return rig;

        string Words(string act) => $$"""["/bin/sh", "{{folder.Combine("service")}}", "{{act}}"]""";
    }

    /// <summary>Damages the volume, and plans its recovery.</summary>
    private static async Task<RecoveryPlan> DamageAsync(RecoveryConsoles rig, ServerFolder folder)
    {
        var incident = (await rig.Catalog.Pool.Command(
            """
            INSERT INTO incident (kind, sources, state, first_evidence_at, suspected_at, confirmed_at, evidence)
            VALUES ('STORAGE_FAILURE', ARRAY[$1], 'confirmed', clock_timestamp(), clock_timestamp(), clock_timestamp(), '{}') RETURNING id
            """, Source).FirstAsync(row => (object)row.GetInt64(0), Ct)) is long id ? id : 0;
        await File.WriteAllTextAsync(folder.Combine("uploads/letter"), "scrambled", Ct);
        File.Delete(folder.Combine("effects"));
        return await rig.Engine.Recoveries.PlanAsync("volume-behind-a-service", new PlanRequest(Source, "STORAGE_FAILURE", incident, TimeProvider.System.GetUtcNow()), Ct);
    }

    private static async Task AssertDoneOnceAsync(RecoveryConsoles rig, ServerFolder folder, RunId run)
    {
        var log = await rig.Engine.LogAsync(run);
        Assert.True(RecoveryOutcome.Completed == await rig.Engine.OutcomeAsync(run), log);
        Assert.Equal("as it was", await File.ReadAllTextAsync(folder.Combine("uploads/letter"), Ct));
        Assert.Equal(["stop", "start", "switch"], Effects(folder));
        Assert.All(await rig.Engine.Catalog.StepsAsync(run, Ct), step => Assert.Equal(StepState.Done, step.State));
        Assert.True((await AuditLog.VerifyAsync(rig.Catalog.Pool, Ct)).IsIntact);
        // Each is written with the change that it is about: what was done twice would be there twice.
        string[] once = ["run.requested", "approval.asked", "approval.approve", "recovery.completed", "run.completed"];
        var audit = await AuditAsync(rig, run);
        Assert.Equal(once, once.Where(action => audit.Count(text => text.StartsWith(action + " ", StringComparison.Ordinal)) == 1));
        Assert.All(audit.Where(text => text.StartsWith("recovery.step-done ", StringComparison.Ordinal)).CountBy(text => text), step => Assert.Equal(1, step.Value));
        var told = (await rig.Catalog.Pool.Command($"SELECT {NotificationStore.Columns} FROM notification n WHERE n.subject = $1 ORDER BY n.id", run.ToString()).ListAsync(NotificationStore.Map, Ct))
            .Select(one => one.Event).Where(one => one != NotificationEvent.RecoveryNeedsDecision);
        Assert.Equal([NotificationEvent.GateOpened, NotificationEvent.GateApproved, NotificationEvent.RecoveryStarted, NotificationEvent.RecoveryEnded], told);
        var closed = await rig.Engine.Get<IncidentStore>().FindAsync(new IncidentId((await rig.Engine.Catalog.FindAsync(run, Ct))!.Incident!.Value), Ct);
        Assert.Equal("closed", closed!.Resolution);
    }

    private static IReadOnlyList<string> Effects(ServerFolder folder) => File.Exists(folder.Combine("effects")) ? File.ReadAllLines(folder.Combine("effects")) : [];

    /// <summary>All that the catalog holds of a run.</summary>
    private static async Task<string> WrittenAsync(RecoveryConsoles rig, RunId run)
    {
        var rows = new List<string>();
        foreach (var (table, key) in new[] { ("run", "id"), ("recovery", "run_id"), ("recovery_step", "run_id"), ("run_event", "run_id"), ("approval_gate", "run_id") })
        {
            rows.AddRange(await rig.Catalog.Pool.Command($"SELECT t::text FROM {table} t WHERE {key} = $1 ORDER BY 1", run.Value).ListAsync(row => row.GetString(0), Ct));
        }

        return string.Join('\n', rows.Concat(await AuditAsync(rig, run)));
    }

    private static Task<IReadOnlyList<string>> AuditAsync(RecoveryConsoles rig, RunId run) =>
        rig.Catalog.Pool.Command("SELECT action || ' ' || details FROM audit_event WHERE subject = $1 ORDER BY seq", run.ToString()).ListAsync(row => row.GetString(0), Ct);

    private static void Tell(FormattableString row)
    {
        var line = row.ToString(CultureInfo.InvariantCulture);
        TestContext.Current.TestOutputHelper!.WriteLine(line);
        if (Environment.GetEnvironmentVariable("DRCONSOLE_CAMPAIGN_REPORT") is { Length: > 0 } path)
        {
            File.AppendAllLines(path, [line]);
        }
    }
}
