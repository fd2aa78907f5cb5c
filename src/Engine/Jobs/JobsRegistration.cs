using Hangfire;
using Hangfire.PostgreSql;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Runs;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Jobs;

/// <summary>Registers Hangfire on the catalog's PostgreSQL.</summary>
public static class JobsRegistration
{
    /// <summary>Storage, client and trigger: enough to hand runs over to a worker somewhere.</summary>
    public static IServiceCollection AddJobClient(this IServiceCollection services, CatalogConnection connection)
    {
        services.AddHangfire(configuration => configuration
            .SetDataCompatibilityLevel(CompatibilityLevel.Version_180)
            .UseSimpleAssemblyNameTypeSerializer()
            .UseRecommendedSerializerSettings()
            .UsePostgreSqlStorage(
                storage => storage.UseNpgsqlConnection(new NpgsqlConnectionStringBuilder(connection.Application) { MaxPoolSize = 30, ApplicationName = "drconsole jobs" }.ConnectionString),
                new PostgreSqlStorageOptions
                {
                    SchemaName = CatalogConnection.JobsSchema,
                    PrepareSchemaIfNecessary = false,
                    QueuePollInterval = TimeSpan.FromSeconds(1),
                    EnableLongPolling = true,
                    UseSlidingInvisibilityTimeout = true,
                    InvisibilityTimeout = TimeSpan.FromMinutes(5),
                }));
        services.AddSingleton<IRunTrigger, HangfireTrigger>();
        services.AddSingleton<INodeAgents, WorkerHeartbeats>();
        services.AddSingleton<RecurringBackups>();
        services.AddSingleton<RecurringMaintenance>();
        services.AddTransient<RunJobs>();
        services.AddTransient<HealthJobs>();
        services.AddTransient<DrillJobs>();
        return services;
    }

    /// <summary>A worker in this process. Backups mostly wait for servers and disks, so there are a few more workers than cores.</summary>
    public static IServiceCollection AddJobWorker(this IServiceCollection services, string[] queues)
    {
        services.AddHangfireServer(options =>
        {
            options.Queues = queues;
            options.WorkerCount = Environment.ProcessorCount + 2;
            options.ServerName = $"drconsole-{Environment.MachineName}-{Environment.ProcessId}";
            options.HeartbeatInterval = WorkerHeartbeats.Every;
            options.SchedulePollingInterval = TimeSpan.FromSeconds(5);
            options.ShutdownTimeout = TimeSpan.FromSeconds(20);
        });
        return services;
    }
}
