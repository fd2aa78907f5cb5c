using Hexabase.DrConsole.Engine.Backups.Maintenance;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Strategies;
using Hexabase.DrConsole.Engine.Strategies.Retention;

namespace Hexabase.DrConsole.Dashboard.Pages.Points;

/// <summary>What keeps a restore point, or kept it.</summary>
/// <param name="Holds">All its holds, newest first; ended ones too.</param>
/// <param name="ByTier">What retention says of each copy; empty where it has expired.</param>
/// <param name="Class">The class whose retention applies.</param>
/// <param name="ExpiredBy">The retention run that gave its last copy up, or null.</param>
public sealed record PointKept(IReadOnlyList<HoldRow> Holds, IReadOnlyDictionary<string, TierDecision> ByTier, ProtectionClass Class, Run? ExpiredBy)
{
    /// <summary>When each tier gave an expired point up, and why.</summary>
    public IReadOnlyList<PointExpiry> Expiries { get; init; } = [];
}

/// <summary>Reads what keeps a restore point, and passes on what a person changes about it.</summary>
public sealed class PointKeeping(HoldCatalog catalog, PointHolds holds, RestorePointCatalog points, RetentionPlanning planning, RunStore runs)
{
    private const int RunsLookedThrough = 500;

    /// <summary>Holds, verdicts by tier, and for an expired point the run that ended it.</summary>
    public async Task<PointKept> ReadAsync(RestorePointRow point, CancellationToken cancellationToken)
    {
        var standing = await catalog.OfAsync(point.Id, cancellationToken);
        var one = await planning.ClassOfAsync(point.Source, cancellationToken);
        if (point.ExpiredAt is { } expired)
        {
            var retentions = await runs.ListAsync(null, RunKinds.Retention, null, RunsLookedThrough, cancellationToken);
            var by = retentions.FirstOrDefault(run => run.StartedAt <= expired && (run.EndedAt is null || expired <= run.EndedAt));
            return new PointKept(standing, new Dictionary<string, TierDecision>(), one, by) { Expiries = await points.ExpiriesAsync(point.Id, cancellationToken) };
        }

        var decisions = await planning.OfSourceAsync(point.Source, cancellationToken);
        return new PointKept(standing, decisions.Where(decision => decision.Point.Id == point.Id).ToDictionary(decision => decision.Tier), one, null);
    }

    /// <summary>Places a hold; returns the tiers that could not be told.</summary>
    public async Task<IReadOnlyList<string>> PlaceAsync(string point, HoldRequest asked, string actor, CancellationToken cancellationToken) =>
        (await holds.PlaceAsync(point, asked.Reason, asked.Until, actor, cancellationToken)).Away;

    /// <summary>Ends a hold; returns the tiers that could not be told.</summary>
    public async Task<IReadOnlyList<string>> ReleaseAsync(HoldRelease asked, string actor, CancellationToken cancellationToken) =>
        (await holds.ReleaseAsync(asked.Hold, asked.Reason, actor, cancellationToken)).Away;
}
