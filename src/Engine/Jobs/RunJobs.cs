using Hangfire;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Maintenance;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Runs;
using Microsoft.Extensions.Logging;

namespace Hexabase.DrConsole.Engine.Jobs;

/// <summary>
/// Everything that Hangfire ever calls. It holds no state: a job that runs twice, late or never changes nothing, since runs
/// have leases and the reconciler hands over again.
/// </summary>
public sealed class RunJobs(RunExecution execution, RunRequests requests, TierRequests tiers, WorkspaceRequests workspaces, SourceCatalog sources, RecurringBackups schedules, DueReplications replications,
    ILogger<RunJobs> log)
{
    private const string Schedule = "schedule";

    /// <summary>So many days at most go by before a pack is opened again, also where the console was down or busy on some of them.</summary>
    private const int DeepTurnDays = 28;

    /// <summary>Of each workspace, once a day; what the time does not suffice for comes first the next day.</summary>
    private static readonly TimeSpan VerificationBudget = TimeSpan.FromMinutes(20);

    /// <summary>Advances a run to its end. The other arguments only name the job in the console.</summary>
    [AutomaticRetry(Attempts = 0, LogEvents = false, OnAttemptsExceeded = AttemptsExceededAction.Delete)]
    [JobDisplayName("R-{0}: {1} of {2}")]
    public Task AdvanceAsync(long run, string kind, string source, CancellationToken stopping)
    {
        // The names are for the job's title; what is done stands in the run itself.
        log.LogDebug("advancing R-{Run}, {Kind} of {Source}", run, kind, source);
        return execution.AdvanceAsync(new RunId(run), stopping);
    }

    /// <summary>The recurring job of a source: asks for a backup unless one is still open.</summary>
    [AutomaticRetry(Attempts = 0)]
    [JobDisplayName("Scheduled backup of {0}")]
    public Task StartBackupAsync(string source, CancellationToken stopping) => UnlessOpenAsync(requests.BackupAsync(source, Schedule, stopping));

    /// <summary>The recurring job of a workspace: asks for a recovery set, unless one is still being taken.</summary>
    [AutomaticRetry(Attempts = 0)]
    [JobDisplayName("Scheduled recovery set of {0}")]
    public Task StartSetAsync(string workspace, CancellationToken stopping) => UnlessOpenAsync(workspaces.TakeSetAsync(workspace, Schedule, stopping));

    /// <summary>The recurring job of a source whose WAL is received: asks to recover it to a random moment, unless that is still being done.</summary>
    [AutomaticRetry(Attempts = 0)]
    [JobDisplayName("Scheduled drill of {0}")]
    public Task StartDrillAsync(string source, CancellationToken stopping) => UnlessOpenAsync(requests.DrillAsync(source, null, Schedule, stopping));

    /// <summary>The recurring job of a tier: asks to give up what retention keeps no longer, unless that is still being done.</summary>
    [AutomaticRetry(Attempts = 0)]
    [JobDisplayName("Scheduled retention of {0}")]
    public Task StartRetentionAsync(string tier, CancellationToken stopping) => UnlessOpenAsync(tiers.RetentionAsync(tier, null, Schedule, stopping));

    /// <summary>The recurring job of a tier: asks for what it shall have and has not, where there is any and the tier answers.</summary>
    [AutomaticRetry(Attempts = 0)]
    [JobDisplayName("Scheduled replication into {0}")]
    public async Task StartReplicationAsync(string tier, CancellationToken stopping)
    {
        if (await replications.IsDueAsync(tier, stopping))
        {
            await UnlessOpenAsync(tiers.ReplicationAsync(tier, Schedule, stopping));
        }
    }

    /// <summary>The daily job of a tier: reads stored bytes back, those first that were not read for the longest time.</summary>
    [AutomaticRetry(Attempts = 0)]
    [JobDisplayName("Scheduled verification of {0}")]
    public Task StartVerificationAsync(string tier, CancellationToken stopping) =>
        UnlessOpenAsync(tiers.VerifyAsync(new VerificationRequest(tier, CheckLevel.L2, VerificationBudget.TotalSeconds), Schedule, stopping));

    /// <summary>The daily job of a tier that opens a part of its chunks, so that each is opened every month.</summary>
    [AutomaticRetry(Attempts = 0)]
    [JobDisplayName("Scheduled deep verification of {0}")]
    public Task StartDeepVerificationAsync(string tier, CancellationToken stopping) =>
        UnlessOpenAsync(tiers.VerifyAsync(new VerificationRequest(tier, CheckLevel.L3, TurnDays: DeepTurnDays), Schedule, stopping));

    /// <summary>The daily job that has one older restore point of each source restored again, by turns.</summary>
    [AutomaticRetry(Attempts = 0)]
    [JobDisplayName("Older restore points are proven again")]
    public Task ProveAgainAsync(CancellationToken stopping) => requests.ProveAgainAsync(sources, Schedule, stopping);

    /// <summary>The daily job that looks at the keys' age and asks for the rotations that are due.</summary>
    [AutomaticRetry(Attempts = 0)]
    [JobDisplayName("Keys are rotated when due")]
    public Task RotateDueAsync(CancellationToken stopping) => workspaces.RotateDueAsync(Schedule, stopping);

    /// <summary>The job, four times a day, that looks at the keys in the tiers, for the pages.</summary>
    [AutomaticRetry(Attempts = 0)]
    [JobDisplayName("Keys are looked at")]
    public Task LookAtKeysAsync(CancellationToken stopping) => workspaces.LookAsync(stopping);

    /// <summary>The recurring job that keeps each source's schedule what its RPO and the measured duration of its backups ask for.</summary>
    [AutomaticRetry(Attempts = 0)]
    [JobDisplayName("Schedules follow measured durations")]
    public Task FollowDurationsAsync(CancellationToken stopping) => schedules.ReconcileAsync(stopping);

    /// <summary>A run that is still open when the next is due does its work; a second one would only wait for it.</summary>
    private async Task UnlessOpenAsync(Task<Run> asked)
    {
        try
        {
            await asked;
        }
        catch (EngineException busy) when (busy.Code == "run-already-open")
        {
            log.LogInformation("skipped: {Reason}", busy.Message);
        }
    }
}
