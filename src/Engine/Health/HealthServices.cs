using Hexabase.DrConsole.Engine.Health.Probes;
using Microsoft.Extensions.DependencyInjection;

namespace Hexabase.DrConsole.Engine.Health;

/// <summary>Registers the room. A driver that has probes of its own adds an <see cref="IProbeSource"/>.</summary>
internal static class HealthServices
{
    public static IServiceCollection AddHealth(this IServiceCollection services)
    {
        services.AddSingleton<IProbeSource, PostgresProbes>();
        services.AddSingleton<IProbeSource, RedisProbes>();
        services.AddSingleton<IProbeSource, VolumeProbes>();
        services.AddSingleton<IProbeSource, VClusterProbes>();
        services.AddSingleton<IProbeSource, TierProbes>();
        services.AddSingleton<IProbeSource, ProtectionProbes>();
        services.AddSingleton<ProbeRunner>();
        services.AddSingleton<HealthMonitor>();
        services.AddSingleton<HealthHistory>();
        services.AddSingleton<Replays>();
        services.AddSingleton<HealthWatch>();
        services.AddSingleton<IncidentStore>();
        services.AddSingleton<IncidentFeed>();
        services.AddSingleton<FreezeWatch>();
        services.AddSingleton<MaintenanceWindows>();
        services.AddSingleton<PromiseWatch>();
        return services;
    }
}
