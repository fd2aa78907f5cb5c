using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Strategies.Retention;

namespace Hexabase.DrConsole.Engine.Backups.Maintenance;

/// <summary>Which restore points a tier should hold and does not.</summary>
public sealed class OwedCopies(RestorePointCatalog points, ProtectedEstate estate, TimeProvider time)
{
    /// <summary>
    /// Of a workspace, oldest first: what the tier was away for, and what is older than its service for the class. Only what
    /// retention would keep there; what it gave up there once does not come back, since its days or its slot are over. What a backup is just replicating is its business.
    /// </summary>
    public async Task<IReadOnlyList<RestorePointRow>> OfWorkspaceAsync(string workspace, StorageTier tier, CancellationToken cancellationToken)
    {
        var behind = (await points.BehindAsync(tier.Name, workspace, cancellationToken)).Select(row => row.Id).ToHashSet();
        var served = estate.Sources.Where(source => source.Workspace == workspace && estate.TiersOf(source).Contains(tier)).ToList();
        var retained = await points.RetainedAsync([.. served.Select(source => source.Name)], cancellationToken);
        var owed = new HashSet<string>();
        foreach (var source in served)
        {
            owed.UnionWith(OfSource([.. retained[source.Name]], source, tier.Name, behind));
        }

        return owed.Count == 0 ? [] : await points.CompleteAsync([.. owed], cancellationToken);
    }

    private IEnumerable<string> OfSource(IReadOnlyList<RetainedPoint> all, Source source, string tier, HashSet<string> behind)
    {
        var one = estate.ClassOf(source);
        var now = time.GetUtcNow();
        return RetentionPlan.Decide(all, one.Retention, now)
            .Where(decision => decision.IsKept && !decision.Point.Tiers.Contains(tier) && decision.Point.Tiers.Any(decision.Point.IsSoundIn))
            .Where(decision => !one.TierDays.TryGetValue(tier, out var days) || now - decision.Point.CreatedAt <= TimeSpan.FromDays(days)
                || (behind.Contains(decision.Point.Id) && decision.Reasons.Any(reason => reason.OutlivesDays)))
            .Select(decision => decision.Point.Id);
    }
}
