using System.Text.Json;
using System.Text.Json.Serialization;

namespace Hexabase.DrConsole.Engine.Backups.Postgres;

/// <summary>How the rows of a table were reduced to one number; a comparison uses the same way.</summary>
public enum DigestMethod
{
    /// <summary>
    /// <c>sum(hash_record_extended(row))</c>. Used only where every column's hash is exact and the same on every server:
    /// numeric, interval, citext and jsonb hash equal values that look different (1.0 and 1.00) alike, and an enum hashes
    /// by its OID, which a restore changes.
    /// </summary>
    Record,

    /// <summary><c>sum(hashtextextended(row::text))</c> under pinned output settings: exact for every type, about half as fast.</summary>
    Text,

    /// <summary>Rows were not read: they are not part of the dump.</summary>
    None,
}

/// <summary>
/// One table's content. Rows and digest are of the table alone, without its partitions and heirs. The digest is a sum as
/// decimal text (it exceeds 64 bits), independent of the rows' order, seeing duplicates. Columns is a SHA-256 over the
/// columns' names, types, nullability and generation in order (16 hex digits); Persistence <c>permanent</c> or <c>unlogged</c>.
/// </summary>
public sealed record TableFacts(
    string Schema, string Name, long Rows, string Digest, DigestMethod Method, string Columns, string Persistence)
{
    [JsonIgnore]
    public string FullName => $"{Schema}.{Name}";
}

/// <summary>
/// A sequence before and after the dump. Sequences ignore snapshots: under load the dumped value lies between the two;
/// for an idle one all are equal.
/// </summary>
public sealed record SequenceFacts(string Schema, string Name, long Increment, long LastValue, bool IsCalled, long LastValueAfter, bool IsCalledAfter)
{
    [JsonIgnore]
    public string FullName => $"{Schema}.{Name}";
}

/// <summary>All large objects together: how many, their bytes, and a digest over OID and content.</summary>
public sealed record LargeObjectFacts(long Count, long Bytes, string Digest);

public sealed record ExtensionFacts(string Name, string Version);

/// <summary>
/// The names of one kind of object (functions, indexes, grants …), sorted, or null where there are more than
/// <see cref="MaximumNames"/>; then the digest alone is compared: SHA-256 over all names, one a line, 16 hex digits.
/// </summary>
public sealed record StructureFacts(string Kind, int Count, string Digest, IReadOnlyList<string>? Names)
{
    public const int MaximumNames = 5000;
}

/// <summary>
/// What CREATE DATABASE needs so that text sorts and encodes as it did. Provider is <c>c</c> for libc, <c>i</c> for ICU,
/// <c>b</c> for the built-in one, as in pg_database.
/// </summary>
public sealed record DatabaseLocale(
    string Encoding, string Collate, string CharacterType, string Provider, string? IcuLocale, string? CollationVersion);

/// <summary>A setting of the database, or of one role in it, which a dump without <c>--create</c> leaves out.</summary>
public sealed record DatabaseSetting(string? Role, string Name, string Value);

/// <summary>A right on the database itself, which a dump without <c>--create</c> leaves out too. A null grantee is everybody.</summary>
public sealed record DatabaseGrant(string? Grantee, string Privilege, bool WithGrantOption);

/// <summary>A foreign key whose referenced rows are not in the dump, so that a restore must leave it out.</summary>
public sealed record DanglingForeignKey(string Schema, string Table, string Name);

/// <summary>
/// What a database held at one instant, computed in the dump's own snapshot and compared with what a restore yields.
/// It proves that a restore is faithful, not that the content was healthy.
/// </summary>
public sealed record ContentFacts
{
    public const int CurrentVersion = 1;

    /// <summary>The artifact that holds the facts in a restore point.</summary>
    public const string ArtifactName = "facts.json";

    public required int Version { get; init; }

    public required string Database { get; init; }

    public required string ServerVersion { get; init; }

    /// <summary>For example 150018.</summary>
    public required int ServerVersionNumber { get; init; }

    public required string Owner { get; init; }

    public required DatabaseLocale Locale { get; init; }

    /// <summary>The server's time when the snapshot was taken; the restore point's content is of this instant.</summary>
    public required DateTimeOffset TakenAt { get; init; }

    /// <summary>Size of the database on the server's disk, indexes included.</summary>
    public required long DatabaseBytes { get; init; }

    /// <summary>False where only chosen tables' rows were captured.</summary>
    public required bool AllTables { get; init; }

    public required IReadOnlyList<TableFacts> Tables { get; init; }

    public required IReadOnlyList<SequenceFacts> Sequences { get; init; }

    /// <summary>Null where tables were chosen: large objects then stay out.</summary>
    public required LargeObjectFacts? LargeObjects { get; init; }

    public required IReadOnlyList<ExtensionFacts> Extensions { get; init; }

    public required IReadOnlyList<StructureFacts> Structure { get; init; }

    /// <summary>Roles that own something or were granted something; a restore that keeps owners needs them.</summary>
    public required IReadOnlyList<string> Roles { get; init; }

    /// <summary>Tablespaces other than the default that hold something.</summary>
    public required IReadOnlyList<string> Tablespaces { get; init; }

    public required IReadOnlyList<DatabaseSetting> Settings { get; init; }

    /// <summary>Rights on the database; empty where they are the server's default.</summary>
    public required IReadOnlyList<DatabaseGrant> Grants { get; init; }

    public required IReadOnlyList<DanglingForeignKey> DanglingForeignKeys { get; init; }

    [JsonIgnore]
    public long Rows => Tables.Sum(table => table.Rows);

    public byte[] ToJson() => JsonSerializer.SerializeToUtf8Bytes(this, PostgresJson.Default.ContentFacts);

    /// <exception cref="EngineException">The text is not facts, or of a version this build does not know.</exception>
    public static ContentFacts Parse(ReadOnlySpan<byte> json)
    {
        try
        {
            var facts = JsonSerializer.Deserialize(json, PostgresJson.Default.ContentFacts)
                ?? throw new JsonException("it is null");
            return facts.Version == CurrentVersion
                ? facts
                : throw new EngineException("facts-version-unknown", ErrorKind.Unsupported,
                    $"content facts have version {facts.Version}, this build knows {CurrentVersion}", "use a newer release");
        }
        catch (JsonException exception)
        {
            throw new EngineException("facts-damaged", ErrorKind.Damaged,
                $"content facts cannot be read: {exception.Message}", "take a new backup; this one cannot be compared", exception);
        }
    }

    /// <summary>The totals, small enough for a manifest and a list.</summary>
    public FactsSummary Summarise() => new(
        Database, ServerVersion, TakenAt, DatabaseBytes, Tables.Count, Rows, Sequences.Count,
        LargeObjects?.Count ?? 0, [.. Extensions.Select(extension => extension.Name)], AllTables);
}

/// <summary>The totals of <see cref="ContentFacts"/> as a manifest carries them.</summary>
public sealed record FactsSummary(
    string Database, string ServerVersion, DateTimeOffset TakenAt, long DatabaseBytes, int Tables, long Rows,
    int Sequences, long LargeObjects, IReadOnlyList<string> Extensions, bool AllTables)
{
    /// <summary>Of a cluster that was captured as files: <c>files</c>, read from its data directory, or <c>stream</c>, sent by the server. Null in a dump's, and in older ones.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Route { get; init; }

    /// <summary>The node whose agent read the data directory; null for the console's machine.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Node { get; init; }

    public JsonElement ToJson() => JsonSerializer.SerializeToElement(this, PostgresJson.Default.FactsSummary);

    /// <summary>The summary in a manifest's facts, or null where they are of another kind of source.</summary>
    public static FactsSummary? TryParse(JsonElement? facts)
    {
        try
        {
            return facts?.Deserialize(PostgresJson.Default.FactsSummary);
        }
        catch (JsonException)
        {
            // Facts of another kind of source; the caller shows none.
            return null;
        }
    }
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    UseStringEnumConverter = true,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(ContentFacts))]
[JsonSerializable(typeof(FactsSummary))]
[JsonSerializable(typeof(FactsComparison))]
internal sealed partial class PostgresJson : JsonSerializerContext;
