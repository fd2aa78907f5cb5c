using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Wal;

namespace Hexabase.DrConsole.Engine.Backups.Postgres;

/// <summary>The end of a gap in a cluster's WAL.</summary>
/// <param name="SystemIdentifier">The cluster's, in decimal.</param>
/// <param name="EndLsn">The byte after the gap.</param>
public sealed record WalGapEnd(string SystemIdentifier, Lsn EndLsn);

/// <summary>What to capture, and what the console already knows about the source.</summary>
public sealed record PostgresBackupRequest
{
    /// <summary>Source, workspace and class as the manifest names them; kind, strategy and tool versions are filled in.</summary>
    public required BackupDescription Description { get; init; }

    public required PostgresSource Source { get; init; }

    /// <summary>Where WAL that is stored nowhere ends: a base backup ends such a gap only where it begins behind it.</summary>
    public IReadOnlyList<WalGapEnd> Gaps { get; init; } = [];

    /// <summary>The snapshot's time of the restore point before this one, or null for the first.</summary>
    public DateTimeOffset? PreviousSnapshotAt { get; init; }

    /// <summary>The last measured restore of this source; null while none was measured.</summary>
    public TimeSpan? MeasuredRestoreTime { get; init; }

    /// <summary>Further properties of the restore point; never secrets.</summary>
    public IReadOnlyDictionary<string, string> Properties { get; init; } = new Dictionary<string, string>();
}
