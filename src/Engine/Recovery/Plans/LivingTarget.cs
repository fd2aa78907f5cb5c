using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Recovery.Actions;

namespace Hexabase.DrConsole.Engine.Recovery.Plans;

/// <summary>A source as its declaration says that it lives, without anything that is restored.</summary>
internal static class LivingTarget
{
    public static RecoveryTarget Of(Source source)
    {
        var recovery = source.Recovery;
        // Of another machine's directory the same path is here another one, or none.
        var directory = source.Postgres is { Node: null } local ? local.DataDirectory : null;
        return source.Postgres is { } postgres
            ? new RecoveryTarget(
                directory ?? "", postgres.Host, postgres.Port, postgres.Database, postgres.Username, postgres.PasswordFile,
                recovery.Service ?? (directory is null ? null : new ServiceSettings(ServiceDriver.PgCtl)), recovery.Checks, recovery.SwitchTraffic, recovery.SwitchBack)
            {
                SwitchService = recovery.SwitchService,
            }
            : new RecoveryTarget(
                source.Redis?.DataDirectory ?? source.Volume?.Path ?? source.VCluster?.DataDirectory ?? "", source.Redis?.Host ?? "", source.Redis?.Port ?? 0, "",
                source.Redis?.Username ?? "", source.Redis?.PasswordFile, recovery.Service, [.. recovery.Checks.Where(check => Suits(source, check))], recovery.SwitchTraffic, recovery.SwitchBack)
            {
                Redis = source.Redis,
                SwitchService = recovery.SwitchService,
            };
    }

    /// <summary>A Redis has an address for a command's words; a query of SQL is for PostgreSQL only.</summary>
    public static bool Suits(Source source, OperatorCheck check) => source switch
    {
        { Postgres: not null } => true,
        { Redis: not null } => check.Sql is null,
        _ => !check.AsksWhereItIsTold,
    };
}
