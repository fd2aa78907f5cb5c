using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Strategies;
using Hexabase.DrConsole.Engine.Strategies.Retention;

namespace Hexabase.DrConsole.Engine.Backups.Maintenance;

/// <summary>
/// Applies the classes' retention to the restore points that the catalog knows; changes nothing. Retention runs and all that shows what
/// the next one would do ask here, so that they say the same: also of base backups that stored WAL leads on from, which only the tier's
/// timeline histories tell. A run asks the repository that it is to prune, pages one that was read within the last minute.
/// </summary>
public sealed class RetentionPlanning(RestorePointCatalog points, TierRepositories tiers, ProtectedEstate estate, TimeProvider time)
{
    private readonly TierLines _lines = new(tiers, time);

    /// <summary>A decision for every copy of every restore point of a source; newest point first.</summary>
    public async Task<IReadOnlyList<TierDecision>> OfSourceAsync(string source, CancellationToken cancellationToken)
    {
        var retained = (await points.RetainedAsync([source], cancellationToken))[source].ToList();
        var decisions = Decide(retained, await ClassOfAsync(source, cancellationToken));
        return await WithLinesAsync(decisions, retained, await WorkspaceOfAsync(source, cancellationToken), WindowOf, cancellationToken);
    }

    /// <summary>The same for all sources of a workspace in one tier.</summary>
    public async Task<IReadOnlyList<TierDecision>> OfTierAsync(StorageTier tier, string workspace, CancellationToken cancellationToken)
    {
        var (decisions, retained) = await DecideAsync(tier, workspace, cancellationToken);
        return await WithLinesAsync(decisions, retained, workspace, WindowOf, cancellationToken);
    }

    /// <summary>The same for whoever is about to give up what nothing keeps, and has opened the tier's repository.</summary>
    /// <exception cref="EngineException">The store does not answer.</exception>
    internal async Task<IReadOnlyList<TierDecision>> OfTierAsync(StorageTier tier, string workspace, BackupRepository repository, CancellationToken cancellationToken)
    {
        var (decisions, retained) = await DecideAsync(tier, workspace, cancellationToken);
        return await WithLinesAsync(decisions, retained, WindowOf, async _ =>
        {
            try
            {
                return await StoredLines.ReadAsync(repository, cancellationToken);
            }
            catch (EngineException fault) when (fault.Kind is ErrorKind.Damaged)
            {
                return new StoredLines([], fault.Message);
            }
        }, cancellationToken);
    }

    /// <summary>All living points of a workspace as retention sees them.</summary>
    public async Task<IReadOnlyList<RetainedPoint>> RetainedOfAsync(string workspace, CancellationToken cancellationToken)
    {
        var sources = await points.SourcesOfAsync(workspace, cancellationToken);
        return [.. (await points.RetainedAsync([.. sources.Select(source => source.Name)], cancellationToken)).SelectMany(source => source)];
    }

    /// <summary>What another policy would do to a source's points.</summary>
    public async Task<RetentionSimulation> SimulateAsync(
        string source, RetentionPolicy policy, IReadOnlyDictionary<string, int> tierDays, CancellationToken cancellationToken)
    {
        var retained = (await points.RetainedAsync([source], cancellationToken))[source].ToList();
        var present = await ClassOfAsync(source, cancellationToken);
        var workspace = await WorkspaceOfAsync(source, cancellationToken);
        var changed = TierRetention.Decide(retained, policy, tierDays, Names(present), time.GetUtcNow());
        return RetentionSimulation.Compare(
            retained, await WithLinesAsync(Decide(retained, present), retained, workspace, WindowOf, cancellationToken),
            await WithLinesAsync(changed, retained, workspace, name => WindowOf(name) is null ? null : policy.PointInTimeDays, cancellationToken));
    }

    /// <summary>The class whose retention applies: as configured now; a source that is configured no longer keeps the class of its newest point.</summary>
    public async Task<ProtectionClass> ClassOfAsync(string source, CancellationToken cancellationToken) =>
        ClassOf(source, await points.ListAsync(source, 1, cancellationToken) is [var newest, ..] ? newest.Class : "standard");

    /// <summary>Days of a source's point-in-time window; null where nothing is known of it.</summary>
    internal int? WindowOf(string source) =>
        estate.Sources.FirstOrDefault(one => one.Name == source) is { } known ? estate.ClassOf(known).Retention.PointInTimeDays : null;

    private async Task<(IReadOnlyList<TierDecision> Decisions, IReadOnlyList<RetainedPoint> Retained)> DecideAsync(StorageTier tier, string workspace, CancellationToken cancellationToken)
    {
        var sources = await points.SourcesOfAsync(workspace, cancellationToken);
        var retained = await points.RetainedAsync([.. sources.Select(source => source.Name)], cancellationToken);
        return ([.. sources.SelectMany(source => Decide(retained[source.Name], ClassOf(source.Name, source.Class))).Where(decision => decision.Tier == tier.Name)],
            [.. retained.SelectMany(source => source)]);
    }

    private Task<IReadOnlyList<TierDecision>> WithLinesAsync(
        IReadOnlyList<TierDecision> decisions, IReadOnlyList<RetainedPoint> retained, string? workspace, Func<string, int?> windowOf, CancellationToken cancellationToken) =>
        workspace is null ? Task.FromResult(decisions)
            : WithLinesAsync(decisions, retained, windowOf, tier => _lines.ReadAsync(tier, workspace, cancellationToken), cancellationToken);

    /// <summary>Keeps the base backups that stored WAL leads on from, and all of them in a tier where nobody can tell which those are.</summary>
    private async Task<IReadOnlyList<TierDecision>> WithLinesAsync(
        IReadOnlyList<TierDecision> decisions, IReadOnlyList<RetainedPoint> retained, Func<string, int?> windowOf, Func<StorageTier, Task<StoredLines>> read,
        CancellationToken cancellationToken)
    {
        var asked = decisions.Where(one => !one.IsKept && one.Point.Place is not null).Select(one => one.Tier).ToHashSet();
        if (asked.Count == 0)
        {
            return decisions;
        }

        var frozen = await points.FrozenSourcesAsync(cancellationToken);
        var known = retained.ToDictionary(point => point.Id);
        var result = decisions;
        // No run gives anything up in a tier that is configured no longer.
        foreach (var tier in estate.Tiers.Where(tier => asked.Contains(tier.Name)))
        {
            var stored = await read(tier);
            var anchors = WalRetention.AnchorsOf(
                stored.Lines, tier.Name, source => frozen.Contains(source) ? null : windowOf(source), id => known.GetValueOrDefault(id.Value), time.GetUtcNow());
            result = [.. result.Select(one => one.IsKept || one.Tier != tier.Name || one.Point.Place is null ? one
                : stored.Fault is { } fault ? one with { Expiry = null, Reasons = [new KeepReason(KeepCause.LinesUnknown, Detail: fault)] }
                : anchors.Contains(one.Point.Id) ? one with { Expiry = null, Reasons = [new KeepReason(KeepCause.LeadsToTimeline)] } : one)];
        }

        return result;
    }

    /// <summary>Where the source's repositories are; null where it has neither a declaration nor a restore point.</summary>
    private async Task<string?> WorkspaceOfAsync(string source, CancellationToken cancellationToken) =>
        await points.ListAsync(source, 1, cancellationToken) is [var newest, ..] ? newest.Workspace : estate.Sources.FirstOrDefault(one => one.Name == source)?.Workspace;

    private IReadOnlyList<TierDecision> Decide(IEnumerable<RetainedPoint> retained, ProtectionClass one) =>
        TierRetention.Decide(retained, one.Retention, one.TierDays, Names(one), time.GetUtcNow());

    private string[] Names(ProtectionClass one) => [.. estate.TiersOf(one).Select(tier => tier.Name)];

    private ProtectionClass ClassOf(string source, string ofPoints)
    {
        var name = estate.Sources.FirstOrDefault(one => one.Name == source)?.Class ?? ofPoints;
        return estate.Classes.TryGetValue(name, out var found) ? found : estate.Classes["standard"];
    }
}
