using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Drivers;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Backups.Redis;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;

namespace Hexabase.DrConsole.Engine.Tests.Backups;

/// <summary>Drivers composed by hand, as the console's services compose them.</summary>
internal static class TestDrivers
{
    public static SourceDrivers Of(PostgresBackups postgres, RestorePointCatalog points) => new([new PostgresDriver(postgres, points, ServedNodes.None), new RedisDriver(new RedisBackup(TimeProvider.System))]);

    public static RestoreDrivers Of(PostgresRestores postgres, params IRestoreDriver[] more) =>
        new([
            .. more,
            new LogicalRestoreDriver(postgres.Logical), new PhysicalRestoreDriver(postgres.Physical),
            new RedisRestoreDriver(new RedisRestore(TimeProvider.System)), new RedisDirectoryRestoreDriver(new RedisDirectoryRestore(TimeProvider.System)),
            new ArtifactRestoreDriver(new ArtifactRestore(TimeProvider.System)),
        ]);
}
