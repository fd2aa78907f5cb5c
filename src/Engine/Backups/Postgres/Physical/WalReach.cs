using System.Globalization;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Wal;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Physical;

/// <summary>How far a base backup leads with the WAL of one tier, along the newest timeline there.</summary>
/// <param name="Timeline">The timeline; 0 where no WAL follows the base backup.</param>
/// <param name="Until">The byte after the last that there is without a hole.</param>
/// <param name="End">When the last of it was stored.</param>
internal readonly record struct WalReach(uint Timeline, ulong Until, DateTimeOffset End)
{
    /// <summary>Reads it from a listing of the tier.</summary>
    public static async Task<WalReach> ReadAsync(BackupRepository repository, Manifest manifest, CancellationToken cancellationToken)
    {
        var system = ulong.Parse(manifest.Properties[PhysicalBackup.SystemProperty], CultureInfo.InvariantCulture);
        var archive = await repository.OpenWalAsync(manifest.Source, system, cancellationToken);
        var lines = new RecoveryLines(await archive.CoverageAsync(cancellationToken)).From(
            uint.Parse(manifest.Properties[PhysicalBackup.TimelineProperty], CultureInfo.InvariantCulture), Lsn.Parse(manifest.Properties[PhysicalBackup.StartProperty]).Value,
            Lsn.Parse(manifest.Properties[PhysicalBackup.StopProperty]).Value);
        return lines is [var newest, ..] ? new WalReach(newest.Timeline, newest.Until, newest.End) : default;
    }

    /// <summary>True where all that was committed by a moment is certainly in it: what more another tier has is of no use then.</summary>
    public bool IsBeyond(DateTimeOffset? moment) => moment + RecoveryLines.Slack < End;
}
