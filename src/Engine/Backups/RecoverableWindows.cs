using System.Collections.Concurrent;
using System.Globalization;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository.Wal;

namespace Hexabase.DrConsole.Engine.Backups;

/// <summary>
/// What sources can be recovered to, read from the tier that reaches furthest: one that has got no WAL for a while answers like
/// any other. A look lists the source's WAL in the stores, so that every reader of a page does not ask anew it holds for half a
/// minute. Where a window ends is told by the tier that had the last of its WAL first: a copy or a repair writes the same WAL
/// again later, and nothing newer came by that.
/// </summary>
public sealed class RecoverableWindows(TierRepositories tiers, RestorePointCatalog points, ProtectedEstate estate, TimeProvider time)
{
    private static readonly TimeSpan s_holds = TimeSpan.FromSeconds(30);

    /// <summary>Where one tier has answered, no page waits longer for another.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(5);

    private readonly ConcurrentDictionary<string, RecoverableWindow> _known = new(StringComparer.Ordinal);
    private readonly SharedLooks<(string Tier, string Source), (RecoverableWindow? Window, string? Reason)> _readings = new();
    private readonly SharedLooks<(string Tier, string Workspace), bool> _presences = new();

    /// <summary>A source's window; null for one that is not captured as files.</summary>
    /// <exception cref="EngineException">No tier of the source answers, with the reason of each; or what it holds is damaged.</exception>
    public async Task<RecoverableWindow?> ReadAsync(Source source, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(source);
        if (source.Postgres is null or { Mode: PostgresMode.Logical })
        {
            return null;
        }

        if (Known(source) is { } known)
        {
            return known;
        }

        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var reading = estate.TiersOf(source).Select(tier => TryReadAsync(tier, source, patience.Token)).ToList();
        await foreach (var read in Task.WhenEach(reading))
        {
            if ((await read).Window is not null)
            {
                patience.CancelAfter(s_patience);
            }
        }

        cancellationToken.ThrowIfCancellationRequested();
        var tried = await Task.WhenAll(reading);
        var windows = tried.Select(one => one.Window).OfType<RecoverableWindow>().ToList();
        if (Chosen(windows) is { } chosen)
        {
            return _known[source.Name] = await EarliestEndsAsync(source, chosen with { Damage = [.. windows.SelectMany(one => one.Damage)] }, cancellationToken);
        }

        var reasons = tried.Select(one => one.Reason).OfType<string>().ToList();
        return reasons.Count == 0
            ? new RecoverableWindow("", time.GetUtcNow(), [], [])
            : throw new EngineException("window-unreadable", ErrorKind.Unavailable, $"what {source.Name} can be recovered to cannot be read: {string.Join("; ", reasons)}",
                "look at the tiers' pages");
    }

    /// <summary>The same for a moment: where the tier that reaches furthest does not reach back to it, one that does.</summary>
    public async Task<RecoverableWindow?> ReadForAsync(Source source, DateTimeOffset? moment, CancellationToken cancellationToken)
    {
        var furthest = await ReadAsync(source, cancellationToken);
        if (furthest is null || moment is not { } wanted || furthest.Holding(wanted).Count > 0)
        {
            return furthest;
        }

        foreach (var tier in estate.TiersOf(source).Where(tier => tier.Name != furthest.Tier))
        {
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            patience.CancelAfter(s_patience);
            var (other, _) = await TryReadAsync(tier, source, patience.Token);
            cancellationToken.ThrowIfCancellationRequested();
            if (other?.Holding(wanted).Count > 0)
            {
                return other;
            }
        }

        return furthest;
    }

    /// <summary>What a source can be recovered to from one tier alone.</summary>
    /// <exception cref="EngineException">The tier does not answer; or what it holds is damaged.</exception>
    public async Task<RecoverableWindow> ReadInAsync(Source source, StorageTier tier, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(tier);
        return Known(source) is { } known && known.Tier == tier.Name ? known : await EarliestEndsAsync(source, await ReadOnlyInAsync(source, tier, cancellationToken), cancellationToken);
    }

    private RecoverableWindow? Known(Source source) => _known.TryGetValue(source.Name, out var known) && time.GetUtcNow() - known.ReadAt < s_holds ? known : null;

    private async Task<RecoverableWindow> ReadOnlyInAsync(Source source, StorageTier tier, CancellationToken cancellationToken)
    {
        await using var repository = await tiers.OpenAsync(tier, source.Workspace, cancellationToken);
        // What failed its proof leads nowhere, however well its WAL goes on: a moment that only it leads to is not in reach.
        var unusable = (await points.RetainedAsync([source.Name], cancellationToken))[source.Name]
            .Where(point => point.HasFailed || point.DamagedIn.Contains(tier.Name)).Select(point => point.Id).ToHashSet();
        return await RecoverableWindow.ReadAsync(repository, source.Name, tier.Name, time.GetUtcNow(), cancellationToken, unusable);
    }

    /// <summary>Neither of them where the tier holds nothing of the workspace.</summary>
    private async Task<(RecoverableWindow? Window, string? Reason)> TryReadAsync(StorageTier tier, Source source, CancellationToken cancellationToken)
    {
        try
        {
            return await _readings.At((tier.Name, source.Name), () => TryReadAsync(tier, source)).WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            return (null, $"{tier.Name}: it does not answer in time");
        }
    }

    private async Task<(RecoverableWindow? Window, string? Reason)> TryReadAsync(StorageTier tier, Source source)
    {
        try
        {
            return await tiers.ExistsAsync(tier, source.Workspace, CancellationToken.None) ? (await ReadOnlyInAsync(source, tier, CancellationToken.None), null) : default;
        }
        catch (EngineException fault)
        {
            return (null, $"{tier.Name}: {fault.Message}");
        }
    }

    /// <summary>The furthest; of those that it does not leave behind the one with the least WAL that is damaged.</summary>
    private RecoverableWindow? Chosen(IReadOnlyList<RecoverableWindow> windows) => Furthest(windows) is not { } furthest ? null
        : windows.Where(one => one == furthest || !IsFurther(furthest.Living, one.Living)).OrderBy(one => one.Damage.Count).ThenBy(one => one != furthest).First();

    /// <summary>The first that the others do not leave behind: between tiers that keep pace a few bytes decide nothing.</summary>
    private RecoverableWindow? Furthest(IEnumerable<RecoverableWindow> windows)
    {
        RecoverableWindow? furthest = null;
        foreach (var window in windows)
        {
            furthest = furthest is null || IsFurther(window.Living, furthest.Living) ? window : furthest;
        }

        return furthest;
    }

    private bool IsFurther(WindowStretch? one, WindowStretch? than) => one is not null && (than is null
        || (one.Cluster != than.Cluster ? one.To > than.To
            : one.Timeline != than.Timeline ? one.Timeline > than.Timeline
            : (!than.HasLength || than.To < time.GetUtcNow() - s_holds) && Lsn.Parse(one.EndLsn).Value > Lsn.Parse(than.EndLsn).Value));

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
            if (!await _presences.At((tier.Name, source.Workspace), () => tiers.ExistsAsync(tier, source.Workspace, CancellationToken.None)).WaitAsync(cancellationToken))
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
