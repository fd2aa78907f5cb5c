using Hexabase.DrConsole.Engine.Audit;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Recovery.Approvals;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Strategies;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Recovery.Drills;

/// <summary>A plan, what it is drilled for, and when that is due.</summary>
/// <param name="Subject">The source; of a plan for several as its recovery is called.</param>
/// <param name="Sources">The declared sources that it concerns.</param>
/// <param name="Protection">The source's class; of several the strictest.</param>
/// <param name="Last">The newest drill, or null.</param>
/// <param name="DueAt">When the schedule asks for the next: since ever where it was never drilled; null where it never does.</param>
public sealed record DrillDue(
    PlanVersion Version, PlanTemplate Template, string Subject, IReadOnlyList<Source> Sources, ProtectionClass Protection, PlanDrillRow? Last, DateTimeOffset? DueAt);

/// <summary>Asks for drills, by hand or because they are due.</summary>
public sealed class DrillRequests(
    NpgsqlDataSource catalog, PlanLibrary library, DrillPlans plans, SeveralSubjects subjects, PlanDrillCatalog drills, ProtectedEstate estate, HandOver handOver, TimeProvider time,
    ILogger<DrillRequests> log)
{
    /// <summary>Begun a day before the proof is out, a drill that fails for a passing reason has a second chance.</summary>
    private static readonly TimeSpan s_ahead = TimeSpan.FromDays(1);

    /// <summary>One that failed is tried again the next night, not the next week.</summary>
    private static readonly TimeSpan s_afterFailure = TimeSpan.FromHours(20);

    /// <summary>Asks for a drill of the newest version of a plan.</summary>
    /// <param name="subject">The source; of a plan for a recovery set the workspace, of one for several sources their names with commas between.</param>
    /// <exception cref="EngineException">
    /// <c>plan-unknown</c>; <c>drill-already-open</c>: another has not ended; <c>drill-not-now</c>: a source has an incident or is being recovered;
    /// <c>drill-space</c>; <c>drill-shows-nothing</c>: the plan restores nothing; what keeps a recovery from being planned.
    /// </exception>
    public async Task<Run> RequestAsync(string plan, string subject, string actor, CancellationToken cancellationToken)
    {
        var version = await library.NewestAsync(plan, cancellationToken)
            ?? throw new EngineException("plan-unknown", ErrorKind.NotFound, $"there is no plan '{plan}'", "look at the Plans page");
        return await RequestAsync(await plans.MakeAsync(version, library.Read(version), subject, cancellationToken), actor, cancellationToken);
    }

    /// <summary>Asks for a drill whose plan somebody has made.</summary>
    /// <exception cref="EngineException">As the other.</exception>
    public async Task<Run> RequestAsync(DrillPlan drill, string actor, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(drill);
        plans.Require(drill.Plan);
        await using var connection = await catalog.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        try
        {
            await RequireQuietAsync(transaction, drill.Plan, cancellationToken);
            var run = await RecoveryRequests.InsertAsync(transaction, RunKinds.Drill, drill.Plan, actor, cancellationToken);
            await transaction.Command("INSERT INTO plan_drill (run_id, configuration_hash) VALUES ($1, $2)", run.Id.Value, drill.ConfigurationHash).RunAsync(cancellationToken);
            await transaction.CommitAsync(cancellationToken);
            await handOver(run.Id, cancellationToken);
            return run;
        }
        catch (PostgresException fault) when (fault is { SqlState: PostgresErrorCodes.UniqueViolation, ConstraintName: "run_one_plan_drill_at_a_time" })
        {
            throw new EngineException(OpenCode, ErrorKind.Conflict, "another drill has not ended, and two at once would measure each other", "wait for it or end it; it is on the Drills page", fault);
        }
    }

    /// <summary>Every plan that restores something, of every source, workspace or group of sources that it is for, with its newest drill and the time of the next. One that cannot be read holds up no other; its readiness says so.</summary>
    public async Task<IReadOnlyList<DrillDue>> DueAsync(CancellationToken cancellationToken)
    {
        var newest = (await drills.NewestAsync(cancellationToken)).ToDictionary(drill => (drill.Recovery.Plan, drill.Recovery.Source));
        var all = new List<DrillDue>();
        foreach (var version in await library.ListAsync(cancellationToken))
        {
            if (library.TryRead(version).Template is { Restores: true } template)
            {
                all.AddRange(template.SourcesIn(estate).Select(source => DueOf(version, template, source.Name, [source], newest)));
                all.AddRange((await subjects.OfAsync(template, cancellationToken)).Select(one => DueOf(version, template, one.Name, one.Sources, newest)));
            }
        }

        return all;
    }

    /// <summary>Asks for the drill that is due for the longest time, those that never ran before all others, and possible now; the rest waits for the next call.</summary>
    /// <returns>The run; null where none is due, or another is under way.</returns>
    public async Task<Run?> StartDueAsync(string actor, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        foreach (var due in (await DueAsync(cancellationToken)).Where(due => due.DueAt <= now).OrderBy(due => due.DueAt))
        {
            try
            {
                return await RequestAsync(due.Version.Plan, due.Subject, actor, cancellationToken);
            }
            catch (EngineException busy) when (busy.Code == OpenCode)
            {
                log.LogInformation("no drill is begun: {Reason}", busy.Message);
                return null;
            }
            catch (EngineException fault)
            {
                // The plan's readiness says the same; another may do.
                log.LogInformation("no drill of {Plan} for {Source}: {Reason}", due.Version.Plan, due.Subject, fault.Message);
            }
        }

        return null;
    }

    private const string OpenCode = "drill-already-open";

    /// <summary>Since ever: before everything that was drilled once, whatever the clocks say.</summary>
    private static readonly DateTimeOffset NeverDrilled = DateTimeOffset.MinValue;

    private DrillDue DueOf(
        PlanVersion version, PlanTemplate template, string subject, IReadOnlyList<Source> sources, Dictionary<(string Plan, string Source), PlanDrillRow> newest)
    {
        var (protection, last) = (estate.StrictestOf(sources), newest.GetValueOrDefault((version.Plan, subject)));
        var days = template.DrillEveryDays ?? protection.DrillDays;
        return new DrillDue(version, template, subject, sources, protection, last, days == 0 ? null : DueAt(last, days));
    }

    private DateTimeOffset DueAt(PlanDrillRow? last, int days)
    {
        if (last is null)
        {
            return NeverDrilled;
        }

        var ended = last.EndedAt ?? time.GetUtcNow();
        var interval = TimeSpan.FromDays(days) is var whole && whole > s_ahead * 2 ? whole - s_ahead : whole;
        return last.Recovery.Outcome is null || last.Passed ? ended + interval : ended + (s_afterFailure < interval ? s_afterFailure : interval);
    }

    /// <summary>A drill takes disk, processor and the tier from a source that needs them, and its figures would be of an emergency.</summary>
    private static async Task RequireQuietAsync(NpgsqlTransaction transaction, RecoveryPlan plan, CancellationToken cancellationToken)
    {
        await RecoveryRequests.InTurnAsync(transaction, cancellationToken);
        var busy = await transaction.Command(
            """
            SELECT s.source, busy.why FROM unnest($1::text[]) AS s (source) JOIN LATERAL (
              SELECT 'I-' || id || ' of it is open' AS why FROM incident WHERE state <> 'resolved' AND s.source = ANY (sources)
              UNION ALL SELECT 'it is being recovered by R-' || r.id FROM run r JOIN run_source o ON o.run_id = r.id
                WHERE r.kind = 'recovery' AND o.source = s.source AND r.state IN ('queued', 'running', 'waiting')
              UNION ALL SELECT 'R-' || id || ' drills it to a moment' FROM run WHERE kind = 'point-in-time-drill' AND source = s.source AND state IN ('queued', 'running')
            ) busy ON true LIMIT 1
            """, (object)plan.Sources.ToArray()).FirstAsync(row => Tuple.Create(row.GetString(0), row.GetString(1)), cancellationToken);
        if (busy is not null)
        {
            throw new EngineException("drill-not-now", ErrorKind.Conflict, $"{busy.Item1} cannot be drilled now: {busy.Item2}", $"drill {plan.Source} when that has ended");
        }
    }
}
