using System.Collections.Concurrent;
using System.Globalization;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository.Wal;

namespace Hexabase.DrConsole.Engine.Backups;

/// <summary>
/// What sources can be recovered to, read from the first tier that answers. A look lists the source's WAL in the store, so
/// that every reader of a page does not ask anew it holds for half a minute. Where a window ends is told by the tier that had
/// the last of its WAL first: a copy or a repair writes the same WAL again later, and nothing newer came by that.
/// </summary>
public sealed class RecoverableWindows(TierRepositories tiers, RestorePointCatalog points, ProtectedEstate estate, TimeProvider time)
{
    private static readonly TimeSpan s_holds = TimeSpan.FromSeconds(30);

    /// <summary>No page waits longer for a tier that only could tell an earlier end.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(5);

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
                var window = await RecoverableWindow.ReadAsync(repository, source.Name, tier.Name, time.GetUtcNow(), cancellationToken, unusable);
                return _known[source.Name] = await EarliestEndsAsync(source, window, cancellationToken);
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

    private async Task<RecoverableWindow> EarliestEndsAsync(Source source, RecoverableWindow window, CancellationToken cancellationToken)
    {
        if (!window.Stretches.Any(stretch => stretch.HasLength))
        {
            return window;
        }

        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(s_patience);
        var ends = await Task.WhenAll(estate.TiersOf(source).Where(tier => tier.Name != window.Tier).Select(tier => EndsInAsync(tier, source, window, patience.Token)));
        cancellationToken.ThrowIfCancellationRequested();
        return window with
        {
            Stretches = [.. window.Stretches.Select((stretch, index) => ends.Select(tier => tier[index]).Where(end => end < stretch.To).Min() is { } earlier
                ? stretch with { To = earlier > stretch.From ? earlier : stretch.From } : stretch)],
        };
    }

    /// <summary>When a tier had the last WAL of each stretch; null where it does not hold it, or does not answer.</summary>
    private async Task<DateTimeOffset?[]> EndsInAsync(StorageTier tier, Source source, RecoverableWindow window, CancellationToken cancellationToken)
    {
        var ends = new DateTimeOffset?[window.Stretches.Count];
        try
        {
            if (!await tiers.ExistsAsync(tier, source.Workspace, cancellationToken))
            {
                return ends;
            }

            await using var repository = await tiers.OpenAsync(tier, source.Workspace, cancellationToken);
            foreach (var (index, stretch) in window.Stretches.Index().Where(one => one.Item.HasLength))
            {
                var archive = await repository.OpenWalAsync(source.Name, ulong.Parse(stretch.Cluster, CultureInfo.InvariantCulture), cancellationToken);
                ends[index] = await archive.StoredAtAsync(stretch.Timeline, Lsn.Parse(stretch.EndLsn).Value, cancellationToken);
            }
        }
        catch (Exception fault) when (fault is EngineException or OperationCanceledException)
        {
            // The tier that was read tells an end as well, only perhaps a later one.
        }

        return ends;
    }
}
