namespace Hexabase.DrConsole.Engine.Backups.Sets;

/// <summary>What a recovery set's run is asked for.</summary>
/// <param name="Workspace">All its sources are backed up together.</param>
public sealed record SetRequest(string Workspace);

/// <summary>What became of one source of the workspace.</summary>
/// <param name="BackupRun">The backup that was begun for it; null where none could be.</param>
/// <param name="RestorePoint">Its restore point; null where nothing was captured.</param>
/// <param name="SnapshotAt">The instant that its content is of.</param>
/// <param name="Fault">Why nothing was captured, or null.</param>
public sealed record SetPart(string Source, long? BackupRun, string? RestorePoint, DateTimeOffset? SnapshotAt, string? Fault);

/// <summary>What a recovery set's run ends with.</summary>
/// <param name="Parts">One for each source of the workspace.</param>
/// <param name="HeldSeconds">How long the application was held still; null where no hook is configured.</param>
/// <param name="HeldToEnd">False where it went on before every part was captured.</param>
public sealed record SetRunResult(string Workspace, IReadOnlyList<SetPart> Parts, double? HeldSeconds, bool? HeldToEnd)
{
    /// <summary>True where every source of the workspace is in it.</summary>
    public bool IsComplete => Parts.Count > 0 && Parts.All(part => part.RestorePoint is not null);

    /// <summary>From the oldest to the newest part's content; null with fewer than two.</summary>
    public double? SkewSeconds => Parts.Count(part => part.SnapshotAt is not null) < 2
        ? null
        : (Parts.Max(part => part.SnapshotAt)!.Value - Parts.Min(part => part.SnapshotAt)!.Value).TotalSeconds;
}
