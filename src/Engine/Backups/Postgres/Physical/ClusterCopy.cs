using Hexabase.DrConsole.Engine.Repository;
using NpgsqlTypes;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Physical;

/// <summary>What a copy of a cluster's files works with.</summary>
internal sealed record CopyContext(
    SourceCluster Cluster, PostgresSource Source, BackupSession Session, string Label, IProgress<TransferProgress>? Progress, Action<string, string>? Log, TimeProvider Time);

/// <summary>What a copy of a cluster's files yielded.</summary>
/// <param name="Route">As <see cref="ClusterFacts.Route"/>.</param>
/// <param name="Timeline">The timeline that the copy says it is of.</param>
/// <param name="Start">Where replay begins.</param>
/// <param name="Stop">Where the files are consistent.</param>
/// <param name="Damaged">Pages with a wrong checksum.</param>
/// <param name="Warnings">What else a person should know.</param>
internal sealed record CopiedCluster(
    string Route, uint Timeline, NpgsqlLogSequenceNumber Start, NpgsqlLogSequenceNumber Stop, IReadOnlyList<DamagedPage> Damaged, IReadOnlyList<string> Warnings)
{
    /// <summary>What of relations differs from the parent restore point; null where nobody can tell.</summary>
    public RelationChanges? Changes { get; init; }
}

/// <summary>One way to get a cluster's files into a session while the server runs.</summary>
internal abstract class ClusterCopy
{
    /// <summary>Copies. The files are worth nothing without the WAL between the two places that it returns.</summary>
    public abstract Task<CopiedCluster> CopyAsync(CopyContext context, CancellationToken cancellationToken);

    /// <summary>Reads start, and timeline, out of the text of a <c>backup_label</c>.</summary>
    /// <exception cref="EngineException"><c>backup-label-unreadable</c>.</exception>
    protected static (NpgsqlLogSequenceNumber Start, uint Timeline) ReadLabel(string label)
    {
        string? start = null, timeline = null;
        foreach (var line in label.Split('\n'))
        {
            const string StartText = "START WAL LOCATION: ";
            const string TimelineText = "START TIMELINE: ";
            if (line.StartsWith(StartText, StringComparison.Ordinal))
            {
                start = line[StartText.Length..].Split(' ')[0];
            }
            else if (line.StartsWith(TimelineText, StringComparison.Ordinal))
            {
                timeline = line[TimelineText.Length..].Trim();
            }
        }

        return NpgsqlLogSequenceNumber.TryParse(start ?? "", out var lsn) && uint.TryParse(timeline, out var number)
            ? (lsn, number)
            : throw new EngineException("backup-label-unreadable", ErrorKind.Unsupported,
                "the server's backup_label names no start and timeline", "this version of PostgreSQL is not known; use logical backups");
    }
}
