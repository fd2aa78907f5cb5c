using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Storage;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

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

/// <summary>Looks at each tier's store every minute and keeps what it found for the pages.</summary>
public sealed class TierMonitor(ProtectedEstate estate, TimeProvider time, ILogger<TierMonitor> log) : BackgroundService
{
    private static readonly TimeSpan Every = TimeSpan.FromMinutes(1);
    private readonly Lock _gate = new();
    private readonly Dictionary<string, TierUsage> _usage = [];

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
        using var timer = new PeriodicTimer(Every, time);
        do
        {
            foreach (var tier in estate.Tiers)
            {
                var usage = await LookAsync(tier, stoppingToken);
                lock (_gate)
                {
                    _usage[tier.Name] = usage;
                }
            }
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    private async Task<TierUsage> LookAsync(StorageTier tier, CancellationToken cancellationToken)
    {
        try
        {
            var url = StoreUrl.Parse(tier.Store);
            await using var store = url.Open(time);
            long bytes = 0, objects = 0;
            DateTimeOffset? last = null;
            await foreach (var found in store.ListAsync("", cancellationToken))
            {
                bytes += found.Length;
                objects++;
                last = last is null || found.LastModified > last ? found.LastModified : last;
            }

            var drive = Directory.Exists(url.Path) ? new DriveInfo(url.Path) : null;
            return new TierUsage(tier.Name, time.GetUtcNow(), bytes, objects, last, drive?.TotalSize, drive?.AvailableFreeSpace, null);
        }
        catch (Exception fault) when (fault is EngineException or IOException or UnauthorizedAccessException)
        {
            log.LogWarning("tier {Tier} does not answer: {Reason}", tier.Name, fault.Message);
            return new TierUsage(tier.Name, time.GetUtcNow(), null, 0, null, null, null, fault.Message);
        }
    }
}
