using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;

namespace Hexabase.DrConsole.Dashboard.Pages.Settings;

/// <summary>One repository that a recovery without this console would read.</summary>
/// <param name="Id">Its id, 32 hex digits; null where it could not be opened.</param>
/// <param name="Version">The format's version; null with it.</param>
/// <param name="Fault">Why it could not be opened, or null.</param>
public sealed record KitRepository(string Tier, string Workspace, string Url, string KeyFile, string? Id, int? Version, string? Fault)
{
    /// <summary>A command as it is typed: store and key file quoted for a shell.</summary>
    public string Command(string verb, string more = "") => $"drconsole repository {verb} --store {Quote(Url)} --key-file {Quote(KeyFile)}{(more.Length > 0 ? " " + more : "")}";

    private static string Quote(string text) => $"'{text.Replace("'", "'\\''", StringComparison.Ordinal)}'";
}

/// <summary>Gathers what a recovery needs when this console is gone. Holds no secret.</summary>
public sealed class RecoveryKit(TierRepositories repositories, RestorePointCatalog points)
{
    /// <summary>A row for every workspace in every tier; opens each once, so that what is printed is known to open.</summary>
    public async Task<IReadOnlyList<KitRepository>> ReadAsync(CancellationToken cancellationToken)
    {
        var found = new List<KitRepository>();
        foreach (var tier in repositories.Tiers)
        {
            foreach (var workspace in await points.WorkspacesAsync(tier.Name, cancellationToken))
            {
                found.Add(await LookAsync(tier, workspace, cancellationToken));
            }
        }

        return found;
    }

    private async Task<KitRepository> LookAsync(StorageTier tier, string workspace, CancellationToken cancellationToken)
    {
        var row = new KitRepository(tier.Name, workspace, tier.RepositoryUrl(workspace), tier.KeyFile, null, null, null);
        try
        {
            await using var repository = await repositories.OpenAsync(tier, workspace, cancellationToken);
            return row with { Id = repository.Info.Id.ToString("N"), Version = repository.Info.FormatVersion };
        }
        catch (EngineException fault)
        {
            return row with { Fault = fault.Message };
        }
    }
}
