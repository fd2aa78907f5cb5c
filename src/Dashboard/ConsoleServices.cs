using Hangfire;
using Hangfire.Dashboard;
using Hexabase.DrConsole.Dashboard.Access;
using Hexabase.DrConsole.Dashboard.Api;
using Hexabase.DrConsole.Dashboard.Hubs;
using Hexabase.DrConsole.Dashboard.Pages.Incidents;
using Hexabase.DrConsole.Dashboard.Pages.Points;
using Hexabase.DrConsole.Dashboard.Pages.Recovery;
using Hexabase.DrConsole.Dashboard.Pages.Reports;
using Hexabase.DrConsole.Dashboard.Pages.Retention;
using Hexabase.DrConsole.Dashboard.Pages.Settings;
using Hexabase.DrConsole.Dashboard.Pages.Tiers;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Receiving;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Backups.Volumes.Claims;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Jobs;
using Hexabase.DrConsole.Engine.Notifications;
using Hexabase.DrConsole.Engine.Recovery;
using Hexabase.DrConsole.Engine.Recovery.Readiness;
using Hexabase.DrConsole.Engine.Runs;
using Npgsql;

namespace Hexabase.DrConsole.Dashboard;

/// <summary>The console's composition: engine, jobs and pages in one process.</summary>
internal static class ConsoleServices
{
    /// <summary>Everything that <c>serve</c> runs.</summary>
    /// <param name="withWorker">True where this process executes runs too; else only workers elsewhere do.</param>
    public static void AddConsole(this IServiceCollection services, EngineSetup setup, IConfigurationRoot configuration, bool withWorker)
    {
        services.AddEngine(setup);
        services.AddJobClient(setup.Connection);
        if (withWorker)
        {
            services.AddJobWorker(JobQueues.All);
            services.AddHostedService(provider => provider.GetRequiredService<WalReceivers>());
        }
        else
        {
            services.AddJobWorker([JobQueues.Schedule]);
        }

        services.AddSingleton(setup);
        services.AddHostedService<CatalogKeeper>();
        services.AddHostedService<LeftPauses>();
        services.AddHostedService<LeftSnapshots>();
        services.AddHostedService(provider => provider.GetRequiredService<RunReconciler>());
        services.AddHostedService(provider => provider.GetRequiredService<RecoveryWatch>());
        services.AddHostedService(provider => provider.GetRequiredService<ReadinessWatch>());
        services.AddSingleton<RunFeed>();
        services.AddHostedService(provider => provider.GetRequiredService<RunFeed>());
        services.AddHostedService(provider => provider.GetRequiredService<IncidentFeed>());
        services.AddHostedService(provider => provider.GetRequiredService<HealthMonitor>());
        services.AddHostedService(provider => provider.GetRequiredService<NotificationFeed>());
        services.AddHostedService(provider => provider.GetRequiredService<NotificationSender>());
        services.AddHostedService(provider => provider.GetRequiredService<PromiseWatch>());
        services.AddHostedService(provider => provider.GetRequiredService<FreezeWatch>());
        services.AddSingleton<TierMonitor>();
        services.AddHostedService(provider => provider.GetRequiredService<TierMonitor>());
        services.AddSingleton<IncidentBriefs>();
        services.AddSingleton<PlanGateReader>();
        services.AddSingleton<PointRows>();
        services.AddSingleton<PointKeeping>();
        services.AddSingleton<RetentionReading>();
        services.AddSingleton<TierReading>();
        services.AddSingleton<RecoveryKit>();
        services.AddSingleton<KeyCustody>();
        services.AddSingleton(new DeclaredIn(configuration));
        services.AddScoped<DecisionMaking>();
        services.AddScoped<GateAnswering>();
        services.AddScoped<Reauthentication>();
        services.AddApi();
        TokenAuthentication.Add(services.AddAuthentication());
        services.AddSingleton<CatalogUserDirectory>();
        services.AddSingleton<IUserDirectory>(provider => provider.GetRequiredService<CatalogUserDirectory>());
        services.AddSingleton<ISessionStore, CatalogSessions>();
        services.AddDashboard(new DashboardOptions { DataProtectionKeysDirectory = setup.Data.CookieKeys, EstateName = setup.Estate.Name });
        // Workers give running steps this long to let go of their runs; the next start goes on with them.
        services.Configure<HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromSeconds(25));
    }

    /// <summary>The pages, the job console and the two probes.</summary>
    public static void MapConsole(this WebApplication app)
    {
        app.MapDashboard(programs => programs.UseApiGuard());
        app.UseMiddleware<JobConsoleAudit>();
        app.MapGates();
        app.MapDecisions();
        app.MapApi();
        app.MapHub<LiveHub>(LiveHub.Path).RequireAuthorization(ApiEndpoints.CanView);
        app.MapReports();
        app.MapDownloads();
        app.MapGet("/healthz", () => Results.Text("ok")).AllowAnonymous();
        app.MapGet("/readyz", IsReadyAsync).AllowAnonymous();
        app.MapHangfireDashboardWithAuthorizationPolicy(Policies.CanView, "/jobs", new Hangfire.DashboardOptions
        {
            DisplayStorageConnectionString = false,
            DashboardTitle = "DrConsole jobs",
            AppPath = "/",
            IsReadOnlyFunc = context => !JobConsoleAudit.MayOperate(context.GetHttpContext().User),
        });
    }

    private static async Task<IResult> IsReadyAsync(NpgsqlDataSource catalog, CancellationToken cancellationToken)
    {
        try
        {
            await using var command = catalog.CreateCommand("SELECT 1");
            await command.ExecuteScalarAsync(cancellationToken);
            return Results.Text("ready");
        }
        catch (NpgsqlException)
        {
            return Results.Text("the catalog does not answer", statusCode: StatusCodes.Status503ServiceUnavailable);
        }
    }
}
