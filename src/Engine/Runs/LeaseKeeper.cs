using Microsoft.Extensions.Logging;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Runs;

/// <summary>Renews a run's lease while its work goes on, and stops the work when the lease is lost or somebody cancels.</summary>
internal sealed class LeaseKeeper(RunHold hold, LeaseTimes times, TimeProvider time, ILogger log)
{
    /// <summary>True once another holder, or the clock, has taken the lease.</summary>
    public bool IsLost => hold.LeaseLost.IsCancellationRequested;

    /// <summary>Renews until <paramref name="over"/>; also while the work winds up after a cancel.</summary>
    public async Task KeepAsync(CancellationTokenSource work, CancellationToken over)
    {
        try
        {
            while (!IsLost)
            {
                await Task.Delay(times.RenewEvery, time, over);
                await LookAsync(work, over);
            }
        }
        catch (OperationCanceledException) when (over.IsCancellationRequested)
        {
            // The work has ended; its last write gave the lease up.
        }
    }

    /// <summary>Renews once, and stops the work where it has to stop.</summary>
    public async Task LookAsync(CancellationTokenSource work, CancellationToken over)
    {
        var stop = await RenewAsync(over);
        if (stop && !work.IsCancellationRequested)
        {
            await work.CancelAsync();
        }
    }

    /// <summary>True where the work has to stop.</summary>
    private async Task<bool> RenewAsync(CancellationToken over)
    {
        var began = time.GetTimestamp();
        while (true)
        {
            try
            {
                return await hold.RenewAsync(over);
            }
            catch (LeaseLostException)
            {
                await hold.LoseAsync();
                return true;
            }
            catch (NpgsqlException fault)
            {
                // The database may be restarting. As long as the lease can still be ours, try again; the fence guards every write anyway.
                if (time.GetElapsedTime(began) > times.Duration - (2 * times.RenewEvery))
                {
                    log.LogWarning(fault, "the lease of {Run} could not be renewed in time", hold.Run.Id);
                    await hold.LoseAsync();
                    return true;
                }

                await Task.Delay(times.RenewEvery / 2, time, over);
            }
        }
    }
}
