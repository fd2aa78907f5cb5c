using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Runs;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Hexabase.DrConsole.Engine;

/// <summary>Registers the engine's rooms on a setup that runs.</summary>
public static class EngineServices
{
    /// <summary>Everything but a trigger: add the job client, or a trigger of your own.</summary>
    public static IServiceCollection AddEngine(this IServiceCollection services, EngineSetup setup)
    {
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton(setup.Estate);
        services.AddSingleton(setup.Data);
        services.AddSingleton(setup.Registry);
        services.AddSingleton(setup.Connection);
        services.AddSingleton(_ => setup.Connection.OpenPool());
        services.AddSingleton(LeaseTimes.Default);
        services.AddSingleton<RunStore>();
        services.AddSingleton<RestorePointCatalog>();
        services.AddSingleton<SourceCatalog>();
        services.AddSingleton<RunRequests>();
        services.AddSingleton<RunExecution>();
        services.AddSingleton<RunReconciler>();
        services.AddSingleton<TierRepositories>();
        return services;
    }
}
