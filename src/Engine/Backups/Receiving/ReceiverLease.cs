using Hexabase.DrConsole.Engine.Backups.Postgres.Wal;
using Hexabase.DrConsole.Engine.Runs;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Backups.Receiving;

/// <summary>The lease on receiving one source's WAL, as the receiver's fence.</summary>
internal sealed class ReceiverLease : IWalFence
{
    private static readonly LeaseTable Table = new("wal_receiver", "source", "state = 'stopped', state_since = clock_timestamp(),");
    private readonly LeaderLease _lease;

    private ReceiverLease(LeaderLease lease) => _lease = lease;

    public string Source => _lease.Key;

    public long Fence => _lease.Fence;

    /// <summary>Takes the lease where nobody holds it, or only a process of this machine that is certainly dead; else null.</summary>
    public static async Task<ReceiverLease?> AcquireAsync(NpgsqlDataSource catalog, LeaseTimes times, string source, CancellationToken ct) =>
        await LeaderLease.AcquireAsync(catalog, times, Table, source, ct) is { } lease ? new ReceiverLease(lease) : null;

    /// <inheritdoc/>
    public Task RequireAsync(CancellationToken cancellationToken) => SayAsync(_lease.RequireAsync(cancellationToken));

    /// <summary>Renews until cancelled.</summary>
    /// <exception cref="WalFenceException">The lease ran out or another holds it.</exception>
    public Task KeepAsync(TimeProvider time, CancellationToken ct) => SayAsync(_lease.KeepAsync(time, ct));

    /// <summary>Writes behind the fence: in one transaction that locks the receiver's row where it is still ours.</summary>
    /// <exception cref="WalFenceException">It is not; nothing was written.</exception>
    public Task CommitAsync(Func<NpgsqlTransaction, Task> write, CancellationToken ct) => SayAsync(_lease.CommitAsync(write, ct));

    /// <summary>Gives the lease up, so that another process need not wait for it to run out.</summary>
    public Task ReleaseAsync() => _lease.ReleaseAsync();

    private async Task SayAsync(Task work)
    {
        try
        {
            await work;
        }
        catch (LeadershipLostException lost)
        {
            throw new WalFenceException($"the WAL of {Source} may not be written: {lost.Message}", lost.InnerException);
        }
    }
}
