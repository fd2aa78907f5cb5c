using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.RedisProtocol;

namespace Hexabase.DrConsole.Engine.Backups.Redis;

/// <summary>
/// One database's content. The digest is a sum over all keys of SHA-256(database, key, expiry, type, content), cut to 128
/// bits, as 32 hex digits: it does not depend on the order of keys, and sees duplicates.
/// </summary>
/// <param name="Expiring">How many of the keys have an expiry.</param>
/// <param name="Types">How many keys of each type.</param>
public sealed record RedisDatabaseFacts(int Database, long Keys, long Expiring, string Digest, IReadOnlyDictionary<string, long> Types)
{
    [JsonIgnore]
    public string Name => string.Create(CultureInfo.InvariantCulture, $"db{Database}");

    internal string ToFactText() => string.Create(CultureInfo.InvariantCulture,
        $"{Keys} keys, {Expiring} with expiry, digest {Digest}, {string.Join(", ", Types.OrderBy(type => type.Key, StringComparer.Ordinal).Select(type => $"{type.Value} {type.Key}"))}");
}

/// <summary>What the backup cost the server, as it measured that itself; null where it did not say, or where nothing of that kind happened.</summary>
/// <param name="ForkMicroseconds">How long it stood still to fork, the only moment when it serves nobody.</param>
/// <param name="UsedMemoryBytes">Its data before the backup.</param>
/// <param name="PeakMemoryBytes">The most it ever used.</param>
/// <param name="CopiedBytes">
/// Memory that was copied because clients wrote while the child sent the snapshot. Older builds asked before the server knew it, and wrote the
/// figure of the snapshot before under another name, which is not read.
/// </param>
/// <param name="Seconds">From asking for the snapshot to its last byte.</param>
/// <param name="WaitSeconds">Of those, before the first byte: a server waits some seconds for further replicas.</param>
public sealed record RedisCost(
    long? ForkMicroseconds, long? UsedMemoryBytes, long? PeakMemoryBytes, [property: JsonPropertyName("copiedOnWriteBytes")] long? CopiedBytes, double Seconds, double WaitSeconds);

/// <summary>What a Redis held, computed from the very bytes that were stored. The server was asked for nothing more.</summary>
public sealed record RedisFacts
{
    public const int CurrentVersion = 1;

    /// <summary>The artifact that holds the facts in a restore point.</summary>
    public const string ArtifactName = "facts.json";

    public required int Version { get; init; }

    public required string Address { get; init; }

    public required string ServerVersion { get; init; }

    /// <summary><c>master</c> or <c>slave</c>, as the server says.</summary>
    public required string Role { get; init; }

    /// <summary>The snapshot format's version.</summary>
    public required int RdbVersion { get; init; }

    /// <summary>The instant of the content, never later than it was.</summary>
    public required DateTimeOffset TakenAt { get; init; }

    /// <summary>False where keys were read one after the other while clients wrote.</summary>
    public required bool IsPointInTime { get; init; }

    public required IReadOnlyList<RedisDatabaseFacts> Databases { get; init; }

    /// <summary>The first line of each library of functions, with a digest of its code, sorted.</summary>
    public required IReadOnlyList<string> Functions { get; init; }

    /// <summary>True where a module wrote something: only a server with that module can load it.</summary>
    public required bool NeedsModules { get; init; }

    /// <summary>Names of the ACL's users; null where they could not be read.</summary>
    public required IReadOnlyList<string>? Users { get; init; }

    public RedisCost? Cost { get; init; }

    [JsonIgnore]
    public long Keys => Databases.Sum(database => database.Keys);

    [JsonIgnore]
    public long Expiring => Databases.Sum(database => database.Expiring);

    public byte[] ToJson() => JsonSerializer.SerializeToUtf8Bytes(this, RedisJson.Default.RedisFacts);

    /// <summary>The same as the manifest and the catalog keep it.</summary>
    public JsonElement ToElement() => JsonSerializer.SerializeToElement(this, RedisJson.Default.RedisFacts);

    /// <summary>What a manifest of this kind says, or null where it says something else.</summary>
    public static RedisFacts? TryParse(JsonElement json)
    {
        try
        {
            return json.Deserialize(RedisJson.Default.RedisFacts) is { Version: CurrentVersion } facts ? facts : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <exception cref="EngineException"><c>facts-damaged</c>, <c>facts-version-unknown</c>.</exception>
    public static RedisFacts Parse(ReadOnlySpan<byte> json)
    {
        try
        {
            var facts = JsonSerializer.Deserialize(json, RedisJson.Default.RedisFacts) ?? throw new JsonException("it is null");
            return facts.Version == CurrentVersion
                ? facts
                : throw new EngineException("facts-version-unknown", ErrorKind.Unsupported, $"content facts have version {facts.Version}, this build knows {CurrentVersion}", "use a newer release");
        }
        catch (JsonException exception)
        {
            throw new EngineException("facts-damaged", ErrorKind.Damaged, $"content facts cannot be read: {exception.Message}", "take a new backup; this one cannot be compared", exception);
        }
    }

    /// <summary>Compares what was captured with what a server holds after a restore: each database and the functions.</summary>
    internal FactsComparison Compare(RdbContent restored)
    {
        var results = new List<FactResult>();
        var found = restored.Databases.ToDictionary(database => database.Database);
        foreach (var database in Databases)
        {
            results.Add(found.Remove(database.Database, out var other)
                ? Judge("database", database.Name, database.ToFactText(), other.ToFactText())
                : new FactResult("database", database.Name, FactOutcome.Missing, database.ToFactText()));
        }

        results.AddRange(found.Values.Select(database => new FactResult("database", database.Name, FactOutcome.Extra)));
        results.Add(Judge("functions", "all", Text(Functions), Text(restored.Functions)));
        return new FactsComparison(results);

        static string Text(IReadOnlyList<string> names) => names.Count == 0 ? "none" : string.Join("; ", names);

        static FactResult Judge(string kind, string name, string expected, string found) =>
            new(kind, name, expected == found ? FactOutcome.Equal : FactOutcome.Differs, expected, found);
    }
}

/// <summary>What a snapshot holds, read to its end with its checksum right.</summary>
internal sealed record RdbContent(
    int Version, IReadOnlyDictionary<string, string> Notes, IReadOnlyList<RedisDatabaseFacts> Databases, IReadOnlyList<string> Functions, bool HasModules, bool HasChecksum, long Bytes)
{
    /// <summary>Reads a snapshot to its end. It blocks its thread while it waits for bytes.</summary>
    public static RdbContent Read(Stream stream, Action<long>? onKeys = null)
    {
        using var reader = new RdbReader(stream);
        var tally = new RdbTally();
        while (reader.Read() is { } entry)
        {
            tally.Add(entry);
            if ((tally.Keys & 0xFFF) == 0)
            {
                onKeys?.Invoke(tally.Keys);
            }
        }

        onKeys?.Invoke(tally.Keys);
        return new RdbContent(
            reader.Version, reader.Notes, tally.ToFacts(), [.. reader.Functions.Select(Describe).Order(StringComparer.Ordinal)], reader.HasModuleData || tally.HasModules, reader.HasChecksum, reader.Position);
    }

    private static string Describe(string code)
    {
        var end = code.IndexOf('\n', StringComparison.Ordinal);
        var digest = ValueDigest.Of(System.Text.Encoding.UTF8.GetBytes(code));
        return $"{(end < 0 ? code : code[..end]).TrimEnd('\r')} ({digest:x32})";
    }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UseStringEnumConverter = true, WriteIndented = false)]
[JsonSerializable(typeof(RedisFacts))]
internal sealed partial class RedisJson : JsonSerializerContext;
