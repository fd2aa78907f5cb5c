using Hangfire;
using Hangfire.Storage;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Strategies;

namespace Hexabase.DrConsole.Engine.Jobs;

/// <summary>Keeps one recurring job for each source that this version can back up, and none for others.</summary>
public sealed class RecurringBackups(IRecurringJobManager jobs, JobStorage storage, ProtectedEstate estate)
{
    private const string Prefix = "backup of ";

    /// <summary>Makes the recurring jobs what the estate says. Repeatable.</summary>
    /// <param name="expectedDurations">Measured duration of a source's backups, where there is one.</param>
    public void Reconcile(IReadOnlyDictionary<string, TimeSpan> expectedDurations)
    {
        var wanted = estate.Sources.Where(source => source.Kind == SourceKind.Postgres).ToDictionary(source => Prefix + source.Name);
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
        BackupSchedule.For(estate.ClassOf(source), expectedDuration, source.Name.Sum(letter => letter));
}
