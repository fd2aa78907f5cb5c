using Hexabase.DrConsole.Engine.Audit;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Notifications.Outbox;
using Hexabase.DrConsole.Engine.Recovery.Approvals;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Engine.Tests.Recovery;

/// <summary>Who may approve what, and for how long. Every refusal is in the audit.</summary>
public sealed class ApprovalTests(RecoveryRig rig) : IClassFixture<RecoveryRig>, IAsyncLifetime
{
    private readonly List<RunId> _runs = [];

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    /// <summary>The next test wants a recovery of the same source.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (var run in _runs)
        {
            await rig.Pool.Command("UPDATE run SET state = 'cancelled', lease_until = NULL WHERE id = $1", run.Value).RunAsync(Ct);
        }
    }

    [Fact]
    public async Task The_requester_cannot_approve_and_neither_can_an_account_that_the_requester_made()
    {
        var requester = $"olga-{Guid.NewGuid():n}"[..20];
        var puppet = $"sock-{Guid.NewGuid():n}"[..20];
        await rig.Pool.Command("INSERT INTO app_user (name, password_hash, role, created_by) VALUES ($1, '', 'Approver', $2)", puppet, requester).RunAsync(Ct);
        var gate = await OpenAsync(requester: requester);

        await RefusedAsync(rig.Desk.ApproveAsync(Answer(gate, requester), Ct), gate, "you asked for it");
        await RefusedAsync(rig.Desk.ApproveAsync(Answer(gate, puppet), Ct), gate, "made your account");
        Assert.Equal(GateState.Granted, (await rig.Desk.ApproveAsync(Answer(gate, "paul"), Ct)).State);
    }

    [Fact]
    public async Task Account_made_on_the_command_line_after_the_question_approves_neither_the_gate_that_opens_then_nor_one_that_is_asked_for_again()
    {
        var plan = await rig.PlanAsync();
        var run = await rig.Recoveries.RequestAsync(plan, plan.Hash, RestoreAsker.CommandLine, Ct);
        _runs.Add(run.Id);
        var late = await AccountAsync();
        await rig.AdvanceAsync(run.Id);
        var gate = Assert.Single(await rig.Gates.OfRunAsync(run.Id, Ct));
        await RefusedAsync(rig.Desk.ApproveAsync(Answer(gate, late), Ct), gate, "while it waited");

        var later = await AccountAsync();
        await rig.Desk.DeclineAsync(Answer(gate, "paul"), Ct);
        await rig.Desk.AskAgainAsync(run.Id, "paul", Ct);
        var again = (await rig.Gates.OfRunAsync(run.Id, Ct))[^1];
        Assert.NotEqual(gate.Id, again.Id);
        await RefusedAsync(rig.Desk.ApproveAsync(Answer(again, later), Ct), again, "while it waited");
        Assert.Equal(GateState.Granted, (await rig.Desk.ApproveAsync(Answer(again, "petra"), Ct)).State);
    }

    [Fact]
    public async Task Account_that_got_its_role_password_or_life_on_the_command_line_after_the_question_approves_nothing_of_it_whoever_asked()
    {
        var (promoted, reset, enabled, unlocked, before) = (await AccountAsync(), await AccountAsync(), await AccountAsync(), await AccountAsync(), await AccountAsync());
        await ChangedAsync(before, new { password = true, role = "Approver", disabled = (bool?)null });
        var gate = await OpenAsync();
        await ChangedAsync(promoted, new { password = false, role = "Approver", disabled = (bool?)null });
        await ChangedAsync(reset, new { password = true, role = (string?)null, disabled = (bool?)null });
        await ChangedAsync(enabled, new { password = false, role = (string?)null, disabled = false });
        await ChangedAsync(unlocked, new { password = false, role = (string?)null, disabled = (bool?)null });

        foreach (var person in new[] { promoted, reset, enabled })
        {
            await RefusedAsync(rig.Desk.ApproveAsync(Answer(gate, person), Ct), gate, "got its role or its password while it waited");
            Assert.Equal(Tie.ChangedLate, await rig.Gates.TieAsync(gate.Run, "olga", person, Ct));
        }

        var late = await AccountAsync();
        await RefusedAsync(rig.Desk.ApproveAsync(Answer(gate, late), Ct), gate, "made on the command line while it waited");
        Assert.Equal([Tie.None, Tie.None], [await rig.Gates.TieAsync(gate.Run, "olga", unlocked, Ct), await rig.Gates.TieAsync(gate.Run, "olga", before, Ct)]);
        Assert.Equal(GateState.Granted, (await rig.Desk.ApproveAsync(Answer(gate, before), Ct)).State);
    }

    [Fact]
    public async Task Approval_of_somebody_who_may_not_approve_any_more_counts_neither_for_the_gate_nor_when_the_run_goes_through_it()
    {
        var (first, second, third) = (await AccountAsync(), await AccountAsync(), await AccountAsync());
        var gate = await OpenAsync(approvals: 2);
        await rig.Desk.ApproveAsync(Answer(gate, first), Ct);
        await rig.Pool.Command("UPDATE app_user SET disabled = true WHERE name = $1", first).RunAsync(Ct);

        Assert.Equal(GateState.Open, (await rig.Desk.ApproveAsync(Answer(gate, second), Ct)).State);
        Assert.Equal([(first, false), (second, true)], (await rig.Gates.VotesAsync(gate.Id, Ct)).Select(vote => (vote.Person, vote.Counts)));
        Assert.Equal(1, Assert.Single(await rig.Gates.StandingsAsync(gate.Run, Ct)).Approved);
        Assert.Equal(GateState.Granted, (await rig.Desk.ApproveAsync(Answer(gate, third), Ct)).State);
        await rig.Pool.Command("UPDATE app_user SET role = 'Operator' WHERE name = $1", third).RunAsync(Ct);

        Assert.Equal(RunState.Waiting, (await rig.AdvanceAsync(gate.Run)).State);
        var closed = (await rig.Gates.FindAsync(gate.Id, Ct))!;
        Assert.Equal(GateState.Void, closed.State);
        Assert.Equal($"the approval of {first} and {third} does not count any more: the account is disabled, or may not approve now", closed.ClosedWhy);
        Assert.Equal(1, await AuditedAsync("approval.void", gate.Run.ToString(), closed.ClosedWhy!));
        Assert.All(await rig.Catalog.StepsAsync(gate.Run, Ct), step => Assert.Null(step.StartedAt));

        // Who counted then is on record, whatever becomes of the accounts.
        await rig.Pool.Command("UPDATE app_user SET disabled = false, role = 'Approver' WHERE name = ANY ($1)", (object)(string[])[first, third]).RunAsync(Ct);
        Assert.Equal([false, true, false], (await rig.Gates.VotesAsync(gate.Id, Ct)).Select(vote => vote.Counts));
        Assert.Equal([false, null, false], Assert.Single((await rig.Reports.WriteAsync(gate.Run, Ct)).Gates).Votes.Select(vote => vote.Counts));

        // Of two who ask again at once one opens a gate, and the other is told.
        var both = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => TryAsync(() => rig.Desk.AskAgainAsync(gate.Run, "olga", Ct))));
        Assert.Single(both, asked => asked);
        Assert.Equal(GateState.Open, (await rig.Gates.OfRunAsync(gate.Run, Ct))[^1].State);
    }

    [Fact]
    public async Task Two_of_two_means_two_people_and_both_at_once_count_once_each()
    {
        var gate = await OpenAsync(approvals: 2);

        Assert.Equal(GateState.Open, (await rig.Desk.ApproveAsync(Answer(gate, "paul"), Ct)).State);
        await RefusedAsync(rig.Desk.ApproveAsync(Answer(gate, "paul"), Ct), gate, "answered already");
        var both = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => TryAsync(() => rig.Desk.ApproveAsync(Answer(gate, "petra"), Ct))));

        Assert.Single(both, answered => answered);
        Assert.Equal(GateState.Granted, (await rig.Gates.FindAsync(gate.Id, Ct))!.State);
    }

    [Fact]
    public async Task Gate_of_one_step_that_expired_is_asked_for_again_although_another_steps_is_granted()
    {
        var plan = await OpenAsync();
        await rig.Pool.Command("UPDATE approval_gate SET state = 'used' WHERE id = $1", plan.Id).RunAsync(Ct);
        await rig.Pool.Command("UPDATE run SET state = 'waiting' WHERE id = $1", plan.Run.Value).RunAsync(Ct);
        await rig.Pool.Command(
            """
            INSERT INTO approval_gate (run_id, step, subject_hash, risk, needed, requester, state, approve_until, execute_within)
            SELECT $1, v.step, '', 'destructive', 1, 'olga', v.state, clock_timestamp() + interval '1 h', interval '1 h' FROM (VALUES (1, 'expired'), (2, 'granted')) v (step, state)
            """, plan.Run.Value).RunAsync(Ct);

        await rig.Desk.AskAgainAsync(plan.Run, "olga", Ct);

        Assert.Equal([(null, GateState.Used), (1, GateState.Expired), (2, GateState.Granted), (1, GateState.Open)], (await rig.Gates.OfRunAsync(plan.Run, Ct)).Select(gate => (gate.Step, gate.State)));
        await Assert.ThrowsAsync<EngineException>(() => rig.Desk.AskAgainAsync(plan.Run, "olga", Ct));
    }

    [Fact]
    public async Task What_was_not_seen_cannot_be_approved_and_a_reason_is_needed()
    {
        var gate = await OpenAsync();

        await rig.Desk.EscalateAsync(Ct);
        Assert.DoesNotContain(await rig.ToldAsync(gate.Run), one => one.Event == NotificationEvent.GateEscalated);
        await rig.Pool.Command("UPDATE approval_gate SET opened_at = opened_at - interval '61 minutes' WHERE id = $1", gate.Id).RunAsync(Ct);
        await rig.Desk.EscalateAsync(Ct);
        await rig.Desk.EscalateAsync(Ct);
        Assert.Single(await rig.ToldAsync(gate.Run), one => one is { Event: NotificationEvent.GateEscalated, Severity: NotificationSeverity.Critical });
        await RefusedAsync(rig.Desk.ApproveAsync(Answer(gate, "paul") with { SubjectHash = new string('0', 64) }, Ct), gate, "not what you saw");
        await RefusedAsync(rig.Desk.ApproveAsync(Answer(gate, "paul") with { Reason = "ok" }, Ct), gate, "a reason");
        await RefusedAsync(rig.Desk.ApproveAsync(Answer(gate, "paul") with { Incident = " " }, Ct), gate, "the incident or ticket");
        await RefusedAsync(rig.Desk.BreakGlassAsync(Answer(gate, "paul"), Ct), gate, "declared incidents");
    }

    [Fact]
    public async Task An_expired_gate_takes_no_answer_and_an_unused_approval_lapses()
    {
        var late = await OpenAsync();
        await rig.Pool.Command("UPDATE approval_gate SET opened_at = opened_at - interval '1 hour', approve_until = clock_timestamp() - interval '1 second' WHERE id = $1", late.Id).RunAsync(Ct);
        await RefusedAsync(rig.Desk.ApproveAsync(Answer(late, "paul"), Ct), late, "expired");
        Assert.Contains(await rig.Desk.ExpireAsync(Ct), gate => gate.Id == late.Id);

        await rig.Desk.AskAgainAsync(late.Run, "olga", Ct);
        await rig.AdvanceAsync(late.Run);
        var again = (await rig.Gates.OfRunAsync(late.Run, Ct))[^1];
        await rig.Desk.ApproveAsync(Answer(again, "paul"), Ct);
        await rig.Pool.Command("UPDATE approval_gate SET granted_at = granted_at - interval '31 minutes' WHERE id = $1", again.Id).RunAsync(Ct);

        Assert.Equal(RunState.Waiting, (await rig.AdvanceAsync(late.Run)).State);
        Assert.Equal(GateState.Expired, (await rig.Gates.FindAsync(again.Id, Ct))!.State);
        Assert.Equal(
            [NotificationEvent.GateOpened, NotificationEvent.GateExpired, NotificationEvent.GateOpened, NotificationEvent.GateApproved, NotificationEvent.GateExpired],
            (await rig.ToldAsync(late.Run)).Select(one => one.Event));
        Assert.All(await rig.Catalog.StepsAsync(late.Run, Ct), step => Assert.Null(step.StartedAt));
    }

    [Fact]
    public async Task A_plan_that_was_changed_in_the_catalog_after_its_approval_does_not_run()
    {
        var gate = await OpenAsync();
        await rig.Desk.ApproveAsync(Answer(gate, "paul"), Ct);
        await rig.Pool.Command("UPDATE run SET request = jsonb_set(request, '{plan}', to_jsonb(replace(request ->> 'plan', 'roll-back-all', 'ask'))) WHERE id = $1", gate.Run.Value).RunAsync(Ct);

        var ended = await rig.AdvanceAsync(gate.Run);

        Assert.Equal(RunState.Failed, ended.State);
        Assert.Contains("plan-changed", ended.ErrorJson, StringComparison.Ordinal);
        Assert.All(await rig.Catalog.StepsAsync(gate.Run, Ct), step => Assert.Null(step.StartedAt));
    }

    private async Task<string> AccountAsync()
    {
        var name = $"late-{Guid.NewGuid():n}"[..20];
        await rig.Pool.Command("INSERT INTO app_user (name, password_hash, role, created_by) VALUES ($1, '', 'Approver', $2)", name, RestoreAsker.CommandLine).RunAsync(Ct);
        return name;
    }

    /// <summary>As the command line changes an account.</summary>
    private async Task ChangedAsync(string person, object details)
    {
        await using var connection = await rig.Pool.OpenConnectionAsync(Ct);
        await using var transaction = await connection.BeginTransactionAsync(Ct);
        await AuditLog.AppendAsync(transaction, RestoreAsker.CommandLine, "user.changed", person, details, Ct);
        await transaction.CommitAsync(Ct);
    }

    private async Task<int> AuditedAsync(string action, string subject, string holding)
    {
        var found = 0;
        await foreach (var link in AuditLog.ReadAsync(rig.Pool, 0, int.MaxValue, Ct))
        {
            found += link.Action == action && link.Subject == subject && link.Details.Contains(holding, StringComparison.Ordinal) ? 1 : 0;
        }

        return found;
    }

    private static GateAnswer Answer(ApprovalGate gate, string person) => new(gate.Id, person, gate.SubjectHash, "the table is damaged", "INC-1");

    private async Task<ApprovalGate> OpenAsync(string requester = "olga", int approvals = 1)
    {
        var plan = await rig.PlanAsync();
        plan = plan with { Gate = plan.Gate with { Approvals = approvals } };
        var run = await rig.Recoveries.RequestAsync(plan, plan.Hash, requester, Ct);
        _runs.Add(run.Id);
        await rig.AdvanceAsync(run.Id);
        return Assert.Single(await rig.Gates.OfRunAsync(run.Id, Ct));
    }

    private async Task RefusedAsync(Task<ApprovalGate> act, ApprovalGate gate, string because)
    {
        var refused = await Assert.ThrowsAsync<EngineException>(() => act);
        Assert.Equal("approval-refused", refused.Code);
        Assert.Contains(because, refused.Message, StringComparison.Ordinal);
        Assert.True(await AuditedAsync("approval.refused", $"gate {gate.Id}", because) > 0, $"the refusal '{because}' is not in the audit");
    }

    private static async Task<bool> TryAsync(Func<Task> act)
    {
        try
        {
            await act();
            return true;
        }
        catch (EngineException refusal) when (refusal.Code == "approval-refused")
        {
            return false;
        }
    }
}
