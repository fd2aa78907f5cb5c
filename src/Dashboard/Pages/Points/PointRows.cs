using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Strategies.Retention;

namespace Hexabase.DrConsole.Dashboard.Pages.Points;

/// <summary>A restore point with what is known of it.</summary>
/// <param name="Point">The point.</param>
/// <param name="Tiers">Where it is held.</param>
/// <param name="Last">Its last validation, or null.</param>
/// <param name="Kept">Why the ladder keeps it; empty where it does not.</param>
/// <param name="Status">What its last validation says, as long as a proof holds.</param>
public sealed record PointRow(RestorePointRow Point, IReadOnlyList<RestorePointTierRow> Tiers, ValidationRow? Last, IReadOnlyList<KeepReason> Kept, Status Status)
{
    public string Href => $"/restore-points/{Point.Id}";
}

/// <summary>Reads restore points with their tiers and last validations in four statements, however many there are.</summary>
public sealed class PointRows(RestorePointCatalog catalog, ProtectedEstate estate, TimeProvider time)
{
    /// <summary>Newest first.</summary>
    public async Task<IReadOnlyList<PointRow>> ReadAsync(string? source, int limit, CancellationToken cancellationToken)
    {
        var points = await catalog.ListAsync(source, limit, cancellationToken);
        var ids = points.Select(point => point.Id).ToArray();
        var tiers = (await catalog.TiersOfAsync(ids, cancellationToken)).ToLookup(row => row.RestorePoint);
        var validations = (await catalog.LastValidationsOfAsync(ids, cancellationToken)).ToDictionary(row => row.RestorePoint);
        var kept = await KeptAsync([.. points.Select(point => (point.Source, point.Class)).Distinct()], cancellationToken);
        return [.. points.Select(point => Row(point, validations.GetValueOrDefault(point.Id)))];

        PointRow Row(RestorePointRow point, ValidationRow? last) => new(
            point, [.. tiers[point.Id]], last, kept.GetValueOrDefault(point.Id, []),
            PointProof.StatusOf(last, estate.ProofLifetimeOf(point.Source, point.Class), time.GetUtcNow()));
    }

    private async Task<Dictionary<string, IReadOnlyList<KeepReason>>> KeptAsync((string Source, string Class)[] sources, CancellationToken cancellationToken)
    {
        var retained = await catalog.RetainedAsync([.. sources.Select(source => source.Source).Distinct()], cancellationToken);
        var kept = new Dictionary<string, IReadOnlyList<KeepReason>>();
        foreach (var source in retained)
        {
            // The class as it is configured now; a source that is no longer configured keeps the class of its points.
            var name = estate.Sources.FirstOrDefault(one => one.Name == source.Key)?.Class ?? sources.First(one => one.Source == source.Key).Class;
            var policy = (estate.Classes.TryGetValue(name, out var found) ? found : estate.Classes["standard"]).Retention;
            foreach (var decision in RetentionPlan.Decide(source, policy, time.GetUtcNow()))
            {
                kept[decision.Point.Id] = decision.Reasons;
            }
        }

        return kept;
    }
}
