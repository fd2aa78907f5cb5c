using System.Security.Cryptography;
using System.Text;
using Hexabase.DrConsole.Engine.Audit;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Notifications.Outbox;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Runs;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Recovery.Approvals;

/// <summary>What a gate stands before.</summary>
/// <param name="Step">A plan's step; null: all that the run does.</param>
/// <param name="Hash">Of exactly what will run.</param>
/// <param name="What">The same in words.</param>
/// <param name="Rule">How many approve, and for how long that holds.</param>
internal sealed record GateSubject(int? Step, string Hash, string What, PlanGate Rule);

/// <summary>What a run finds at its gate.</summary>
/// <param name="Why">Why it may not go on; null where it may.</param>
internal sealed record GateFinding(ApprovalGate Gate, string? Why);

/// <summary>
/// The run's side of the gates: it goes through one only while the approvals of exactly what it will do hold, and then uses them
/// up. Everything else makes it wait; nothing goes on because time passed.
/// </summary>
public static class ApprovalGates
{
    /// <summary>Why the used gate of a step is void that is tried again: the step's next gate opens by itself, since nobody refused anything.</summary>
    internal const string TriedAgain = "the step is tried again";

    /// <summary>Goes through the gate before a step, or before the whole plan.</summary>
    /// <param name="hasBegun">True where what it guards has been begun: until then its approval lapses like any other.</param>
    /// <exception cref="RunWaitsException">It is not open to the run yet.</exception>
    internal static async Task RequireAsync(RunContext context, RecoveryPlan plan, PlannedStep? step, bool hasBegun, RecoveryJournal journal)
    {
        var what = step is null ? "the plan" : $"step {step.Position}, {step.Name}";
        if (await PassAsync(context, new GateSubject(step?.Position, SubjectOf(plan, step), what, plan.Gate), hasBegun) is { Why: { } why })
        {
            await journal.WaitAsync(RecoveryWait.Approval, why);
            throw new RunWaitsException(why);
        }
    }

    /// <summary>Goes through a gate where it is open to the run, and uses its approvals up; opens it where there is none yet.</summary>
    internal static async Task<GateFinding> PassAsync(RunContext context, GateSubject subject, bool hasBegun)
    {
        GateFinding? found = null;
        await context.CommitAsync(async transaction =>
        {
            var gate = await NewestAsync(transaction, context.Run.Id, subject.Step);
            if (gate is null || (gate.State == GateState.Used && gate.SubjectHash != subject.Hash) || (gate.State == GateState.Void && gate.ClosedWhy == TriedAgain))
            {
                var opened = await OpenAsync(transaction, context.Run, subject);
                found = new GateFinding(opened, opened.State == GateState.Used ? null : $"approval of {subject.What}");
                return;
            }

            found = new GateFinding(gate, gate.State switch
            {
                GateState.Used => hasBegun || gate.Needed == 0 ? null : await StillHoldsAsync(transaction, gate),
                GateState.Granted when gate.SubjectHash != subject.Hash => await CloseAsync(transaction, gate, GateState.Void, "what will run has changed since it was approved"),
                GateState.Granted => await UseAsync(transaction, gate),
                GateState.Open => $"approval of {subject.What}",
                _ => $"{subject.What} is not approved: {gate.ClosedWhy}",
            });
        });
        return found!;
    }

    /// <summary>What an approval is bound to: the plan, word for word, and the step.</summary>
    public static string SubjectOf(RecoveryPlan plan, PlannedStep? step)
    {
        ArgumentNullException.ThrowIfNull(plan);
        return step is null ? plan.Hash : Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{plan.Hash} step {step.Position} {step.Name}")));
    }

    /// <summary>Opens a gate; one that needs nobody is used as it opens, so that people see what went through unapproved.</summary>
    private static async Task<ApprovalGate> OpenAsync(NpgsqlTransaction transaction, Run run, GateSubject subject)
    {
        var rule = subject.Rule;
        var gate = (await transaction.Command(
            $"""
            INSERT INTO approval_gate (run_id, step, subject_hash, risk, needed, requester, approve_until, execute_within, state, granted_at, closed_at, closed_why)
            SELECT $1, $2::integer, $3, $4, $5, $6, clock_timestamp() + $7, $8, CASE WHEN free THEN 'used' ELSE 'open' END,
              CASE WHEN free THEN clock_timestamp() END, CASE WHEN free THEN clock_timestamp() END, CASE WHEN free THEN 'nobody''s approval is asked for by the configuration' END
            FROM (SELECT $5::integer = 0 AS free) rule RETURNING {ApprovalCatalog.Columns}
            """,
            run.Id.Value, subject.Step, subject.Hash, rule.Risk, rule.Approvals, run.RequestedBy,
            TimeSpan.FromMinutes(rule.ApproveWithinMinutes), TimeSpan.FromMinutes(rule.ExecuteWithinMinutes)).FirstAsync(ApprovalCatalog.Map, CancellationToken.None))!;
        if (gate.State == GateState.Open)
        {
            await RecoveryNotices.GateAsync(transaction, NotificationEvent.GateOpened, gate, null, null);
        }

        await AuditLog.AppendAsync(transaction, "engine", gate.State == GateState.Open ? "approval.asked" : "approval.waived", run.Id.ToString(),
            new { what = subject.What, subject = subject.Hash, rule.Approvals }, CancellationToken.None);
        return gate;
    }

    private static Task<ApprovalGate?> NewestAsync(NpgsqlTransaction transaction, RunId run, int? step) =>
        transaction.Command(
            $"SELECT {ApprovalCatalog.Columns} FROM approval_gate WHERE run_id = $1 AND coalesce(step, 0) = $2 ORDER BY id DESC LIMIT 1 FOR UPDATE", run.Value, step ?? 0)
            .FirstAsync(ApprovalCatalog.Map, CancellationToken.None);

    /// <summary>Null where the approvals still hold, by the catalog's clock and by who may approve now; they are used up then.</summary>
    private static async Task<string?> UseAsync(NpgsqlTransaction transaction, ApprovalGate gate)
    {
        var used = await transaction.Command($"UPDATE approval_gate g SET state = 'used', closed_at = clock_timestamp() WHERE id = $1 AND {Holds}", gate.Id).RunAsync(CancellationToken.None);
        if (used == 1)
        {
            await KeepWhoCountsAsync(transaction, gate);
            return null;
        }

        return await LapseAsync(transaction, gate);
    }

    /// <summary>Whose approvals carried it, or would have: accounts change later, and a report is signed for years.</summary>
    private static Task KeepWhoCountsAsync(NpgsqlTransaction transaction, ApprovalGate gate) => transaction.Command(
        $"UPDATE approval_vote v SET counted = {ApprovalCatalog.MayApprove} WHERE v.gate = $1 AND v.vote = 'approve'", gate.Id).RunAsync(CancellationToken.None);

    /// <summary>Null where a used approval of what has not begun yet (a pause came between) still holds.</summary>
    private static async Task<string?> StillHoldsAsync(NpgsqlTransaction transaction, ApprovalGate gate)
    {
        var holds = await transaction.Command($"SELECT 'holds' FROM approval_gate g WHERE id = $1 AND {Holds}", gate.Id).FirstAsync(row => row.GetString(0), CancellationToken.None);
        return holds is not null ? null : await LapseAsync(transaction, gate);
    }

    /// <summary>Where one broke the glass, it is theirs alone that must hold: the last, by which the gate was granted.</summary>
    private const string Holds =
        $"""
        g.granted_at + g.execute_within >= clock_timestamp() AND CASE WHEN g.is_break_glass
          THEN (SELECT {ApprovalCatalog.MayApprove} FROM approval_vote v WHERE v.gate = g.id AND v.vote = 'approve' ORDER BY v.at DESC LIMIT 1)
          ELSE {ApprovalCatalog.CountingVotes} >= g.needed END
        """;

    private static async Task<string> LapseAsync(NpgsqlTransaction transaction, ApprovalGate gate)
    {
        await KeepWhoCountsAsync(transaction, gate);
        var gone = await transaction.Command(
            $"SELECT v.person FROM approval_vote v WHERE v.gate = $1 AND v.vote = 'approve' AND NOT {ApprovalCatalog.MayApprove} ORDER BY v.at", gate.Id)
            .ListAsync(row => row.GetString(0), CancellationToken.None);
        return gone.Count > 0
            ? await CloseAsync(transaction, gate, GateState.Void, $"the approval of {string.Join(" and ", gone)} does not count any more: the account is disabled, or may not approve now")
            : await CloseAsync(transaction, gate, GateState.Expired, $"its approval was for {gate.ExecuteWithin.TotalMinutes:0} minutes, which are over");
    }

    /// <summary>Closes a gate that its run did not go through. A plan's run waits on; a restore is over, whoever still wants it plans it anew.</summary>
    /// <param name="actor">Who declined; else the engine.</param>
    internal static async Task<string> CloseAsync(NpgsqlTransaction transaction, ApprovalGate gate, GateState state, string why, string actor = "engine")
    {
        await transaction.Command("UPDATE approval_gate SET state = $2, closed_at = clock_timestamp(), closed_why = $3 WHERE id = $1", gate.Id, RecoveryNames.Of(state), why)
            .RunAsync(CancellationToken.None);
        await RecoveryNotices.GateAsync(transaction, state switch
        {
            GateState.Declined => NotificationEvent.GateDeclined,
            GateState.Expired => NotificationEvent.GateExpired,
            _ => NotificationEvent.GateVoid,
        }, gate, null, why);
        await AuditLog.AppendAsync(transaction, "engine", $"approval.{RecoveryNames.Of(state)}", gate.Run.ToString(), new { gate = gate.Id, why }, CancellationToken.None);
        if (await transaction.Command("SELECT kind FROM run WHERE id = $1", gate.Run.Value).FirstAsync(row => row.GetString(0), CancellationToken.None) == RunKinds.Restore)
        {
            await RunStore.SayAsync(transaction, gate.Run, $"not approved: {why}", CancellationToken.None);
            await RunStore.CancelAsync(transaction, gate.Run, actor, CancellationToken.None);
        }

        return why;
    }
}
