using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Engine.Backups.Drivers;

/// <summary>What to capture, and what the console already knows about the source.</summary>
public sealed record CaptureRequest
{
    public required Source Source { get; init; }

    /// <summary>How, as <see cref="ISourceDriver.NextStrategyAsync"/> chose when the run was asked for.</summary>
    public required string Strategy { get; init; }

    /// <summary>Source, workspace and class as the manifest names them; the driver fills in strategy and tool versions.</summary>
    public required BackupDescription Description { get; init; }

    /// <summary>When the content of the restore point before this one was true, or null for the first.</summary>
    public DateTimeOffset? PreviousSnapshotAt { get; init; }

    /// <summary>The last measured restore of this source; null while none was measured.</summary>
    public TimeSpan? MeasuredRestoreTime { get; init; }

    /// <summary>The open gaps in a PostgreSQL source's WAL, which a base backup is to end.</summary>
    public IReadOnlyList<WalGapEnd> Gaps { get; init; } = [];

    /// <summary>Further properties of the restore point, to be stored with it; never secrets.</summary>
    public IReadOnlyDictionary<string, string> Properties { get; init; } = new Dictionary<string, string>();
}

/// <summary>
/// Captures the sources of one kind. What it writes becomes a restore point with the manifest, and with nothing before it:
/// a driver that dies leaves chunks that nobody refers to.
/// </summary>
public interface ISourceDriver
{
    /// <summary>The kind that it captures; the manifest's kind is its name in lower case.</summary>
    SourceKind Kind { get; }

    /// <summary>How the next backup of a source is made, by its configuration and what was made before.</summary>
    Task<string> NextStrategyAsync(Source source, CancellationToken cancellationToken);

    /// <summary>Captures a source into a repository and commits the restore point.</summary>
    /// <param name="progress">Told items, bytes and chunks.</param>
    /// <param name="log">Told a phase and a line of text.</param>
    /// <exception cref="EngineException">The source cannot be reached or read, or the store says so (<c>store-…</c>); nothing is committed.</exception>
    Task<BackupResult> CaptureAsync(
        CaptureRequest request, BackupRepository repository, IProgress<TransferProgress>? progress, Action<string, string>? log, CancellationToken cancellationToken);

    /// <summary>What the attempt would have reported that committed this restore point and died before it could.</summary>
    Task<BackupResult> DescribeAsync(CaptureRequest request, BackupRepository repository, Manifest committed, CancellationToken cancellationToken);
}
