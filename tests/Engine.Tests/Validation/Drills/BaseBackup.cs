using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Tests.Backups.Receiving;
using static Hexabase.DrConsole.Engine.Tests.Backups.Receiving.WalRig;

namespace Hexabase.DrConsole.Engine.Tests.Validation.Drills;

/// <summary>A base backup of a rig's server, in its hot tier.</summary>
internal static class BaseBackup
{
    public static async Task CaptureAsync(WalRig rig)
    {
        await using var repository = await rig.OpenRepositoryAsync("hot");
        await new PhysicalBackup(rig.Registry, TimeProvider.System, rig.StoreOf("staging")).CaptureAsync(RequestOf(rig), repository, null, null, Ct);
    }

    public static PostgresBackupRequest RequestOf(WalRig rig)
    {
        var settings = rig.Source.Postgres!;
        return new PostgresBackupRequest
        {
            Description = new BackupDescription { Source = rig.Source.Name, Kind = "postgres", Workspace = "shop" },
            Source = new PostgresSource { Host = settings.Host, Port = settings.Port, Database = settings.Database, Username = settings.Username, PasswordFile = settings.PasswordFile },
        };
    }
}
