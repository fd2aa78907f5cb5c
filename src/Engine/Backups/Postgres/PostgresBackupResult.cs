using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Engine.Backups.Postgres;

/// <summary>What a logical backup yielded.</summary>
public sealed record PostgresBackupResult
{
    public required RestorePointId BackupId { get; init; }

    /// <summary><c>logical</c>.</summary>
    public required string Type { get; init; }

    public required string Database { get; init; }

    /// <summary>Bytes of all artifacts before deduplication and compression.</summary>
    public required long OriginalBytes { get; init; }

    /// <summary>Bytes that this backup added to the repository.</summary>
    public required long StoredBytes { get; init; }

    public required int TableCount { get; init; }

    public required long RowCount { get; init; }

    /// <summary>Where the restore point is: the repository's URL and the manifest's key, for each tier that holds it.</summary>
    public required IReadOnlyList<string> StoragePaths { get; init; }

    /// <summary>Algorithm and the repository whose key it is, for example <c>AES-256-GCM, repository 4f0c…</c>.</summary>
    public required string Encryption { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>The instant that the content is of.</summary>
    public required DateTimeOffset SnapshotAt { get; init; }

    /// <summary><c>committed</c>: there is no result without a commit.</summary>
    public required string Status { get; init; }

    /// <summary>
    /// The most that could have been lost just before this backup counted: from the previous restore point's snapshot to
    /// this one's commit. Null for the first backup of a source.
    /// </summary>
    public required TimeSpan? RpoAchieved { get; init; }

    /// <summary>The last measured restore time of this source; null until one was measured. Never a declared figure.</summary>
    public required TimeSpan? RtoExpected { get; init; }

    /// <summary>True where roles were stored with their passwords; only a superuser or a member of pg_read_all_data can read those.</summary>
    public required bool RolePasswordsIncluded { get; init; }

    public required IReadOnlyList<string> Warnings { get; init; }

    internal static PostgresBackupResult From(
        Manifest manifest, ContentFacts facts, RepositoryInfo repository, PostgresBackupRequest request, bool withPasswords,
        IReadOnlyList<string> warnings) => new()
    {
        BackupId = manifest.Id,
        Type = LogicalBackup.Strategy,
        Database = facts.Database,
        OriginalBytes = manifest.Bytes,
        StoredBytes = manifest.StoredBytes,
        TableCount = facts.Tables.Count,
        RowCount = facts.Rows,
        StoragePaths = [$"{repository.Url.TrimEnd('/')}/manifests/{manifest.Id}"],
        Encryption = $"AES-256-GCM, repository {repository.Id:N}",
        CreatedAt = manifest.CreatedAt,
        SnapshotAt = facts.TakenAt,
        Status = "committed",
        RpoAchieved = request.PreviousSnapshotAt is { } previous ? manifest.CompletedAt - previous : null,
        RtoExpected = request.MeasuredRestoreTime,
        RolePasswordsIncluded = withPasswords,
        Warnings = warnings,
    };
}
