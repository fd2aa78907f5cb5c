using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Engine.Catalog;

namespace Hexabase.DrConsole.Dashboard.Pages.Points;

/// <summary>A restore point with what is known of it.</summary>
/// <param name="Point">The point.</param>
/// <param name="Tiers">Where it is held.</param>
/// <param name="Last">Its last validation, or null.</param>
public sealed record PointRow(RestorePointRow Point, IReadOnlyList<RestorePointTierRow> Tiers, ValidationRow? Last)
{
    /// <summary>What its last validation says; unproven where there was none.</summary>
    public Status Status => Last switch
    {
        null => Status.Unproven,
        { Passed: true } => Status.Proven,
        _ => Status.Failed,
    };

    public string Href => $"/restore-points/{Point.Id}";
}

/// <summary>Reads restore points with their tiers and last validations in three statements, however many there are.</summary>
public sealed class PointRows(RestorePointCatalog catalog)
{
    /// <summary>Newest first.</summary>
    public async Task<IReadOnlyList<PointRow>> ReadAsync(string? source, int limit, CancellationToken cancellationToken)
    {
        var points = await catalog.ListAsync(source, limit, cancellationToken);
        var ids = points.Select(point => point.Id).ToArray();
        var tiers = (await catalog.TiersOfAsync(ids, cancellationToken)).ToLookup(row => row.RestorePoint);
        var validations = (await catalog.LastValidationsOfAsync(ids, cancellationToken)).ToDictionary(row => row.RestorePoint);
        return [.. points.Select(point => new PointRow(point, [.. tiers[point.Id]], validations.GetValueOrDefault(point.Id)))];
    }
}
