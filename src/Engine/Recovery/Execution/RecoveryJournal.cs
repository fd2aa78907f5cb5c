using System.Text.Json;
using Hexabase.DrConsole.Engine.Audit;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Notifications.Outbox;
using Hexabase.DrConsole.Engine.Recovery.Actions;
using Hexabase.DrConsole.Engine.Recovery.Approvals;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Runs;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Recovery.Execution;

/// <summary>
/// Writes where a recovery and its steps stand, behind the run's fence, each change with its audit event in one transaction.
/// A step's intent and what its way back needs are written before it acts, its effect after it.
/// </summary>
internal sealed class RecoveryJournal(RunContext context, RecoveryCatalog catalog)
{
    private const string Actor = "engine";

    public RunContext Context => context;

    private RunId Run => context.Run.Id;

    public async Task<RecoveryRow> ReadAsync() => (await catalog.FindAsync(Run, CancellationToken.None))!;

    /// <summary>A drill alarms nobody step by step; one that fails is told as a failed run.</summary>
    private bool IsTold => context.Run.Kind == RunKinds.Recovery;

    public Task<IReadOnlyList<RecoveryStepRow>> StepsAsync() => catalog.StepsAsync(Run, CancellationToken.None);

    public async Task<RecoveryStepRow> StepAsync(int position) => (await StepsAsync()).Single(step => step.Position == position);

    /// <summary>True where a person asked to end the run.</summary>
    public async Task<bool> IsCancelRequestedAsync() =>
        await context.Catalog.Command("SELECT 'yes' FROM run WHERE id = $1 AND cancel_at IS NOT NULL", Run.Value).FirstAsync(row => row.GetString(0), CancellationToken.None) is not null;

    /// <summary>The intent, with the state before the step where this is its first attempt.</summary>
    public Task IntendAsync(PlannedStep step, JsonElement? snapshot) => WriteAsync("recovery.step-begun", step, RecoveryNotices.StartedAsync,
        """
        UPDATE recovery_step SET state = 'running', attempt = attempt + 1, snapshot = coalesce(snapshot, $3), error = NULL, reason = NULL,
          started_at = coalesce(started_at, now.at), attempted_at = now.at, ended_at = NULL
        FROM (SELECT clock_timestamp() AS at) now WHERE run_id = $1 AND position = $2
        """, new Jsonb(snapshot?.GetRawText()));

    public Task ActedAsync(PlannedStep step, StepEffect effect) => WriteAsync("recovery.step-acted", step, null,
        "UPDATE recovery_step SET state = 'acted', effect = $3, acted_at = clock_timestamp() WHERE run_id = $1 AND position = $2",
        new Jsonb(JsonSerializer.Serialize(effect, JsonSerializerOptions.Web)));

    /// <param name="wasInterrupted">True where it was not acted and verified in one go: its times then say nothing about the next one's.</param>
    public Task DoneAsync(PlannedStep step, StepVerification verification, bool wasInterrupted) => WriteAsync("recovery.step-done", step, null,
        """
        UPDATE recovery_step SET state = 'done', verification = $3, ended_at = clock_timestamp(), effect = CASE WHEN $4 THEN effect || '{"interrupted": true}' ELSE effect END
        WHERE run_id = $1 AND position = $2
        """, verification.Text, wasInterrupted);

    public Task FailedAsync(PlannedStep step, string error) => WriteAsync("recovery.step-failed", step, (transaction, run, one) => RecoveryNotices.StepFailedAsync(transaction, run, one, error),
        "UPDATE recovery_step SET state = 'failed', error = $3, ended_at = clock_timestamp() WHERE run_id = $1 AND position = $2", error);

    public Task VerificationFailedAsync(PlannedStep step, string finding) => WriteAsync("recovery.step-not-verified", step, (transaction, run, one) => RecoveryNotices.StepFailedAsync(transaction, run, one, finding),
        "UPDATE recovery_step SET state = 'verification_failed', verification = $3, error = $3, ended_at = clock_timestamp() WHERE run_id = $1 AND position = $2", finding);

    public Task RollingBackAsync(PlannedStep step) => WriteAsync("recovery.rollback-begun", step, null,
        "UPDATE recovery_step SET state = 'rolling_back', rollback_error = NULL, rollback_started_at = coalesce(rollback_started_at, clock_timestamp()) WHERE run_id = $1 AND position = $2");

    public Task RolledBackAsync(PlannedStep step) => WriteAsync("recovery.rolled-back", step, null,
        "UPDATE recovery_step SET state = 'rolled_back', rollback_ended_at = clock_timestamp() WHERE run_id = $1 AND position = $2");

    public Task RollbackFailedAsync(PlannedStep step, string error) => WriteAsync("recovery.rollback-failed", step, null,
        "UPDATE recovery_step SET state = 'rollback_failed', rollback_error = $3, rollback_ended_at = clock_timestamp() WHERE run_id = $1 AND position = $2", error);

    /// <summary>Carries a person's decision out and forgets it, in one transaction.</summary>
    public Task DecidedAsync(PlannedStep step, StepState state, StepDecision decision) => context.CommitAsync(async transaction =>
    {
        await transaction.Command(
            "UPDATE recovery_step SET state = $3, reason = $4, error = NULL, ended_at = CASE WHEN $3 IN ('done', 'skipped') THEN clock_timestamp() END WHERE run_id = $1 AND position = $2",
            Run.Value, step.Position, RecoveryNames.Of(state), $"{decision.By}: {decision.Reason}").RunAsync(CancellationToken.None);
        // A step that is tried again is approved again.
        var voided = await transaction.Command(
            """
            UPDATE approval_gate SET state = 'void', closed_at = clock_timestamp(), closed_why = $4
            WHERE run_id = $1 AND step = $2 AND state = 'used' AND $3 = 'pending' RETURNING id
            """, Run.Value, step.Position, RecoveryNames.Of(state), ApprovalGates.TriedAgain).ListAsync(row => row.GetInt64(0), CancellationToken.None);
        await transaction.Command("UPDATE recovery SET decision = NULL, waits_for = NULL, waits_why = NULL WHERE run_id = $1", Run.Value).RunAsync(CancellationToken.None);
        await AuditLog.AppendAsync(
            transaction, Actor, "recovery.step-decided", Run.ToString(),
            new { step = step.Name, step.Action, state = RecoveryNames.Of(state), choice = RecoveryNames.Of(decision.Choice), decision.By, decision.Reason, voidedGates = voided }, CancellationToken.None);
    });

    /// <summary>What the run waits for; the caller then throws <see cref="RunWaitsException"/>.</summary>
    /// <param name="step">Of a decision: the position of the step that it is about.</param>
    public Task WaitAsync(RecoveryWait wait, string why, int? step = null) => context.CommitAsync(async transaction =>
    {
        var changed = await transaction.Command(
            "UPDATE recovery SET waits_for = $2, waits_why = $3, waits_step = $4 WHERE run_id = $1 AND (waits_for, waits_why, waits_step) IS DISTINCT FROM ($2, $3, $4)", Run.Value, RecoveryNames.Of(wait), why, step)
            .RunAsync(CancellationToken.None);
        if (changed == 1 && wait == RecoveryWait.Decision)
        {
            await RecoveryNotices.NeedsDecisionAsync(transaction, Run, why);
        }
    });

    /// <summary>It goes on.</summary>
    public Task GoOnAsync() => context.CommitAsync(
        transaction => transaction.Command("UPDATE recovery SET waits_for = NULL, waits_why = NULL WHERE run_id = $1", Run.Value).RunAsync(CancellationToken.None));

    public Task EndAsync(RecoveryOutcome outcome, string text) => context.CommitAsync(async transaction =>
    {
        await transaction.Command("UPDATE recovery SET outcome = $2, waits_for = NULL, waits_why = NULL, decision = NULL WHERE run_id = $1", Run.Value, RecoveryNames.Of(outcome))
            .RunAsync(CancellationToken.None);
        await RunStore.CloseGatesAsync(transaction, Run);
        if (IsTold)
        {
            await RecoveryNotices.EndedAsync(transaction, Run, outcome, text);
        }

        await AuditLog.AppendAsync(transaction, Actor, $"recovery.{RecoveryNames.Of(outcome)}", Run.ToString(), new { text }, CancellationToken.None);
    });

    private Task WriteAsync(
        string action, PlannedStep step, Func<NpgsqlTransaction, RunId, PlannedStep, Task>? tell, string sql, params object?[] values) => context.CommitAsync(async transaction =>
    {
        await transaction.Command(sql, [Run.Value, step.Position, .. values]).RunAsync(CancellationToken.None);
        if (tell is not null && IsTold)
        {
            await tell(transaction, Run, step);
        }

        await AuditLog.AppendAsync(transaction, Actor, action, Run.ToString(), new { step = step.Name, step.Action, context.Run.Source }, CancellationToken.None);
    });
}
