using Hangfire;
using Hangfire.States;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Engine.Jobs;

/// <summary>Queues "advance run N" in the queue of the source's class; a worker of that queue takes it up.</summary>
public sealed class HangfireTrigger(IBackgroundJobClient jobs, RunStore runs, ProtectedEstate estate) : IRunTrigger
{
    /// <inheritdoc/>
    public async Task TriggerAsync(RunId run, CancellationToken cancellationToken)
    {
        var found = await runs.FindAsync(run, cancellationToken);
        if (found is not { IsOpen: true })
        {
            return;
        }

        jobs.Create<RunJobs>(
            target => target.AdvanceAsync(run.Value, found.Kind, found.Source, CancellationToken.None),
            new EnqueuedState(JobQueues.For(found, estate)));
    }
}
