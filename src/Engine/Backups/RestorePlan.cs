using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Hexabase.DrConsole.Engine.Backups;

/// <summary>One artifact that a restore will read.</summary>
public sealed record PlannedArtifact(string Name, string Kind, long Bytes);

/// <summary>
/// Exactly what a restore will do, as a person approved it. <see cref="Hash"/> covers every field but the remarks in one canonical form;
/// executing asks for the same hash, so that nothing else can run under an approval.
/// </summary>
public sealed record RestorePlan
{
    public const int CurrentVersion = 1;

    /// <summary>Fewer digits of a hash could be found for another plan.</summary>
    private const int DigitsThatConfirm = 12;

    /// <summary>Two hundred changes by name and the words about them.</summary>
    private const int MostNotesToShow = 210;

    public required int FormatVersion { get; init; }

    public required string RestorePointId { get; init; }

    /// <summary>SHA-256 of the stored manifest, lower-case hex: the content that will be restored.</summary>
    public required string ManifestHash { get; init; }

    public required string Source { get; init; }

    /// <summary><c>postgres</c>, or <c>artifacts</c> for a directory.</summary>
    public required string Kind { get; init; }

    /// <summary>As <see cref="RestoreTarget.ToText"/>; options are part of it.</summary>
    public required string Target { get; init; }

    public required IReadOnlyList<PlannedArtifact> Artifacts { get; init; }

    /// <summary>What a person should know before: what is left out, which roles are made.</summary>
    public required IReadOnlyList<string> Notes { get; init; }

    /// <summary>
    /// What is shown beside the notes and no part of the plan: the words of a server, which may be others when it is asked again. What
    /// they are about is in the notes.
    /// </summary>
    public IReadOnlyList<string> Remarks { get; init; } = [];

    /// <summary>
    /// Of a restore into something that is there: SHA-256 of everything that it changes in it, of which the notes may name only
    /// the first. Every driver sets it for such a plan, and for no other.
    /// </summary>
    public string? Difference { get; init; }

    /// <summary>True where what is there is empty, such as a disk that is mounted already: nothing in it is lost.</summary>
    public bool FillsEmpty { get; init; }

    /// <summary>True where something that lives is written over: who confirms it must be allowed to, and must have seen this very plan.</summary>
    [JsonIgnore]
    public bool WritesOver => Difference is not null && !FillsEmpty;

    /// <summary>The notes and remarks that a person reads: all notes, or the first with how many more there are.</summary>
    [JsonIgnore]
    public IReadOnlyList<string> NotesToShow => Notes.Count <= MostNotesToShow
        ? [.. Notes, .. Remarks]
        : [.. Notes.Take(MostNotesToShow), string.Create(CultureInfo.InvariantCulture, $"and {Notes.Count - MostNotesToShow} more; the plan's hash covers each of them"), .. Remarks];

    /// <summary>SHA-256 of <see cref="ToCanonicalJson"/>, 64 lower-case hex digits.</summary>
    public string Hash => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(ToCanonicalJson())));

    /// <summary>JSON with members in alphabetical order and no spaces: equal plans give equal bytes on every machine.</summary>
    public string ToCanonicalJson()
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteStartArray("artifacts");
            foreach (var artifact in Artifacts.OrderBy(artifact => artifact.Name, StringComparer.Ordinal))
            {
                json.WriteStartObject();
                json.WriteNumber("bytes", artifact.Bytes);
                json.WriteString("kind", artifact.Kind);
                json.WriteString("name", artifact.Name);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            if (Difference is not null)
            {
                json.WriteString("difference", Difference);
            }

            if (FillsEmpty)
            {
                json.WriteBoolean("fillsEmpty", FillsEmpty);
            }

            json.WriteNumber("formatVersion", FormatVersion);
            json.WriteString("kind", Kind);
            json.WriteString("manifestHash", ManifestHash);
            json.WriteStartArray("notes");
            foreach (var note in Notes)
            {
                json.WriteStringValue(note);
            }

            json.WriteEndArray();
            json.WriteString("restorePointId", RestorePointId);
            json.WriteString("source", Source);
            json.WriteString("target", Target);
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.ToArray());
    }

    /// <summary>Reads a plan back, as a run's request carries it.</summary>
    /// <exception cref="EngineException"><c>plan-unreadable</c>, <c>plan-version-unknown</c>.</exception>
    public static RestorePlan Parse(string json)
    {
        try
        {
            var plan = JsonSerializer.Deserialize<RestorePlan>(json, JsonSerializerOptions.Web) ?? throw new JsonException("it is null");
            return plan.FormatVersion == CurrentVersion
                ? plan
                : throw new EngineException("plan-version-unknown", ErrorKind.Unsupported,
                    $"the restore plan has version {plan.FormatVersion}, this build knows {CurrentVersion}", "make the plan again");
        }
        catch (JsonException exception)
        {
            throw new EngineException("plan-unreadable", ErrorKind.Input, $"the restore plan cannot be read: {exception.Message}",
                "make the plan again", exception);
        }
    }

    /// <summary>The digest of changes, as <see cref="Difference"/> takes it.</summary>
    internal static string DigestOf(IEnumerable<string> changes) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Concat(changes.Select(change => change + "\n")))));

    /// <summary>True for the plan's hash, or for enough of its beginning.</summary>
    public bool IsConfirmedBy(string? hash) => hash is { Length: >= DigitsThatConfirm } && Hash.StartsWith(hash, StringComparison.OrdinalIgnoreCase);

    /// <summary>Refuses to go on where the plan is not the one that was approved.</summary>
    /// <exception cref="EngineException"><c>plan-changed</c>.</exception>
    public void RequireHash(string approvedHash)
    {
        if (!string.Equals(Hash, approvedHash, StringComparison.Ordinal))
        {
            throw new EngineException("plan-changed", ErrorKind.Conflict,
                $"the restore plan's hash is {Hash[..12]}…, approved was {(approvedHash.Length > 12 ? approvedHash[..12] : approvedHash)}…",
                "look at the plan again and confirm it as it is now");
        }
    }
}
