using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Engine.Backups;

/// <summary>Opens the repository from which a restore point is read.</summary>
public sealed class RestorePointAccess(RestorePointCatalog points, TierRepositories tiers)
{
    /// <summary>
    /// Opens the first tier, in the order of the configuration, that holds the point and is not known to be damaged there;
    /// a tier that does not answer is passed over for the next.
    /// </summary>
    /// <param name="point">The restore point.</param>
    /// <param name="tierName">Only this tier, or null.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="EngineException">No tier holds it; with the reason of each.</exception>
    public async Task<(StorageTier Tier, BackupRepository Repository)> OpenAsync(RestorePointRow point, string? tierName, CancellationToken cancellationToken)
    {
        var rows = await points.TiersAsync(point.Id, cancellationToken);
        var reasons = new List<string>();
        // A damaged tier comes last, not never: where no other holds the point, reading it names what is damaged.
        var order = tiers.Tiers.Where(tier => tierName is null || tier.Name == tierName)
            .Select(tier => (Tier: tier, Row: rows.FirstOrDefault(row => row.Tier == tier.Name)))
            .Where(pair => pair.Row is { State: not "behind" })
            .OrderBy(pair => pair.Row!.State == "damaged");
        foreach (var (tier, _) in order)
        {
            try
            {
                return (tier, await tiers.OpenAsync(tier, point.Workspace, cancellationToken));
            }
            catch (EngineException fault)
            {
                reasons.Add($"{tier.Name}: {fault.Message}");
            }
        }

        throw new EngineException("restore-point-unreachable", ErrorKind.Unavailable,
            reasons.Count == 0 ? $"no configured tier holds restore point {point.PointId.Short}" : $"restore point {point.PointId.Short} cannot be read: {string.Join("; ", reasons)}",
            "Check the tiers in the configuration and that their stores are reachable.");
    }
}
