using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Microsoft.Extensions.Logging;

namespace Hexabase.DrConsole.Engine.Backups.Maintenance;

/// <summary>Says whether a replication into a tier has anything to do and anywhere to put it: a run for each look at a tier that is down would only be noise.</summary>
public sealed class DueReplications(TierRepositories tiers, OwedCopies owed, RestorePointCatalog points, ProtectedEstate estate, ILogger<DueReplications> log)
{
    /// <summary>True where the tier answers and something is to be copied into it.</summary>
    /// <exception cref="EngineException">Unknown tier.</exception>
    public async Task<bool> IsDueAsync(string name, CancellationToken cancellationToken)
    {
        var tier = estate.TierNamed(name);
        foreach (var workspace in await points.WorkspacesAsync(cancellationToken))
        {
            // What keeps one workspace from being copied (damaged keys, a repository that was put back from elsewhere) need not be the others'.
            if ((await owed.OfWorkspaceAsync(workspace, tier, cancellationToken)).Count > 0 && await AnswersAsync(tier, workspace, cancellationToken))
            {
                return true;
            }
        }

        return false;
    }

    private async Task<bool> AnswersAsync(StorageTier tier, string workspace, CancellationToken cancellationToken)
    {
        try
        {
            // Opened as the copy opens it: a store that is not mounted shows no repository, and says that it is away only then.
            await using var repository = await tiers.OpenOrCreateAsync(tier, workspace, cancellationToken);
            return true;
        }
        catch (EngineException away)
        {
            log.LogInformation("{Tier} is not brought up now: {Reason}", tier.Name, away.Message);
            return false;
        }
    }
}
