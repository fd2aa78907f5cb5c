using Hexabase.DrConsole.Engine.Audit;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Notifications.Outbox;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Runs;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Recovery.Approvals;

/// <summary>What a person says at a gate.</summary>
/// <param name="Gate">The gate.</param>
/// <param name="Person">Who; signed in anew for this act.</param>
/// <param name="SubjectHash">The hash of what that person saw.</param>
/// <param name="Reason">Why; never empty.</param>
/// <param name="Incident">The incident or ticket that it is for.</param>
public sealed record GateAnswer(long Gate, string Person, string SubjectHash, string Reason, string Incident);

/// <summary>
/// The people's side of the gates. Who may answer is decided here, in the transaction of the answer itself: nobody approves what
/// they asked for, nor what was asked for by somebody who made their account, nobody counts twice, and nothing but what was seen.
/// A refused answer is in the audit too.
/// </summary>
public sealed class ApprovalDesk(NpgsqlDataSource catalog, HandOver handOver)
{
    /// <summary>A reason, or a review, of fewer characters says nothing.</summary>
    public const int ShortestReason = 8;

    /// <summary>Of a reason or a review. The audit keeps what is said for ever.</summary>
    public const int LongestReason = 500;

    /// <summary>Of the incident or ticket that an answer names.</summary>
    public const int LongestIncident = 80;

    private static readonly TimeSpan s_remindEvery = TimeSpan.FromDays(1);

    /// <summary>Approves; the last approval that was missing lets the run go on.</summary>
    /// <returns>The gate as it stands then.</returns>
    /// <exception cref="EngineException"><c>approval-refused</c>, with the reason.</exception>
    public Task<ApprovalGate> ApproveAsync(GateAnswer answer, CancellationToken cancellationToken) => AnswerAsync(answer, "approve", async (transaction, gate) =>
    {
        await RefuseOwnAsync(transaction, gate.Run, gate.Requester, answer.Person, "approve", cancellationToken);
        await VoteAsync(transaction, answer, "approve", cancellationToken);
        var granted = await transaction.Command(
            $"UPDATE approval_gate g SET state = 'granted', granted_at = clock_timestamp() WHERE id = $1 AND {ApprovalCatalog.CountingVotes} >= needed", gate.Id).RunAsync(cancellationToken);
        return granted == 1;
    }, cancellationToken);

    /// <summary>Declines: a plan's run waits, and can be asked for again; a restore ends.</summary>
    /// <exception cref="EngineException"><c>approval-refused</c>.</exception>
    public Task<ApprovalGate> DeclineAsync(GateAnswer answer, CancellationToken cancellationToken) => AnswerAsync(answer, "decline", async (transaction, gate) =>
    {
        await VoteAsync(transaction, answer, "decline", cancellationToken, mayChangeMind: true);
        await ApprovalGates.CloseAsync(transaction, gate, GateState.Declined, $"{answer.Person} declined: {answer.Reason}", answer.Person);
        return false;
    }, cancellationToken);

    /// <summary>
    /// One person alone, the requester too, in a declared incident only: everybody is told, and a review must follow.
    /// </summary>
    /// <exception cref="EngineException"><c>approval-refused</c>: no incident is named by the run, among other reasons.</exception>
    public Task<ApprovalGate> BreakGlassAsync(GateAnswer answer, CancellationToken cancellationToken) => AnswerAsync(answer, "break-glass", async (transaction, gate) =>
    {
        if (await ApprovalCatalog.IncidentOfAsync(transaction, gate.Run, cancellationToken) is null)
        {
            throw Refused("breaking the glass is for declared incidents, and this run answers no confirmed incident of all that it changes");
        }

        // Who approved before, and is the only one awake, says it again, and this time alone.
        await VoteAsync(transaction, answer, "approve", cancellationToken, mayChangeMind: true);
        return await transaction.Command("UPDATE approval_gate SET state = 'granted', granted_at = clock_timestamp(), is_break_glass = true WHERE id = $1", gate.Id)
            .RunAsync(cancellationToken) == 1;
    }, cancellationToken);

    /// <summary>Opens a gate anew that was declined, has expired or is void.</summary>
    /// <exception cref="EngineException"><c>approval-refused</c>: it is open, or the run has ended.</exception>
    public async Task AskAgainAsync(RunId run, string person, CancellationToken cancellationToken)
    {
        await using var connection = await catalog.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        // Of two who ask at once the second sees the gate that the first has opened.
        await transaction.Command("SELECT 1 FROM run WHERE id = $1 FOR UPDATE", run.Value).RunAsync(cancellationToken);
        var opened = await transaction.Command(
            $"""
            INSERT INTO approval_gate (run_id, step, subject_hash, risk, needed, requester, approve_until, execute_within)
            SELECT g.run_id, g.step, g.subject_hash, g.risk, g.needed, g.requester, clock_timestamp() + (g.approve_until - g.opened_at), g.execute_within
            FROM approval_gate g JOIN run r ON r.id = g.run_id
            WHERE g.run_id = $1 AND r.state = 'waiting' AND g.state IN ('declined', 'expired', 'void')
              AND g.id = (SELECT max(n.id) FROM approval_gate n WHERE n.run_id = $1 AND coalesce(n.step, 0) = coalesce(g.step, 0))
            ORDER BY coalesce(g.step, 0) LIMIT 1
            RETURNING {ApprovalCatalog.Columns}
            """, run.Value).FirstAsync(ApprovalCatalog.Map, cancellationToken)
            ?? throw new EngineException(RefusedCode, ErrorKind.Conflict, "the run does not wait for an approval that was refused", "look at the run as it is now");
        await RecoveryNotices.GateAsync(transaction, NotificationEvent.GateOpened, opened, null, null);

        await transaction.Command("UPDATE recovery SET waits_why = 'approval' WHERE run_id = $1", run.Value).RunAsync(cancellationToken);
        await RunStore.WakeAsync(transaction, run, cancellationToken);
        await AuditLog.AppendAsync(transaction, person, "approval.asked-again", run.ToString(), new { }, cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        await handOver(run, cancellationToken);
    }

    /// <summary>Closes gates whose time to approve, or to begin, is over. Plans' runs go on waiting; restores end.</summary>
    /// <returns>The gates that expired now.</returns>
    public async Task<IReadOnlyList<ApprovalGate>> ExpireAsync(CancellationToken cancellationToken)
    {
        await using var connection = await catalog.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        const string isOver = "((state = 'open' AND approve_until < clock_timestamp()) OR (state = 'granted' AND granted_at + execute_within < clock_timestamp()))";
        // The run's row before the gate's, as the runs themselves lock them: the other way round the two would wait for each other.
        var runs = await transaction.Command($"SELECT id FROM run WHERE id IN (SELECT run_id FROM approval_gate WHERE {isOver}) FOR UPDATE SKIP LOCKED")
            .ListAsync(row => row.GetInt64(0), cancellationToken);
        var over = await transaction.Command($"SELECT {ApprovalCatalog.Columns} FROM approval_gate WHERE run_id = ANY ($1) AND {isOver} ORDER BY id FOR UPDATE SKIP LOCKED", runs.ToArray())
            .ListAsync(ApprovalCatalog.Map, cancellationToken);
        foreach (var gate in over)
        {
            await ApprovalGates.CloseAsync(transaction, gate, GateState.Expired,
                gate.State == GateState.Open ? $"nobody approved it within {(gate.ApproveUntil - gate.OpenedAt).TotalMinutes:0} minutes" : "the approval was not used in time");
            await transaction.Command("UPDATE recovery SET waits_why = 'the approval has expired' WHERE run_id = $1 AND waits_for = 'approval'", gate.Run.Value).RunAsync(cancellationToken);
            await transaction.Command("SELECT pg_notify($1, $2)", RunFeed.Channel, RunStore.Invariant(gate.Run.Value)).RunAsync(cancellationToken);
        }

        await transaction.CommitAsync(cancellationToken);
        return over;
    }

    /// <summary>Tells once, with more weight, of gates that nobody has answered in half of their time. They stay as they are.</summary>
    public async Task EscalateAsync(CancellationToken cancellationToken)
    {
        await using var connection = await catalog.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var late = await transaction.Command(
            $"""
            UPDATE approval_gate SET escalated_at = clock_timestamp()
            WHERE id IN (SELECT id FROM approval_gate WHERE state = 'open' AND escalated_at IS NULL AND clock_timestamp() > opened_at + (approve_until - opened_at) / 2 FOR UPDATE SKIP LOCKED)
            RETURNING {ApprovalCatalog.Columns}
            """).ListAsync(ApprovalCatalog.Map, cancellationToken);
        foreach (var gate in late)
        {
            await RecoveryNotices.GateAsync(transaction, NotificationEvent.GateEscalated, gate, null, null);
            await AuditLog.AppendAsync(transaction, "engine", "approval.escalated", gate.Run.ToString(), new { gate = gate.Id, gate.ApproveUntil }, cancellationToken);
        }

        await transaction.CommitAsync(cancellationToken);
    }

    /// <summary>Tells once a day of glass that was broken and that nobody has written a review of.</summary>
    public async Task RemindAsync(CancellationToken cancellationToken)
    {
        await using var connection = await catalog.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var due = await transaction.Command(
            $"""
            UPDATE approval_gate SET review_told_at = clock_timestamp()
            WHERE id IN (
              SELECT id FROM approval_gate WHERE is_break_glass AND review IS NULL AND clock_timestamp() > coalesce(review_told_at, granted_at) + $1 FOR UPDATE SKIP LOCKED)
            RETURNING {ApprovalCatalog.Columns}
            """, s_remindEvery).ListAsync(ApprovalCatalog.Map, cancellationToken);
        foreach (var gate in due)
        {
            await RecoveryNotices.GateAsync(transaction, NotificationEvent.GateReviewDue, gate, null, null);
        }

        await transaction.CommitAsync(cancellationToken);
    }

    /// <summary>Records the review that must follow a break-glass: by somebody who neither asked for it nor broke it, nor has their account from either.</summary>
    /// <exception cref="EngineException"><c>approval-refused</c>.</exception>
    public async Task ReviewAsync(long gate, string person, string review, CancellationToken cancellationToken)
    {
        try
        {
            await ReviewOnceAsync(gate, person, review, cancellationToken);
        }
        catch (EngineException refusal) when (refusal.Code == RefusedCode)
        {
            await RecordRefusalAsync(new GateAnswer(gate, person, "", review, ""), "review", refusal.Message, cancellationToken);
            throw;
        }
    }

    private async Task ReviewOnceAsync(long gate, string person, string review, CancellationToken cancellationToken)
    {
        RequireReason(review);
        await using var connection = await catalog.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var due = await transaction.Command(
            $"SELECT {ApprovalCatalog.Columns} FROM approval_gate WHERE id = $1 AND is_break_glass AND review IS NULL FOR UPDATE", gate).FirstAsync(ApprovalCatalog.Map, cancellationToken)
            ?? throw Refused("there is nothing to review");
        var voters = await transaction.Command("SELECT person FROM approval_vote WHERE gate = $1", gate).ListAsync(row => row.GetString(0), cancellationToken);
        foreach (var own in voters.Append(due.Requester).Distinct())
        {
            await RefuseOwnReviewAsync(transaction, due.Run, own, person, cancellationToken);
        }

        await transaction.Command("UPDATE approval_gate SET reviewed_by = $2, reviewed_at = clock_timestamp(), review = $3 WHERE id = $1", gate, person, review.Trim()).RunAsync(cancellationToken);
        await AuditLog.AppendAsync(transaction, person, "approval.reviewed", SubjectOf(gate), new { review = review.Trim() }, cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }

    private async Task<ApprovalGate> AnswerAsync(
        GateAnswer answer, string act, Func<NpgsqlTransaction, ApprovalGate, Task<bool>> apply, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(answer);
        try
        {
            return await AnswerOnceAsync(answer, act, apply, cancellationToken);
        }
        catch (EngineException refusal) when (refusal.Code == RefusedCode)
        {
            await RecordRefusalAsync(answer, act, refusal.Message, cancellationToken);
            throw;
        }
    }

    private async Task<ApprovalGate> AnswerOnceAsync(
        GateAnswer answer, string act, Func<NpgsqlTransaction, ApprovalGate, Task<bool>> apply, CancellationToken cancellationToken)
    {
        RequireReason(answer.Reason);
        if (act != "decline" && answer.Incident.Trim().Length == 0)
        {
            throw Refused("the incident or ticket that it is for is needed");
        }

        if (answer.Incident.Trim().Length > LongestIncident)
        {
            throw Refused($"the incident or ticket has more than {LongestIncident} characters");
        }

        await using var connection = await catalog.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        // Two answers at once stand in line here, so that the second sees what the first has done. The run's row comes first, as where
        // the run itself comes to its gate.
        await transaction.Command("SELECT 1 FROM run WHERE id = (SELECT run_id FROM approval_gate WHERE id = $1) FOR UPDATE", answer.Gate).RunAsync(cancellationToken);
        var gate = await transaction.Command($"SELECT {ApprovalCatalog.Columns} FROM approval_gate WHERE id = $1 FOR UPDATE", answer.Gate).FirstAsync(ApprovalCatalog.Map, cancellationToken)
            ?? throw Refused("there is no such gate");
        RequireOpen(gate, answer, await NowAsync(transaction, cancellationToken));
        var isGranted = await apply(transaction, gate);
        if (isGranted)
        {
            await RunStore.WakeAsync(transaction, gate.Run, cancellationToken);
            await RecoveryNotices.GateAsync(
                transaction, act == "break-glass" ? NotificationEvent.GateBrokenGlass : NotificationEvent.GateApproved, gate, answer.Person, answer.Reason.Trim());
        }
        else
        {
            await transaction.Command("SELECT pg_notify($1, $2)", RunFeed.Channel, RunStore.Invariant(gate.Run.Value)).RunAsync(cancellationToken);
        }

        await AuditLog.AppendAsync(
            transaction, answer.Person, $"approval.{act}", gate.Run.ToString(), new { gate = gate.Id, gate.SubjectHash, reason = answer.Reason.Trim(), incident = answer.Incident.Trim() }, cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        if (isGranted)
        {
            await handOver(gate.Run, cancellationToken);
        }

        return (await catalog.Command($"SELECT {ApprovalCatalog.Columns} FROM approval_gate WHERE id = $1", gate.Id).FirstAsync(ApprovalCatalog.Map, cancellationToken))!;
    }

    private static void RequireOpen(ApprovalGate gate, GateAnswer answer, DateTimeOffset now)
    {
        if (gate.State != GateState.Open)
        {
            throw Refused($"the gate is {RecoveryNames.Of(gate.State)} already");
        }

        if (gate.ApproveUntil < now)
        {
            throw Refused($"the gate expired at {gate.ApproveUntil.UtcDateTime:HH:mm:ss} UTC");
        }

        if (gate.SubjectHash != answer.SubjectHash)
        {
            throw Refused("what will run is not what you saw; look at it again");
        }
    }

    /// <summary>Nobody approves or reviews what is their own, nor what is of somebody that they are tied to.</summary>
    private static async Task RefuseOwnAsync(NpgsqlTransaction transaction, RunId run, string owner, string person, string act, CancellationToken cancellationToken)
    {
        var tie = await Independence.OfAsync(transaction, run, owner, person, cancellationToken);
        if (Independence.WhyNot(tie, owner, act, "asked for it") is { } why)
        {
            throw Refused(why);
        }
    }

    /// <summary>
    /// A review comes days later, by whoever is there then: that an account is new, or had a new password, must not leave it due for
    /// ever, but where the command line itself had asked.
    /// </summary>
    private static async Task RefuseOwnReviewAsync(NpgsqlTransaction transaction, RunId run, string owner, string person, CancellationToken cancellationToken)
    {
        var tie = await Independence.OfAsync(transaction, run, owner, person, cancellationToken);
        if ((tie is Tie.Own or Tie.Made || (tie == Tie.MadeLate && owner == RestoreAsker.CommandLine)) && Independence.WhyNot(tie, owner, "review", "did it, or asked for it") is { } why)
        {
            throw Refused(why);
        }
    }

    /// <param name="mayChangeMind">True where a later word of the same person takes the place of the earlier one, which the audit keeps.</param>
    private static async Task VoteAsync(NpgsqlTransaction transaction, GateAnswer answer, string vote, CancellationToken cancellationToken, bool mayChangeMind = false)
    {
        var isNew = await transaction.Command(
            "INSERT INTO approval_vote (gate, person, vote, reason, incident) VALUES ($1, $2, $3, $4, $5) ON CONFLICT "
                + (mayChangeMind ? "(gate, person) DO UPDATE SET vote = $3, reason = $4, incident = $5, at = clock_timestamp()" : "DO NOTHING"),
            answer.Gate, answer.Person, vote, answer.Reason.Trim(), answer.Incident.Trim()).RunAsync(cancellationToken);
        if (isNew == 0)
        {
            throw Refused("you have answered already");
        }
    }

    private static async Task<DateTimeOffset> NowAsync(NpgsqlTransaction transaction, CancellationToken cancellationToken)
    {
        await using var command = transaction.Command("SELECT clock_timestamp()");
        return new DateTimeOffset((DateTime)(await command.ExecuteScalarAsync(cancellationToken))!);
    }

    /// <summary>Writes a refusal into the audit: those of this desk, and those of whoever asks for it.</summary>
    /// <param name="act">One of the acts that are known; never as somebody sent it.</param>
    public async Task RecordRefusalAsync(GateAnswer answer, string act, string why, CancellationToken cancellationToken)
    {
        await using var connection = await catalog.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await AuditLog.AppendAsync(transaction, answer.Person, "approval.refused", SubjectOf(answer.Gate), new { act, why }, cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }

    /// <summary>What events of a gate are about that are of no run yet.</summary>
    internal static string SubjectOf(long gate) => FormattableString.Invariant($"gate {gate}");

    private static void RequireReason(string reason)
    {
        if ((reason ?? "").Trim().Length is < ShortestReason or > LongestReason)
        {
            throw Refused($"a reason of {ShortestReason} to {LongestReason} characters is needed");
        }
    }

    private const string RefusedCode = "approval-refused";

    private static EngineException Refused(string why) => new(RefusedCode, ErrorKind.Denied, why, "nothing was changed");
}

/// <summary>Hands a run over to whoever advances it.</summary>
public delegate Task HandOver(RunId run, CancellationToken cancellationToken);
