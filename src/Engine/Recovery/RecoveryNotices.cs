using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Notifications.Outbox;
using Hexabase.DrConsole.Engine.Recovery.Approvals;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Runs;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Recovery;

/// <summary>
/// Says what a recovery does and needs to those who must hear of it, in the transaction in which it happens. A recovery of an
/// incident is told in that incident's thread.
/// </summary>
internal static class RecoveryNotices
{
    private const int IdShown = 12;

    /// <summary>A gate opened, was answered, or its time ran out.</summary>
    /// <param name="person">Who answered; null for the engine.</param>
    public static async Task GateAsync(NpgsqlTransaction transaction, NotificationEvent what, ApprovalGate gate, string? person, string? reason)
    {
        var (facts, plan) = await FactsAsync(transaction, gate.Run);
        await WriteAsync(transaction, what, what switch
        {
            NotificationEvent.GateApproved => NotificationSeverity.Info,
            NotificationEvent.GateEscalated or NotificationEvent.GateExpired or NotificationEvent.GateBrokenGlass or NotificationEvent.GateReviewDue => NotificationSeverity.Critical,
            _ => NotificationSeverity.Warning,
        }, FormattableString.Invariant($"/approvals/{gate.Id}"), facts with
        {
            Step = gate.Step is { } position ? plan?.Steps.FirstOrDefault(step => step.Position == position)?.Name : null,
            Requester = gate.Requester,
            Needed = gate.Needed,
            Risk = gate.Risk,
            Until = what is NotificationEvent.GateOpened or NotificationEvent.GateEscalated ? gate.ApproveUntil : null,
            Person = person,
            Reason = reason,
        }, what is NotificationEvent.GateApproved or NotificationEvent.GateDeclined or NotificationEvent.GateVoid);
    }

    /// <summary>Tells of the first try of the first step; of no other.</summary>
    public static async Task StartedAsync(NpgsqlTransaction transaction, RunId run, PlannedStep step)
    {
        var isFirst = await transaction.Command(
            "SELECT 'first' FROM recovery_step WHERE run_id = $1 HAVING sum(attempt) = 1", run.Value).FirstAsync(row => row.GetString(0), CancellationToken.None);
        if (isFirst is not null)
        {
            await WriteAsync(transaction, NotificationEvent.RecoveryStarted, NotificationSeverity.Warning, PageOf(run), (await FactsAsync(transaction, run)).Facts with { Step = step.Name });
        }
    }

    public static async Task StepFailedAsync(NpgsqlTransaction transaction, RunId run, PlannedStep step, string error) =>
        await WriteAsync(
            transaction, NotificationEvent.RecoveryStepFailed, NotificationSeverity.Critical, PageOf(run), (await FactsAsync(transaction, run)).Facts with { Step = step.Name, Reason = error });

    public static async Task NeedsDecisionAsync(NpgsqlTransaction transaction, RunId run, string why) =>
        await WriteAsync(transaction, NotificationEvent.RecoveryNeedsDecision, NotificationSeverity.Critical, PageOf(run), (await FactsAsync(transaction, run)).Facts with { Reason = why });

    public static async Task EndedAsync(NpgsqlTransaction transaction, RunId run, RecoveryOutcome outcome, string text)
    {
        var seconds = await transaction.Command(
            "SELECT extract(epoch FROM clock_timestamp() - min(started_at))::float8 FROM recovery_step WHERE run_id = $1", run.Value).FirstAsync(row => (object?)row.DoubleOrNull(0) ?? "none", CancellationToken.None);
        var severity = outcome switch
        {
            RecoveryOutcome.Completed => NotificationSeverity.Info,
            RecoveryOutcome.Cancelled => NotificationSeverity.Warning,
            _ => NotificationSeverity.Critical,
        };
        var (facts, plan) = await FactsAsync(transaction, run);
        // What the plan meant to bring back and to lose is no news any more: what was measured is, and of one that brought nothing back there is none.
        var loss = outcome == RecoveryOutcome.Completed && plan is not null ? MeasuredLoss.Of(plan, await RecoveryCatalog.StepsAsync(transaction, run)) : null;
        await WriteAsync(transaction, NotificationEvent.RecoveryEnded, severity, PageOf(run), facts with
        {
            Outcome = RecoveryNames.Of(outcome), Reason = text, Seconds = seconds as double?, KeepsUntil = loss?.Restored, LossUntil = loss?.Until,
        }, closes: true);
    }

    /// <summary>A plan for a source of an incident stands ready, or cannot be made.</summary>
    public static Task ProposedAsync(NpgsqlTransaction transaction, Incident incident, string source, RecoveryPlan? plan, string planName, string? refusal)
    {
        var facts = plan is null ? new NotificationFacts { Plan = planName } : Of(plan);
        return WriteAsync(
            transaction, plan is null ? NotificationEvent.PlanImpossible : NotificationEvent.PlanProposed, plan is null ? NotificationSeverity.Critical : NotificationSeverity.Warning,
            FormattableString.Invariant($"/incidents/{incident.Id.Value}"), facts with
            {
                Kind = incident.Kind.ToName(), Incident = incident.Id.ToString(), Sources = [source], Reason = refusal,
            });
    }

    private static Task WriteAsync(NpgsqlTransaction transaction, NotificationEvent what, NotificationSeverity severity, string page, NotificationFacts facts, bool closes = false) =>
        NotificationOutbox.WriteAsync(transaction, new Notice(what, severity, facts.Run ?? facts.Incident ?? "", page, facts)
        {
            Thread = facts.Incident, Closes = closes,
        }, CancellationToken.None);

    /// <summary>What is said of a run, and its plan; null of one that has none.</summary>
    private static async Task<(NotificationFacts Facts, RecoveryPlan? Plan)> FactsAsync(NpgsqlTransaction transaction, RunId run)
    {
        var (request, disaster, source, incident) = (await transaction.Command(
            "SELECT r.request ->> 'plan', c.disaster, r.source, c.incident FROM run r LEFT JOIN recovery c ON c.run_id = r.id WHERE r.id = $1", run.Value)
            .FirstAsync(row => Tuple.Create(row.TextOrNull(0), row.TextOrNull(1), row.GetString(2), row.LongOrNull(3)), CancellationToken.None))!;
        if (disaster is null)
        {
            return (OfRestore(request, run, source), null);
        }

        var plan = Read(request);
        return ((plan is null ? NotificationFacts.None : Of(plan)) with
        {
            Kind = disaster,
            Run = run.ToString(),
            Incident = incident is { } number ? new IncidentId(number).ToString() : null,
            Sources = plan?.Sources ?? [source],
        }, plan);
    }

    private static NotificationFacts OfRestore(string? request, RunId run, string source)
    {
        var plan = Read(request, RestorePlan.Parse);
        return new NotificationFacts
        {
            Kind = RunKinds.Restore,
            Run = run.ToString(),
            Sources = [source],
            RestorePoint = plan?.RestorePointId[..Math.Min(IdShown, plan.RestorePointId.Length)],
            Target = plan?.Target,
        };
    }

    private static RecoveryPlan? Read(string? request) => Read(request, RecoveryPlan.Parse);

    /// <summary>Null where the request was tampered with: the run refuses that by itself, and telling of it must not fail.</summary>
    private static T? Read<T>(string? request, Func<string, T> parse)
        where T : class
    {
        try
        {
            return request is null ? null : parse(request);
        }
        catch (EngineException)
        {
            return null;
        }
    }

    private static NotificationFacts Of(RecoveryPlan plan) => new()
    {
        Plan = $"{plan.Template} v{plan.TemplateVersion}",
        RestorePoint = plan.Restores ? plan.Basis.RestorePoint[..Math.Min(IdShown, plan.Basis.RestorePoint.Length)] : null,
        KeepsUntil = plan.Restores ? plan.Loss.From : null,
        LossUntil = plan.Loss.Until,
        EstimateSeconds = plan.EstimateSeconds,
        RtoSeconds = plan.RtoSeconds,
    };

    private static string PageOf(RunId run) => FormattableString.Invariant($"/runs/{run.Value}");
}
