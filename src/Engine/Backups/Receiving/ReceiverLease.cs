using Hexabase.DrConsole.Engine.Backups.Postgres.Wal;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Runs;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Backups.Receiving;

/// <summary>
/// The lease on receiving one source's WAL, on the database's clock: one process at a time, and one that was frozen and wakes
/// up is told before it writes.
/// </summary>
internal sealed class ReceiverLease : IWalFence
{
    private readonly NpgsqlDataSource _catalog;
    private readonly LeaseTimes _times;

    private ReceiverLease(NpgsqlDataSource catalog, LeaseTimes times, string source, long fence) => (_catalog, _times, Source, Fence) = (catalog, times, source, fence);

    public string Source { get; }

    public long Fence { get; }

    /// <summary>Takes the lease where nobody holds it, or only a process of this machine that is certainly dead; else null.</summary>
    public static async Task<ReceiverLease?> AcquireAsync(NpgsqlDataSource catalog, LeaseTimes times, string source, CancellationToken ct)
    {
        var holder = await catalog.Command("SELECT lease_owner, fence FROM wal_receiver WHERE source = $1 AND lease_until >= clock_timestamp()", source)
            .FirstAsync(row => new { Owner = row.GetString(0), Fence = row.GetInt64(1) }, ct);
        if (holder is not null && LeaseOwner.IsDead(holder.Owner))
        {
            await catalog.Command("UPDATE wal_receiver SET lease_until = NULL WHERE source = $1 AND fence = $2", source, holder.Fence).RunAsync(ct);
        }

        var fence = await catalog.Command(
            """
            INSERT INTO wal_receiver AS r (source, fence, lease_owner, lease_until) VALUES ($1, 1, $2, clock_timestamp() + $3)
            ON CONFLICT (source) DO UPDATE SET fence = r.fence + 1, lease_owner = $2, lease_until = clock_timestamp() + $3
              WHERE r.lease_until IS NULL OR r.lease_until < clock_timestamp()
            RETURNING fence
            """, source, LeaseOwner.Current, times.Duration).FirstAsync(row => (object)row.GetInt64(0), ct);
        return fence is long mine ? new ReceiverLease(catalog, times, source, mine) : null;
    }

    /// <inheritdoc/>
    public Task RequireAsync(CancellationToken cancellationToken) => GuardAsync(
        token => _catalog.Command("SELECT 1 FROM wal_receiver WHERE source = $1 AND fence = $2 AND lease_until >= clock_timestamp()", Source, Fence)
            .FirstAsync(_ => "mine", token), cancellationToken);

    /// <summary>Renews until cancelled.</summary>
    /// <exception cref="WalFenceException">The lease ran out or another holds it.</exception>
    public async Task KeepAsync(TimeProvider time, CancellationToken ct)
    {
        using var timer = new PeriodicTimer(_times.RenewEvery, time);
        var renewed = time.GetTimestamp();
        while (await timer.WaitForNextTickAsync(ct))
        {
            try
            {
                await GuardAsync(
                    token => _catalog.Command(
                        "UPDATE wal_receiver SET lease_until = clock_timestamp() + $3 WHERE source = $1 AND fence = $2 AND lease_until >= clock_timestamp() RETURNING source",
                        Source, Fence, _times.Duration).FirstAsync(row => row.GetString(0), token), ct);
                renewed = time.GetTimestamp();
            }
            catch (WalFenceException fault) when (fault.InnerException is NpgsqlException && time.GetElapsedTime(renewed) < _times.Duration)
            {
                // The database may be restarting; as long as the lease can still be ours it is tried again.
            }
        }
    }

    /// <summary>Writes behind the fence: in one transaction that locks the receiver's row where it is still ours.</summary>
    /// <exception cref="WalFenceException">It is not; nothing was written.</exception>
    public async Task CommitAsync(Func<NpgsqlTransaction, Task> write, CancellationToken ct)
    {
        try
        {
            await using var connection = await _catalog.OpenConnectionAsync(ct);
            await using var transaction = await connection.BeginTransactionAsync(ct);
            var mine = await transaction.Command("SELECT 1 FROM wal_receiver WHERE source = $1 AND fence = $2 FOR UPDATE", Source, Fence).FirstAsync(_ => "mine", ct);
            if (mine is null)
            {
                throw Lost();
            }

            await write(transaction);
            await transaction.CommitAsync(ct);
        }
        catch (NpgsqlException fault)
        {
            throw new WalFenceException($"the catalog does not answer: {fault.Message}", fault);
        }
    }

    /// <summary>Gives the lease up, so that another process need not wait for it to run out.</summary>
    public async Task ReleaseAsync()
    {
        try
        {
            await _catalog.Command("UPDATE wal_receiver SET lease_owner = NULL, lease_until = NULL, state = 'stopped', state_since = clock_timestamp() WHERE source = $1 AND fence = $2", Source, Fence)
                .RunAsync(CancellationToken.None);
        }
        catch (NpgsqlException)
        {
            // It runs out by itself.
        }
    }

    private async Task GuardAsync(Func<CancellationToken, Task<string?>> ask, CancellationToken ct)
    {
        string? mine;
        try
        {
            mine = await ask(ct);
        }
        catch (NpgsqlException fault)
        {
            throw new WalFenceException($"the catalog does not tell who receives the WAL of {Source}: {fault.Message}", fault);
        }

        if (mine is null)
        {
            throw Lost();
        }
    }

    private WalFenceException Lost() => new($"another process receives the WAL of {Source} now");
}
