using Hangfire;
using Hexabase.DrConsole.Engine.Health;

namespace Hexabase.DrConsole.Engine.Jobs;

/// <summary>What Hangfire calls for the health monitor, which itself is no job.</summary>
public sealed class HealthJobs(HealthHistory history, TimeProvider time)
{
    /// <summary>The daily job that sums up old rounds by minute and by hour.</summary>
    [AutomaticRetry(Attempts = 0)]
    [JobDisplayName("Health history is summed up")]
    public Task DownsampleAsync(CancellationToken stopping) => history.DownsampleAsync(time.GetUtcNow(), stopping);
}
