using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Storage;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Backups;

/// <summary>What a look at a tier's store found.</summary>
/// <param name="Tier">The tier's name.</param>
/// <param name="At">When it was looked at.</param>
/// <param name="UsedBytes">Sum of its objects, or null where it did not answer.</param>
/// <param name="Objects">How many objects.</param>
/// <param name="LastWriteAt">The newest object's time, or null where there is none.</param>
/// <param name="CapacityBytes">Size of the file system it stands on, or null where the store does not tell.</param>
/// <param name="FreeBytes">What is free there.</param>
/// <param name="Fault">Why it did not answer, or null.</param>
public sealed record TierUsage(
    string Tier, DateTimeOffset At, long? UsedBytes, long Objects, DateTimeOffset? LastWriteAt, long? CapacityBytes, long? FreeBytes, string? Fault);

/// <summary>
/// Looks at the tiers' stores and keeps what it found for the pages: every minute, and when a run has ended, since that is
/// when a store has changed. A look lists every object, so a store that takes long to list is listed less often. One that hangs counts as
/// not answering, and keeps nobody from looking at the others.
/// </summary>
public sealed class TierMonitor(
    TierRepositories tiers, TierCatalog catalog, RunStore runs, RunFeed feed, TimeProvider time, ILogger<TierMonitor> log) : BackgroundService
{
    private static readonly TimeSpan RunsEvery = TimeSpan.FromSeconds(2);
    private readonly Lock _gate = new();
    private readonly Dictionary<string, TierUsage> _usage = [];
    private readonly HashSet<RunId> _moving = [];

    /// <summary>The last look at a tier, or null before the first.</summary>
    public TierUsage? Of(string tier)
    {
        lock (_gate)
        {
            return _usage.GetValueOrDefault(tier);
        }
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var heard = feed.Subscribe(Hear);
        using var timer = new PeriodicTimer(RunsEvery, time);
        var watches = tiers.Tiers.Select(tier => new TierWatch(tier.Name, (onMoved, ct) => LookAsync(tier, onMoved, ct), Keep, RememberAsync, time)).ToList();
        do
        {
            var hasEnded = await HasARunEndedAsync(stoppingToken);
            foreach (var watch in watches)
            {
                await watch.AdvanceAsync(hasEnded, stoppingToken);
            }
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    private void Keep(TierUsage usage)
    {
        lock (_gate)
        {
            _usage[usage.Tier] = usage;
        }
    }

    private void Hear(RunId? run)
    {
        if (run is { } changed)
        {
            lock (_gate)
            {
                _moving.Add(changed);
            }
        }
    }

    private async Task<bool> HasARunEndedAsync(CancellationToken cancellationToken)
    {
        RunId[] moving;
        lock (_gate)
        {
            moving = [.. _moving];
        }

        if (moving.Length == 0)
        {
            return false;
        }

        try
        {
            var ended = await runs.EndedAsync(moving, cancellationToken);
            lock (_gate)
            {
                _moving.ExceptWith(ended);
            }

            return ended.Count > 0;
        }
        catch (NpgsqlException fault)
        {
            // The minute's look comes all the same.
            log.LogDebug("the runs could not be read: {Reason}", fault.Message);
            return false;
        }
    }

    /// <summary>Keeps the day's figure, from which growth is told. A look that failed says nothing of what is stored.</summary>
    private async Task RememberAsync(TierUsage usage, CancellationToken cancellationToken)
    {
        if (usage.UsedBytes is not { } bytes)
        {
            return;
        }

        try
        {
            await catalog.RecordUsageAsync(usage.Tier, usage.At, bytes, usage.Objects, cancellationToken);
        }
        catch (NpgsqlException fault)
        {
            // The next look writes the same row.
            log.LogDebug("the usage of {Tier} could not be written down: {Reason}", usage.Tier, fault.Message);
        }
    }

    private async Task<TierUsage> LookAsync(StorageTier tier, Action onMoved, CancellationToken cancellationToken)
    {
        try
        {
            await using var store = tiers.LookAt(tier);
            if (store is IListingProgress listing)
            {
                listing.OnEntry = onMoved;
            }

            long bytes = 0, objects = 0;
            DateTimeOffset? last = null;
            await foreach (var found in store.ListAsync("", cancellationToken))
            {
                onMoved();
                bytes += found.Length;
                objects++;
                last = last is null || found.LastModified > last ? found.LastModified : last;
            }

            var capacity = store is IStoreCapacity measured ? await measured.CapacityAsync(cancellationToken) : null;
            return new TierUsage(tier.Name, time.GetUtcNow(), bytes, objects, last, capacity?.TotalBytes, capacity?.FreeBytes, null);
        }
        catch (Exception fault) when (fault is EngineException or IOException or UnauthorizedAccessException)
        {
            log.LogWarning("tier {Tier} does not answer: {Reason}", tier.Name, fault.Message);
            return new TierUsage(tier.Name, time.GetUtcNow(), null, 0, null, null, null, fault.Message);
        }
    }
}
