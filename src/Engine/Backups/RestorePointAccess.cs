using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Engine.Backups;

/// <summary>Opens the repository from which a restore point is read.</summary>
public sealed class RestorePointAccess(RestorePointCatalog points, TierRepositories tiers)
{
    /// <summary>
    /// Opens the first tier, in the order of the configuration, that holds the point and is not known to be damaged there;
    /// a tier that does not answer, or has lost the point's manifest, is passed over for the next.
    /// </summary>
    /// <param name="point">The restore point.</param>
    /// <param name="tierName">Only this tier, or null.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="EngineException">No tier holds it; with the reason of each.</exception>
    public Task<(StorageTier Tier, BackupRepository Repository)> OpenAsync(RestorePointRow point, string? tierName, CancellationToken cancellationToken) =>
        OpenAsync(point, tierName, [], cancellationToken);

    /// <summary>The same of any tier but some, which were tried.</summary>
    internal async Task<(StorageTier Tier, BackupRepository Repository)> OpenAsync(
        RestorePointRow point, string? tierName, IReadOnlyCollection<StorageTier> tried, CancellationToken cancellationToken)
    {
        var rows = await points.TiersAsync(point.Id, cancellationToken);
        var reasons = new List<string>();
        // A damaged tier comes last, not never: where no other holds the point, reading it names what is damaged.
        var order = tiers.Tiers.Where(tier => (tierName is null || tier.Name == tierName) && !tried.Contains(tier))
            .Select(tier => (Tier: tier, Row: rows.FirstOrDefault(row => row.Tier == tier.Name)))
            .Where(pair => pair.Row is { State: not "behind" })
            .OrderBy(pair => pair.Row!.State == "damaged").Select(pair => pair.Tier).ToList();
        foreach (var tier in order)
        {
            try
            {
                var repository = await tiers.OpenAsync(tier, point.Workspace, cancellationToken);
                if (tier == order[^1] || await LossAsync(repository, point, cancellationToken) is not { } loss)
                {
                    return (tier, repository);
                }

                await repository.DisposeAsync();
                await points.MarkDamagedAsync(point.PointId, tier.Name, loss, cancellationToken);
                reasons.Add($"{tier.Name}: {loss}");
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

    /// <summary>Why the point's manifest cannot be had from a tier, or null where it can.</summary>
    private static async Task<string?> LossAsync(BackupRepository repository, RestorePointRow point, CancellationToken cancellationToken)
    {
        try
        {
            await repository.ReadManifestAsync(point.PointId, cancellationToken);
            return null;
        }
        catch (EngineException fault) when (RepositoryDamage.IsIn(fault))
        {
            return fault.Message;
        }
        catch
        {
            await repository.DisposeAsync();
            throw;
        }
    }
}
