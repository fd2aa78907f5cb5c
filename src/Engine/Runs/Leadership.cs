using Hexabase.DrConsole.Engine.Catalog;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Runs;

/// <summary>Leads something as long as this process may: takes the lease when it is free, works while it holds, and waits for it again.</summary>
/// <param name="what">What stands still meanwhile, for the log.</param>
internal sealed class Leadership(NpgsqlDataSource catalog, LeaseTimes times, LeaseTable table, string key, TimeProvider time, ILogger log, string what)
{
    /// <summary>Returns when the process stops.</summary>
    /// <param name="begin">Begins the work, which goes on until its token ends it; the first part that ends or fails ends all of it.</param>
    public async Task ServeAsync(Func<LeaderLease, CancellationToken, IEnumerable<Task>> begin, CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                if (await LeaderLease.AcquireAsync(catalog, times, table, key, stopping) is { } lease)
                {
                    await LeadAsync(lease, begin, stopping);
                }
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception fault) when (fault is NpgsqlException or LeadershipLostException)
            {
                log.LogWarning("{What} for now: {Reason}", what, fault.Message);
            }

            await Task.Delay(times.RenewEvery, time, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task LeadAsync(LeaderLease lease, Func<LeaderLease, CancellationToken, IEnumerable<Task>> begin, CancellationToken stopping)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        List<Task> work = [lease.KeepAsync(time, over.Token), .. begin(lease, over.Token)];
        try
        {
            await await Task.WhenAny(work);
        }
        finally
        {
            await over.CancelAsync();
            await Task.WhenAll(work).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await lease.ReleaseAsync();
        }
    }
}
