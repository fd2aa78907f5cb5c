using System.Linq.Expressions;
using Hangfire;
using Hangfire.Storage;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Strategies;

namespace Hexabase.DrConsole.Engine.Jobs;

/// <summary>Keeps the recurring jobs of the tiers, the drills, the keys and the older restore points; none of what is configured no longer.</summary>
public sealed class RecurringMaintenance(IRecurringJobManager jobs, JobStorage storage, ProtectedEstate estate)
{
    private const string Retention = "retention of ";
    private const string Replication = "replication into ";
    private const string Verification = "verification of ";
    private const string DeepVerification = "deep verification of ";
    private const string Drill = "drill of ";
    private const string Set = "recovery set of ";
    private static readonly string[] Named = [Retention, Replication, Verification, DeepVerification, Drill, Set];
    private static readonly string[] OfTiers = [Retention, Replication, Verification, DeepVerification];

    /// <summary>Classes that may lose no more than this are drilled daily, others weekly.</summary>
    private static readonly TimeSpan DailyDrillRpo = TimeSpan.FromMinutes(15);
    private static readonly RecurringJobOptions Options = new() { TimeZone = TimeZoneInfo.Utc, MisfireHandling = MisfireHandlingMode.Relaxed };

    /// <summary>Makes the recurring jobs what the estate says. Repeatable.</summary>
    public void Reconcile()
    {
        var wanted = new HashSet<string>();
        foreach (var (tier, index) in estate.Tiers.Select((tier, index) => (tier.Name, index)))
        {
            // The tiers one after the other: they mostly share a disk or a line.
            Add(Retention + tier, Cron.Hourly((17 + (11 * index)) % 60), target => target.StartRetentionAsync(tier, CancellationToken.None));
            Add(Replication + tier, $"{(7 + (4 * index)) % 15}-59/15 * * * *", target => target.StartReplicationAsync(tier, CancellationToken.None));
            Add(Verification + tier, Cron.Daily(1, (5 + (30 * index)) % 60), target => target.StartVerificationAsync(tier, CancellationToken.None));
            Add(DeepVerification + tier, Cron.Daily(5, (10 + (30 * index)) % 60), target => target.StartDeepVerificationAsync(tier, CancellationToken.None));
            wanted.UnionWith(OfTiers.Select(job => job + tier));
        }

        foreach (var source in estate.Sources.Where(source => estate.WalOf(source) is not null))
        {
            // A proof of the window ages as one of a restore point does; at night, and not all of them in one minute.
            var minute = source.Name.Sum(letter => letter) % 60;
            Add(Drill + source.Name, estate.ClassOf(source).Rpo <= DailyDrillRpo ? Cron.Daily(2, minute) : Cron.Weekly(DayOfWeek.Sunday, 2, minute),
                target => target.StartDrillAsync(source.Name, CancellationToken.None));
            wanted.Add(Drill + source.Name);
        }

        foreach (var workspace in estate.Workspaces)
        {
            if (workspace.Every is { } every)
            {
                Add(Set + workspace.Name, BackupSchedule.Every(every, workspace.Name.Sum(letter => letter)), target => target.StartSetAsync(workspace.Name, CancellationToken.None));
                wanted.Add(Set + workspace.Name);
            }
        }

        Add("keys are rotated when due", Cron.Daily(3, 25), target => target.RotateDueAsync(CancellationToken.None));
        Add("keys are looked at", "50 */6 * * *", target => target.LookAtKeysAsync(CancellationToken.None));
        Add("older restore points are proven again", Cron.Daily(4, 40), target => target.ProveAgainAsync(CancellationToken.None));
        jobs.AddOrUpdate<HealthJobs>("health history is summed up", JobQueues.Schedule, target => target.DownsampleAsync(CancellationToken.None), Cron.Daily(2, 35), Options);
        // Each call begins one drill at most, and none while one is under way: the night has room for one after the other.
        jobs.AddOrUpdate<DrillJobs>("drills of plans that are due", JobQueues.Schedule, target => target.StartDueAsync(CancellationToken.None), "*/10 0-5 * * *", Options);
        using var connection = storage.GetConnection();
        foreach (var stale in connection.GetRecurringJobs().Where(job => Named.Any(kind => job.Id.StartsWith(kind, StringComparison.Ordinal)) && !wanted.Contains(job.Id)))
        {
            jobs.RemoveIfExists(stale.Id);
        }
    }

    private void Add(string id, string cron, Expression<Func<RunJobs, Task>> call) => jobs.AddOrUpdate(id, JobQueues.Schedule, call, cron, Options);
}
