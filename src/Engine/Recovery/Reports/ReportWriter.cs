using System.Text.Json;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Recovery.Actions;
using Hexabase.DrConsole.Engine.Recovery.Approvals;
using Hexabase.DrConsole.Engine.Recovery.Drills;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Runs;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Recovery.Reports;

/// <summary>Puts the report of a recovery or a drill together from the catalog, at any time: what is there then is what it says.</summary>
public sealed class ReportWriter(NpgsqlDataSource catalog, RunStore runs, RecoveryCatalog recoveries, PlanDrillCatalog drills, ApprovalCatalog gates, ProtectedEstate estate, TimeProvider time)
{
    /// <summary>The report.</summary>
    /// <exception cref="EngineException"><c>run-unknown</c>: there is no such run, or it is neither a recovery nor a drill.</exception>
    public async Task<RecoveryReport> WriteAsync(RunId id, CancellationToken cancellationToken)
    {
        var run = await runs.FindAsync(id, cancellationToken);
        if (run is null || await recoveries.FindAsync(id, cancellationToken) is not { } recovery)
        {
            throw new EngineException("run-unknown", ErrorKind.NotFound, $"{id} is no recovery and no drill", "look at the Reports page");
        }

        var plan = RecoveryRequest.PlanOf(run);
        var steps = await recoveries.StepsAsync(id, cancellationToken);
        var incident = plan.Incident is { } number ? await IncidentAsync(number, cancellationToken) : null;
        var asked = await GatesAsync(id, cancellationToken);
        return new RecoveryReport
        {
            Console = estate.Name,
            MadeAt = time.GetUtcNow(),
            Run = id.ToString(),
            IsDrill = recovery.IsDrill,
            Source = run.Source,
            Workspace = plan.Workspace,
            Class = plan.Class,
            RequestedBy = run.RequestedBy,
            AskedAt = run.CreatedAt,
            EndedAt = run.EndedAt,
            Outcome = recovery.Outcome is { } outcome ? RecoveryNames.Of(outcome) : null,
            Failure = recovery.Outcome is null or RecoveryOutcome.Completed ? null
                : RecoveryEnding.WhyOf(steps) is { } why ? why
                : run.ErrorJson is { } error ? JsonSerializer.Deserialize<RunError>(error, JsonSerializerOptions.Web)!.Message : null,
            Plan = new ReportedPlan(
                plan.Template, plan.TemplateVersion, plan.Hash, plan.Title, plan.Disaster, plan.Basis.RestorePoint, plan.Basis.CreatedAt, plan.Basis.ManifestHash, plan.Basis.Moment,
                plan.Basis.ProvenAt, plan.Notes) { ToEnd = plan.Basis.ToEnd },
            Parts = plan.Several is { } scope ? [.. Parts(plan, scope, steps)] : null,
            Incident = incident,
            Gates = asked,
            Steps = [.. plan.Steps.Select(step => Step(step, steps.First(row => row.Position == step.Position)))],
            Targets = Targets(run, plan, recovery, steps, incident),
            Cleanup = recovery.IsDrill ? (await drills.FindAsync(id, cancellationToken))?.Cleanup : null,
            Audit = await AuditAsync([id.ToString(), .. asked.Select(gate => ApprovalDesk.SubjectOf(gate.Gate))], cancellationToken),
        };
    }

    private static ReportedTargets Targets(Run run, RecoveryPlan plan, RecoveryRow recovery, IReadOnlyList<RecoveryStepRow> steps, ReportedIncident? incident)
    {
        var loss = MeasuredLoss.Of(plan, steps);
        // In a drill a reason says what was not exercised; else what a person did or left out, whose time is no measure of the plan's.
        var isByHand = !recovery.IsDrill && steps.Any(step => step.Reason is not null);
        var didSucceed = recovery.Outcome == RecoveryOutcome.Completed && !isByHand;
        return new ReportedTargets(
            plan.RtoSeconds, didSucceed ? (run.EndedAt - run.CreatedAt)?.TotalSeconds : null,
            didSucceed ? (steps.Max(step => step.EndedAt) - steps.Min(step => step.StartedAt))?.TotalSeconds : null,
            plan.RpoSeconds, loss?.AtMost?.TotalSeconds, loss?.Restored, loss?.IsLastCommit ?? false, loss?.Until,
            loss is null ? null : RecoveryNames.Of(loss.End))
        {
            SinceConfirmedSeconds = didSucceed && !recovery.IsDrill && RecoveryClock.From(run, incident?.ConfirmedAt) is var from && from != run.CreatedAt ? (run.EndedAt - from)?.TotalSeconds : null,
        };
    }

    private static IEnumerable<ReportedPart> Parts(RecoveryPlan plan, RecoveryScope scope, IReadOnlyList<RecoveryStepRow> steps) =>
    [
        .. scope.Parts.Select(part => new ReportedPart(
            part.Source, part.Basis.RestorePoint, part.Basis.CreatedAt, part.BehindSeconds, MeasuredLoss.OfPart(plan, part, steps)?.AtMost?.TotalSeconds, null)),
        .. scope.LeftOut.Select(one => new ReportedPart(one.Source, null, null, null, null, one.Reason) { With = one.With }),
    ];

    private static ReportedStep Step(PlannedStep step, RecoveryStepRow row) => new(
        step.Position, step.Name, step.Title, step.Action, RecoveryNames.Of(row.State), step.Does, step.EstimateSeconds, step.MeasuredFrom, row.StartedAt, row.EndedAt,
        row is { State: StepState.Done, Reason: null } ? (row.EndedAt - row.StartedAt)?.TotalSeconds : null, row.EffectText, row.Verification, row.Error, row.Reason, Phases(row))
    {
        RollbackStartedAt = row.RollbackStartedAt,
        RollbackEndedAt = row.RollbackEndedAt,
        RollbackError = row.RollbackError,
    };

    private static IReadOnlyList<ReportedPhase> Phases(RecoveryStepRow row) =>
        RestoringActions.Contains(row.Action) && row.Effect is { } effect && effect.TryGetProperty("data", out var data) && data.ValueKind == JsonValueKind.Object
            ? [.. (data.Deserialize<RestoredCluster>(JsonSerializerOptions.Web)?.Phases ?? []).Select(phase => new ReportedPhase(phase.Name, phase.Seconds))]
            : [];

    private Task<ReportedIncident?> IncidentAsync(long incident, CancellationToken cancellationToken) => catalog.Command(
        "SELECT kind, first_evidence_at, confirmed_at, evidence::text FROM incident WHERE id = $1", incident).FirstAsync(
        row => new ReportedIncident($"I-{incident}", row.GetString(0), row.Time(1), row.TimeOrNull(2), JsonElement.Parse(row.GetString(3))), cancellationToken);

    private async Task<IReadOnlyList<ReportedGate>> GatesAsync(RunId run, CancellationToken cancellationToken)
    {
        var all = new List<ReportedGate>();
        foreach (var gate in await gates.OfRunAsync(run, cancellationToken))
        {
            var votes = await gates.VotesAsync(gate.Id, cancellationToken);
            all.Add(new ReportedGate(
                gate.Id, gate.Step, gate.SubjectHash, gate.Risk, gate.Needed, gate.Requester, RecoveryNames.Of(gate.State), gate.OpenedAt, gate.GrantedAt, gate.ClosedWhy,
                gate.IsBreakGlass, gate.Review, gate.ReviewedBy, [.. votes.Select(vote => new ReportedVote(vote.Person, vote.Approves, vote.Reason, vote.Incident, vote.At) { Counts = vote.Counts ? null : false })]));
        }

        return all;
    }

    private async Task<ReportedAudit> AuditAsync(string[] subjects, CancellationToken cancellationToken)
    {
        var events = await catalog.Command("SELECT seq, at, actor, action, hash FROM audit_event WHERE subject = ANY ($1) ORDER BY seq", (object)subjects).ListAsync(Event, cancellationToken);
        var head = await catalog.Command("SELECT seq, at, actor, action, hash FROM audit_event ORDER BY seq DESC LIMIT 1").FirstAsync(Event, cancellationToken);
        return new ReportedAudit(events, head?.Seq ?? 0, head?.Hash ?? "");
    }

    private static ReportedEvent Event(NpgsqlDataReader row) =>
        new(row.GetInt64(0), row.Time(1), row.GetString(2), row.GetString(3), Convert.ToHexStringLower(row.GetFieldValue<byte[]>(4)));
}
