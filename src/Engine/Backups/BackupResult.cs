using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Engine.Backups;

/// <summary>How much of one sort of thing a backup holds.</summary>
/// <param name="Name">What is counted, in the plural: <c>tables</c>, <c>keys</c>, <c>files</c>.</param>
/// <param name="Count">How many.</param>
public sealed record ContentCount(string Name, long Count);

/// <summary>What a backup of a source of any kind yielded.</summary>
public sealed record BackupResult
{
    public required RestorePointId BackupId { get; init; }

    /// <summary>How it was captured: <c>logical</c>, <c>physical</c>, or what the driver of the kind names.</summary>
    public required string Type { get; init; }

    /// <summary>What was captured, as its owners call it: a database, a server's address, a path.</summary>
    public required string Database { get; init; }

    /// <summary>Bytes of all artifacts before deduplication and compression.</summary>
    public required long OriginalBytes { get; init; }

    /// <summary>Bytes that this backup added to the repository.</summary>
    public required long StoredBytes { get; init; }

    /// <summary>What it holds, counted; empty where the driver counts nothing.</summary>
    public IReadOnlyList<ContentCount> Contents { get; init; } = [];

    /// <summary>Algorithm and the repository whose key it is, for example <c>AES-256-GCM, repository 4f0c…</c>.</summary>
    public required string Encryption { get; init; }

    /// <summary>When the backup began.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>The instant that the content is of.</summary>
    public required DateTimeOffset SnapshotAt { get; init; }

    /// <summary>
    /// The most that could have been lost just before this backup counted: from the previous restore point's snapshot to
    /// this one's commit. Null for the first backup of a source.
    /// </summary>
    public required TimeSpan? RpoAchieved { get; init; }

    /// <summary>The last measured restore time of this source; null until one was measured. Never a declared figure.</summary>
    public required TimeSpan? RtoExpected { get; init; }

    /// <summary>What a person should know of it: what could not be read, what was left out and why.</summary>
    public required IReadOnlyList<string> Warnings { get; init; }

    /// <summary>What a manifest says of the backup that wrote it; the driver adds what it counted.</summary>
    /// <param name="captured">What it is called: <see cref="Database"/>.</param>
    /// <param name="snapshotAt">The instant that the content is of.</param>
    public static BackupResult Of(
        Manifest manifest, RepositoryInfo repository, Drivers.CaptureRequest request, string captured, DateTimeOffset snapshotAt, IReadOnlyList<string> warnings)
    {
        ArgumentNullException.ThrowIfNull(manifest);
        ArgumentNullException.ThrowIfNull(repository);
        ArgumentNullException.ThrowIfNull(request);
        return new BackupResult
        {
            BackupId = manifest.Id,
            Type = manifest.Strategy ?? request.Strategy,
            Database = captured,
            OriginalBytes = manifest.Bytes,
            StoredBytes = manifest.StoredBytes,
            Encryption = $"AES-256-GCM, repository {repository.Id:N}",
            CreatedAt = manifest.CreatedAt,
            SnapshotAt = snapshotAt,
            RpoAchieved = request.PreviousSnapshotAt is { } previous ? manifest.CompletedAt - previous : null,
            RtoExpected = request.MeasuredRestoreTime,
            Warnings = warnings,
        };
    }
}
