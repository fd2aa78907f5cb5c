using System.Text.Json;
using System.Text.Json.Serialization;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Physical;

/// <summary>A tablespace beside the two that every cluster has.</summary>
/// <param name="Oid">Names its link in <c>pg_tblspc</c>.</param>
/// <param name="Name">Its name.</param>
/// <param name="Location">Where it was on the source's machine.</param>
public sealed record TablespaceFacts(uint Oid, string Name, string Location)
{
    /// <summary>The artifact that holds its files.</summary>
    [JsonIgnore]
    public string ArtifactName => $"tablespace-{Oid}";
}

/// <summary>A page whose checksum was wrong when it was stored.</summary>
/// <param name="File">Below the data directory or the tablespace.</param>
/// <param name="Block">Its number in the relation.</param>
public sealed record DamagedPage(string File, uint Block);

/// <summary>What a restore needs to know of a cluster that was captured as files. LSNs are written as <c>0/16B3748</c>.</summary>
public sealed record ClusterFacts
{
    public const int CurrentVersion = 1;

    /// <summary>The artifact that holds them.</summary>
    public const string ArtifactName = "cluster.json";

    public required int Version { get; init; }

    /// <summary>For example <c>15.18</c>.</summary>
    public required string ServerVersion { get; init; }

    public required int ServerMajor { get; init; }

    /// <summary>The cluster's own number, in decimal: another cluster on the same address has another.</summary>
    public required string SystemIdentifier { get; init; }

    public required int WalSegmentBytes { get; init; }

    public required uint Timeline { get; init; }

    /// <summary>True where pages carry checksums.</summary>
    public required bool HasChecksums { get; init; }

    /// <summary>The role that initdb made; there always is one that may do everything.</summary>
    public required string Superuser { get; init; }

    public required IReadOnlyList<TablespaceFacts> Tablespaces { get; init; }

    /// <summary>Settings that a recovery must not go below, and those that a server without its own files needs.</summary>
    public required IReadOnlyDictionary<string, string> Settings { get; init; }

    /// <summary><c>files</c>: read from the data directory; <c>stream</c>: sent by the server.</summary>
    public required string Route { get; init; }

    /// <summary>True where it was taken from a standby.</summary>
    public required bool FromStandby { get; init; }

    /// <summary>Where replay begins.</summary>
    public required string StartLsn { get; init; }

    /// <summary>Where replay must have come before the files are consistent.</summary>
    public required string StopLsn { get; init; }

    /// <summary>The WAL that the restore point carries itself: from the beginning of a segment to this.</summary>
    public required string WalStartLsn { get; init; }

    public required string WalEndLsn { get; init; }

    /// <summary>The named restore point in the WAL at which the content facts are true; null where none could be made.</summary>
    public required string? RestorePointName { get; init; }

    /// <summary>True where the content facts are true at the end of the restore point's own WAL: so also without a named restore point.</summary>
    public bool IsContentAtEnd { get; init; }

    /// <summary>Why the content is of no certain place; null where it is.</summary>
    public string? WithoutRestorePoint { get; init; }

    /// <summary>Tables whose rows kept changing while they were looked at: they are not compared.</summary>
    public required IReadOnlyList<string> MovingTables { get; init; }

    /// <summary>At most 1,000 of them.</summary>
    public required IReadOnlyList<DamagedPage> DamagedPages { get; init; }

    /// <summary>Names of artifacts with the configuration files that lie outside the data directory.</summary>
    public required IReadOnlyList<string> ConfigurationFiles { get; init; }

    public byte[] ToJson() => JsonSerializer.SerializeToUtf8Bytes(this, PhysicalJson.Default.ClusterFacts);

    /// <summary>Reads the facts that a restore point carries.</summary>
    /// <exception cref="EngineException">They are missing, damaged or of an unknown version.</exception>
    public static async Task<ClusterFacts> ReadAsync(BackupRepository repository, Manifest manifest, CancellationToken cancellationToken)
    {
        using var buffer = new MemoryStream();
        await repository.ReadStreamAsync(manifest, ArtifactName, buffer, null, cancellationToken);
        try
        {
            var facts = JsonSerializer.Deserialize(buffer.GetBuffer().AsSpan(0, (int)buffer.Length), PhysicalJson.Default.ClusterFacts)
                ?? throw new JsonException("it is null");
            return facts.Version == CurrentVersion
                ? facts
                : throw new EngineException("facts-version-unknown", ErrorKind.Unsupported,
                    $"cluster facts have version {facts.Version}, this build knows {CurrentVersion}", "use a newer release");
        }
        catch (JsonException exception)
        {
            throw new EngineException("facts-damaged", ErrorKind.Damaged,
                $"cluster facts cannot be read: {exception.Message}", "take another restore point", exception);
        }
    }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, RespectNullableAnnotations = true)]
[JsonSerializable(typeof(ClusterFacts))]
internal sealed partial class PhysicalJson : JsonSerializerContext;
