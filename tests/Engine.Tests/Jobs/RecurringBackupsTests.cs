using Hangfire;
using Hangfire.PostgreSql;
using Hangfire.Storage;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Jobs;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Strategies;
using Hexabase.DrConsole.Engine.Tests.Support;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Tests.Jobs;

public sealed class RecurringBackupsTests(CatalogServer server)
{
    private const SourceKind AKindOfALaterVersion = (SourceKind)99;

    [Fact]
    public void Reconcile_keeps_one_job_for_each_source_that_can_be_backed_up()
    {
        var storage = new PostgreSqlStorage(
            new Hangfire.PostgreSql.Factories.NpgsqlConnectionFactory(server.Connection.Application, new PostgreSqlStorageOptions()),
            new PostgreSqlStorageOptions { SchemaName = CatalogConnection.JobsSchema, PrepareSchemaIfNecessary = false });
        var manager = new RecurringJobManager(storage);
        Reconcile(new Source("orders", SourceKind.Postgres, "critical", "shop"), new Source("crm", SourceKind.Postgres, "archive", "shop"), new Source("cache", SourceKind.Redis, "critical", "shop"), new Source("files", SourceKind.Volume, "critical", "shop"),
            new Source("mail", AKindOfALaterVersion, "critical", "shop"));
        Assert.Equal(["backup of cache", "backup of crm", "backup of files", "backup of orders"], Jobs().Select(job => job.Id));
        Assert.All(Jobs(), job => Assert.Equal((JobQueues.Schedule, "UTC"), (job.Job.Queue, job.TimeZoneId)));
        Assert.EndsWith("/2 * * * *", Jobs()[3].Cron, StringComparison.Ordinal);

        Reconcile(new Source("orders", SourceKind.Postgres, "archive", "shop"));
        Assert.EndsWith(" 2 * * 1,4", Assert.Single(Jobs()).Cron, StringComparison.Ordinal);
        Reconcile();
        Assert.Empty(Jobs());

        void Reconcile(params Source[] sources) =>
            new RecurringBackups(manager, storage, EstateOf(sources), new SourceCatalog(server.Pool, EstateOf(sources))).Reconcile(new Dictionary<string, TimeSpan>());

        List<RecurringJobDto> Jobs()
        {
            using var connection = storage.GetConnection();
            return [.. connection.GetRecurringJobs().Where(job => job.Id.StartsWith("backup of", StringComparison.Ordinal)).OrderBy(job => job.Id, StringComparer.Ordinal)];
        }
    }

    [Fact]
    public async Task Reconcile_runs_a_source_more_often_once_its_backups_are_known_to_take_long()
    {
        var ct = TestContext.Current.CancellationToken;
        var source = new Source($"slow-{Guid.NewGuid():n}", SourceKind.Postgres, "important", "shop");
        var estate = EstateOf(source);
        var catalog = new SourceCatalog(server.Pool, estate);
        await catalog.ReconcileAsync(ct);
        var storage = new PostgreSqlStorage(
            new Hangfire.PostgreSql.Factories.NpgsqlConnectionFactory(server.Connection.Application, new PostgreSqlStorageOptions()),
            new PostgreSqlStorageOptions { SchemaName = CatalogConnection.JobsSchema, PrepareSchemaIfNecessary = false });
        var schedules = new RecurringBackups(new RecurringJobManager(storage), storage, estate, catalog);
        await schedules.ReconcileAsync(ct);
        Assert.Matches(@"/30 \* \* \* \*$", CronOf());

        await server.Pool.Command(
            """
            INSERT INTO run (kind, source, request, request_hash, requested_by, state, result, ended_at)
            VALUES ('backup', $1, '{}', 'hash', 'tester', 'completed', '{"seconds": 2700}', clock_timestamp())
            """, source.Name).RunAsync(ct);
        await schedules.ReconcileAsync(ct);
        Assert.Matches(@"/15 \* \* \* \*$", CronOf());

        string CronOf()
        {
            using var connection = storage.GetConnection();
            return connection.GetRecurringJobs().Single(job => job.Id == $"backup of {source.Name}").Cron;
        }
    }

    [Fact]
    public async Task Install_forgets_the_locks_of_a_console_that_was_killed()
    {
        await using var owner = new NpgsqlConnection(server.Connection.Owner);
        await owner.OpenAsync(TestContext.Current.CancellationToken);
        await using var hold = new NpgsqlCommand(
            "INSERT INTO jobs.lock (resource, updatecount, acquired) VALUES ('jobs:lock:recurring-job:backup of locked', 0, now() AT TIME ZONE 'UTC')", owner);
        await hold.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);

        await JobStorageSchema.InstallAsync(server.Connection, TestContext.Current.CancellationToken);

        await using var count = new NpgsqlCommand("SELECT count(*) FROM jobs.lock WHERE resource LIKE '%backup of locked'", owner);
        Assert.Equal(0L, await count.ExecuteScalarAsync(TestContext.Current.CancellationToken));
    }

    [Theory]
    [InlineData(RunKinds.Restore, "orders", "b-restore")]
    [InlineData(RunKinds.Backup, "orders", "c-critical")]
    [InlineData(RunKinds.Validation, "crm", "f-archive")]
    [InlineData(RunKinds.Backup, "own-class", "z-other")]
    [InlineData(RunKinds.Backup, "withdrawn", "z-other")]
    public void Queue_of_a_run_follows_its_kind_and_class(string kind, string source, string expected)
    {
        var run = new Run(new RunId(1), kind, source, null, "{}", "", RunState.Queued, 0, 0, "tester", null, null) { CreatedAt = DateTimeOffset.UnixEpoch };
        var queue = JobQueues.For(run, EstateOf(
            new Source("orders", SourceKind.Postgres, "critical", "shop"), new Source("crm", SourceKind.Postgres, "archive", "shop"),
            new Source("own-class", SourceKind.Postgres, "gold", "shop")));
        Assert.Equal(expected, queue);
        Assert.Contains(queue, JobQueues.All);
    }

    private static ProtectedEstate EstateOf(params Source[] sources) => new("test", "/nowhere", ProtectionClass.Defaults, [], sources, []);
}
