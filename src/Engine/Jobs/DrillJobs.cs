using Hangfire;
using Hexabase.DrConsole.Engine.Recovery.Drills;

namespace Hexabase.DrConsole.Engine.Jobs;

/// <summary>What Hangfire calls for the drills of plans.</summary>
public sealed class DrillJobs(DrillRequests drills)
{
    /// <summary>Asks for the drill that is due for the longest time, unless another is under way.</summary>
    [AutomaticRetry(Attempts = 0)]
    [JobDisplayName("Drills of plans that are due")]
    public Task StartDueAsync(CancellationToken stopping) => drills.StartDueAsync("schedule", stopping);
}
