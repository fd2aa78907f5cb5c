using Hangfire;
using Hangfire.Storage;
using Hexabase.DrConsole.Engine.Estate;

namespace Hexabase.DrConsole.Engine.Jobs;

/// <summary>Keeps the recurring jobs of each tier, and none of tiers that are configured no longer.</summary>
public sealed class RecurringMaintenance(IRecurringJobManager jobs, JobStorage storage, ProtectedEstate estate)
{
    private const string Retention = "retention of ";
    private const string Rotation = "keys are rotated when due";
    private const string ProofAgain = "older restore points are proven again";
    private static readonly RecurringJobOptions Options = new() { TimeZone = TimeZoneInfo.Utc, MisfireHandling = MisfireHandlingMode.Relaxed };

    /// <summary>Makes the recurring jobs what the estate says. Repeatable.</summary>
    public void Reconcile()
    {
        var wanted = new HashSet<string>();
        foreach (var (tier, index) in estate.Tiers.Select((tier, index) => (tier.Name, index)))
        {
            wanted.Add(Retention + tier);
            // Hourly, the tiers one after the other.
            jobs.AddOrUpdate<RunJobs>(
                Retention + tier, JobQueues.Schedule, target => target.StartRetentionAsync(tier, CancellationToken.None), Cron.Hourly((17 + (11 * index)) % 60), Options);
        }

        jobs.AddOrUpdate<RunJobs>(ProofAgain, JobQueues.Schedule, target => target.ProveAgainAsync(CancellationToken.None), Cron.Daily(4, 40), Options);
        jobs.AddOrUpdate<RunJobs>(Rotation, JobQueues.Schedule, target => target.RotateDueAsync(CancellationToken.None), Cron.Daily(3, 25), Options);
        using var connection = storage.GetConnection();
        foreach (var stale in connection.GetRecurringJobs().Where(job => job.Id.StartsWith(Retention, StringComparison.Ordinal) && !wanted.Contains(job.Id)))
        {
            jobs.RemoveIfExists(stale.Id);
        }
    }
}
