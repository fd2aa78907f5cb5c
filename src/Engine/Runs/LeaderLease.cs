using Hexabase.DrConsole.Engine.Catalog;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Runs;

/// <summary>Another process leads now, or the database does not tell who does: nothing more may be written.</summary>
public sealed class LeadershipLostException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>A table whose rows are led by one process each: it has the columns <c>fence</c>, <c>lease_owner</c> and <c>lease_until</c>.</summary>
/// <param name="Name">The table.</param>
/// <param name="Key">The column, its primary key, that names what is led.</param>
/// <param name="Released">What else is set when the lease is given up, as SQL that ends with a comma; or nothing.</param>
internal sealed record LeaseTable(string Name, string Key, string Released = "");

/// <summary>
/// The lease on leading something, on the database's clock: one process at a time, and one that was frozen and wakes up is told
/// before it writes.
/// </summary>
internal sealed class LeaderLease
{
    private readonly NpgsqlDataSource _catalog;
    private readonly LeaseTimes _times;
    private readonly LeaseTable _table;

    private LeaderLease(NpgsqlDataSource catalog, LeaseTimes times, LeaseTable table, string key, long fence) =>
        (_catalog, _times, _table, Key, Fence) = (catalog, times, table, key, fence);

    /// <summary>What is led.</summary>
    public string Key { get; }

    /// <summary>Counts the leaders.</summary>
    public long Fence { get; }

    /// <summary>Takes the lease where nobody holds it, or only a process of this machine that is certainly dead; else null.</summary>
    public static async Task<LeaderLease?> AcquireAsync(NpgsqlDataSource catalog, LeaseTimes times, LeaseTable table, string key, CancellationToken ct)
    {
        var holder = await catalog.Command($"SELECT lease_owner, fence FROM {table.Name} WHERE {table.Key} = $1 AND lease_until >= clock_timestamp()", key)
            .FirstAsync(row => new { Owner = row.GetString(0), Fence = row.GetInt64(1) }, ct);
        if (holder is not null && LeaseOwner.IsDead(holder.Owner))
        {
            await catalog.Command($"UPDATE {table.Name} SET lease_until = NULL WHERE {table.Key} = $1 AND fence = $2", key, holder.Fence).RunAsync(ct);
        }

        var fence = await catalog.Command(
            $"""
            INSERT INTO {table.Name} AS r ({table.Key}, fence, lease_owner, lease_until) VALUES ($1, 1, $2, clock_timestamp() + $3)
            ON CONFLICT ({table.Key}) DO UPDATE SET fence = r.fence + 1, lease_owner = $2, lease_until = clock_timestamp() + $3
              WHERE r.lease_until IS NULL OR r.lease_until < clock_timestamp()
            RETURNING fence
            """, key, LeaseOwner.Current, times.Duration).FirstAsync(row => (object)row.GetInt64(0), ct);
        return fence is long mine ? new LeaderLease(catalog, times, table, key, mine) : null;
    }

    /// <summary>Returns where the lease is held now.</summary>
    /// <exception cref="LeadershipLostException">It is not, or nobody can tell.</exception>
    public Task RequireAsync(CancellationToken ct) =>
        GuardAsync(token => _catalog.Command($"SELECT 1 FROM {_table.Name} WHERE {Mine} AND lease_until >= clock_timestamp()", Key, Fence).FirstAsync(_ => "mine", token), ct);

    /// <summary>Renews until cancelled.</summary>
    /// <exception cref="LeadershipLostException">The lease ran out or another holds it.</exception>
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
                        $"UPDATE {_table.Name} SET lease_until = clock_timestamp() + $3 WHERE {Mine} AND lease_until >= clock_timestamp() RETURNING {_table.Key}",
                        Key, Fence, _times.Duration).FirstAsync(row => row.GetString(0), token), ct);
                renewed = time.GetTimestamp();
            }
            catch (LeadershipLostException fault) when (fault.InnerException is NpgsqlException && time.GetElapsedTime(renewed) < _times.Duration)
            {
                // The database may be restarting; as long as the lease can still be ours it is tried again.
            }
        }
    }

    /// <summary>Writes behind the fence: in one transaction that locks the leader's row where it is still ours.</summary>
    /// <exception cref="LeadershipLostException">It is not; nothing was written.</exception>
    public async Task CommitAsync(Func<NpgsqlTransaction, Task> write, CancellationToken ct)
    {
        try
        {
            await using var connection = await _catalog.OpenConnectionAsync(ct);
            await using var transaction = await connection.BeginTransactionAsync(ct);
            var mine = await transaction.Command($"SELECT 1 FROM {_table.Name} WHERE {Mine} FOR UPDATE", Key, Fence).FirstAsync(_ => "mine", ct);
            if (mine is null)
            {
                throw Lost();
            }

            await write(transaction);
            await transaction.CommitAsync(ct);
        }
        catch (NpgsqlException fault)
        {
            throw new LeadershipLostException($"the catalog does not answer: {fault.Message}", fault);
        }
    }

    /// <summary>Gives the lease up, so that another process need not wait for it to run out.</summary>
    public async Task ReleaseAsync()
    {
        try
        {
            await _catalog.Command($"UPDATE {_table.Name} SET {_table.Released} lease_owner = NULL, lease_until = NULL WHERE {Mine}", Key, Fence).RunAsync(CancellationToken.None);
        }
        catch (NpgsqlException)
        {
            // It runs out by itself.
        }
    }

    private string Mine => $"{_table.Key} = $1 AND fence = $2";

    private async Task GuardAsync(Func<CancellationToken, Task<string?>> ask, CancellationToken ct)
    {
        string? mine;
        try
        {
            mine = await ask(ct);
        }
        catch (NpgsqlException fault)
        {
            throw new LeadershipLostException($"the catalog does not tell who leads {Key}: {fault.Message}", fault);
        }

        if (mine is null)
        {
            throw Lost();
        }
    }

    private LeadershipLostException Lost() => new($"another process leads {Key} now");
}
