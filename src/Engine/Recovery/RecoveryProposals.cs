using System.Globalization;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Recovery;

/// <summary>What the engine proposes for a source of a confirmed incident.</summary>
/// <param name="RestorePoint">The point that the plan would recover from; null where it cannot be made.</param>
/// <param name="KeepsUntil">Everything committed up to here comes back.</param>
/// <param name="Refusal">Why the plan cannot be made; null where it can.</param>
public sealed record RecoveryProposal(
    IncidentId Incident, string Source, string Plan, int PlanVersion, string? RestorePoint, DateTimeOffset? KeepsUntil, TimeSpan? Estimate, string? Refusal, DateTimeOffset ProposedAt);

/// <summary>
/// Makes a plan for each source of a confirmed incident as soon as it is confirmed, so that a person who comes finds it ready.
/// Nothing is carried out: that takes a person who asks and others who approve. A console that is cut off proposes nothing.
/// </summary>
public sealed class RecoveryProposals(NpgsqlDataSource catalog, IncidentStore incidents, PlanLibrary library, PlanMaker maker, SeveralPlans several, ProtectedEstate estate)
{
    private static readonly TimeSpan s_again = TimeSpan.FromMinutes(2);

    /// <summary>A tier that hangs must not keep the other sources of an incident from a proposal.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(1);

    /// <summary>So many sources at a time: of a failure of all clusters none should wait for a minute that is spent on another.</summary>
    private const int SideBySide = 4;

    private const string Columns = "incident, source, plan, plan_version, restore_point, keeps_until, estimate_seconds, refusal, proposed_at";

    /// <summary>The proposals of an incident, by source.</summary>
    public Task<IReadOnlyList<RecoveryProposal>> ListAsync(IncidentId incident, CancellationToken cancellationToken) =>
        catalog.Command($"SELECT {Columns} FROM recovery_proposal WHERE incident = $1 ORDER BY source, plan", incident.Value).ListAsync(Map, cancellationToken);

    /// <summary>Proposes for the confirmed incidents that have no proposal yet.</summary>
    /// <returns>How many proposals were made.</returns>
    public async Task<int> ProposeAsync(CancellationToken cancellationToken)
    {
        var made = 0;
        var open = await incidents.OpenAsync(cancellationToken);
        foreach (var incident in open.Where(one => one is { State: IncidentState.Confirmed, IsDisaster: true }))
        {
            var known = await StandingAsync(incident, cancellationToken);
            var touched = estate.Sources.Where(source => incident.Sources.Contains(source.Name));
            await Parallel.ForEachAsync(touched, new ParallelOptions { MaxDegreeOfParallelism = SideBySide, CancellationToken = cancellationToken }, async (source, token) =>
                Interlocked.Add(ref made, await ProposeAsync(incident, source, known, token)));

            made += await ProposeTogetherAsync(incident, known, cancellationToken);
        }

        return made;
    }

    /// <summary>
    /// The proposals that need not be made again. A refusal may have been a tier that was away: it is looked at now and then. One that is
    /// older than a change of its incident, whose first evidence may have moved to before its restore point, or than word of a corruption,
    /// is out of date. All of that by the catalog's clock, which wrote these times.
    /// </summary>
    private async Task<HashSet<(string Source, string Plan)>> StandingAsync(Incident incident, CancellationToken cancellationToken) =>
    [
        .. await catalog.Command(
            """
            SELECT p.source, p.plan FROM recovery_proposal p
            WHERE p.incident = $1 AND (p.refusal IS NULL OR p.proposed_at > clock_timestamp() - $2)
              AND NOT EXISTS (
                SELECT FROM incident_event e JOIN incident i ON i.id = e.incident
                WHERE e.at > p.proposed_at AND ((i.id = $1 AND e.what = 'changed') OR (i.id <> $1 AND i.kind = $3 AND i.sources && $4)))
            """, incident.Id.Value, s_again, DisasterKind.DatabaseCorruption.ToName(), incident.Sources.ToArray())
            .ListAsync(row => (row.GetString(0), row.GetString(1)), cancellationToken),
    ];

    private async Task<int> ProposeAsync(Incident incident, Source source, IReadOnlySet<(string Source, string Plan)> known, CancellationToken cancellationToken)
    {
        var disaster = incident.Kind.ToName();
        var made = 0;
        foreach (var version in await library.ListAsync(cancellationToken))
        {
            // One that cannot be read is shown so by its readiness; the others are what a person needs now.
            if (known.Contains((source.Name, version.Plan)) || library.TryRead(version).Template is not { } template || !template.Disasters.Contains(disaster) || !template.IsFor(source))
            {
                continue;
            }

            var (plan, refusal) = await TryAsync(
                token => maker.MakeAsync(version, template, new PlanRequest(source.Name, disaster, incident.Id.Value, incident.FirstEvidenceAt, IsSketch: true), token), cancellationToken);
            made += await SaveAsync(incident, source.Name, version, plan, refusal, cancellationToken);
        }

        return made;
    }

    /// <summary>One recovery for all sources of the incident that a plan recovers together, where there are at least two.</summary>
    private async Task<int> ProposeTogetherAsync(Incident incident, IReadOnlySet<(string Source, string Plan)> known, CancellationToken cancellationToken)
    {
        var disaster = incident.Kind.ToName();
        var made = 0;
        foreach (var version in await library.ListAsync(cancellationToken))
        {
            if (library.TryRead(version).Template is not { Covers: PlanCover.Sources } template || !template.Disasters.Contains(disaster))
            {
                continue;
            }

            var sources = estate.Sources.Where(source => incident.Sources.Contains(source.Name) && template.MayHold(source)).Select(source => source.Name).ToList();
            var subject = SeveralPlans.SubjectOf(sources);
            if (sources.Count < 2 || known.Contains((subject, version.Plan)))
            {
                continue;
            }

            var request = new SeveralRequest(disaster, []) { Sources = sources, Incident = incident.Id.Value, FirstEvidence = incident.FirstEvidenceAt, IsSketch = true };
            var (plan, refusal) = await TryAsync(async token => (await several.MakeAsync(version, template, request, token)).Require(), cancellationToken);

            // An incident grows: what was proposed for fewer of its sources is out of date.
            await catalog.Command("DELETE FROM recovery_proposal WHERE incident = $1 AND plan = $2 AND source <> $3", incident.Id.Value, version.Plan, subject).RunAsync(cancellationToken);
            made += await SaveAsync(incident, subject, version, plan, refusal, cancellationToken);
        }

        return made;
    }

    /// <summary>The plan, or why there is none: that, too, is what a person must know now.</summary>
    private static async Task<(RecoveryPlan? Plan, string? Refusal)> TryAsync(Func<CancellationToken, Task<RecoveryPlan>> make, CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(s_patience);
        try
        {
            return (await make(patience.Token), null);
        }
        catch (EngineException fault)
        {
            return (null, fault.ToText());
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return (null, $"it took longer than {s_patience.TotalSeconds:0} s to make the plan: look whether its tiers answer; it is tried again");
        }
    }

    /// <summary>Writes a proposal down; people hear of it when it is new, or when what could not be done can be now, or the other way round.</summary>
    private async Task<int> SaveAsync(Incident incident, string source, PlanVersion version, RecoveryPlan? plan, string? refusal, CancellationToken cancellationToken)
    {
        await using var connection = await catalog.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        // One process after the other, also for the first proposal: people are told once.
        var first = await transaction.Command("SELECT first_evidence_at FROM incident WHERE id = $1 FOR NO KEY UPDATE", incident.Id.Value)
            .FirstAsync(row => (object)row.Time(0), cancellationToken);
        if (first is not DateTimeOffset evidence || evidence != incident.FirstEvidenceAt)
        {
            // It moved while this was made: what goes to before it is made by the next look.
            return 0;
        }

        var known = await transaction.Command(
            "SELECT refusal IS NOT NULL, restore_point FROM recovery_proposal WHERE incident = $1 AND source = $2 AND plan = $3 FOR UPDATE", incident.Id.Value, source, version.Plan)
            .FirstAsync(row => Tuple.Create(row.GetBoolean(0), row.TextOrNull(1)), cancellationToken);
        var point = plan is { Restores: true } ? plan.Basis.RestorePoint : null;
        var made = await transaction.Command(
            $"INSERT INTO recovery_proposal ({Columns}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, clock_timestamp()) "
                + "ON CONFLICT (incident, source, plan) DO UPDATE SET plan_version = $4, restore_point = $5, keeps_until = $6, estimate_seconds = $7, refusal = $8, proposed_at = clock_timestamp()",
                incident.Id.Value, source, version.Plan, version.Version, point, plan is { Restores: true } ? plan.Loss.From.ToUniversalTime() : null, plan?.EstimateSeconds, refusal).RunAsync(cancellationToken);
        if (known is null || known.Item1 != (refusal is not null))
        {
            await RecoveryNotices.ProposedAsync(transaction, incident, source, plan, $"{version.Plan} v{version.Version}", refusal);
        }

        if (known is null || known.Item1 != (refusal is not null) || known.Item2 != point)
        {
            await transaction.Command("SELECT pg_notify($1, $2)", IncidentFeed.Channel, incident.Id.Value.ToString(CultureInfo.InvariantCulture)).RunAsync(cancellationToken);
        }

        await transaction.CommitAsync(cancellationToken);
        return made;
    }

    private static RecoveryProposal Map(NpgsqlDataReader row) => new(
        new IncidentId(row.GetInt64(0)), row.GetString(1), row.GetString(2), row.GetInt32(3), row.TextOrNull(4), row.TimeOrNull(5),
        row.DoubleOrNull(6) is { } seconds ? TimeSpan.FromSeconds(seconds) : null, row.TextOrNull(7), row.Time(8));
}
