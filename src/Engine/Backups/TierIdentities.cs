using System.Collections.Concurrent;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Backups;

/// <summary>
/// Tells whether a tier holds the repository of a workspace that the other tiers hold: a store that was given twice to two
/// estates, or put back from elsewhere, holds one of another id. What is written there would be in nobody's copies.
/// </summary>
/// <param name="estate">All tiers.</param>
/// <param name="look">Opens a workspace's store in a tier for a look that is not made again.</param>
/// <param name="time">The clock.</param>
internal sealed class TierIdentities(ProtectedEstate estate, Func<StorageTier, string, IObjectStore> look, TimeProvider time)
{
    /// <summary>A tier that did not answer is not asked again so soon: each opening would wait for it.</summary>
    private static readonly TimeSpan AwayFor = TimeSpan.FromMinutes(1);

    /// <summary>The sound tier that is opened waits no longer for the vote of another.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly ConcurrentDictionary<(string Tier, string Workspace), Guid> _seen = new();
    private readonly ConcurrentDictionary<string, long> _away = new();
    private readonly SharedLooks<(string Tier, string Workspace), Guid?> _looks = new();

    /// <summary>Throws where most other tiers that answer (of two tiers: the one that is configured first) hold another repository.</summary>
    /// <exception cref="EngineException">Code <c>store-other-repository</c>, kind Conflict, with both ids.</exception>
    public async Task RequireSameAsync(StorageTier tier, string workspace, Guid id, CancellationToken cancellationToken)
    {
        _seen[(tier.Name, workspace)] = id;
        if (await OddOneAsync(tier, workspace, id, isFresh: false, cancellationToken) is null)
        {
            return;
        }

        // What was seen of the others may be of the time before somebody put the right store back.
        if (await OddOneAsync(tier, workspace, id, isFresh: true, cancellationToken) is { } right)
        {
            throw new EngineException(
                "store-other-repository", ErrorKind.Conflict,
                $"{tier.Name} holds another repository of workspace {workspace} ({id:N}) than {right.Tiers} ({right.Id:N})",
                $"Look at the store of {tier.Name}: is it another estate's, or one that was put back from elsewhere? Nothing was written. Give the tier the repository that belongs there, or an empty place and make it there with 'drconsole repository init' --from another tier.");
        }
    }

    /// <summary>The repository that belongs there and the tiers that hold it, where it is another one than <paramref name="id"/>.</summary>
    private async Task<(Guid Id, string Tiers)?> OddOneAsync(StorageTier tier, string workspace, Guid id, bool isFresh, CancellationToken cancellationToken)
    {
        var held = new List<(string Tier, Guid Id)>();
        foreach (var one in estate.Tiers)
        {
            if (one.Name == tier.Name)
            {
                held.Add((one.Name, id));
            }
            else if (await FindAsync(one, workspace, isFresh, cancellationToken) is { } found)
            {
                held.Add((one.Name, found));
            }
        }

        var right = held.GroupBy(one => one.Id).MaxBy(group => group.Count());
        return right is null || right.Key == id ? null : (right.Key, string.Join(", ", right.Select(one => one.Tier)));
    }

    private async Task<Guid?> FindAsync(StorageTier tier, string workspace, bool isFresh, CancellationToken cancellationToken)
    {
        if (!isFresh && _seen.TryGetValue((tier.Name, workspace), out var seen))
        {
            return seen;
        }

        if (_away.TryGetValue(tier.Name, out var since) && time.GetElapsedTime(since) < AwayFor)
        {
            return null;
        }

        try
        {
            if (await _looks.At((tier.Name, workspace), () => AskAsync(tier, workspace)).WaitAsync(Patience, time, cancellationToken) is { } found)
            {
                return _seen[(tier.Name, workspace)] = found;
            }

            _seen.TryRemove((tier.Name, workspace), out _);
            return null;
        }
        catch (Exception fault) when (fault is EngineException or TimeoutException)
        {
            // A tier that is down says so where it is used; here it has no vote.
            _away[tier.Name] = time.GetTimestamp();
            return null;
        }
    }

    private async Task<Guid?> AskAsync(StorageTier tier, string workspace)
    {
        await using var store = look(tier, workspace);
        return await BackupRepository.FindIdAsync(store, CancellationToken.None);
    }
}
