using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Backups.Postgres.Wal;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Servers;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Backups.Receiving;

/// <summary>
/// Receives the WAL of every source that wants it, one process at a time for each. What fails is begun anew after a pause that
/// grows; where to go on, the tiers say.
/// </summary>
public sealed class WalReceivers(
    NpgsqlDataSource catalog, TierRepositories tiers, ProtectedEstate estate, WalCatalog wal, IBaseBackupRequests baseBackups, ProcessRegistry registry, LeaseTimes times, TimeProvider time,
    ILogger<WalReceivers> log) : BackgroundService
{
    private static readonly TimeSpan ShortestPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(30);

    private const string NobodyReceives = "commits of the server wait while its WAL is not received, wherever synchronous_standby_names names this receiver";

    /// <summary>A gap whose base backup does not come is asked for again so often.</summary>
    private static readonly TimeSpan AskAgainAfter = TimeSpan.FromMinutes(15);

    /// <inheritdoc/>
    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Task.WhenAll(
            [.. estate.Sources.Where(source => estate.WalOf(source) is not null).Select(source => SuperviseAsync(source, stoppingToken)), new LeftSlots(catalog, estate, wal, time, log).RunAsync(stoppingToken)]);

    /// <summary>Waits for the lease of a source, receives while it is held, and begins anew when that ends.</summary>
    internal async Task SuperviseAsync(Source source, CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                if (await ReceiverLease.AcquireAsync(catalog, times, source.Name, stopping) is { } lease)
                {
                    await ReceiveUnderAsync(lease, source, stopping);
                }
            }
            catch (Exception fault) when (fault is NpgsqlException or WalFenceException)
            {
                log.LogWarning("the WAL receiver of {Source} stops for now: {Reason}", source.Name, fault.Message);
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception fault) when (!stopping.IsCancellationRequested)
            {
                // The edge: one source's receiver must end neither the others' nor the console.
                log.LogError(fault, "the WAL receiver of {Source} failed; it begins anew", source.Name);
            }

            await Task.Delay(times.RenewEvery, time, stopping).ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }
    }

    private async Task ReceiveUnderAsync(ReceiverLease lease, Source source, CancellationToken stopping)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        var keeping = lease.KeepAsync(time, over.Token);
        var receiving = ReceiveAsync(lease, source, over.Token);
        var looking = new WalHoleCheck(tiers, estate, source, new CatalogWalJournal(catalog, lease), wal, time, log).RunAsync(over.Token);
        List<Task> work = [keeping, receiving, looking, AskForBaseBackupsAsync(source, over.Token)];
        if (source.Postgres!.Heartbeat is { } every)
        {
            work.Add(new HeartbeatWriter(LeftSlots.ServerOf(source), source.Name, every, lease, time, log).RunAsync(over.Token));
        }

        try
        {
            await await Task.WhenAny(work);
        }
        finally
        {
            await over.CancelAsync();
            await Task.WhenAll(work).ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
            await lease.ReleaseAsync();
        }
    }

    /// <summary>Session after session, until the lease is lost.</summary>
    private async Task ReceiveAsync(ReceiverLease lease, Source source, CancellationToken ct)
    {
        var journal = new CatalogWalJournal(catalog, lease);
        var (receiver, settings) = (ReceiverOf(source, lease, journal), estate.WalOf(source)!);
        await journal.RememberSlotAsync(new WalSlotRow(source.Name, LeftSlots.PlaceOf(LeftSlots.ServerOf(source)), settings.SlotOf(source.Name)), ct);
        var pause = ShortestPause;
        while (true)
        {
            var began = time.GetTimestamp();
            try
            {
                await receiver.RunAsync(ct);
                log.LogInformation("the WAL of {Source} goes on along the next timeline", source.Name);
                pause = ShortestPause;
                continue;
            }
            catch (EngineException fault)
            {
                log.LogWarning("the WAL of {Source} is not received: {Reason}", source.Name, fault.ToText());
                await journal.FailedAsync(fault.ToText(), receiver.MayHoldCommits ? [.. receiver.Notices, NobodyReceives] : receiver.Notices, receiver.MayHoldCommits, ct);
            }

            // One that ran for a while begins again at once.
            pause = time.GetElapsedTime(began) > LongestPause ? ShortestPause : pause;
            await Task.Delay(pause, time, ct);
            pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
        }
    }

    private WalReceiver ReceiverOf(Source source, ReceiverLease lease, CatalogWalJournal journal)
    {
        var (settings, serving) = (estate.WalOf(source)!, estate.TiersOf(source));
        var server = new WalSource(LeftSlots.ServerOf(source), settings.SlotOf(source.Name), registry, time);
        return new WalReceiver(
            new WalReceiverOptions(source.Name, Math.Min(estate.ClassOf(source).MinimumTiers, serving.Count), settings.FlushInterval, settings.IsSynchronous) { SlotLimitBytes = settings.SlotLimitMib << 20 }, server,
            [.. serving.Select(tier => new WalTier(tier.Name, token => tiers.OpenOrCreateAsync(tier, source.Workspace, token)))], lease, journal, time);
    }

    /// <summary>Asks for a base backup while the WAL has a gap that none begins behind.</summary>
    private async Task AskForBaseBackupsAsync(Source source, CancellationToken ct)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(5), time);
        while (await timer.WaitForNextTickAsync(ct))
        {
            foreach (var gap in (await wal.GapsAsync(source.Name, onlyOpen: true, ct)).Where(gap => gap.RequestedAt is null || time.GetUtcNow() - gap.RequestedAt > AskAgainAfter))
            {
                try
                {
                    await baseBackups.RequestAsync(source, gap.Reason, ct);
                    await wal.RequestedAsync(gap.Id, ct);
                }
                catch (EngineException fault)
                {
                    log.LogWarning("a base backup of {Source} could not be asked for: {Reason}", source.Name, fault.Message);
                }
            }
        }
    }
}
