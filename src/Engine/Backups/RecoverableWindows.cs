using System.Collections.Concurrent;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;

namespace Hexabase.DrConsole.Engine.Backups;

/// <summary>
/// What sources can be recovered to, read from the first tier that answers. A look lists the source's WAL in the store, so
/// that every reader of a page does not ask anew it holds for half a minute.
/// </summary>
public sealed class RecoverableWindows(TierRepositories tiers, RestorePointCatalog points, ProtectedEstate estate, TimeProvider time)
{
    private static readonly TimeSpan s_holds = TimeSpan.FromSeconds(30);
    private readonly ConcurrentDictionary<string, RecoverableWindow> _known = new(StringComparer.Ordinal);

    /// <summary>A source's window; null for one that is not captured as files.</summary>
    /// <exception cref="EngineException">No tier of the source answers, with the reason of each; or what it holds is damaged.</exception>
    public async Task<RecoverableWindow?> ReadAsync(Source source, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(source);
        if (source.Postgres is null or { Mode: PostgresMode.Logical })
        {
            return null;
        }

        if (_known.TryGetValue(source.Name, out var known) && time.GetUtcNow() - known.ReadAt < s_holds)
        {
            return known;
        }

        var reasons = new List<string>();
        foreach (var tier in estate.TiersOf(source))
        {
            try
            {
                if (!await tiers.ExistsAsync(tier, source.Workspace, cancellationToken))
                {
                    continue;
                }

                await using var repository = await tiers.OpenAsync(tier, source.Workspace, cancellationToken);
                // What failed its proof leads nowhere, however well its WAL goes on: a moment that only it leads to is not in reach.
                var unusable = (await points.RetainedAsync([source.Name], cancellationToken))[source.Name]
                    .Where(point => point.HasFailed || point.DamagedIn.Contains(tier.Name)).Select(point => point.Id).ToHashSet();
                return _known[source.Name] = await RecoverableWindow.ReadAsync(repository, source.Name, tier.Name, time.GetUtcNow(), cancellationToken, unusable);
            }
            catch (EngineException fault)
            {
                reasons.Add($"{tier.Name}: {fault.Message}");
            }
        }

        return reasons.Count == 0
            ? new RecoverableWindow("", time.GetUtcNow(), [], [])
            : throw new EngineException("window-unreadable", ErrorKind.Unavailable, $"what {source.Name} can be recovered to cannot be read: {string.Join("; ", reasons)}",
                "look at the tiers' pages");
    }
}
