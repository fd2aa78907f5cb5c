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

/// <summary>
/// The run's side of the gates: it goes through one only while the approvals of exactly what it will do hold, and then uses them
/// up. Everything else makes it wait; nothing goes on because time passed.
/// </summary>
public static class ApprovalGates
{
    /// <summary>Goes through the gate before a step, or before the whole plan.</summary>
    /// <param name="hasBegun">True where what it guards has been begun: until then its approval lapses like any other.</param>
    /// <exception cref="RunWaitsException">It is not open to the run yet.</exception>
    internal static async Task RequireAsync(RunContext context, RecoveryPlan plan, PlannedStep? step, bool hasBegun, RecoveryJournal journal)
    {
        var subject = SubjectOf(plan, step);
        var what = step is null ? "the plan" : $"step {step.Position}, {step.Name}";
        string? why = null;
        await context.CommitAsync(async transaction =>
        {
            var gate = await NewestAsync(transaction, context.Run.Id, step?.Position);
            why = gate?.State switch
            {
                GateState.Used when gate.SubjectHash == subject && hasBegun => null,
                GateState.Used when gate.SubjectHash == subject => await StillHoldsAsync(transaction, gate),
                GateState.Granted when gate.SubjectHash != subject => await CloseAsync(transaction, gate, GateState.Void, "what will run has changed since it was approved"),
                GateState.Granted => await UseAsync(transaction, gate),
                GateState.Open => $"approval of {what}",
                GateState.Declined or GateState.Expired or GateState.Void => $"{what} is not approved: {gate.ClosedWhy}",
                _ => await OpenAsync(transaction, context.Run, plan, step, subject, what),
            };
        });
        if (why is not null)
        {
            await journal.WaitAsync(RecoveryWait.Approval, why);
            throw new RunWaitsException(why);
        }
    }

    /// <summary>What an approval is bound to: the plan, word for word, and the step.</summary>
    public static string SubjectOf(RecoveryPlan plan, PlannedStep? step)
    {
        ArgumentNullException.ThrowIfNull(plan);
        return step is null ? plan.Hash : Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{plan.Hash} step {step.Position} {step.Name}")));
    }

    /// <summary>Opens a gate.</summary>
    internal static async Task<string> OpenAsync(NpgsqlTransaction transaction, Run run, RecoveryPlan plan, PlannedStep? step, string subject, string what)
    {
        var gate = await transaction.Command(
            $"""
            INSERT INTO approval_gate (run_id, step, subject_hash, risk, needed, requester, approve_until, execute_within)
            VALUES ($1, $2, $3, $4, $5, $6, clock_timestamp() + $7, $8) RETURNING {ApprovalCatalog.Columns}
            """,
            run.Id.Value, step?.Position, subject, plan.Gate.Risk, plan.Gate.Approvals, run.RequestedBy,
            TimeSpan.FromMinutes(plan.Gate.ApproveWithinMinutes), TimeSpan.FromMinutes(plan.Gate.ExecuteWithinMinutes)).FirstAsync(ApprovalCatalog.Map, CancellationToken.None);
        await RecoveryNotices.GateAsync(transaction, NotificationEvent.GateOpened, gate!, null, null);
        await AuditLog.AppendAsync(transaction, "engine", "approval.asked", run.Id.ToString(), new { what, subject, plan.Gate.Approvals }, CancellationToken.None);
        return $"approval of {what}";
    }

    private static Task<ApprovalGate?> NewestAsync(NpgsqlTransaction transaction, RunId run, int? step) =>
        transaction.Command(
            $"SELECT {ApprovalCatalog.Columns} FROM approval_gate WHERE run_id = $1 AND coalesce(step, 0) = $2 ORDER BY id DESC LIMIT 1 FOR UPDATE", run.Value, step ?? 0)
            .FirstAsync(ApprovalCatalog.Map, CancellationToken.None);

    /// <summary>Null where the approvals still hold, by the catalog's clock; they are used up then.</summary>
    private static async Task<string?> UseAsync(NpgsqlTransaction transaction, ApprovalGate gate)
    {
        var used = await transaction.Command(
            """
            UPDATE approval_gate SET state = 'used', closed_at = clock_timestamp()
            WHERE id = $1 AND granted_at + execute_within >= clock_timestamp()
            """, gate.Id).RunAsync(CancellationToken.None);
        return used == 1 ? null : await CloseAsync(transaction, gate, GateState.Expired, $"its approval was for {gate.ExecuteWithin.TotalMinutes:0} minutes, which are over");
    }

    /// <summary>Null where a used approval of what has not begun yet (a pause came between) still holds.</summary>
    private static async Task<string?> StillHoldsAsync(NpgsqlTransaction transaction, ApprovalGate gate)
    {
        var holds = await transaction.Command("SELECT 'holds' FROM approval_gate WHERE id = $1 AND granted_at + execute_within >= clock_timestamp()", gate.Id)
            .FirstAsync(row => row.GetString(0), CancellationToken.None);
        return holds is not null ? null : await CloseAsync(transaction, gate, GateState.Expired, $"its approval was for {gate.ExecuteWithin.TotalMinutes:0} minutes, which are over");
    }

    internal static async Task<string> CloseAsync(NpgsqlTransaction transaction, ApprovalGate gate, GateState state, string why)
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
        return why;
    }
}
