using System.Text.Json;
using System.Text.Json.Serialization;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Engine.Validation;

/// <summary>The names of the five steps, in the order in which they run.</summary>
public static class ValidationSteps
{
    /// <summary>Every pack is read again: its SHA-256 and length.</summary>
    public const string FileIntegrity = "file_integrity";

    /// <summary>Every chunk's authentication tag opens.</summary>
    public const string Encryption = "encryption";

    /// <summary>Every chunk unpacks to the size and the id that it was stored under.</summary>
    public const string Compression = "compression";

    /// <summary>The artifacts are what they say: the dump's table of contents, roles and facts parse and fit together.</summary>
    public const string ContentStructure = "content_structure";

    /// <summary>It was restored into a scratch server, and the content is the source's.</summary>
    public const string Restorability = "restorability";

    /// <summary>All of them, in order.</summary>
    public static readonly IReadOnlyList<string> All = [FileIntegrity, Encryption, Compression, ContentStructure, Restorability];
}

/// <summary>How a step ended.</summary>
public enum ValidationStepStatus
{
    [JsonStringEnumMemberName("passed")]
    Passed,

    [JsonStringEnumMemberName("failed")]
    Failed,

    /// <summary>An earlier step failed, or it cannot be proven on this machine; the reason says which.</summary>
    [JsonStringEnumMemberName("not_run")]
    NotRun,
}

/// <summary>One of the five steps.</summary>
public sealed record ValidationStep
{
    /// <summary>One of <see cref="ValidationSteps"/>.</summary>
    public required string Name { get; init; }

    public required ValidationStepStatus Status { get; init; }

    /// <summary>How long it ran; null where it did not.</summary>
    public double? Seconds { get; init; }

    /// <summary>What was found, or why it failed or was not run.</summary>
    public string? Reason { get; init; }

    public DateTimeOffset? StartedAt { get; init; }

    /// <summary>Packs, chunks, artifacts or tables that are damaged or differ; at most 100.</summary>
    public IReadOnlyList<string> Damaged { get; init; } = [];

    /// <summary>True where this machine cannot prove it: nothing is known to be wrong.</summary>
    public bool NotProvable { get; init; }
}

/// <summary>What a validation found. It has all five steps, whatever happened.</summary>
public sealed record ValidationResult
{
    /// <summary>The kind of the attestation that keeps it.</summary>
    public const string AttestationKind = "validation";

    /// <summary>32 hex digits.</summary>
    public required string RestorePointId { get; init; }

    /// <summary>True only where all five steps ran and passed.</summary>
    public required bool OverallPassed { get; init; }

    public required IReadOnlyList<ValidationStep> Steps { get; init; }

    /// <summary>From the first byte read to a database that answers, without the scratch server's start; null where none was restored.</summary>
    public double? MeasuredRestoreSeconds { get; init; }

    /// <summary>How the scratch server was kept apart; null where none was started.</summary>
    public string? Isolation { get; init; }

    public required DateTimeOffset ValidatedAt { get; init; }

    /// <summary>Object by object, faults first, at most 500; null where no content was compared.</summary>
    public FactsComparison? Comparison { get; init; }

    /// <summary>How many objects were compared in all.</summary>
    public int ComparedObjects { get; init; }

    /// <summary>The step that failed, or null.</summary>
    [JsonIgnore]
    public ValidationStep? Failed => Steps.FirstOrDefault(step => step.Status == ValidationStepStatus.Failed);

    /// <summary>The JSON that the attestation holds and the command prints.</summary>
    public JsonElement ToJson() => JsonSerializer.SerializeToElement(this, ValidationJson.Default.ValidationResult);

    /// <summary>Reads what an attestation of this kind holds.</summary>
    /// <exception cref="EngineException"><c>validation-unreadable</c>.</exception>
    public static ValidationResult Parse(JsonElement json)
    {
        try
        {
            return json.Deserialize(ValidationJson.Default.ValidationResult) ?? throw new JsonException("it is null");
        }
        catch (JsonException exception)
        {
            throw new EngineException("validation-unreadable", ErrorKind.Damaged, $"a validation's result cannot be read: {exception.Message}",
                "validate the restore point again", exception);
        }
    }

    /// <summary>The validations that a repository keeps about a restore point, oldest first.</summary>
    /// <exception cref="EngineException">One of them is damaged.</exception>
    public static async Task<IReadOnlyList<ValidationResult>> ListAsync(
        BackupRepository repository, RestorePointId restorePoint, CancellationToken cancellationToken) =>
        [.. (await repository.ListAttestationsAsync(AttestationKind, cancellationToken))
            .Where(attestation => attestation.RestorePoint == restorePoint).Select(attestation => Parse(attestation.Content))];
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    UseStringEnumConverter = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ValidationResult))]
internal sealed partial class ValidationJson : JsonSerializerContext;
