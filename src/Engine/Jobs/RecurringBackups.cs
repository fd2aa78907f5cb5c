using Hangfire;
using Hangfire.Storage;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Strategies;

namespace Hexabase.DrConsole.Engine.Jobs;

/// <summary>Keeps one recurring job for each source that this version can back up, and none for others.</summary>
public sealed class RecurringBackups(IRecurringJobManager jobs, JobStorage storage, ProtectedEstate estate, SourceCatalog sources)
{
    private const string Prefix = "backup of ";
    private const string FollowJob = "schedules follow measured durations";

    /// <summary>Makes the recurring jobs what the estate and the measured durations of its backups say. Repeatable.</summary>
    public async Task ReconcileAsync(CancellationToken cancellationToken)
    {
        Reconcile(await sources.BackupDurationsAsync(cancellationToken));
        foreach (var source in estate.Sources.Where(source => estate.WalOf(source) is not null))
        {
            // WAL without a base backup recovers nothing, so the first does not wait for its hour.
            if (await sources.NewestPointAsync(source.Name, cancellationToken) is null)
            {
                jobs.Trigger(Prefix + source.Name);
            }
        }

        jobs.AddOrUpdate<RunJobs>(
            FollowJob, JobQueues.Schedule, target => target.FollowDurationsAsync(CancellationToken.None), Cron.Hourly(7),
            new RecurringJobOptions { TimeZone = TimeZoneInfo.Utc, MisfireHandling = MisfireHandlingMode.Relaxed });
    }

    /// <summary>Makes the backups' recurring jobs what the estate says.</summary>
    /// <param name="expectedDurations">Measured duration of a source's backups, where there is one.</param>
    internal void Reconcile(IReadOnlyDictionary<string, TimeSpan> expectedDurations)
    {
        var wanted = estate.Sources.Where(source => source.Kind.HasDriver).ToDictionary(source => Prefix + source.Name);
        foreach (var (id, source) in wanted)
        {
            var expected = expectedDurations.TryGetValue(source.Name, out var measured) ? measured : (TimeSpan?)null;
            jobs.AddOrUpdate<RunJobs>(
                id,
                JobQueues.Schedule,
                target => target.StartBackupAsync(source.Name, CancellationToken.None),
                ScheduleOf(source, estate, expected).Cron,
                new RecurringJobOptions { TimeZone = TimeZoneInfo.Utc, MisfireHandling = MisfireHandlingMode.Relaxed });
        }

        using var connection = storage.GetConnection();
        foreach (var stale in connection.GetRecurringJobs().Where(job => job.Id.StartsWith(Prefix, StringComparison.Ordinal) && !wanted.ContainsKey(job.Id)))
        {
            jobs.RemoveIfExists(stale.Id);
        }
    }

    /// <summary>A source's schedule.</summary>
    public static BackupSchedule ScheduleOf(Source source, ProtectedEstate estate, TimeSpan? expectedDuration) =>
        BackupSchedule.For(estate.ClassOf(source), expectedDuration, source.Name.Sum(letter => letter), estate.WalOf(source) is not null);
}
