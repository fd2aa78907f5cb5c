using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Engine.Backups.Maintenance;

/// <summary>A workspace's repositories in all tiers that answer, with their passphrases.</summary>
internal sealed class WorkspaceTiers : IAsyncDisposable
{
    private readonly List<(StorageTier Tier, BackupRepository Repository)> _repositories = [];
    private readonly Dictionary<string, string> _away = [];
    private readonly List<RepositoryKey> _keys = [];

    public IReadOnlyList<(StorageTier Tier, BackupRepository Repository)> Repositories => _repositories;

    public IReadOnlyDictionary<string, string> Away => _away;

    /// <summary>One for each key file.</summary>
    public IReadOnlyList<RepositoryKey> Keys => _keys;

    public IReadOnlyList<string> Names => [.. _repositories.Select(one => one.Tier.Name)];

    /// <param name="isForDeletion">True for credentials that may delete, where a tier has some of their own.</param>
    /// <exception cref="EngineException">No tier that answers holds a repository of the workspace.</exception>
    public static async Task<WorkspaceTiers> OpenAsync(TierRepositories tiers, string workspace, bool isForDeletion, CancellationToken cancellationToken)
    {
        var opened = new WorkspaceTiers();
        try
        {
            await opened.OpenAllAsync(tiers, workspace, isForDeletion, cancellationToken);
            return opened;
        }
        catch
        {
            await opened.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var (_, repository) in _repositories)
        {
            await repository.DisposeAsync();
        }

        _keys.ForEach(key => key.Dispose());
    }

    private async Task OpenAllAsync(TierRepositories tiers, string workspace, bool isForDeletion, CancellationToken cancellationToken)
    {
        foreach (var tier in tiers.Tiers)
        {
            try
            {
                if (await tiers.ExistsAsync(tier, workspace, cancellationToken))
                {
                    _repositories.Add((tier, isForDeletion ? await tiers.OpenForPruneAsync(tier, workspace, cancellationToken) : await tiers.OpenAsync(tier, workspace, cancellationToken)));
                }
            }
            catch (EngineException fault) when (fault.Kind == ErrorKind.Unavailable)
            {
                _away[tier.Name] = fault.Message;
            }
        }

        if (_repositories.Count == 0)
        {
            throw new EngineException("workspace-unknown", ErrorKind.NotFound,
                _away.Count == 0 ? $"no tier holds a repository of workspace {workspace}" : $"no tier that answers holds a repository of workspace {workspace}: {string.Join("; ", _away.Values)}",
                "Check the name and the tiers.");
        }

        foreach (var file in _repositories.Select(one => one.Tier.KeyFile).Distinct())
        {
            _keys.Add(await RepositoryKey.FromFileAsync(file, cancellationToken));
        }
    }
}
