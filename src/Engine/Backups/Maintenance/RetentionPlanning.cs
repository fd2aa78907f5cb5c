using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Strategies;
using Hexabase.DrConsole.Engine.Strategies.Retention;

namespace Hexabase.DrConsole.Engine.Backups.Maintenance;

/// <summary>Applies the classes' retention to the restore points that the catalog knows; changes nothing.</summary>
public sealed class RetentionPlanning(RestorePointCatalog points, ProtectedEstate estate, TimeProvider time)
{
    /// <summary>A decision for every copy of every restore point of a source; newest point first.</summary>
    public async Task<IReadOnlyList<TierDecision>> OfSourceAsync(string source, CancellationToken cancellationToken)
    {
        var retained = await points.RetainedAsync([source], cancellationToken);
        var one = await ClassOfAsync(source, cancellationToken);
        return Decide(retained[source], one);
    }

    /// <summary>The same for all sources of a workspace.</summary>
    public async Task<IReadOnlyList<TierDecision>> OfWorkspaceAsync(string workspace, CancellationToken cancellationToken)
    {
        var sources = await points.SourcesOfAsync(workspace, cancellationToken);
        var retained = await points.RetainedAsync([.. sources.Select(source => source.Name)], cancellationToken);
        return [.. sources.SelectMany(source => Decide(retained[source.Name], ClassOf(source.Name, source.Class)))];
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
        var retained = await points.RetainedAsync([source], cancellationToken);
        var present = await ClassOfAsync(source, cancellationToken);
        return RetentionSimulation.Compare([.. retained[source]], present.Retention, present.TierDays, policy, tierDays, Names(present), time.GetUtcNow());
    }

    /// <summary>The class whose retention applies: as configured now; a source that is configured no longer keeps the class of its newest point.</summary>
    public async Task<ProtectionClass> ClassOfAsync(string source, CancellationToken cancellationToken) =>
        ClassOf(source, await points.ListAsync(source, 1, cancellationToken) is [var newest, ..] ? newest.Class : "standard");

    private IReadOnlyList<TierDecision> Decide(IEnumerable<RetainedPoint> retained, ProtectionClass one) =>
        TierRetention.Decide(retained, one.Retention, one.TierDays, Names(one), time.GetUtcNow());

    private string[] Names(ProtectionClass one) => [.. estate.TiersOf(one).Select(tier => tier.Name)];

    private ProtectionClass ClassOf(string source, string ofPoints)
    {
        var name = estate.Sources.FirstOrDefault(one => one.Name == source)?.Class ?? ofPoints;
        return estate.Classes.TryGetValue(name, out var found) ? found : estate.Classes["standard"];
    }
}
