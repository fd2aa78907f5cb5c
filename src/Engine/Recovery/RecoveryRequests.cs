using System.Text.Json;
using Hexabase.DrConsole.Engine.Audit;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Recovery.Approvals;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Runs;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Recovery;

/// <summary>What a plan is wanted for, as somebody names it who has not read the plan.</summary>
/// <param name="Plan">Its name.</param>
/// <param name="Source">The source, of a plan for several their names with commas between; null where the set says it.</param>
/// <param name="Set">The run that took the recovery set, for a plan that covers one.</param>
/// <param name="Disaster">What happened; null for what the incident is, else for the plan's first.</param>
/// <param name="Incident">The incident that it answers, or null.</param>
/// <param name="LeaveOut">Sources that stay as they are, in a plan for several.</param>
public sealed record PlanAsk(string Plan, string? Source, long? Set, string? Disaster, long? Incident, IReadOnlyCollection<string> LeaveOut);

/// <summary>
/// The door through which people, the API and the command line work with recoveries: make a plan, ask for it to be carried out,
/// pause, resume, decide, end. Each act is one transaction with its audit event.
/// </summary>
public sealed class RecoveryRequests(NpgsqlDataSource catalog, PlanLibrary library, PlanMaker maker, SeveralPlans several, RecoveryCatalog recoveries, HandOver handOver)
{
    public const int ShortestReason = 8;
    public const int LongestReason = 500;

    /// <summary>The plan that brings a workspace back to one recovery set.</summary>
    public const string WorkspacePlan = "workspace-recovery";

    /// <summary>Makes a plan; nothing is changed.</summary>
    /// <param name="plan">The plan's name; its newest version is taken.</param>
    /// <param name="request">What for.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="EngineException"><c>plan-unknown</c>, and as <see cref="PlanMaker.MakeAsync"/>.</exception>
    public async Task<RecoveryPlan> PlanAsync(string plan, PlanRequest request, CancellationToken cancellationToken)
    {
        var version = await NewestAsync(plan, cancellationToken);
        return await maker.MakeAsync(version, library.Read(version), request, cancellationToken);
    }

    /// <summary>Makes a plan for several sources, or says what stands against each; nothing is changed.</summary>
    /// <exception cref="EngineException"><c>plan-unknown</c>, and as <see cref="SeveralPlans.MakeAsync"/>.</exception>
    public async Task<SeveralDraft> PlanAsync(string plan, SeveralRequest request, CancellationToken cancellationToken)
    {
        var version = await NewestAsync(plan, cancellationToken);
        return await several.MakeAsync(version, library.Read(version), request, cancellationToken);
    }

    /// <summary>Makes a plan for whatever it covers, by names alone, or says what stands against each part; nothing is changed.</summary>
    /// <exception cref="EngineException"><c>plan-unknown</c>, <c>incident-unknown</c>, <c>disaster-unknown</c>, <c>plan-kind</c>, and as the other two.</exception>
    public async Task<SeveralDraft> DraftAsync(PlanAsk ask, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(ask);
        var version = await NewestAsync(ask.Plan, cancellationToken);
        var template = library.Read(version);
        var incident = ask.Incident is not { } number ? null : await new IncidentStore(catalog).FindAsync(new IncidentId(number), cancellationToken)
            ?? throw new EngineException("incident-unknown", ErrorKind.NotFound, $"there is no incident I-{number}", "look at the Incidents page");
        var disaster = ask.Disaster ?? template.Disasters.FirstOrDefault(one => one == incident?.Kind.ToName()) ?? template.Disasters[0];
        if (!template.Disasters.Contains(disaster))
        {
            throw new EngineException("disaster-unknown", ErrorKind.Input, $"plan {ask.Plan} does not answer '{disaster}'", $"one of {string.Join(", ", template.Disasters)}");
        }

        if (template.Covers == PlanCover.Source && ask is { Set: null, LeaveOut.Count: 0, Source: { } source })
        {
            var request = new PlanRequest(source, disaster, incident?.Id.Value, incident?.FirstEvidenceAt);
            return new SeveralDraft(await maker.MakeAsync(version, template, request, cancellationToken), []);
        }

        return await several.MakeAsync(
            version, template, new SeveralRequest(disaster, ask.LeaveOut)
            {
                Set = ask.Set,
                Sources = SeveralPlans.SourcesOf(ask.Source ?? ""),
                Incident = incident?.Id.Value,
                FirstEvidence = incident?.FirstEvidenceAt,
            }, cancellationToken);
    }

    private async Task<PlanVersion> NewestAsync(string plan, CancellationToken cancellationToken) => await library.NewestAsync(plan, cancellationToken)
        ?? throw new EngineException("plan-unknown", ErrorKind.NotFound, $"there is no plan '{plan}'", "look at the Plans page");

    /// <summary>Asks for a plan to be carried out. It waits at its gate until others approve it.</summary>
    /// <param name="confirmedHash">The hash of the plan that the person saw.</param>
    /// <exception cref="EngineException"><c>plan-changed</c>; <c>recovery-already-open</c>: one of that source has not ended.</exception>
    public async Task<Run> RequestAsync(RecoveryPlan plan, string confirmedHash, string actor, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(plan);
        if (plan.Hash != confirmedHash)
        {
            throw new EngineException("plan-changed", ErrorKind.Conflict, "the plan is not the one that was confirmed", "look at it again and confirm it as it is now");
        }

        if (plan.IsDrill)
        {
            throw new EngineException("drill-as-recovery", ErrorKind.Denied, "a drill's plan is no recovery's", "ask for a drill");
        }

        await using var connection = await catalog.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        try
        {
            await RequireIncidentAsync(transaction, plan, cancellationToken);
            await RequireNoOtherAsync(transaction, plan, cancellationToken);
            await LastLook.RequireNoNewCorruptionAsync(new IncidentStore(catalog), plan, cancellationToken);
            // Locked before the first line of the audit is written, which holds up all others until the commit: whoever ends a run has it the same way round.
            var drills = await DrillsOfAsync(transaction, [.. plan.Sources], cancellationToken);
            var run = await InsertAsync(transaction, RunKinds.Recovery, plan, actor, cancellationToken);
            foreach (var drill in drills)
            {
                await RunStore.CancelAsync(transaction, drill, "engine", cancellationToken);
            }

            await transaction.CommitAsync(cancellationToken);
            await handOver(run.Id, cancellationToken);
            return run;
        }
        catch (PostgresException fault) when (fault is { SqlState: PostgresErrorCodes.UniqueViolation, ConstraintName: "run_one_recovery_at_a_time" })
        {
            throw new EngineException(OpenCode, ErrorKind.Conflict, $"a recovery of {plan.Source} has not ended", "wait for it or end it; it is on the Runs page", fault);
        }
    }

    /// <summary>Lets the run stop before its next step.</summary>
    public Task PauseAsync(RunId run, string actor, string reason, CancellationToken cancellationToken) => ActAsync(run, actor, "recovery.pause-asked", reason, async (transaction, row) =>
    {
        if (row.PauseBy is not null)
        {
            throw Refused($"{row.PauseBy} has paused it already");
        }

        await transaction.Command("UPDATE recovery SET pause_by = $2, pause_reason = $3 WHERE run_id = $1", run.Value, actor, reason.Trim()).RunAsync(cancellationToken);
        return new { reason };
    }, wakes: false, cancellationToken);

    /// <summary>Lets a paused run go on.</summary>
    public Task ResumeAsync(RunId run, string actor, CancellationToken cancellationToken) => ActAsync(run, actor, "recovery.resumed", null, async (transaction, row) =>
    {
        if (row.PauseBy is null)
        {
            throw Refused("it is not paused");
        }

        await transaction.Command("UPDATE recovery SET pause_by = NULL, pause_reason = NULL, waits_for = NULL, waits_why = NULL WHERE run_id = $1", run.Value).RunAsync(cancellationToken);
        return new { };
    }, wakes: true, cancellationToken);

    /// <summary>
    /// Says what becomes of a step that cannot go on by itself. To leave it out, or to say that it took effect, changes what others
    /// approved: that takes a person who could have approved it, as at its gate.
    /// </summary>
    /// <exception cref="EngineException"><c>recovery-refused</c>: the run does not wait for a decision; <c>decision-refused</c>: somebody else must make it.</exception>
    /// <param name="position">The step that the person saw waiting; null: whichever waits. A page that was open meanwhile decides about no other.</param>
    public async Task DecideAsync(RunId run, StepChoice choice, string actor, string reason, CancellationToken cancellationToken, int? position = null)
    {
        try
        {
            await DecideOnceAsync(run, choice, position, actor, reason, cancellationToken);
        }
        catch (EngineException refusal) when (refusal.Code == StepDecisions.RefusedCode)
        {
            await RecordRefusalAsync(run, choice, actor, refusal.Message, cancellationToken);
            throw;
        }
    }

    /// <summary>Writes into the audit that somebody's decision was not taken.</summary>
    public async Task RecordRefusalAsync(RunId run, StepChoice choice, string actor, string why, CancellationToken cancellationToken)
    {
        await using var connection = await catalog.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await AuditLog.AppendAsync(transaction, actor, "recovery.decision-refused", run.ToString(), new { choice = RecoveryNames.Of(choice), why }, cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }

    private async Task DecideOnceAsync(RunId run, StepChoice choice, int? position, string actor, string reason, CancellationToken cancellationToken)
    {
        await ActAsync(run, actor, $"recovery.decided-{RecoveryNames.Of(choice).Replace('_', '-')}", reason, async (transaction, row) =>
        {
            if (row is not { WaitsFor: RecoveryWait.Decision, WaitsStep: { } step })
            {
                throw Refused("it does not wait for a decision");
            }

            if (position is { } seen && seen != step)
            {
                throw Refused($"it is step {step} that waits by now, and not step {seen}");
            }

            if (StepDecisions.NeedsSecondPerson(choice))
            {
                await StepDecisions.RequireSecondPersonAsync(transaction, run, actor, cancellationToken);
            }

            var decision = JsonSerializer.Serialize(new StepDecision(step, choice, reason.Trim(), actor), JsonSerializerOptions.Web);
            await transaction.Command("UPDATE recovery SET decision = $2, waits_for = NULL, waits_why = NULL WHERE run_id = $1", run.Value, new Jsonb(decision)).RunAsync(cancellationToken);
            var name = await transaction.Command("SELECT name FROM recovery_step WHERE run_id = $1 AND position = $2", run.Value, step).FirstAsync(found => found.GetString(0), cancellationToken);
            return new { step = name, position = step, choice = RecoveryNames.Of(choice), reason };
        }, wakes: true, cancellationToken);
    }

    /// <summary>Ends the run after what it is doing now.</summary>
    /// <param name="rollBack">True: what was done is undone first.</param>
    /// <exception cref="EngineException"><c>recovery-refused</c>: it has ended, or somebody has asked for that.</exception>
    public async Task CancelAsync(RunId run, bool rollBack, string actor, string reason, CancellationToken cancellationToken)
    {
        await ActAsync(run, actor, "recovery.end-asked", reason, async (transaction, _) =>
        {
            // The first wish holds: the run may be on its way back already, and a crash in the middle of it goes on by what is written here.
            var left = await RunStore.CancelAsync(transaction, run, actor, cancellationToken) ?? throw Refused("somebody has asked to end it already");
            await transaction.Command("UPDATE recovery SET on_cancel = $2 WHERE run_id = $1", run.Value, rollBack ? "roll_back" : "keep").RunAsync(cancellationToken);
            if (left == RunState.Cancelled)
            {
                await RecoveryNotices.EndedAsync(transaction, run, RecoveryOutcome.Cancelled, $"{actor}: {reason.Trim()}");
            }

            return new { reason, undo = rollBack };
        }, wakes: false, cancellationToken);
        await handOver(run, cancellationToken);
    }

    /// <summary>An incident gives a recovery rights and a moment: it must be one of this source, and not over.</summary>
    private static async Task RequireIncidentAsync(NpgsqlTransaction transaction, RecoveryPlan plan, CancellationToken cancellationToken)
    {
        if (plan.Incident is { } incident
            && await transaction.Command("SELECT 'open' FROM incident WHERE id = $1 AND state <> 'resolved' AND $2 && sources", incident, plan.Sources.ToArray())
                .FirstAsync(row => row.GetString(0), cancellationToken) is null)
        {
            throw new EngineException("incident-not-open", ErrorKind.Conflict, $"I-{incident} is no open incident of {plan.Source}", "make the plan from the incident's page, or without an incident");
        }
    }

    /// <summary>Two recoveries of one source, by itself or as a part, would undo each other.</summary>
    private static async Task RequireNoOtherAsync(NpgsqlTransaction transaction, RecoveryPlan plan, CancellationToken cancellationToken)
    {
        await InTurnAsync(transaction, cancellationToken);
        var other = await transaction.Command(
            """
            SELECT r.id, o.source FROM run r JOIN run_source o ON o.run_id = r.id
            WHERE r.kind = $2 AND r.state IN ('queued', 'running', 'waiting') AND o.source = ANY ($1) LIMIT 1
            """, plan.Sources.ToArray(), RunKinds.Recovery).FirstAsync(row => Tuple.Create(new RunId(row.GetInt64(0)), row.GetString(1)), cancellationToken);
        if (other is not null)
        {
            throw new EngineException(OpenCode, ErrorKind.Conflict, $"a recovery of {other.Item2} has not ended: {other.Item1}", "wait for it or end it; it is on the Runs page");
        }

        if (plan.Restores && await SourceClaims.RestoreAtWorkAsync(transaction, plan.Sources, cancellationToken) is { } restore)
        {
            throw new EngineException("restore-at-work", ErrorKind.Conflict, $"{restore.Run} writes over {restore.Source} at this moment", "wait for it or end it; it is on the Runs page");
        }
    }

    /// <summary>The indexes know only the names of runs, not their parts. Whoever asks for a recovery or a drill at the same time waits until this one is written.</summary>
    internal static Task InTurnAsync(NpgsqlTransaction transaction, CancellationToken cancellationToken) =>
        transaction.Command("SELECT pg_advisory_xact_lock(hashtext('recovery requests'))").RunAsync(cancellationToken);

    private const string OpenCode = "recovery-already-open";

    /// <summary>What is broken comes before what is practised: a drill of that source would take the machine from it.</summary>
    private static Task<IReadOnlyList<RunId>> DrillsOfAsync(NpgsqlTransaction transaction, string[] sources, CancellationToken cancellationToken) => transaction.Command(
        """
        SELECT r.id FROM run r WHERE r.kind = $2 AND r.state IN ('queued', 'running', 'waiting')
          AND EXISTS (SELECT FROM run_source o WHERE o.run_id = r.id AND o.source = ANY ($1)) ORDER BY r.id FOR UPDATE OF r
        """, sources, RunKinds.Drill).ListAsync(row => new RunId(row.GetInt64(0)), cancellationToken);

    /// <summary>A run through a plan: its row, and one for each of its steps. Those that a drill does not do have their reason from the beginning.</summary>
    internal static async Task<Run> InsertAsync(NpgsqlTransaction transaction, string kind, RecoveryPlan plan, string actor, CancellationToken cancellationToken)
    {
        var run = await RunStore.InsertAsync(
            transaction, kind, plan.Source, plan.Restores ? plan.Basis.RestorePoint : null, new RecoveryRequest(plan.ToJson(), plan.Hash), actor, null, cancellationToken);
        await transaction.Command(
            "INSERT INTO recovery (run_id, plan, plan_version, plan_hash, source, disaster, incident, is_drill) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            run.Id.Value, plan.Template, plan.TemplateVersion, plan.Hash, plan.Source, plan.Disaster, plan.Incident, plan.IsDrill).RunAsync(cancellationToken);
        foreach (var part in plan.Several?.Parts ?? [])
        {
            await transaction.Command("INSERT INTO recovery_part (run_id, source, restore_point) VALUES ($1, $2, $3)", run.Id.Value, part.Source, part.Basis.RestorePoint).RunAsync(cancellationToken);
        }

        foreach (var step in plan.Steps)
        {
            await transaction.Command(
                "INSERT INTO recovery_step (run_id, position, name, action, state, reason, part) VALUES ($1, $2, $3, $4, $5, $6, $7)",
                run.Id.Value, step.Position, step.Name, step.Action, RecoveryNames.Of(step.NotExercised is null ? StepState.Pending : StepState.Skipped), step.NotExercised, step.Part)
                .RunAsync(cancellationToken);
        }

        return run;
    }

    private async Task ActAsync(
        RunId run, string actor, string action, string? reason, Func<NpgsqlTransaction, RecoveryRow, Task<object>> write, bool wakes, CancellationToken cancellationToken)
    {
        if (reason is not null && !IsReason(reason))
        {
            throw Refused(ReasonNeeded);
        }

        await using var connection = await catalog.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var open = await transaction.Command("SELECT 'open' FROM run WHERE id = $1 AND state IN ('queued', 'running', 'waiting') FOR UPDATE", run.Value)
            .FirstAsync(row => row.GetString(0), cancellationToken);
        var recovery = await recoveries.FindAsync(run, cancellationToken) is { IsDrill: false } found
            ? found
            : throw new EngineException("recovery-unknown", ErrorKind.NotFound, $"{run} is no recovery", "recoveries are on the Runs page; a drill is cancelled as any other run");
        if (open is null)
        {
            throw Refused($"{run} has ended");
        }

        var details = await write(transaction, recovery);
        await (wakes
            ? RunStore.WakeAsync(transaction, run, cancellationToken)
            : transaction.Command("SELECT pg_notify($1, $2)", RunFeed.Channel, RunStore.Invariant(run.Value)).RunAsync(cancellationToken));

        await AuditLog.AppendAsync(transaction, actor, action, run.ToString(), details, cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        if (wakes)
        {
            await handOver(run, cancellationToken);
        }
    }

    /// <summary>What is said where <see cref="IsReason"/> is false.</summary>
    public static string ReasonNeeded => $"a reason of {ShortestReason} to {LongestReason} characters is needed";

    /// <summary>True for what will do as a person's reason.</summary>
    public static bool IsReason(string? reason) => (reason ?? "").Trim().Length is >= ShortestReason and <= LongestReason;

    private static EngineException Refused(string why) => new("recovery-refused", ErrorKind.Conflict, why, "look at the run as it is now");
}
