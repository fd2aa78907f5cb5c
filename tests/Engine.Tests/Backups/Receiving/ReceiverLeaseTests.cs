using Hexabase.DrConsole.Engine.Backups.Postgres.Wal;
using Hexabase.DrConsole.Engine.Backups.Receiving;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Tests.Support;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Receiving;

public sealed class ReceiverLeaseTests(CatalogServer catalog)
{
    private static readonly LeaseTimes Short = new(TimeSpan.FromSeconds(5), TimeSpan.FromMilliseconds(100));
    private readonly string _source = $"lease-{Guid.NewGuid():n}";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Process_that_was_frozen_for_longer_than_its_lease_may_write_nothing()
    {
        var frozen = (await AcquireAsync())!;
        await frozen.RequireAsync(Ct);
        Assert.Null(await AcquireAsync());
        await Task.Delay(5500, Ct);
        await Assert.ThrowsAsync<WalFenceException>(() => frozen.RequireAsync(Ct));
        var next = (await AcquireAsync())!;
        Assert.True(next.Fence > frozen.Fence);
        await Assert.ThrowsAsync<WalFenceException>(() => frozen.RequireAsync(Ct));
        await Assert.ThrowsAsync<WalFenceException>(() => frozen.CommitAsync(_ => throw new InvalidOperationException("it must not come to this"), Ct));
        await Assert.ThrowsAsync<WalFenceException>(() => frozen.KeepAsync(TimeProvider.System, Ct));
        await new CatalogWalJournal(catalog.Pool, next).RecordGapAsync(new WalGap(1, 1, default, default, "a test"), Ct);
        await Assert.ThrowsAsync<WalFenceException>(() => new CatalogWalJournal(catalog.Pool, frozen).RecordGapAsync(new WalGap(2, 1, default, default, "a test"), Ct));
        Assert.Single(await new WalCatalog(catalog.Pool).GapsAsync(_source, true, Ct));
        // Giving up what it no longer has takes nothing from who has it.
        await frozen.ReleaseAsync();
        await next.RequireAsync(Ct);
    }

    [Fact]
    public async Task Lease_that_is_kept_stays_and_one_that_is_given_up_or_whose_process_is_dead_is_free_at_once()
    {
        var kept = (await AcquireAsync())!;
        using (var over = CancellationTokenSource.CreateLinkedTokenSource(Ct))
        {
            var keeping = kept.KeepAsync(TimeProvider.System, over.Token);
            await Task.Delay(6000, Ct);
            Assert.Null(await AcquireAsync());
            await kept.RequireAsync(Ct);
            await over.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => keeping);
        }

        await kept.ReleaseAsync();
        Assert.NotNull(await AcquireAsync());
        var dead = LeaseOwner.Current.Split('/') is [var machine, var boot, _, _] ? $"{machine}/{boot}/4194303/1" : "";
        await catalog.Pool.Command("UPDATE wal_receiver SET lease_owner = $2, lease_until = clock_timestamp() + interval '1 hour' WHERE source = $1", _source, dead).RunAsync(Ct);
        Assert.NotNull(await AcquireAsync());
    }

    private Task<ReceiverLease?> AcquireAsync() => ReceiverLease.AcquireAsync(catalog.Pool, Short, _source, Ct);
}
