using System.Text.Json;
using System.Text.Json.Serialization;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Physical;

/// <summary>Rows of a part of a table, and their digest as <see cref="TableFacts.Digest"/>.</summary>
internal sealed record RangeDigest(long Rows, string Digest);

/// <summary>
/// A table's content by parts of 32 MiB, and all that decides how its rows read: were one of these another, unchanged pages
/// could still read otherwise (a column added with a default changes no page).
/// </summary>
internal sealed record TableRanges(
    long Oid, uint Tablespace, uint Database, uint Number, int Attributes, string Columns, DigestMethod Method, IReadOnlyList<RangeDigest> Ranges)
{
    [JsonIgnore]
    public RelationId Relation => new(Tablespace, Database, Number);

    /// <summary>True where digests of one are digests of the other, as far as pages did not change.</summary>
    public bool IsLike(TableRanges other) =>
        Oid == other.Oid && Relation == other.Relation && Attributes == other.Attributes && Columns == other.Columns && Method == other.Method;
}

/// <summary>
/// The content facts of a cluster's database by parts of tables, so that the next backup reads the parts alone that may have
/// changed. A shortcut of backups: what a restore is compared with is <see cref="ContentFacts"/>.
/// </summary>
internal sealed record RangedFacts
{
    public const int CurrentVersion = 1;

    /// <summary>The artifact that holds them.</summary>
    public const string ArtifactName = "facts-ranges.json";

    public required int Version { get; init; }

    public required string Database { get; init; }

    /// <summary>Other versions may write values otherwise.</summary>
    public required int ServerVersionNumber { get; init; }

    /// <summary>A recovery in place takes back what an earlier timeline counted.</summary>
    public required uint Timeline { get; init; }

    public required IReadOnlyList<TableRanges> Tables { get; init; }

    public byte[] ToJson() => JsonSerializer.SerializeToUtf8Bytes(this, RangedFactsJson.Default.RangedFacts);

    /// <summary>Those of a restore point; null where it has none that this build can use.</summary>
    public static async Task<RangedFacts?> TryReadAsync(BackupRepository repository, Manifest manifest, CancellationToken cancellationToken)
    {
        if (manifest.Artifacts.All(artifact => artifact.Name != ArtifactName))
        {
            return null;
        }

        try
        {
            using var text = new MemoryStream();
            await repository.ReadStreamAsync(manifest, ArtifactName, text, null, cancellationToken);
            var facts = JsonSerializer.Deserialize(text.GetBuffer().AsSpan(0, (int)text.Length), RangedFactsJson.Default.RangedFacts);
            return facts is { Version: CurrentVersion } ? facts : null;
        }
        catch (Exception error) when (error is JsonException or EngineException { Kind: ErrorKind.Damaged or ErrorKind.NotFound })
        {
            // A shortcut that is damaged is no reason not to take a backup.
            return null;
        }
    }
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UseStringEnumConverter = true, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(RangedFacts))]
internal sealed partial class RangedFactsJson : JsonSerializerContext;
