using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;
using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Repository.Prune;
using Hexabase.DrConsole.Engine.Repository.Streams;
using Hexabase.DrConsole.Engine.Repository.Wal;

namespace Hexabase.DrConsole.Engine.Repository;

/// <summary>A restore point: what was backed up, when, and where its artifacts begin. Immutable.</summary>
public sealed record Manifest
{
    /// <summary>The restore point.</summary>
    public required RestorePointId Id { get; init; }

    /// <summary>The source's name.</summary>
    public required string Source { get; init; }

    /// <summary>The source's kind: <c>postgres</c>, <c>redis</c>, <c>vcluster</c>, <c>volume</c>, or <c>files</c>.</summary>
    public required string Kind { get; init; }

    /// <summary>The workspace that the source belongs to.</summary>
    public string? Workspace { get; init; }

    /// <summary>The source's protection class at the time of the backup.</summary>
    public string? Class { get; init; }

    /// <summary>How it was taken, for example <c>logical</c>.</summary>
    public string? Strategy { get; init; }

    /// <summary>The machine that took it.</summary>
    public string? HostName { get; init; }

    /// <summary>Tools and servers by name, with their versions.</summary>
    public IReadOnlyDictionary<string, string> ToolVersions { get; init; } = new Dictionary<string, string>();

    /// <summary>The restore point that unchanged parts were taken over from.</summary>
    public RestorePointId? Parent { get; init; }

    /// <summary>When the backup began, or the earlier moment that its content is of: what was written later may be missing.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When everything was stored.</summary>
    public required DateTimeOffset CompletedAt { get; init; }

    /// <summary>Bytes of all artifacts before compression.</summary>
    public required long Bytes { get; init; }

    /// <summary>Bytes that this restore point added to the packs, after compression and encryption.</summary>
    public required long StoredBytes { get; init; }

    /// <summary>What it holds.</summary>
    public required IReadOnlyList<StoredArtifact> Artifacts { get; init; }

    /// <summary>What the source said about its content (rows, digests, counts), for the comparison after a restore.</summary>
    public JsonElement? Facts { get; init; }

    /// <summary>Further facts by name; never secrets.</summary>
    public IReadOnlyDictionary<string, string> Properties { get; init; } = new Dictionary<string, string>();
}

/// <summary>One stream or file tree of a restore point.</summary>
public sealed record StoredArtifact
{
    /// <summary>The type of an artifact that is one stream of bytes.</summary>
    public const string StreamType = "stream";

    /// <summary>The type of an artifact that is a file tree.</summary>
    public const string TreeType = "tree";

    /// <summary>Unique in the restore point; the name under which it is restored.</summary>
    public required string Name { get; init; }

    /// <summary>What the driver says it is, for example <c>pg_dump custom</c>.</summary>
    public required string Kind { get; init; }

    /// <summary><see cref="StreamType"/> or <see cref="TreeType"/>; <c>wal</c> and <c>page-delta</c> are reserved.</summary>
    public required string Type { get; init; }

    /// <summary>Bytes before compression; for a tree, of all its files.</summary>
    public required long Length { get; init; }

    /// <summary>Hex SHA-256 of the whole stream; for a tree, of its node stream.</summary>
    public required string Sha256 { get; init; }

    /// <summary>Bytes that it added to the packs.</summary>
    public required long StoredBytes { get; init; }

    /// <summary>Files, directories and so on of a tree; null for a stream.</summary>
    public long? Items { get; init; }

    /// <summary>What of a tree could not be stored as it was, at most 1,000 lines.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];

    /// <summary>Items of a tree that are missing from the restore point because they could not be read.</summary>
    public long Unreadable { get; init; }

    /// <summary>What a tree holds, counted; null where nobody counted.</summary>
    public TreeCounts? Counts { get; init; }

    /// <summary>Where the bytes begin.</summary>
    public required ArtifactRoot Root { get; init; }

    /// <summary>A file tree whose node stream was stored and hashed.</summary>
    internal static StoredArtifact OfTree(string name, long items, long bytes, long storedBytes, IncrementalHash nodes, ContentRoot root) => new()
    {
        Name = name,
        Kind = "file tree",
        Type = TreeType,
        Length = bytes,
        Sha256 = Convert.ToHexStringLower(nodes.GetHashAndReset()),
        StoredBytes = storedBytes,
        Items = items,
        Root = ArtifactRoot.From(root),
    };
}

/// <summary>What a file tree holds by kind, and what of it was read instead of being taken over from the parent.</summary>
/// <param name="Others">Fifos, sockets and devices.</param>
/// <param name="ContentBytes">Bytes of the files without their holes: the space that a restore needs.</param>
/// <param name="ReadFiles">Files that are new or changed since the parent; all where there is none.</param>
/// <param name="ReadBytes">Bytes of their content.</param>
public sealed record TreeCounts(long Files, long Directories, long Links, long HardLinks, long Others, long ContentBytes, long ReadFiles, long ReadBytes)
{
    /// <summary>Files that somebody wrote to while they were read; null in restore points of builds that did not count them.</summary>
    public long? ChangedWhileRead { get; init; }
}

/// <summary>The beginning of an artifact's bytes: a chunk (depth 0) or a chunk list of that depth.</summary>
/// <param name="Depth">0 for a chunk, n for a list whose rows have depth n − 1.</param>
/// <param name="Chunk">Hex chunk id; null where there are no bytes.</param>
/// <param name="Length">Bytes of the stream (of a tree: of its node stream).</param>
public sealed record ArtifactRoot(int Depth, string? Chunk, long Length)
{
    internal ContentRoot ToContentRoot() => new(Depth, Chunk is null ? null : ChunkId.Parse(Chunk), Length);

    internal static ArtifactRoot From(ContentRoot root) => new(root.Depth, root.Id?.ToString(), root.Length);
}

/// <summary>An immutable note beside the restore points: a validation's result, a hold, the use by a drill.</summary>
/// <param name="Id">32 hex digits.</param>
/// <param name="Kind">What it says, for example <c>validation</c>.</param>
/// <param name="RestorePoint">The restore point it is about, where it is about one.</param>
/// <param name="CreatedAt">When it was written.</param>
/// <param name="Content">What it says.</param>
public sealed record Attestation(string Id, string Kind, RestorePointId? RestorePoint, DateTimeOffset CreatedAt, JsonElement Content);

internal sealed class RestorePointIdConverter : JsonConverter<RestorePointId>
{
    public override RestorePointId Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        new(reader.GetString() ?? throw new JsonException("a restore point id is null"));

    public override void Write(Utf8JsonWriter writer, RestorePointId value, JsonSerializerOptions options) => writer.WriteStringValue(value.Value);
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    Converters = [typeof(RestorePointIdConverter)])]
[JsonSerializable(typeof(Manifest))]
[JsonSerializable(typeof(Attestation))]
[JsonSerializable(typeof(Dictionary<uint, byte[]>))]
[JsonSerializable(typeof(SessionRecord))]
[JsonSerializable(typeof(PackMark))]
[JsonSerializable(typeof(WalStreamInfo))]
[JsonSerializable(typeof(List<WalDamageEntry>))]
[JsonSerializable(typeof(WalDamageNote))]
internal sealed partial class RepositoryJson : JsonSerializerContext;
