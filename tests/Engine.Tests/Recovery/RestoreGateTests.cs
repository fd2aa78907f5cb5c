using Hexabase.DrConsole.Engine.Audit;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Notifications;
using Hexabase.DrConsole.Engine.Notifications.Outbox;
using Hexabase.DrConsole.Engine.Recovery.Approvals;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Tests.Support;

namespace Hexabase.DrConsole.Engine.Tests.Recovery;

/// <summary>A restore outside of plans that writes over a volume's files: nothing is written before others approved exactly that.</summary>
public sealed partial class RestoreGateTests(CatalogServer catalog)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Restore_over_what_lives_waits_for_another_person_and_then_does_exactly_what_was_approved()
    {
        await using var rig = await FilledAsync();
        var (plan, run) = await AskAsync(rig);
        var gate = Assert.Single(await rig.Gates.OfRunAsync(run, Ct));

        Assert.Equal((plan.Hash, 1, "olga", GateState.Open, "destructive"), (gate.SubjectHash, gate.Needed, gate.Requester, gate.State, gate.Risk));
        Assert.Equal("newer", Read(rig));
        Assert.Contains($"/approvals/{gate.Id}", await rig.LogAsync(run), StringComparison.Ordinal);
        Assert.NotNull(await catalog.Pool.Command("SELECT 'free' FROM run WHERE id = $1 AND lease_owner IS NULL", run.Value).FirstAsync(row => row.GetString(0), Ct));
        await RefusedAsync(rig, gate, "olga", "you asked for it");
        var puppet = $"sock-{Guid.NewGuid():n}"[..20];
        await catalog.Pool.Command("INSERT INTO app_user (name, password_hash, role, created_by) VALUES ($1, '', 'Approver', 'olga')", puppet).RunAsync(Ct);
        await RefusedAsync(rig, gate, puppet, "made your account");
        await RefusedAsync(rig, gate with { SubjectHash = new string('0', 64) }, "paul", "not what you saw");

        await rig.ApproveAsync(run, "paul");
        Assert.Equal("newer", Read(rig));
        var ended = await rig.AdvanceAsync(run);

        Assert.True(ended.State == RunState.Completed, await rig.LogAsync(run));
        Assert.Equal("as it was", Read(rig));
        Assert.Equal(GateState.Used, (await rig.Gates.FindAsync(gate.Id, Ct))!.State);
        Assert.Equal(["approval.asked", "approval.approve"], await AuditAsync(run));
        var told = await ToldAsync(run);
        Assert.Equal([NotificationEvent.GateOpened, NotificationEvent.GateApproved], told.Select(one => one.Event));
        Assert.All(told, one => Assert.Equal((RunKinds.Restore, plan.Target), (one.Facts.Kind, one.Facts.Target)));
    }

    [Theory]
    [InlineData("declined")]
    [InlineData("expired")]
    [InlineData("lapsed")]
    [InlineData("lapsed when taken up")]
    [InlineData("cancelled")]
    public async Task Restore_that_is_not_approved_ends_and_touches_nothing(string how)
    {
        await using var rig = await FilledAsync();
        var (_, run) = await AskAsync(rig);
        var gate = Assert.Single(await rig.Gates.OfRunAsync(run, Ct));
        switch (how)
        {
            case "declined":
                await rig.Desk.DeclineAsync(Answer(gate, "paul"), Ct);
                break;
            case "expired":
                await catalog.Pool.Command("UPDATE approval_gate SET approve_until = clock_timestamp() - interval '1 second' WHERE id = $1", gate.Id).RunAsync(Ct);
                await RefusedAsync(rig, gate, "paul", "expired");
                await rig.Desk.ExpireAsync(Ct);
                break;
            case "cancelled":
                Assert.True(await rig.Runs.CancelAsync(run, "olga", Ct));
                break;
            default:
                await rig.ApproveAsync(run, "paul");
                await catalog.Pool.Command("UPDATE approval_gate SET granted_at = granted_at - interval '31 minutes' WHERE id = $1", gate.Id).RunAsync(Ct);
                if (how == "lapsed")
                {
                    await rig.Desk.ExpireAsync(Ct);
                }

                await rig.AdvanceAsync(run);
                break;
        }

        var ended = (await rig.Runs.FindAsync(run, Ct))!;
        Assert.True(ended.State == RunState.Cancelled, await rig.LogAsync(run));
        Assert.NotNull(ended.EndedAt);
        Assert.Equal("newer", Read(rig));
        Assert.Empty(await rig.Runs.StepsAsync(run, Ct));
        await RefusedAsync(rig, gate, "petra", "already");
        Assert.Equal(how == "cancelled" ? GateState.Void : how == "declined" ? GateState.Declined : GateState.Expired, (await rig.Gates.FindAsync(gate.Id, Ct))!.State);
        Assert.Equal(how != "cancelled", (await rig.LogAsync(run)).Contains("not approved: ", StringComparison.Ordinal));
        Assert.Equal(RunState.Cancelled, (await rig.AdvanceAsync(run)).State);
    }

    [Fact]
    public async Task Target_that_changed_after_the_approval_is_not_written_over()
    {
        await using var rig = await FilledAsync();
        var (_, run) = await AskAsync(rig);
        await rig.ApproveAsync(run, "paul");
        Write(rig, "changed since it was approved", "list");

        var ended = await rig.AdvanceAsync(run);

        Assert.Equal(RunState.Failed, ended.State);
        Assert.Contains("target-changed", ended.ErrorJson, StringComparison.Ordinal);
        Assert.Equal(("newer", "changed since it was approved"), (Read(rig), Read(rig, "list")));
    }

    [Fact]
    public async Task Request_that_was_changed_in_the_catalog_after_the_approval_does_not_run()
    {
        await using var rig = await FilledAsync();
        var (plan, run) = await AskAsync(rig);
        await rig.ApproveAsync(run, "paul");
        var other = plan with { Notes = [.. plan.Notes, "and something else"] };
        await catalog.Pool.Command("UPDATE run SET request = $2 WHERE id = $1", run.Value, new Jsonb(System.Text.Json.JsonSerializer.Serialize(new RestoreRequest(other, other.Hash), System.Text.Json.JsonSerializerOptions.Web)))
            .RunAsync(Ct);

        Assert.Equal(RunState.Cancelled, (await rig.AdvanceAsync(run)).State);
        Assert.Equal(GateState.Void, Assert.Single(await rig.Gates.OfRunAsync(run, Ct)).State);
        Assert.Equal("newer", Read(rig));
    }

    [Fact]
    public async Task Two_who_approve_at_once_are_one_approval_and_one_restore()
    {
        await using var rig = await FilledAsync();
        var (_, run) = await AskAsync(rig);
        var gate = Assert.Single(await rig.Gates.OfRunAsync(run, Ct));

        var taken = await Task.WhenAll(new[] { "paul", "paul", "petra", "petra" }.Select(async person =>
        {
            try
            {
                await rig.Desk.ApproveAsync(Answer(gate, person), Ct);
                return true;
            }
            catch (EngineException refusal) when (refusal.Code == "approval-refused")
            {
                return false;
            }
        }));
        await Task.WhenAll(rig.AdvanceAsync(run), rig.AdvanceAsync(run));

        Assert.Single(taken, answered => answered);
        Assert.Single(await rig.Gates.VotesAsync(gate.Id, Ct));
        Assert.Equal(RunState.Completed, (await rig.Runs.FindAsync(run, Ct))!.State);
        Assert.Equal(1, Assert.Single(await rig.Runs.StepsAsync(run, Ct)).Attempt);
    }

    [Fact]
    public async Task Process_that_dies_at_the_gate_leaves_one_gate_and_one_that_dies_behind_it_is_not_asked_again()
    {
        await using var rig = await FilledAsync();
        var (plan, run) = await AskAsync(rig, isAdvanced: false);
        // It opened its gate, and died before the run was parked.
        Assert.NotNull(await PassAsync(rig, run, plan));
        Assert.Equal(RunState.Running, (await rig.Runs.FindAsync(run, Ct))!.State);
        await rig.ExpireLeaseAsync(run);
        Assert.Equal(RunState.Waiting, (await rig.AdvanceAsync(run)).State);
        Assert.Single(await rig.Gates.OfRunAsync(run, Ct));

        // It used the approval up, and died before its first write.
        await rig.ApproveAsync(run, "paul");
        Assert.Null(await PassAsync(rig, run, plan));
        await rig.ExpireLeaseAsync(run);
        var ended = await rig.AdvanceAsync(run);

        Assert.True(ended.State == RunState.Completed, await rig.LogAsync(run));
        Assert.Single(await rig.Gates.OfRunAsync(run, Ct));
        Assert.Equal("as it was", Read(rig));
    }

    [Fact]
    public async Task Configuration_that_wants_no_approvals_is_obeyed_and_seen()
    {
        await using var rig = await FilledAsync(approvals: 0);
        var (_, run) = await AskAsync(rig, isAdvanced: false);

        var ended = await rig.AdvanceAsync(run);

        Assert.True(ended.State == RunState.Completed, await rig.LogAsync(run));
        Assert.Equal("as it was", Read(rig));
        var gate = Assert.Single(await rig.Gates.OfRunAsync(run, Ct));
        Assert.Equal((GateState.Used, 0), (gate.State, gate.Needed));
        Assert.Equal(["approval.waived"], await AuditAsync(run));
        Assert.Contains("RestoreApprovals is 0", await rig.LogAsync(run), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Restore_that_nobody_could_approve_is_refused_at_once_but_for_a_declared_incident_in_which_one_may_go_alone()
    {
        // Other tests make people too.
        await using var rig = await FilledAsync(approvals: 1000);
        var plan = await PlanAsync(rig);

        var refused = await Assert.ThrowsAsync<EngineException>(() => rig.Requests.RestoreAsync(plan, plan.Hash, new RestoreAsker("olga", true), Ct));

        Assert.Equal("approvers-missing", refused.Code);
        Assert.Contains("RestoreApprovals", refused.Hint, StringComparison.Ordinal);
        Assert.Empty(await rig.Runs.ListAsync(rig.Source.Name, RunKinds.Restore, null, 5, Ct));
        var incident = await rig.ConfirmIncidentAsync("STORAGE_FAILURE", TimeProvider.System.GetUtcNow());
        var (_, run) = await AskAsync(rig);
        var gate = Assert.Single(await rig.Gates.OfRunAsync(run, Ct));
        Assert.Equal(incident.Value, await rig.Gates.IncidentOfAsync(run, Ct));

        Assert.True((await rig.Desk.BreakGlassAsync(Answer(gate, "paul"), Ct)).IsBreakGlass);
        Assert.Equal(RunState.Completed, (await rig.AdvanceAsync(run)).State);
        Assert.Contains("somebody else must review", (await Assert.ThrowsAsync<EngineException>(() => rig.Desk.ReviewAsync(gate.Id, "olga", "it was all right", Ct))).Message, StringComparison.Ordinal);
        var made = $"made-{Guid.NewGuid():n}";
        await catalog.PersonAsync(made, "Approver");
        await catalog.Pool.Command("UPDATE app_user SET created_by = 'olga' WHERE name = $1", made).RunAsync(Ct);
        Assert.Contains("made your account", (await Assert.ThrowsAsync<EngineException>(() => rig.Desk.ReviewAsync(gate.Id, made, "it was all right", Ct))).Message, StringComparison.Ordinal);
        Assert.Contains(await rig.Gates.ReviewsDueAsync(Ct), one => one.Gate.Id == gate.Id);
        await rig.Desk.RemindAsync(Ct);
        Assert.Empty(await RemindersAsync());
        await catalog.Pool.Command("UPDATE approval_gate SET granted_at = granted_at - interval '1 day' WHERE id = $1", gate.Id).RunAsync(Ct);
        await rig.Desk.RemindAsync(Ct);
        await rig.Desk.RemindAsync(Ct);
        Assert.Equal(NotificationSeverity.Critical, Assert.Single(await RemindersAsync()).Severity);
        Assert.Contains("somebody else must review", (await Assert.ThrowsAsync<EngineException>(() => rig.Desk.ReviewAsync(gate.Id, "paul", "it was all right", Ct))).Message, StringComparison.Ordinal);
        await rig.Desk.ReviewAsync(gate.Id, "petra", "it was all right", Ct);
        Assert.DoesNotContain(await rig.Gates.ReviewsDueAsync(Ct), one => one.Gate.Id == gate.Id);
        Assert.Equal("there is nothing to review", (await Assert.ThrowsAsync<EngineException>(() => rig.Desk.ReviewAsync(gate.Id, "petra", "it was all right", Ct))).Message);

        async Task<IReadOnlyList<Notification>> RemindersAsync() => [.. (await new NotificationStore(catalog.Pool).ListAsync(null, 1_000_000, Ct))
            .Where(one => one.Event == NotificationEvent.GateReviewDue && one.Facts.Run == run.ToString())];
    }

    [Fact]
    public async Task Who_approved_may_take_it_back_or_go_alone_and_broken_glass_holds_by_whoever_broke_it()
    {
        await using var rig = await FilledAsync(approvals: 2);
        var night = $"night-{Guid.NewGuid():n}"[..20];
        await rig.PersonAsync(night, "Approver");
        var back = await ApprovedByPaulAsync();
        Assert.Equal(GateState.Declined, (await rig.Desk.DeclineAsync(Answer(back, "paul"), Ct)).State);
        await rig.AdvanceAsync(back.Run);

        await rig.ConfirmIncidentAsync("STORAGE_FAILURE", TimeProvider.System.GetUtcNow());
        var gone = await ApprovedByPaulAsync();
        await rig.Desk.BreakGlassAsync(Answer(gone, night), Ct);
        await catalog.Pool.Command("UPDATE app_user SET disabled = true WHERE name = $1", night).RunAsync(Ct);
        Assert.NotEqual(RunState.Completed, (await rig.AdvanceAsync(gone.Run)).State);
        Assert.Equal("newer", Read(rig));

        var alone = await ApprovedByPaulAsync();
        Assert.True((await rig.Desk.BreakGlassAsync(Answer(alone, "paul"), Ct)).IsBreakGlass);
        Assert.Equal(RunState.Completed, (await rig.AdvanceAsync(alone.Run)).State);
        Assert.Equal("as it was", Read(rig));

        async Task<ApprovalGate> ApprovedByPaulAsync()
        {
            var (_, run) = await AskAsync(rig);
            var gate = Assert.Single(await rig.Gates.OfRunAsync(run, Ct));
            Assert.Equal(GateState.Open, (await rig.Desk.ApproveAsync(Answer(gate, "paul"), Ct)).State);
            return gate;
        }
    }

    [Fact]
    public async Task Glass_is_not_broken_for_a_source_without_a_declared_incident()
    {
        await using var rig = await FilledAsync();
        // A console that is not let in has shown nothing to be broken.
        await rig.ConfirmIncidentAsync("UNKNOWN", TimeProvider.System.GetUtcNow());
        var (_, run) = await AskAsync(rig);
        var gate = Assert.Single(await rig.Gates.OfRunAsync(run, Ct));

        Assert.Contains("declared incidents", (await Assert.ThrowsAsync<EngineException>(() => rig.Desk.BreakGlassAsync(Answer(gate, "paul"), Ct))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Asked_for_on_the_command_line_it_takes_the_accounts_that_were_there_before()
    {
        await using var rig = await FilledAsync();
        var (before, after) = ($"before-{Guid.NewGuid():n}"[..20], $"after-{Guid.NewGuid():n}"[..20]);
        await rig.PersonAsync(before, "Approver");
        var (_, run) = await AskAsync(rig, requester: RestoreAsker.CommandLine);
        await rig.PersonAsync(after, "Approver");
        var gate = Assert.Single(await rig.Gates.OfRunAsync(run, Ct));

        await RefusedAsync(rig, gate, after, "while it waited");
        Assert.Equal(GateState.Granted, (await rig.Desk.ApproveAsync(Answer(gate, before), Ct)).State);
    }

    [Fact]
    public async Task Plan_that_was_approved_at_its_own_gate_is_not_asked_about_again()
    {
        await using var rig = await FilledAsync();
        await rig.Library.SaveBuiltInAsync(Ct);
        var ended = await rig.RecoverAsync(await rig.Recoveries.PlanAsync("volume-storage-failure", new PlanRequest(rig.Source.Name, "STORAGE_FAILURE"), Ct));

        Assert.True(ended.State == RunState.Completed, await rig.LogAsync(ended.Id));
        Assert.Single(await rig.Gates.OfRunAsync(ended.Id, Ct));
    }

    /// <summary>Takes the run up to its gate as a process does that then dies; why it may not go on, or null.</summary>
    private async Task<string?> PassAsync(InPlaceRig rig, RunId run, RestorePlan plan)
    {
        var hold = (await RunHold.AcquireAsync(catalog.Pool, LeaseTimes.Default, run, Ct))!;
        using var journal = new RunJournal(hold, TimeProvider.System);
        try
        {
            await rig.RestoreGate.RequireAsync(new RunContext(hold, journal, Ct), plan, hasBegun: false);
            return null;
        }
        catch (RunWaitsException waits)
        {
            return waits.Message;
        }
    }

    private static GateAnswer Answer(ApprovalGate gate, string person) => new(gate.Id, person, gate.SubjectHash, "the files are damaged", "INC-1");

    private static async Task RefusedAsync(InPlaceRig rig, ApprovalGate gate, string person, string because)
    {
        var refused = await Assert.ThrowsAsync<EngineException>(() => rig.Desk.ApproveAsync(Answer(gate, person), Ct));
        Assert.Equal("approval-refused", refused.Code);
        Assert.Contains(because, refused.Message, StringComparison.Ordinal);
    }

    private async Task<InPlaceRig> FilledAsync(int approvals = 1, Func<ServerFolder, Source>? beside = null)
    {
        var rig = new InPlaceRig(
            catalog, (name, folder) => new Source(name, SourceKind.Volume, "standard", "shop") { Volume = new VolumeSettings(folder.Combine("volume")) }, approvals: approvals, beside: beside);
        await rig.PersonAsync("paul", "Approver");
        await rig.PersonAsync("petra", "Approver");
        Directory.CreateDirectory(rig.Source.Volume!.Path!);
        Write(rig, "as it was");
        Write(rig, "one, two", "list");
        await rig.BackUpAsync();
        Write(rig, "newer");
        return rig;
    }

    private static async Task<RestorePlan> PlanAsync(InPlaceRig rig)
    {
        var point = Assert.Single(await rig.Points.ListAsync(rig.Source.Name, 5, Ct));
        var plan = await rig.Requests.PlanRestoreAsync(point.Id, $"dir:{rig.Source.Volume!.Path!}?inPlace=true", "/", Ct);
        Assert.True(plan.WritesOver);
        return plan;
    }

    private static async Task<(RestorePlan Plan, RunId Run)> AskAsync(InPlaceRig rig, string requester = "olga", bool isAdvanced = true)
    {
        var plan = await PlanAsync(rig);
        var run = await rig.Requests.RestoreAsync(plan, plan.Hash, new RestoreAsker(requester, true), Ct);
        if (isAdvanced)
        {
            Assert.Equal(RunState.Waiting, (await rig.AdvanceAsync(run.Id)).State);
        }

        return (plan, run.Id);
    }

    private static string FileOf(InPlaceRig rig, string name) => Path.Combine(rig.Source.Volume!.Path!, name);

    private static string Read(InPlaceRig rig, string name = "letter") => File.ReadAllText(FileOf(rig, name));

    private static void Write(InPlaceRig rig, string content, string name = "letter")
    {
        File.WriteAllText(FileOf(rig, name), content);
        // Long ago: a file that changed a moment before a backup is read again by the next.
        File.SetLastWriteTimeUtc(FileOf(rig, name), new DateTime(2026, 1, 2, 3, 4, 5, DateTimeKind.Utc));
    }

    private async Task<IReadOnlyList<string>> AuditAsync(RunId run)
    {
        var actions = new List<string>();
        await foreach (var link in AuditLog.ReadAsync(catalog.Pool, 0, int.MaxValue, Ct))
        {
            if (link.Subject == run.ToString() && link.Action.StartsWith("approval.", StringComparison.Ordinal))
            {
                actions.Add(link.Action);
            }
        }

        return actions;
    }

    private Task<IReadOnlyList<Notification>> ToldAsync(RunId run) => catalog.Pool.Command(
        $"SELECT {NotificationStore.Columns} FROM notification n WHERE n.subject = $1 ORDER BY n.id", run.ToString()).ListAsync(NotificationStore.Map, Ct);
}
