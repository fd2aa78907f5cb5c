using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Maintenance;
using Hexabase.DrConsole.Engine.Backups.Drivers;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Backups.VClusters.Browsing;
using Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Backups.Sets;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Backups.Receiving;
using Hexabase.DrConsole.Engine.Backups.Redis;
using Hexabase.DrConsole.Engine.Backups.Volumes;
using Hexabase.DrConsole.Engine.Backups.Volumes.Claims;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Notifications;
using Hexabase.DrConsole.Engine.Recovery;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Storage;
using Hexabase.DrConsole.Engine.Validation;
using Hexabase.DrConsole.Engine.Validation.Drills;
using Hexabase.DrConsole.Engine.Validation.Rescue;
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
        services.TryAddSingleton<INodeAgents, UnknownNodeAgents>();
        services.AddSingleton<StandingCatalog>();
        services.AddSingleton<RunRequests>();
        services.AddSingleton<RunExecution>();
        services.AddSingleton<RunReconciler>();
        services.AddSingleton<TierRepositories>();
        services.AddSingleton<RestorePointAccess>();
        services.AddSingleton<TierReplication>();
        services.AddSingleton<RecoverableWindows>();
        services.AddSingleton(provider => new PostgresBackups(
            new LogicalBackup(setup.Registry, provider.GetRequiredService<TimeProvider>()),
            new PhysicalBackup(setup.Registry, provider.GetRequiredService<TimeProvider>(), setup.Data.Scratch)));
        services.AddSingleton(provider => new PostgresRestores(
            new LogicalRestore(setup.Registry, provider.GetRequiredService<TimeProvider>()),
            new PhysicalRestore(setup.Registry, provider.GetRequiredService<TimeProvider>())));
        services.AddSingleton<ArtifactRestore>();
        services.AddSingleton(setup.Freezes);
        services.AddSingleton<VolumeFreeze>();
        services.AddSingleton(setup.Snapshots);
        services.AddSingleton<VolumeSnapshots>();
        services.AddSingleton<VolumeRestore>();
        services.AddSingleton<VolumeBrowsing>();
        services.AddSingleton<ClusterBrowsing>();
        services.AddSingleton<ObjectPlans>();
        services.TryAddSingleton(ServedNodes.None);
        AddDrivers(services, setup);
        services.AddSingleton<HoldCatalog>();
        services.AddSingleton<TierCatalog>();
        services.AddSingleton<KeyCustodyCatalog>();
        services.AddSingleton<PointHolds>();
        services.AddSingleton<FreezeCatalog>();
        services.AddSingleton<SourceFreezes>();
        services.AddSingleton<RetentionPlanning>();
        services.AddSingleton<OwedCopies>();
        services.AddSingleton<DueReplications>();
        services.AddSingleton<TierRequests>();
        services.AddSingleton<WorkspaceCatalog>();
        services.AddSingleton<WorkspaceRequests>();
        services.AddSingleton<WalCatalog>();
        services.AddSingleton<DrillCatalog>();
        services.AddSingleton<RescueCatalog>();
        services.AddSingleton<SetCatalog>();
        services.TryAddSingleton<IBaseBackupRequests, BaseBackupRequests>();
        services.AddSingleton<WalReceivers>();
        services.AddHealth();
        services.AddSingleton(ValidationOptionsFor(setup));
        services.AddSingleton<ScratchProofs>();
        services.AddSingleton(provider => new RestorePointValidation(ValidationOptionsFor(setup), setup.Registry, provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton<IRunHandler, BackupRun>();
        services.AddSingleton<IRunHandler, SetRun>();
        services.AddSingleton<IRunHandler, ValidationRun>();
        services.AddSingleton<OwnSecrets>();
        services.AddSingleton<IRunHandler, RestoreRun>();
        services.AddSingleton<IRunHandler, PointInTimeDrillRun>();
        services.AddSingleton<IRunHandler, TableRescueRun>();
        services.AddSingleton<IRunHandler, ReplicationRun>();
        services.AddSingleton<IRunHandler, RetentionRun>();
        services.AddSingleton<IRunHandler, VerificationRun>();
        services.AddSingleton<IRunHandler, RepairRun>();
        services.AddSingleton<IRunHandler, RotationRun>();
        services.AddSingleton<IRunHandler, ShreddingRun>();
        services.AddRecovery();
        services.AddNotifications();
        return services;
    }

    /// <summary>Everything that captures or restores, by kind of source. The one for raw artifacts takes what no other did, so it stands last.</summary>
    private static void AddDrivers(IServiceCollection services, EngineSetup setup)
    {
        services.AddSingleton<SourceDrivers>();
        services.AddSingleton<ISourceDriver, PostgresDriver>();
        services.AddSingleton(setup.Pauses);
        services.AddSingleton<VClusterBackup>();
        services.AddSingleton<ISourceDriver, VClusterDriver>();
        services.AddSingleton<RedisBackup>();
        services.AddSingleton<ISourceDriver, RedisDriver>();
        services.AddSingleton<ISourceDriver, VolumeDriver>();
        services.AddSingleton<RestoreDrivers>();
        services.AddSingleton<ObjectRestoreCatalog>();
        services.AddSingleton<InPlaceRestore>();
        services.AddSingleton<IRestoreDriver, VClusterInPlaceDriver>();
        services.AddSingleton<ClaimDataRestore>();
        services.AddSingleton<VClusterRestoreDriver>();
        services.AddSingleton<IRestoreDriver>(provider => provider.GetRequiredService<VClusterRestoreDriver>());
        services.AddSingleton<IRestoreDriver, VClusterUndoDriver>();
        services.AddSingleton<IRestoreDriver>(provider => new LogicalRestoreDriver(provider.GetRequiredService<PostgresRestores>().Logical));
        services.AddSingleton<IRestoreDriver>(provider => new PhysicalRestoreDriver(provider.GetRequiredService<PostgresRestores>().Physical));
        services.AddSingleton<Backups.Postgres.Physical.InPlace.InPlaceRestore>();
        services.AddSingleton<IRestoreDriver, PostgresInPlaceDriver>();
        services.AddSingleton<RedisRestore>();
        services.AddSingleton<IRestoreDriver, RedisRestoreDriver>();
        services.AddSingleton<RedisDirectoryRestore>();
        services.AddSingleton<IRestoreDriver, RedisDirectoryRestoreDriver>();
        services.AddSingleton<IRestoreDriver, RedisInPlaceDriver>();
        services.AddSingleton<VolumeRestoreDriver>();
        services.AddSingleton<IRestoreDriver>(provider => provider.GetRequiredService<VolumeRestoreDriver>());
        services.AddSingleton<IRestoreDriver, ArtifactRestoreDriver>();
    }

    /// <summary>
    /// Code inside a restored database must not see keys, the data folder or passwords. As root the scratch user needs a way to
    /// its folder that does not lead through the data folder.
    /// </summary>
    private static ValidationOptions ValidationOptionsFor(EngineSetup setup) => new()
    {
        ScratchRoot = ServerUser.IsRoot ? "/var/lib/hexabase-drconsole-scratch" : setup.Data.Scratch,
        ProtectedPaths =
        [
            setup.Data.Root,
            // Tiers of one workspace mostly share a key.
            .. setup.Estate.Tiers.Select(tier => tier.KeyFile).Distinct(),
            .. setup.Estate.Tiers.SelectMany(tier => (string[])[tier.Store, tier.ForPrune.Store]).SelectMany(store => StoreUrl.Parse(store).SecretFiles).Distinct(),
            .. setup.Estate.Sources.SelectMany(source => new[] { source.Postgres?.PasswordFile, source.Redis?.PasswordFile }).OfType<string>(),
            .. setup.Estate.Notifications.SecretFiles,
            .. setup.Estate.Sources.SelectMany(source => (string?[])[source.VCluster?.Kubeconfig, source.VCluster?.Etcd?.Key, source.Volume?.Claim?.Kubeconfig]).OfType<string>().Distinct(),
        ],
    };
}
